// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '../sched/op.ts'
import type { File } from './file.ts'

/** What a file can be ready for. @see include/uapi/asm-generic/poll.h, include/uapi/linux/eventpoll.h */
export const PollEvents = {
  EPOLLIN: 0x001,
  EPOLLPRI: 0x002,
  EPOLLOUT: 0x004,
  /** Given whether it was asked for or not, as EPOLLHUP is. */
  EPOLLERR: 0x008,
  EPOLLHUP: 0x010,
  /** The descriptor is not open. */
  EPOLLNVAL: 0x020,
  EPOLLRDNORM: 0x040,
  EPOLLWRNORM: 0x100,
} as const

/** What a file without `poll` is: always ready. @see include/linux/poll.h DEFAULT_POLLMASK */
export const DEFAULT_POLLMASK: number =
  PollEvents.EPOLLIN | PollEvents.EPOLLOUT | PollEvents.EPOLLRDNORM | PollEvents.EPOLLWRNORM

/**
 * Handed to the `poll` of a file by whoever wants to know: what for, and where to leave word about the queues whose wake-up says
 * that it is worth looking again.
 *
 * @see include/linux/poll.h struct poll_table_struct
 */
export interface PollTable {
  /** A file may leave out the work for other events. @see poll_requested_events */
  readonly requestedEvents: number
  /** The caller is told when `queue` wakes up, until it is done polling. @see poll_wait */
  wait(file: File, queue: PollQueue): void
}

/** One table's place on one queue; intrusive. @see include/linux/poll.h struct poll_table_entry */
export class PollQueueEntry {
  readonly file: File
  /** Wake-ups for none of these are not for it. */
  readonly events: number
  readonly woken: () => void
  queue: PollQueue | null
  prev: PollQueueEntry | null
  next: PollQueueEntry | null

  constructor(file: File, events: number, woken: () => void) {
    this.file = file
    this.events = events
    this.woken = woken
    this.queue = null
    this.prev = null
    this.next = null
  }
}

/**
 * Who polls a file, and is to look again when it changes. Kept by the file, and by nothing that outlives it.
 *
 * @see include/linux/wait.h struct wait_queue_head, as poll_wait uses it
 */
export class PollQueue {
  #first: PollQueueEntry | null = null
  #last: PollQueueEntry | null = null

  get hasPollers(): boolean {
    return this.#first !== null
  }

  add(entry: PollQueueEntry): void {
    entry.queue = this
    entry.prev = this.#last
    if (this.#last === null) this.#first = entry
    else this.#last.next = entry
    this.#last = entry
  }

  remove(entry: PollQueueEntry): void {
    if (entry.prev === null) this.#first = entry.next
    else entry.prev.next = entry.next
    if (entry.next === null) this.#last = entry.prev
    else entry.next.prev = entry.prev
    entry.queue = null
    entry.prev = null
    entry.next = null
  }

  /** Tells those who asked for one of `events`, or with 0 all, to look again. Neither sleeps nor allocates. @see wake_up_poll */
  wakeUp(events = 0): void {
    let entry = this.#first
    while (entry !== null) {
      const { next } = entry
      if (events === 0 || (events & entry.events) !== 0) entry.woken()
      entry = next
    }
  }
}

/** What `file` is ready for now. With a null table nobody is told of changes. @see include/linux/poll.h vfs_poll */
export function* vfsPoll(file: File, table: PollTable | null): Op<number> {
  if (file.ops.poll === undefined) return DEFAULT_POLLMASK
  return yield* file.ops.poll(file, table)
}
