// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { joinTask, type Kernel, type Op, type Task, WaitQueue } from '@iolayers/kernel'
import type { IoReq } from './io-req.ts'

/**
 * A bounded pool of tasks that run requests which have to sleep. Workers are daemons, made when there is work and no
 * idle one, and live until `stop`. Requests are taken in order.
 * @see io_uring/io-wq.c
 */
export class IoWq {
  readonly #kernel: Kernel
  readonly #limit: number
  readonly #run: (req: IoReq) => Op<void>
  readonly #work: WaitQueue
  readonly #hasWork: () => boolean
  readonly #workers: Task[] = []
  #idle = 0
  #queued = 0
  #head: IoReq | null = null
  #tail: IoReq | null = null
  #stopping = false

  constructor(kernel: Kernel, limit: number, run: (req: IoReq) => Op<void>) {
    this.#kernel = kernel
    this.#limit = limit
    this.#run = run
    this.#work = new WaitQueue(kernel.scheduler, 'io_uring work')
    this.#hasWork = () => this.#head !== null || this.#stopping
  }

  /** From any context. */
  queue(req: IoReq): void {
    req.next = null
    if (this.#tail === null) this.#head = req
    else this.#tail.next = req
    this.#tail = req
    this.#queued += 1
    // A worker that was woken and has not run yet still counts as idle, hence the count of what it will find.
    if (this.#queued <= this.#idle || this.#workers.length === this.#limit) {
      this.#work.wakeUp()
      return
    }
    const name = `iou-wrk-${this.#workers.length}`
    this.#workers.push(this.#kernel.scheduler.spawn(name, this.#loop(), { daemon: true }))
  }

  /** The oldest request that no worker has begun, now taken off the queue; null when there is none. */
  take(): IoReq | null {
    const req = this.#head
    if (req === null) return null
    this.#head = req.next
    if (this.#head === null) this.#tail = null
    this.#queued -= 1
    req.next = null
    return req
  }

  /** Interrupts what the workers wait for, where that can be interrupted. */
  interrupt(): void {
    for (const worker of this.#workers) worker.signal()
  }

  /** Ends the workers once the queue is empty. */
  *stop(): Op<void> {
    this.#stopping = true
    this.#work.wakeUpAll()
    for (const worker of this.#workers.splice(0)) yield* joinTask(this.#kernel.scheduler, worker)
  }

  *#loop(): Op<void> {
    for (;;) {
      const req = this.take()
      if (req !== null) {
        yield* this.#run(req)
        continue
      }
      if (this.#stopping) return
      this.#idle += 1
      yield* this.#work.waitEvent(this.#hasWork)
      this.#idle -= 1
    }
  }
}
