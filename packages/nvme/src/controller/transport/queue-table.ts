// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { CompletionQueue, SubmissionQueue } from './queues.ts'
import type { AdminQueues } from './registers.ts'

/** The queues of a controller by their identifiers; 0 is the admin queue. */
export class QueueTable {
  readonly sqs: (SubmissionQueue | null)[]
  readonly cqs: (CompletionQueue | null)[]

  constructor(pairs: number) {
    this.sqs = new Array<SubmissionQueue | null>(pairs + 1).fill(null)
    this.cqs = new Array<CompletionQueue | null>(pairs + 1).fill(null)
  }

  get hasIoQueues(): boolean {
    return this.cqs.some((cq, id) => id > 0 && cq !== null)
  }

  /** Queues granted, as Number of Queues says it: 0's based, in both halves. */
  get countFeature(): number {
    const zeroBased = this.sqs.length - 2
    return zeroBased | (zeroBased << 16)
  }

  /** Whether an I/O queue can have this identifier. */
  validId(id: number): boolean {
    return id > 0 && id < this.sqs.length
  }

  sq(id: number): SubmissionQueue | null {
    return this.sqs[id] ?? null
  }

  cq(id: number): CompletionQueue | null {
    return this.cqs[id] ?? null
  }

  /** The admin queues, as the registers describe them. */
  setAdmin(admin: AdminQueues): void {
    const { asq, acq, sqEntries, cqEntries } = admin
    const common = { id: 0, vector: 0, interruptsEnabled: true }
    const cq = new CompletionQueue({ ...common, baseAddr: acq, entries: cqEntries })
    this.cqs[0] = cq
    this.sqs[0] = new SubmissionQueue({ id: 0, baseAddr: asq, entries: sqEntries, cq })
  }

  forget(): void {
    this.sqs.fill(null)
    this.cqs.fill(null)
  }
}
