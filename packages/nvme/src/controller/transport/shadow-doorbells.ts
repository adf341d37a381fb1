// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess, type BusMaster, BusRange } from '@iolayers/dma-mapping'
import type { CompletionQueue, SubmissionQueue } from './queues.ts'

const DOORBELL_BYTES = 4

/**
 * Doorbells in host memory: the host writes them there, and rings the real one only when it passes the event index, where the controller says how
 * far it has looked. @see NVMe Base 2.1, 5.2.5, annex B.5
 */
export class ShadowDoorbells {
  readonly #bus: BusMaster
  readonly #doorbellsAddr: number
  readonly #eventsAddr: number
  readonly #range: BusRange = new BusRange()
  /** A doorbell that made no sense, or that could not be reached. */
  readonly #invalid: (unreachable: boolean) => void

  constructor(
    bus: BusMaster,
    init: { readonly doorbellsAddr: number; readonly eventsAddr: number },
    invalid: (unreachable: boolean) => void,
  ) {
    this.#bus = bus
    this.#doorbellsAddr = init.doorbellsAddr
    this.#eventsAddr = init.eventsAddr
    this.#invalid = invalid
  }

  /** Takes the tail over; true when there is something new. Then looks again, because the host may not have seen the event index yet. */
  look(sq: SubmissionQueue): boolean {
    if (!this.#write(2 * sq.id, sq.tail)) return false
    const tail = this.#read(2 * sq.id)
    if (tail < 0 || tail === sq.tail) return false
    if (tail >= sq.entries) {
      this.#invalid(false)
      return false
    }
    sq.tail = tail
    this.#write(2 * sq.id, tail)
    return true
  }

  lookAtHead(cq: CompletionQueue): void {
    if (!this.#write(2 * cq.id + 1, cq.head)) return
    const head = this.#read(2 * cq.id + 1)
    if (head < 0 || head === cq.head) return
    if (cq.validHead(head)) cq.head = head
    else this.#invalid(false)
  }

  #read(index: number): number {
    const at = this.#doorbellsAddr + index * DOORBELL_BYTES
    if (!this.#reach(at, BusAccess.READ)) return -1
    return this.#range.side.view.getUint32(this.#range.offset, true)
  }

  #write(index: number, value: number): boolean {
    const at = this.#eventsAddr + index * DOORBELL_BYTES
    if (!this.#reach(at, BusAccess.WRITE)) return false
    this.#range.side.view.setUint32(this.#range.offset, value, true)
    return true
  }

  #reach(at: number, access: BusAccess): boolean {
    if (this.#bus.translate(at, DOORBELL_BYTES, access, this.#range) === DOORBELL_BYTES) return true
    this.#invalid(true)
    return false
  }
}
