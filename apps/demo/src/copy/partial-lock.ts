// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Who writes a DST.partial: a file beside it that names the process. What a killed copy left behind may be taken over, what a
// running one writes may not. Advisory, and for processes of one machine: a copy on another machine that shares the file system looks dead.

import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoName, KernelError } from '@iolayers/kernel'
import { errorText, isSystemError } from '../cli/failure.ts'

interface Owner {
  readonly pid: number
  /** Clock ticks from boot to the start of the process, where the system tells it: process ids are used again. */
  readonly started: string | null
}

const ATTEMPTS_MAX = 8

/** Makes `lockPath` name this process. Errors: EBUSY while it names another one that lives; what the file system says. */
export function takeLock(lockPath: string, partialPath: string): void {
  const own = `${lockPath}.${process.pid}`
  try {
    writeOwn(own)
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (publish(own, lockPath)) return
      const owner = readOwner(lockPath)
      if (owner !== undefined && isAlive(owner)) throw busy(partialPath, owner)
      dropStale(lockPath, `${own}.stale`)
    }
  } finally {
    rmSync(own, { force: true })
  }
  throw new KernelError('EBUSY', `${partialPath}: other copies take the same target all the time`)
}

function writeOwn(own: string): void {
  try {
    writeFileSync(own, JSON.stringify(identify(process.pid)), { mode: 0o600 })
  } catch (error) {
    const code = isSystemError(error) ? errnoName(error.errno ?? 0) : undefined
    if (code === undefined) throw error
    throw new KernelError(code, `no file can be made in ${dirname(own)}: ${errorText(code)}`, {
      cause: error,
    })
  }
}

function busy(partialPath: string, { pid }: Owner): KernelError {
  return new KernelError(
    'EBUSY',
    `${partialPath} belongs to a copy that runs as process ${pid}; wait for it, or end it`,
  )
}

/** The lock appears with its content, or not at all: nobody reads half of a name. False if there is one. */
function publish(own: string, lockPath: string): boolean {
  try {
    linkSync(own, lockPath)
    return true
  } catch (error) {
    if (!isSystemError(error)) throw error
    if (error.code === 'EEXIST') return false
    // A file system without hard links: exclusive creation has to do.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(error.code)) throw error
  }
  try {
    writeFileSync(lockPath, readFileSync(own), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (isSystemError(error) && error.code === 'EEXIST') return false
    throw error
  }
}

/** By renaming, which only one of several processes can do; what turns out to be a new owner's lock is put back. */
function dropStale(lockPath: string, aside: string): void {
  try {
    renameSync(lockPath, aside)
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return
    throw error
  }
  const owner = readOwner(aside)
  if (owner !== undefined && isAlive(owner)) publish(aside, lockPath)
  unlinkSync(aside)
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

/** Undefined for a lock that is gone or names nobody. */
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
