// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess, type BusMaster, BusRange } from '@iolayers/dma-mapping'
import { SQE_BYTES, SqeOffset } from '../../spec/index.ts'
import type { CommandSlot, SlotPool } from '../command-slot.ts'
import type { SubmissionQueue } from './queues.ts'
import type { ControllerRegisters } from './registers.ts'

/** Runs what is fetched; the entry is only there until it returns. */
export interface CommandStarter {
  start(sq: SubmissionQueue, slot: CommandSlot, view: DataView, at: number): void
}

/** Fetches commands, and finds those that were not fetched yet. */
export class SubmissionReader {
  readonly #bus: BusMaster
  readonly #bar: ControllerRegisters
  readonly #slots: SlotPool
  readonly #starter: CommandStarter
  readonly #range: BusRange = new BusRange()
  readonly #lookRange: BusRange = new BusRange()

  constructor(components: {
    readonly bus: BusMaster
    readonly bar: ControllerRegisters
    readonly slots: SlotPool
    readonly starter: CommandStarter
  }) {
    this.#bus = components.bus
    this.#bar = components.bar
    this.#slots = components.slots
    this.#starter = components.starter
  }

  /** Runs up to so many commands; true when there may be more. */
  fetch(sq: SubmissionQueue | null, most: number): boolean {
    if (sq === null) return false
    const range = this.#range
    let budget = most
    while (budget > 0 && sq.head !== sq.tail && sq.cq.backlogFirst === null && this.#bar.fetches) {
      const ready = Math.min(sq.readyInARow, budget)
      const reached = this.#bus.translate(
        sq.baseAddr + sq.head * SQE_BYTES,
        ready * SQE_BYTES,
        BusAccess.READ,
        range,
      )
      if (reached < SQE_BYTES) {
        this.#bar.fail()
        return false
      }
      const { view } = range.side
      const { offset } = range
      const count = Math.floor(reached / SQE_BYTES)
      for (let i = 0; i < count; i++) {
        if (sq.skips !== null && sq.takeSkip()) continue
        const slot = this.#slots.take()
        if (slot === null) return false
        sq.advanceHead()
        this.#starter.start(sq, slot, view, offset + i * SQE_BYTES)
      }
      budget -= count
    }
    return sq.head !== sq.tail && sq.cq.backlogFirst === null && this.#bar.fetches
  }

  /**
   * Takes the command with this identifier out of its queue, where it still is: it is then as fetched, in a slot, and its finder's to
   * complete. Null when it is not there, or there is no slot.
   */
  takeUnfetched(sq: SubmissionQueue, commandId: number): CommandSlot | null {
    for (let index = sq.head; index !== sq.tail; index = index + 1 === sq.entries ? 0 : index + 1) {
      if (sq.skips?.has(index)) continue
      const found = this.#commandIdAt(sq, index)
      if (found < 0) return null
      if (found !== commandId) continue
      const slot = this.#slotFor(sq, found)
      if (slot !== null) sq.skip(index)
      return slot
    }
    return null
  }

  /** The same for the first that there is, of a queue that is fetched from no more. */
  takeFirst(sq: SubmissionQueue): CommandSlot | null {
    while (sq.skips !== null && sq.takeSkip());
    if (sq.head === sq.tail) return null
    const found = this.#commandIdAt(sq, sq.head)
    const slot = found < 0 ? null : this.#slotFor(sq, found)
    if (slot !== null) sq.advanceHead()
    return slot
  }

  #slotFor(sq: SubmissionQueue, commandId: number): CommandSlot | null {
    const slot = this.#slots.take()
    if (slot === null) return null
    sq.outstanding++
    slot.sq = sq
    slot.commandId = commandId
    slot.fault = null
    return slot
  }

  #commandIdAt(sq: SubmissionQueue, index: number): number {
    const range = this.#lookRange
    const addr = sq.baseAddr + index * SQE_BYTES
    if (this.#bus.translate(addr, SQE_BYTES, BusAccess.READ, range) < SQE_BYTES) return -1
    return range.side.view.getUint16(range.offset + SqeOffset.CID, true)
  }
}
