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
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { isSystemError } from '../cli/failure.ts'
import type { TargetFile } from './location.ts'
import { takeLock } from './partial-lock.ts'

/** A target that is being written, held by this process until `commit` or `discard`. */
export interface PartialFile {
  readonly path: string
  /** Cuts to the exact length, syncs, renames over the target and syncs the directory. */
  commit(sizeBytes: number): void
  /** Removes what was written. Idempotent; does nothing after commit. */
  discard(): void
}

/** The files beside a target that a copy to it uses: the partial file, and the lock that names its writer. */
export function partialPathsOf({ path }: TargetFile): readonly [partial: string, lock: string] {
  return [`${path}.partial`, `${path}.partial.lock`]
}

/**
 * Takes DST.partial for this process; what an earlier copy left there is gone then.
 *
 * Errors: EBUSY while another live process copies to the same target; what the file system says otherwise.
 */
export function createPartialFile(target: TargetFile, mode: number): PartialFile {
  const [path, lockPath] = partialPathsOf(target)
  takeLock(lockPath, path)
  let live = true
  const release = (): void => {
    live = false
    rmSync(lockPath, { force: true })
  }
  try {
    createEmpty(path)
  } catch (error) {
    release()
    throw error
  }
  return {
    path,
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
      release()
    },
    discard(): void {
      if (!live) return
      rmSync(path, { force: true })
      release()
    },
  }
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
