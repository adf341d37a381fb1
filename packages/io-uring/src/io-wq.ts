// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { joinTask, type Kernel, type Op, type Task, WaitQueue } from '@iolayers/kernel'
import { type CancelData, cancelReqMatch } from './cancel-data.ts'
import type { IoReq } from './io-req.ts'

interface Worker {
  task: Task | null
  /** What it has begun. */
  req: IoReq | null
}

/**
 * A bounded pool of tasks that run requests which have to sleep. Workers are daemons, made when there is work and no
 * idle one, and live until `stop`, or until there are more of them than may be. Requests are taken in order.
 * @see io_uring/io-wq.c
 */
export class IoWq {
  readonly #kernel: Kernel
  readonly #run: (req: IoReq) => Op<void>
  readonly #work: WaitQueue
  readonly #hasWork: () => boolean
  readonly #workers: Worker[] = []
  #limit: number
  #made = 0
  #idle = 0
  #queued = 0
  #head: IoReq | null = null
  #tail: IoReq | null = null
  #stopping = false

  constructor(kernel: Kernel, limit: number, run: (req: IoReq) => Op<void>) {
    this.#kernel = kernel
    this.#limit = limit
    this.#run = run
    this.#work = new WaitQueue(kernel.scheduler, 'io_uring work', { idle: true })
    this.#hasWork = () => this.#head !== null || this.#stopping || this.#tooMany
  }

  get limit(): number {
    return this.#limit
  }

  /** Those that are too many end once they are done with their request. @see io_uring/io-wq.c io_wq_max_workers */
  setLimit(limit: number): void {
    this.#limit = limit
    if (this.#tooMany) this.#work.wakeUpAll()
    for (let missing = this.#queued - this.#idle; missing > 0; missing -= 1) this.#spawn()
  }

  /** From any context. */
  queue(req: IoReq): void {
    req.next = null
    if (this.#tail === null) this.#head = req
    else this.#tail.next = req
    this.#tail = req
    this.#queued += 1
    // A worker that was woken and has not run yet still counts as idle, hence the count of what it will find.
    if (this.#queued <= this.#idle || !this.#spawn()) this.#work.wakeUp()
  }

  /** The oldest request that no worker has begun, now taken off the queue; null when there is none. */
  take(): IoReq | null {
    const req = this.#head
    if (req !== null) this.#unlink(req, null)
    return req
  }

  /** As `take`, of those that match. */
  takeMatching(data: CancelData): IoReq | null {
    let prev: IoReq | null = null
    for (let req = this.#head; req !== null; req = req.next) {
      if (cancelReqMatch(req, data)) {
        this.#unlink(req, prev)
        return req
      }
      prev = req
    }
    return null
  }

  /** Interrupts what a worker waits for, where that can be interrupted: for the first match or for all. How many there were. */
  interruptMatching(data: CancelData, self: IoReq | null, all: boolean): number {
    let found = 0
    for (const { req, task } of this.#workers) {
      if (req === null || req === self || !cancelReqMatch(req, data)) continue
      task?.signal()
      found += 1
      if (!all) break
    }
    return found
  }

  interrupt(): void {
    for (const { task } of this.#workers) task?.signal()
  }

  /** Ends the workers once the queue is empty. */
  *stop(): Op<void> {
    this.#stopping = true
    this.#work.wakeUpAll()
    for (const { task } of [...this.#workers]) {
      if (task !== null) yield* joinTask(this.#kernel.scheduler, task)
    }
  }

  get #tooMany(): boolean {
    return this.#workers.length > this.#limit
  }

  #spawn(): boolean {
    if (this.#workers.length >= this.#limit) return false
    const worker: Worker = { task: null, req: null }
    const name = `iou-wrk-${this.#made}`
    this.#made += 1
    this.#workers.push(worker)
    worker.task = this.#kernel.scheduler.spawn(name, this.#loop(worker), { daemon: true })
    return true
  }

  #unlink(req: IoReq, prev: IoReq | null): void {
    if (prev === null) this.#head = req.next
    else prev.next = req.next
    if (req.next === null) this.#tail = prev
    this.#queued -= 1
    req.next = null
  }

  *#loop(worker: Worker): Op<void> {
    for (;;) {
      if (this.#tooMany) break
      const req = this.take()
      if (req !== null) {
        worker.req = req
        yield* this.#run(req)
        worker.req = null
        if (!this.#stopping) worker.task?.clearSignal()
        continue
      }
      if (this.#stopping) break
      this.#idle += 1
      yield* this.#work.waitEvent(this.#hasWork)
      this.#idle -= 1
    }
    this.#workers.splice(this.#workers.indexOf(worker), 1)
  }
}
