// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SingleBar } from 'cli-progress'
import type { CommandIo } from '../cli/output.ts'
import { watchSignals } from '../cli/signals.ts'
import type { Job, JobResult } from './job.ts'
import { runJobs } from './worker-pool.ts'

/** Does the jobs on threads, with a bar on a terminal; a signal ends them all, and is thrown as SignalledError. */
export async function runWithProgress(
  io: CommandIo,
  jobs: readonly Job[],
  workers: number,
): Promise<readonly JobResult[]> {
  const abort = new AbortController()
  const signals = watchSignals({
    onFirst: (error) => abort.abort(error),
    onSecond: () => undefined,
  })
  const bar = io.stderr.isTTY === true ? makeBar(io) : null
  bar?.start(jobs.length, 0, { schedules: 0 })
  try {
    const onProgress = (done: number, schedules: number): void => bar?.update(done, { schedules })
    return await runJobs(jobs, { workers, onProgress }, abort.signal)
  } finally {
    bar?.stop()
    signals.close()
  }
}

function makeBar(io: CommandIo): SingleBar {
  return new SingleBar({
    stream: io.stderr,
    format: 'weave [{bar}] {value} of {total} searches, {schedules} schedules, ETA {eta_formatted}',
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
    fps: 10,
  })
}
