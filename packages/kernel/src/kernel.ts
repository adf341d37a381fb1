// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createSignalling, type Signalling } from './debug/signalling.ts'
import type { Scheduler } from './sched/scheduler.ts'
import { Rcu } from './sync/rcu.ts'
import { createTracer, type Tracer } from './trace/tracer.ts'
import { createWorkQueue, type WorkQueue } from './work/work-queue.ts'
import { WorkerPool } from './work/worker-pool.ts'

/** Something that checked mode found. */
export interface CheckReport {
  /** A short constant: `dma-api`, `lockdep`. */
  readonly check: string
  readonly message: string
}

/** What every service of a stack is given: time, tasks, RCU, tracing, and the two shared work queues. */
export interface Kernel {
  readonly scheduler: Scheduler
  readonly rcu: Rcu
  readonly tracer: Tracer
  /** Checks that cost time are on. */
  readonly checked: boolean
  /** Checked mode keeps the stacks of what its reports may have to name. */
  readonly stackTraces: boolean
  /** Where fences depend on the running code, and what may not happen there; does nothing unless `checked`. */
  readonly signalling: Signalling
  readonly systemWq: WorkQueue
  /** The workers that `systemWq` and `reclaimWq` share; other work queues may use them too. */
  readonly workers: WorkerPool
  /** WQ_MEM_RECLAIM: for work that memory reclaim may wait for; gets on even when all workers are blocked. */
  readonly reclaimWq: WorkQueue
  readonly reports: readonly CheckReport[]
  /** A finding of checked mode: kept, and thrown as KernelCheckError unless `onReport` takes it. */
  report(report: CheckReport): void
}

export class KernelCheckError extends Error {
  override readonly name = 'KernelCheckError'
  readonly check: string

  constructor(report: CheckReport) {
    super(`${report.check}: ${report.message}`)
    this.check = report.check
  }
}

export interface KernelInit {
  readonly checked?: boolean
  /** With `checked`; true by default. Taking them is a good part of what checked mode costs. */
  readonly stackTraces?: boolean
  /** Workers that the shared work queues have together; 8 by default. */
  readonly workers?: number
  readonly onReport?: (report: CheckReport) => void
}

/** @see include/linux/workqueue.h WQ_DFL_ACTIVE */
const MAX_ACTIVE = 1024

export function createKernel(
  components: { readonly scheduler: Scheduler },
  init: KernelInit = {},
): Kernel {
  const { scheduler } = components
  const workers = new WorkerPool(scheduler, { name: 'kworker', workersMax: init.workers ?? 8 })
  const checked = init.checked ?? false
  const stackTraces = checked && (init.stackTraces ?? true)
  const reports: CheckReport[] = []
  const report = (found: CheckReport): void => {
    reports.push(found)
    if (init.onReport === undefined) throw new KernelCheckError(found)
    init.onReport(found)
  }
  return {
    scheduler,
    rcu: new Rcu(scheduler),
    tracer: createTracer({ scheduler }),
    checked,
    stackTraces,
    signalling: createSignalling({ scheduler, stackTraces, report }, checked),
    workers,
    systemWq: createWorkQueue({ scheduler, workers }, { name: 'events', maxActive: MAX_ACTIVE }),
    reclaimWq: createWorkQueue(
      { scheduler, workers },
      { name: 'reclaim', maxActive: MAX_ACTIVE, rescuer: true },
    ),
    reports,
    report,
  }
}
