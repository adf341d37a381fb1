// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { CommandSlot } from '../command-slot.ts'

/** QPRIO of Create I/O Submission Queue. @see NVMe Base 2.1, figure 478 */
export const QueuePriority = { URGENT: 0, HIGH: 1, MEDIUM: 2, LOW: 3 } as const
export type QueuePriority = (typeof QueuePriority)[keyof typeof QueuePriority]

/** The controller's end of a completion queue. @see NVMe Base 2.1, 3.3.1 */
export class CompletionQueue {
  readonly id: number
  readonly baseAddr: number
  readonly entries: number
  readonly vector: number
  readonly interruptsEnabled: boolean
  /** Next entry that the controller writes. */
  tail = 0
  /** Next entry that the host reads, as its doorbell last said. */
  head = 0
  phase = 1
  /** Submission queues that complete here. */
  users = 0
  /** Posted since the last interrupt. */
  dirty = false
  /** How many that are. */
  unreported = 0
  /** Completions that found the queue full, oldest first. */
  backlogFirst: CommandSlot | null = null
  backlogLast: CommandSlot | null = null

  constructor(init: {
    readonly id: number
    readonly baseAddr: number
    readonly entries: number
    readonly vector: number
    readonly interruptsEnabled: boolean
  }) {
    this.id = init.id
    this.baseAddr = init.baseAddr
    this.entries = init.entries
    this.vector = init.vector
    this.interruptsEnabled = init.interruptsEnabled
  }

  get full(): boolean {
    const next = this.tail + 1
    return (next === this.entries ? 0 : next) === this.head
  }

  /** Whether the host may say that it has read up to here: not beyond what was posted. */
  validHead(value: number): boolean {
    if (value >= this.entries) return false
    const ahead = (value - this.head + this.entries) % this.entries
    return ahead <= (this.tail - this.head + this.entries) % this.entries
  }

  advanceTail(): void {
    this.tail++
    if (this.tail < this.entries) return
    this.tail = 0
    this.phase ^= 1
  }

  pushBacklog(slot: CommandSlot): void {
    slot.next = null
    if (this.backlogLast === null) this.backlogFirst = slot
    else this.backlogLast.next = slot
    this.backlogLast = slot
  }

  shiftBacklog(): CommandSlot | null {
    const slot = this.backlogFirst
    if (slot === null) return null
    this.backlogFirst = slot.next
    if (this.backlogFirst === null) this.backlogLast = null
    slot.next = null
    return slot
  }
}

/** The controller's end of a submission queue. */
export class SubmissionQueue {
  readonly id: number
  readonly baseAddr: number
  readonly entries: number
  readonly cq: CompletionQueue
  readonly priority: QueuePriority
  /** Next entry that the controller fetches. */
  head = 0
  /** Entries that it has fetched so far. */
  fetched = 0
  /** One past the last entry that is ready, as the doorbell last said. */
  tail = 0
  /** Commands fetched and not completed. */
  outstanding = 0
  /** Entries that are in the queue, and were aborted there. */
  skips: Set<number> | null = null
  /** The Delete command that waits for them. */
  deletion: CommandSlot | null = null

  constructor(init: {
    readonly id: number
    readonly baseAddr: number
    readonly entries: number
    readonly cq: CompletionQueue
    readonly priority?: QueuePriority
  }) {
    this.id = init.id
    this.baseAddr = init.baseAddr
    this.entries = init.entries
    this.cq = init.cq
    this.priority = init.priority ?? QueuePriority.URGENT
  }

  /** Entries ready without going round the end of the ring. */
  get readyInARow(): number {
    return this.tail >= this.head ? this.tail - this.head : this.entries - this.head
  }

  skip(index: number): void {
    this.skips ??= new Set()
    this.skips.add(index)
  }

  /** Whether the next entry was aborted; then it is behind. */
  takeSkip(): boolean {
    if (this.skips === null || !this.skips.delete(this.head)) return false
    if (this.skips.size === 0) this.skips = null
    this.advanceHead()
    return true
  }

  advanceHead(): void {
    this.fetched++
    this.head++
    if (this.head === this.entries) this.head = 0
  }
}
