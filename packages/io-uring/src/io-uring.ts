// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type FdTable, type Kernel, KernelError } from '@iolayers/kernel'
import type { IoUring } from './contracts.ts'
import { IoUringService, type RingParts } from './io-uring-service.ts'
import type { UserMemoryAccess } from './op-ctx.ts'
import { SetupFlags } from './uapi-flags.ts'

/** @see io_uring/io_uring.c IORING_MAX_ENTRIES */
const MAX_ENTRIES = 32_768
const WORKERS_DEFAULT = 4

const SETUP_KNOWN = Object.values(SetupFlags).reduce((all, flag) => all | flag, 0)
const DEFER_OR_COOP = SetupFlags.DEFER_TASKRUN | SetupFlags.COOP_TASKRUN

export interface IoUringComponents {
  readonly kernel: Kernel
  /** The descriptors that entries without SqeFlags.FIXED_FILE name. Left out, there are none: -EBADF. */
  readonly fds?: FdTable
  /** The memory that addresses in entries mean; user memory is identity mapped. Left out, there is none: -EFAULT. */
  readonly memory?: UserMemoryAccess
  /** Other classes than ours, for single steps; see the entry `parts`. */
  readonly parts?: RingParts
}

export interface IoUringInit {
  /** Submission queue entries: 1 to 32768, rounded up to a power of two. */
  readonly entries: number
  /** Completion queue entries, and most requests in flight: at least `entries`; twice as many where not given. */
  readonly cqEntries?: number
  /** Most tasks that run requests which have to sleep: 4 where not given. */
  readonly workers?: number
  /** SetupFlags; CQSIZE goes without saying where `cqEntries` is given. */
  readonly flags?: number
}

/**
 * Makes a ring. Throws KernelError EINVAL for a number out of range (with CLAMP, more entries than there can be are as many as there can be), and
 * for flags that are not known or contradict each other.
 * @see io_uring_setup(2)
 */
export function createIoUring(components: IoUringComponents, init: IoUringInit): IoUring {
  const setup = checkFlags(init.flags ?? 0)
  const clamp = (setup & SetupFlags.CLAMP) !== 0
  const entries = clamp ? Math.min(init.entries, MAX_ENTRIES) : init.entries
  checkRange('entries', entries, 1, MAX_ENTRIES)
  const sqEntries = roundUpPowerOfTwo(entries)
  const cqGiven = init.cqEntries ?? 2 * sqEntries
  const cqWanted = clamp ? Math.min(cqGiven, 2 * MAX_ENTRIES) : cqGiven
  checkRange('cqEntries', cqWanted, entries, 2 * MAX_ENTRIES)
  const workers = init.workers ?? WORKERS_DEFAULT
  checkRange('workers', workers, 1, MAX_ENTRIES)
  const cqEntries = Math.max(sqEntries, roundUpPowerOfTwo(cqWanted))
  return new IoUringService(components, { setup, sqEntries, cqEntries, workers })
}

/** @see io_uring/io_uring.c io_uring_sanitise_params */
function checkFlags(flags: number): number {
  const hex = `0x${flags.toString(16)}`
  if ((flags & ~SETUP_KNOWN) !== 0) {
    throw new KernelError('EINVAL', `io_uring flags: ${hex} has some that are not supported`)
  }
  if ((flags & SetupFlags.TASKRUN_FLAG) !== 0 && (flags & DEFER_OR_COOP) === 0) {
    throw new KernelError('EINVAL', `io_uring flags: ${hex} has TASKRUN_FLAG with nothing to tell`)
  }
  if ((flags & SetupFlags.DEFER_TASKRUN) !== 0 && (flags & SetupFlags.SINGLE_ISSUER) === 0) {
    throw new KernelError(
      'EINVAL',
      `io_uring flags: ${hex} has DEFER_TASKRUN without SINGLE_ISSUER`,
    )
  }
  return flags
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
