// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A thread that does jobs one after the other, so that the command stays awake for signals and progress.

import { parentPort } from 'node:worker_threads'
import { type Job, runJob } from './job.ts'

parentPort?.on('message', (job: Job) => {
  try {
    const result = runJob(job, (schedules) => parentPort?.postMessage({ schedules }))
    parentPort?.postMessage({ result })
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    parentPort?.postMessage({ error: message })
  }
})
