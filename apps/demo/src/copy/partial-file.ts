// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The file that a copy writes: DST.partial beside DST, renamed at the end, so that no reader ever sees half a copy under the
// final name. A lock file beside it names the process that owns it, because an orphan of a killed copy may be taken over and
// that of a running one may not.

import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { KernelError } from '@iolayers/kernel'
import { isSystemError } from '../cli/failure.ts'
import type { TargetFile } from './location.ts'

export interface PartialFile {
  readonly path: string
  /** Cuts to the exact length, syncs, renames over the target and syncs the directory. */
  commit(sizeBytes: number): void
  /** Removes what was written. Idempotent; does nothing after commit. */
  discard(): void
}

/**
 * Takes DST.partial for this process.
 *
 * Errors: EBUSY while another live process copies to the same target; what the file system says otherwise.
 */
export function createPartialFile(target: TargetFile, mode: number): PartialFile {
  const path = `${target.path}.partial`
  const lockPath = `${path}.lock`
  takeLock(lockPath, path)
  let live = true
  const release = (): void => {
    live = false
    rmSync(lockPath, { force: true })
  }
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_WRONLY | constants.O_TRUNC, 0o600))
  } catch (error) {
    release()
    throw error
  }
  return {
    path,
    commit(sizeBytes: number): void {
      chmodSync(path, mode)
      const fd = openSync(path, constants.O_RDWR)
      try {
        ftruncateSync(fd, sizeBytes)
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

function takeLock(lockPath: string, partialPath: string): void {
  const mine = JSON.stringify(identify(process.pid))
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(lockPath, mine, { flag: 'wx', mode: 0o600 })
      return
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EEXIST') throw error
    }
    const owner = readOwner(lockPath)
    if (owner !== undefined && isAlive(owner)) {
      throw new KernelError(
        'EBUSY',
        `${partialPath} belongs to a copy that runs as process ${owner.pid}`,
        {
          value: owner.pid,
          hint: 'wait for it, or end it',
        },
      )
    }
    rmSync(lockPath, { force: true })
  }
  throw new KernelError(
    'EBUSY',
    `${lockPath} keeps coming back: another copy takes the same target`,
  )
}

interface Owner {
  readonly pid: number
  /** Clock ticks from boot to the start of the process, where the system tells it: process ids are used again. */
  readonly started: string | null
}

function identify(pid: number): Owner {
  return { pid, started: startOf(pid) }
}

/** @see proc_pid_stat(5), field 22 starttime; the command in field 2 may hold spaces and parentheses */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

function readOwner(lockPath: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(lockPath, 'utf8'))
    if (typeof value !== 'object' || value === null || !('pid' in value)) return undefined
    const { pid } = value
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
    const started = 'started' in value && typeof value.started === 'string' ? value.started : null
    return { pid, started }
  } catch {
    return undefined
  }
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EPERM') return false
  }
  const started = startOf(owner.pid)
  return owner.started === null || started === null || owner.started === started
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
