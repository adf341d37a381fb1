// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { spawn } from 'node:child_process'

/** The descriptor of the file, as the child has it. */
const CHILD_FD = 3

/**
 * Gives the space of a range of a file back: it reads as zeros then, and the size of the file stays. Node has no call for it, so that the `fallocate` of util-linux
 * does it, on the very descriptor. `done` hears whether it did: not where there is no such command, or the file system has no holes.
 *
 * @see fallocate(1), fallocate(2) FALLOC_FL_PUNCH_HOLE
 */
export function punchHole(
  fd: number,
  offsetBytes: number,
  lengthBytes: number,
  done: (punched: boolean) => void,
): void {
  const range = ['--offset', `${offsetBytes}`, '--length', `${lengthBytes}`]
  const child = spawn('fallocate', ['--punch-hole', ...range, `/proc/self/fd/${CHILD_FD}`], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
  })
  let told = false
  const tell = (punched: boolean): void => {
    if (!told) done(punched)
    told = true
  }
  child.on('error', () => tell(false))
  child.on('close', (code) => tell(code === 0))
}
