// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import type { ElvMerge } from '../merge/elv-merge.ts'
import type { Request } from '../mq/request.ts'
import type { RqList } from '../mq/rq-list.ts'

/** What a disk's queue may have between its submitters and its driver; `none` is nothing. */
export const SCHEDULER_NAMES = ['none', 'mq-deadline'] as const
export type SchedulerName = (typeof SCHEDULER_NAMES)[number]

/**
 * An I/O scheduler of one disk: it holds requests that have a tag and decides which goes to the driver next. Flushes and
 * passthrough requests never come here. Atomic context.
 * @see include/linux/elevator.h struct elevator_mq_ops
 */
export interface Elevator {
  readonly name: SchedulerName
  readonly tunables: IoschedTunables
  /** Takes requests in; the list is empty afterwards. At the head: they go before all others. */
  insertRequests(hctxIndex: number, list: RqList, atHead: boolean): void
  /** The request to go next, of any hardware queue; null where there is none for now. */
  dispatchRequest(hctxIndex: number): Request | null
  hasWork(hctxIndex: number): boolean
  /** Makes a bio part of a request that is held here: how, or NO_MERGE. */
  bioMerge(bio: Bio): ElvMerge
  /** A request that was inserted is gone: ended, or its bios became part of another. */
  completed(rq: Request): void
  /** Whether a request for this operation word may be allocated by a submitter that has `nrActive` tags. */
  mayAllocate(opf: number, nrActive: number): boolean
}

/** What a scheduler has from its disk. */
export interface ElevatorHost {
  readonly limits: QueueLimits
  readonly noMerges: boolean
  /** Tags of a hardware queue. */
  readonly nrRequests: number
  /** The clock by which requests expire. */
  nowNs(): number
  /** The bios of this request have become part of another one; it is free afterwards. */
  freeMerged(rq: Request): void
}

/**
 * The settings of a scheduler, with the names and units of /sys/block/<disk>/queue/iosched: times are in milliseconds.
 * A value out of range becomes the nearest one in it. Throws KernelError ENOENT for a name that there is not, EINVAL for a
 * value that is no integer.
 */
export interface IoschedTunables {
  readonly names: readonly string[]
  get(name: string): number
  set(name: string, value: number): void
}

/** Throws KernelError EINVAL for a name that is none of them. @see block/elevator.c elv_iosched_store */
export function schedulerName(name: string): SchedulerName {
  for (const known of SCHEDULER_NAMES) if (known === name) return known
  throw new KernelError(
    'EINVAL',
    `scheduler is ${name}, but must be one of ${SCHEDULER_NAMES.join(', ')}`,
  )
}
