// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, KernelError } from '@iolayers/kernel'
import type { IoUring } from './contracts.ts'
import { IoUringService } from './io-uring-service.ts'

/** @see io_uring/io_uring.c IORING_MAX_ENTRIES */
const MAX_ENTRIES = 32_768
const WORKERS_DEFAULT = 4

export interface IoUringInit {
  /** Submission queue entries: 1 to 32768, rounded up to a power of two. */
  readonly entries: number
  /** Completion queue entries, and most requests in flight: at least `entries`; twice as many where not given. */
  readonly cqEntries?: number
  /** Most tasks that run requests which have to sleep: 4 where not given. */
  readonly workers?: number
}

/** Makes a ring. Throws EINVAL for a number out of range. @see io_uring_setup(2) */
export function createIoUring(components: { kernel: Kernel }, init: IoUringInit): IoUring {
  checkRange('entries', init.entries, 1, MAX_ENTRIES)
  const sqEntries = roundUpPowerOfTwo(init.entries)
  const cqWanted = init.cqEntries ?? 2 * sqEntries
  checkRange('cqEntries', cqWanted, init.entries, 2 * MAX_ENTRIES)
  const workers = init.workers ?? WORKERS_DEFAULT
  checkRange('workers', workers, 1, MAX_ENTRIES)
  const cqEntries = Math.max(sqEntries, roundUpPowerOfTwo(cqWanted))
  return new IoUringService(components.kernel, sqEntries, cqEntries, workers)
}

function checkRange(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new KernelError(
    'EINVAL',
    `io_uring ${what}: ${value} is not a whole number from ${min} to ${max}`,
  )
}

function roundUpPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value))
}
