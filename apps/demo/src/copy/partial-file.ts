// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The file that a copy writes: DST.partial beside DST, renamed at the end, so that no reader ever sees half a copy under the
// final name.

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { isSystemError } from '../cli/failure.ts'
import type { SourceEnd } from './ends.ts'
import { type CopyJournal, EXTENT_BYTES, openJournal } from './journal.ts'
import type { TargetFile } from './location.ts'
import { takeLock } from './partial-lock.ts'

/** A target that is being written, held by this process until `commit` or `discard`. */
export interface PartialFile {
  readonly path: string
  /** Cuts to the exact length, syncs, renames over the target and syncs the directory. */
  commit(sizeBytes: number): void
  /** Of a copy that may be continued; null otherwise. */
  readonly journal: CopyJournal | null
  /** Removes what was written, where the copy may not be continued. Idempotent; does nothing after commit. */
  discard(): void
}

/** The files beside a target that a copy to it uses: the partial file, the lock that names its writer, and the journal of one that may be continued. */
export function partialPathsOf({
  path,
}: TargetFile): readonly [partial: string, lock: string, journal: string] {
  return [`${path}.partial`, `${path}.partial.lock`, `${path}.journal`]
}

/**
 * Takes DST.partial for this process; what an earlier copy left there is gone then, but for as much as the journal tells of, where this one may continue it.
 *
 * Errors: EBUSY while another live process copies to the same target; what the file system says otherwise.
 */
export function createPartialFile(
  target: TargetFile,
  mode: number,
  resume: { readonly source: SourceEnd } | null = null,
): PartialFile {
  const [path, lockPath, journalPath] = partialPathsOf(target)
  takeLock(lockPath, path)
  let live = true
  let journal: CopyJournal | null = null
  const release = (): void => {
    live = false
    rmSync(lockPath, { force: true })
  }
  try {
    if (resume === null) {
      rmSync(journalPath, { force: true })
      createEmpty(path)
    } else {
      journal = openJournal(journalPath, resume.source)
      takeKept(path, journal)
    }
  } catch (error) {
    journal?.close()
    release()
    throw error
  }
  return {
    path,
    journal,
    commit(sizeBytes: number): void {
      const fd = openSync(path, constants.O_RDWR)
      try {
        ftruncateSync(fd, sizeBytes)
        keepOwner(fd, target)
        fchmodSync(fd, mode)
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(path, target.path)
      syncDirectory(dirname(target.path))
      journal?.remove()
      release()
    },
    discard(): void {
      if (!live) return
      if (journal === null) rmSync(path, { force: true })
      else journal.close()
      release()
    },
  }
}

/** What an earlier copy left, cut to what its journal tells of; a new file where there is none, or what is there is no file. */
function takeKept(path: string, journal: CopyJournal): void {
  const keptBytes = journal.digests.length * EXTENT_BYTES
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (keptBytes === 0 || found === undefined || !found.isFile()) {
    journal.cut(0)
    createEmpty(path)
  } else if (found.size > keptBytes) truncateSync(path, keptBytes)
}

/** A new file, never one that was there: an old name could be a link to somewhere else. */
function createEmpty(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'ENOENT') throw error
  }
  const { O_CREAT, O_EXCL, O_WRONLY } = constants
  closeSync(openSync(path, O_CREAT | O_EXCL | O_WRONLY, 0o600))
}

/** A file that is replaced stays its owner's, where the system lets us: for root it does. */
function keepOwner(fd: number, { stats }: TargetFile): void {
  if (stats === undefined) return
  try {
    fchownSync(fd, stats.uid, stats.gid)
  } catch (error) {
    if (!isSystemError(error)) throw error
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(fd)
  } catch (error) {
    // Some file systems have no sync for directories; the rename itself has been done.
    if (!isSystemError(error) || !['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM'].includes(error.code))
      throw error
  } finally {
    closeSync(fd)
  }
}
