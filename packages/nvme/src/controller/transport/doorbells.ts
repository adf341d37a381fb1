// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AsyncErrorInfo, ERROR_LOG_NONE, Status } from '../../spec/index.ts'
import type { AsyncEvents } from '../admin/async-events.ts'
import type { ErrorLog } from '../admin/error-log.ts'
import type { ControllerCounters } from '../controller-counters.ts'
import type { CompletionPoster } from './completion-poster.ts'
import type { QueueTable } from './queue-table.ts'
import type { RegisterListener } from './registers.ts'

export interface DoorbellsComponents {
  readonly queues: QueueTable
  readonly events: AsyncEvents
  readonly errorLog: ErrorLog
  readonly stats: ControllerCounters
  /** The controller looks at what is new, soon. */
  readonly kick: () => void
  /** Interrupts are messages; otherwise their level depends on what the host has read. */
  readonly msix: () => boolean
}

/** What the registers ask for. None of it does work inside the access. */
export class Doorbells implements RegisterListener {
  poster: CompletionPoster | null = null
  readonly #queues: QueueTable
  readonly #events: AsyncEvents
  readonly #errorLog: ErrorLog
  readonly #stats: ControllerCounters
  readonly #kick: () => void
  readonly #msix: () => boolean

  constructor(components: DoorbellsComponents) {
    this.#queues = components.queues
    this.#events = components.events
    this.#errorLog = components.errorLog
    this.#stats = components.stats
    this.#kick = components.kick
    this.#msix = components.msix
  }

  /** CC changed something. */
  kick(): void {
    this.#kick()
  }

  ringSqTail(id: number, value: number): void {
    const sq = this.#queues.sq(id)
    if (sq === null || value >= sq.entries) {
      this.#invalid(sq !== null)
      return
    }
    sq.tail = value
    this.#kick()
  }

  ringCqHead(id: number, value: number): void {
    const cq = this.#queues.cq(id)
    if (cq === null || !cq.validHead(value)) {
      this.#invalid(cq !== null)
      return
    }
    cq.head = value
    // Room for what waits, and maybe the end of an interrupt by level.
    if (cq.backlogFirst !== null || !this.#msix()) this.#kick()
  }

  /** What was completed while its vector was masked is told now. */
  unmasked(): void {
    this.poster?.again()
    this.#kick()
  }

  /** The same for one in host memory. */
  invalidValue(): void {
    this.#invalid(true)
  }

  /** Ignored, but for an event and an entry in the error log. @see NVMe Base 2.1, 5.1.2 */
  #invalid(queueExists: boolean): void {
    this.#stats.invalidDoorbells++
    this.#errorLog.add(ERROR_LOG_NONE, ERROR_LOG_NONE, Status.SUCCESS, 0, 0)
    const { INVALID_DOORBELL_VALUE, INVALID_DOORBELL_REGISTER } = AsyncErrorInfo
    this.#events.error(queueExists ? INVALID_DOORBELL_VALUE : INVALID_DOORBELL_REGISTER)
    if (this.#events.due) this.#kick()
  }
}
