// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '../assert.ts'
import { Errno } from '../errno.ts'
import type { Kernel } from '../kernel.ts'
import type { Op, Park } from '../sched/op.ts'
import { currentTask, startTimeout } from '../sched/sleep.ts'
import type { Task } from '../sched/task.ts'
import type { File } from './file.ts'
import { PollEvents, type PollQueue, PollQueueEntry, type PollTable, vfsPoll } from './poll.ts'

/** One file to poll. @see include/uapi/asm-generic/poll.h struct pollfd */
export interface PollEntry {
  /** Null is passed over, as a negative descriptor is. The caller holds a reference on it. */
  readonly file: File | null
  readonly events: number
  /** Set by the call: of `events`, EPOLLERR and EPOLLHUP those that hold. */
  revents: number
}

const polling: Park = { what: 'one of the files that it polls' }

/** @see fs/select.c struct poll_wqueues */
class PollWaiter implements PollTable {
  requestedEvents = 0
  /** A queue woke up since the files were last looked at. */
  triggered = false
  readonly #task: Task
  readonly #entries: PollQueueEntry[] = []
  /** The files have been told; a second look tells them no more. */
  #registered = false

  constructor(task: Task) {
    this.#task = task
  }

  wait(file: File, queue: PollQueue): void {
    if (this.#registered) return
    // The queue is the file's: until this entry has left it, the file stays.
    file.get()
    const entry = new PollQueueEntry(file, this.requestedEvents, () => this.#wake())
    queue.add(entry)
    this.#entries.push(entry)
  }

  /** From here on it only looks: something was ready, or every file has been told. */
  stopRegistering(): void {
    this.#registered = true
  }

  /** @see fs/select.c poll_schedule_timeout */
  *sleep(deadlineNs: number): Op<void> {
    const task = this.#task
    if (deadlineNs !== Number.POSITIVE_INFINITY) {
      startTimeout(task, Math.max(0, deadlineNs - task.scheduler.nowNs()))
    } else task.timedOut = false
    task.interruptible = true
    try {
      while (!this.triggered && !task.timedOut && !task.signalPending) yield polling
    } finally {
      task.interruptible = false
      task.timer?.cancel()
    }
  }

  /** @see fs/select.c poll_freewait */
  free(): void {
    for (const entry of this.#entries) {
      entry.queue?.remove(entry)
      entry.file.put()
    }
    this.#entries.length = 0
  }

  #wake(): void {
    this.triggered = true
    this.#task.scheduler.wake(this.#task)
  }
}

/**
 * Waits until one of the files is ready for what its entry asks for. The number of entries that are, whose `revents` is not 0; 0 when `timeoutNs`
 * ran out; -ERESTARTNOHAND when a signal came first. A timeout of 0 only looks, one of Infinity never ends. Throws what a file's
 * `poll` throws.
 *
 * @see fs/select.c do_poll
 */
export function* pollFiles(
  kernel: Kernel,
  entries: readonly PollEntry[],
  timeoutNs: number,
): Op<number> {
  assert(timeoutNs >= 0, 'a timeout is not negative')
  const { scheduler } = kernel
  const task = currentTask(scheduler)
  const deadlineNs = scheduler.nowNs() + timeoutNs
  const waiter = new PollWaiter(task)
  if (timeoutNs === 0) waiter.stopRegistering()
  try {
    for (;;) {
      waiter.triggered = false
      let ready = 0
      for (const entry of entries) {
        if (!(yield* look(entry, waiter))) continue
        ready++
        waiter.stopRegistering()
      }
      waiter.stopRegistering()
      if (ready > 0) return ready
      if (task.signalPending) return -Errno.ERESTARTNOHAND
      if (scheduler.nowNs() >= deadlineNs) return 0
      yield* waiter.sleep(deadlineNs)
    }
  } finally {
    waiter.free()
  }
}

/** @see fs/select.c do_pollfd */
function* look(entry: PollEntry, waiter: PollWaiter): Op<boolean> {
  entry.revents = 0
  if (entry.file === null) return false
  const wanted = entry.events | PollEvents.EPOLLERR | PollEvents.EPOLLHUP
  waiter.requestedEvents = wanted
  entry.revents = (yield* vfsPoll(entry.file, waiter)) & wanted
  return entry.revents !== 0
}
