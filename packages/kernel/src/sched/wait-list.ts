// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Task } from './task.ts'

/**
 * A task's place on a wait list. Every task has one, made with it: a task waits in one place at
 * a time.
 *
 * @see include/linux/wait.h struct wait_queue_entry
 */
export class WaitEntry {
  readonly task: Task
  /** Woken one at a time, where others are woken all together. @see WQ_FLAG_EXCLUSIVE */
  exclusive = false
  list: WaitList | null = null
  prev: WaitEntry | null = null
  next: WaitEntry | null = null

  constructor(task: Task) {
    this.task = task
  }
}

/** Tasks that wait, in order; intrusive, so that waiting allocates nothing. */
export class WaitList {
  first: WaitEntry | null = null
  last: WaitEntry | null = null

  get empty(): boolean {
    return this.first === null
  }

  pushLast(entry: WaitEntry): void {
    entry.list = this
    entry.next = null
    entry.prev = this.last
    if (this.last === null) this.first = entry
    else this.last.next = entry
    this.last = entry
  }

  remove(entry: WaitEntry): void {
    if (entry.prev === null) this.first = entry.next
    else entry.prev.next = entry.next
    if (entry.next === null) this.last = entry.prev
    else entry.next.prev = entry.prev
    entry.list = null
    entry.prev = null
    entry.next = null
  }

  /** Takes the first entry off the list and gives its task. */
  shift(): Task | null {
    const entry = this.first
    if (entry === null) return null
    this.remove(entry)
    return entry.task
  }
}

/** Takes `entry` off whatever list it is still on: the wait may have ended without a wake. */
export function leaveWaitList(entry: WaitEntry): void {
  if (entry.list !== null) entry.list.remove(entry)
}
