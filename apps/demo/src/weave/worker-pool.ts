// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Worker } from 'node:worker_threads'
import type { Job, JobResult } from './job.ts'

/** What a worker tells. */
type Message =
  | { readonly schedules: number }
  | { readonly result: JobResult }
  | { readonly error: string }

export interface PoolInit {
  readonly workers: number
  /** Jobs that are done, and the schedules of those under way. */
  readonly onProgress: (done: number, schedules: number) => void
}

/** The thread's file, beside the command as it is published. */
const WORKER: URL = new URL('./weave-worker.js', import.meta.url)

/**
 * Does all jobs on a number of threads; the results in the order of the jobs. An error in one of them ends all. Aborting does too: nothing runs on
 * then.
 */
export async function runJobs(
  jobs: readonly Job[],
  init: PoolInit,
  signal: AbortSignal,
): Promise<readonly JobResult[]> {
  const pool = new Pool(jobs, init)
  const abort = (): void => pool.fail(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    return await pool.run()
  } finally {
    signal.removeEventListener('abort', abort)
    await pool.close()
  }
}

class Pool {
  readonly #jobs: readonly Job[]
  readonly #init: PoolInit
  readonly #results: (JobResult | undefined)[]
  readonly #workers: Worker[] = []
  #next = 0
  #done = 0
  /** Schedules of jobs that are done, and of each that is under way. */
  #counted = 0
  readonly #underWay: Map<Worker, number> = new Map()
  #resolve: (results: readonly JobResult[]) => void = () => {}
  #reject: (error: unknown) => void = () => {}

  constructor(jobs: readonly Job[], init: PoolInit) {
    this.#jobs = jobs
    this.#init = init
    this.#results = new Array<JobResult | undefined>(jobs.length)
  }

  run(): Promise<readonly JobResult[]> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      if (this.#jobs.length === 0) resolve([])
      const count = Math.min(this.#init.workers, this.#jobs.length)
      for (let i = 0; i < count; i++) this.#start()
    })
  }

  fail(error: unknown): void {
    this.#reject(error)
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }

  #start(): void {
    const worker = new Worker(WORKER)
    this.#workers.push(worker)
    let index = -1
    const next = (): void => {
      index = this.#next++
      const job = this.#jobs[index]
      this.#underWay.set(worker, 0)
      if (job !== undefined) worker.postMessage(job)
    }
    worker.on('message', (message: Message) => {
      if ('schedules' in message) {
        this.#underWay.set(worker, message.schedules)
        this.#tell()
        return
      }
      if ('error' in message) {
        this.fail(new Error(message.error))
        return
      }
      this.#counted += this.#underWay.get(worker) ?? 0
      this.#results[index] = message.result
      this.#done++
      next()
      this.#tell()
      if (this.#done === this.#jobs.length) {
        this.#resolve(this.#results.filter((result) => result !== undefined))
      }
    })
    worker.on('error', (error) => this.fail(error))
    next()
  }

  #tell(): void {
    const underWay = [...this.#underWay.values()].reduce((sum, count) => sum + count, 0)
    this.#init.onProgress(this.#done, this.#counted + underWay)
  }
}
