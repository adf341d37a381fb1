// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { ElvRq } from './elv-rq.ts'
import { FifoList } from './fifo-list.ts'
import { IoprioClass, ioprioClass } from './ioprio.ts'
import { SectorTree } from './sector-tree.ts'

export const DD_READ = 0
export const DD_WRITE = 1
export type DdDir = typeof DD_READ | typeof DD_WRITE

export const DD_RT_PRIO = 0
export const DD_BE_PRIO = 1
export const DD_IDLE_PRIO = 2
export const DD_PRIO_MAX = 2

/** No class, and one that there is not, is best effort. @see block/mq-deadline.c ioprio_class_to_prio */
export function ddPrioOf(ioprio: number): number {
  switch (ioprioClass(ioprio)) {
    case IoprioClass.RT:
      return DD_RT_PRIO
    case IoprioClass.IDLE:
      return DD_IDLE_PRIO
    default:
      return DD_BE_PRIO
  }
}

/** One direction of one priority. */
class DdQueue {
  readonly sorted: SectorTree
  readonly fifo: FifoList
  /** Where the last request began that went from here. */
  latestPos: number

  constructor() {
    this.sorted = new SectorTree()
    this.fifo = new FifoList()
    this.latestPos = 0
  }

  /** The one to follow the last in a batch. @see block/mq-deadline.c deadline_next_request */
  get nextRequest(): ElvRq | null {
    return this.sorted.atOrAfter(this.latestPos)
  }
}

/** The requests of one priority. @see block/mq-deadline.c struct dd_per_prio */
export class DdPerPrio {
  readonly read: DdQueue
  readonly write: DdQueue
  inserted: number
  completed: number

  constructor() {
    this.read = new DdQueue()
    this.write = new DdQueue()
    this.inserted = 0
    this.completed = 0
  }

  of(dir: DdDir): DdQueue {
    return dir === DD_READ ? this.read : this.write
  }

  /** Inserted and not ended, with the driver or here. @see block/mq-deadline.c dd_queued */
  get queued(): number {
    return this.inserted - this.completed
  }

  get hasWork(): boolean {
    return this.read.fifo.head !== null || this.write.fifo.head !== null
  }
}
