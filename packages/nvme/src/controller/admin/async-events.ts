// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AsyncEventType, asyncEventResult, LogId } from '../../spec/index.ts'
import type { CommandSlot } from '../command-slot.ts'

/** Event requests that can be held at once; AERL says so to the host. */
export const ASYNC_EVENTS_MAX = 4

/**
 * Event requests of the host, and the error event that waits for one. After an event no other of its type is told until the host has
 * read the log page. @see NVMe Base 2.1, 5.1.2
 */
export class AsyncEvents {
  readonly #held: CommandSlot[] = []
  /** Information of the error event to tell, -1 for none. */
  #errorInfo = -1
  #told = false

  get held(): number {
    return this.#held.length
  }

  /** False when there are too many already. */
  hold(slot: CommandSlot): boolean {
    if (this.#held.length === ASYNC_EVENTS_MAX) return false
    this.#held.push(slot)
    return true
  }

  /** The request with this identifier, aborted; null when there is none. */
  remove(commandId: number): CommandSlot | null {
    const at = this.#held.findIndex((slot) => slot.commandId === commandId)
    return at < 0 ? null : (this.#held.splice(at, 1)[0] ?? null)
  }

  /** Notes an error event. The first one stays until it is told. */
  error(info: number): void {
    if (!this.#told && this.#errorInfo < 0) this.#errorInfo = info
  }

  get due(): boolean {
    return this.#errorInfo >= 0 && this.#held.length > 0
  }

  /** The request to end, its result set; null when nothing is due. */
  take(): CommandSlot | null {
    if (!this.due) return null
    const slot = this.#held.shift() ?? null
    if (slot === null) return null
    slot.result = asyncEventResult(AsyncEventType.ERROR, this.#errorInfo, LogId.ERROR)
    this.#errorInfo = -1
    this.#told = true
    return slot
  }

  /** The host has read the error log. */
  errorLogRead(): void {
    this.#told = false
  }

  /** Gives back what was held, and forgets events: a reset. */
  reset(): CommandSlot[] {
    this.#errorInfo = -1
    this.#told = false
    return this.#held.splice(0)
  }
}
