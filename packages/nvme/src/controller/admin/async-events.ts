// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AsyncEventType, AsyncNoticeInfo, asyncEventResult, LogId } from '../../spec/index.ts'
import type { CommandSlot } from '../command-slot.ts'

/** Event requests that can be held at once; AERL says so to the host. */
export const ASYNC_EVENTS_MAX = 4

interface PendingEvent {
  readonly info: number
  readonly logId: number
}

/**
 * Event requests of the host, and the events that wait for one. Of each type the first event stays until it is told; after that no other of its
 * type is told until the host has read the log page that it named. @see NVMe Base 2.1, 5.1.2
 */
export class AsyncEvents {
  readonly #held: CommandSlot[] = []
  readonly #pending: Map<number, PendingEvent> = new Map()
  /** Types that were told, with the log page that the host has to read. */
  readonly #told: Map<number, number> = new Map()
  readonly #enabled: () => number

  /** `enabled`: the value of Asynchronous Event Configuration. */
  constructor(enabled: () => number) {
    this.#enabled = enabled
  }

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

  /** Error events cannot be turned off. */
  error(info: number): void {
    this.#note(AsyncEventType.ERROR, { info, logId: LogId.ERROR })
  }

  /** Namespaces came, went or changed, if the host wants to hear of it. */
  namespacesChanged(): void {
    if ((this.#enabled() & ATTACHED_NAMESPACE_NOTICES) === 0) return
    const info = AsyncNoticeInfo.ATTACHED_NAMESPACE_CHANGED
    this.#note(AsyncEventType.NOTICE, { info, logId: LogId.CHANGED_NAMESPACES })
  }

  /** Any other, whether the host wants to hear of it or not. */
  raise(type: number, info: number, logId: number): void {
    this.#note(type, { info, logId })
  }

  get due(): boolean {
    return this.#pending.size > 0 && this.#held.length > 0
  }

  /** The request to end, its result set; null when nothing is due. */
  take(): CommandSlot | null {
    if (!this.due) return null
    const [next] = this.#pending
    const slot = this.#held.shift() ?? null
    if (slot === null || next === undefined) return null
    const [type, { info, logId }] = next
    this.#pending.delete(type)
    this.#told.set(type, logId)
    slot.result = asyncEventResult(type, info, logId)
    return slot
  }

  /** The host has read a log page, and did not ask for its events to be kept. */
  logRead(logId: number): void {
    for (const [type, told] of this.#told) if (told === logId) this.#told.delete(type)
  }

  /** Gives back what was held, and forgets events: a reset. */
  reset(): CommandSlot[] {
    this.#pending.clear()
    this.#told.clear()
    return this.#held.splice(0)
  }

  #note(type: number, event: PendingEvent): void {
    if (!this.#told.has(type) && !this.#pending.has(type)) this.#pending.set(type, event)
  }
}

/** Asynchronous Event Configuration: Attached Namespace Attribute Notices; the same bit of OAES offers them. */
export const ATTACHED_NAMESPACE_NOTICES: number = 1 << 8
