// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'

/** The descriptor of the file, as the child has it. */
const CHILD_FD = 3
/** Processes at once, for one file. */
const AT_ONCE = 4

interface Hole {
  readonly offsetBytes: number
  readonly lengthBytes: number
  readonly done: (punched: boolean) => void
}

/**
 * Gives the space of ranges of a file back: they read as zeros then, and the size of the file stays. Node has no call for it, so that the `fallocate` of
 * util-linux does it, on the very descriptor.
 *
 * @see fallocate(1), fallocate(2) FALLOC_FL_PUNCH_HOLE
 */
export class HolePuncher {
  readonly #fd: number
  readonly #waiting: Hole[] = []
  #running = 0
  #able: boolean | null = null

  /** The descriptor stays its owner's, open for writing. */
  constructor(fd: number) {
    this.#fd = fd
  }

  /**
   * Whether there is the command, and the file system has holes. Tried once, behind the end of the file, where a hole changes nothing; that waits for a
   * process of a few milliseconds.
   */
  able(endBytes: number): boolean {
    this.#able ??= succeeded(
      spawnSync('fallocate', fallocateArgs(Math.ceil(endBytes / PAGE) * PAGE, PAGE), {
        stdio: ['ignore', 'ignore', 'ignore', this.#fd],
      }),
    )
    return this.#able
  }

  /** `done` hears whether it was done, once, possibly before this returns. */
  punch(offsetBytes: number, lengthBytes: number, done: (punched: boolean) => void): void {
    this.#waiting.push({ offsetBytes, lengthBytes, done })
    this.#startMore()
  }

  #startMore(): void {
    while (this.#running < AT_ONCE) {
      const hole = this.#waiting.shift()
      if (hole === undefined) return
      if (!this.#start(hole)) hole.done(false)
    }
  }

  /** False when no process could be had at all: some errors are thrown at once. */
  #start({ offsetBytes, lengthBytes, done }: Hole): boolean {
    let told = false
    const end = (punched: boolean): void => {
      if (told) return
      told = true
      this.#running--
      done(punched)
      this.#startMore()
    }
    try {
      const child = spawn('fallocate', fallocateArgs(offsetBytes, lengthBytes), {
        stdio: ['ignore', 'ignore', 'ignore', this.#fd],
      })
      this.#running++
      child.on('error', () => end(false))
      child.on('close', (code) => end(code === 0))
      return true
    } catch {
      return false
    }
  }
}

const PAGE = 4096

function fallocateArgs(offsetBytes: number, lengthBytes: number): string[] {
  const range = ['--offset', `${offsetBytes}`, '--length', `${lengthBytes}`]
  return ['--punch-hole', ...range, `/proc/self/fd/${CHILD_FD}`]
}

function succeeded({ error, status }: SpawnSyncReturns<Buffer>): boolean {
  return error === undefined && status === 0
}
