// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Park } from '../sched/op.ts'
import type { Task } from '../sched/task.ts'

/** A fence, as a watch sees it. */
export interface WatchedFence {
  /** One object for all fences that signal in the same way: the operations of their driver. */
  readonly fenceClass: object
  /** In words, for a report. May ask the driver. */
  readonly fenceClassName: string
  /** When others could first know of it, on the watch's own count; 0 before. Belongs to the watch. */
  publishedStamp: number
}

/**
 * Hears of locks, fences and work as a run goes on, for checkers that infer what could have happened from what did. A scheduler has none unless a
 * checker gives it one. Every call comes from the context that does it; none may throw.
 *
 * @see kernel/locking/lockdep.c
 */
export interface ExecutionWatch {
  /** The running task is about to take `lock`, and waits for it if it has to. Not for a try. `ctx`: the transaction that it takes it for. */
  lockWanted(lock: Park, ctx: object | null): void
  /** `task` has it now; it may have been handed over by who held it. */
  lockTaken(lock: Park, ctx: object | null, task: Task): void
  lockDropped(lock: Park, task: Task): void
  /** The fence is initialised, and may be waited for once it is published. Checked mode only, as for all calls about fences. */
  fenceMade(fence: WatchedFence): void
  fencePublished(fence: WatchedFence): void
  /** The running task waits for it; it may have signalled already. */
  fenceWaited(fence: WatchedFence): void
  fenceSignalled(fence: WatchedFence): void
  /** The last reference is gone. */
  fenceFreed(fence: WatchedFence): void
  /** `worker` begins an item of work of a queue. */
  workBegins(item: Park, queue: Park, worker: Task): void
  workEnds(item: Park, queue: Park, worker: Task): void
  /** The running context waits until an item, or all items of a queue, have ended. */
  workWaited(item: Park): void
  /** The same thing is done again, from its start: a request is requeued, an I/O issued again. */
  retried(subject: object, what: string): void
}
