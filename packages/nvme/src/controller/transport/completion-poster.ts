// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess, type BusMaster, BusRange } from '@iolayers/dma-mapping'
import type { Kernel, Tracepoint } from '@iolayers/kernel'
import { CQE_BYTES, CqeOffset, statusField } from '../../spec/index.ts'
import type { CommandSlot, SlotPool } from '../command-slot.ts'
import type { ControllerCounters } from '../controller-counters.ts'
import { type CommandFault, Posting } from '../fault-hooks.ts'
import type { Coalescing } from './coalescing.ts'
import type { InterruptLines } from './interrupt-lines.ts'
import type { CompletionQueue, SubmissionQueue } from './queues.ts'
import type { ControllerRegisters } from './registers.ts'

/** How it tells the host. */
export interface PosterInterrupts {
  readonly lines: InterruptLines
  readonly coalescing: Coalescing
}

/** Writes completion entries to host memory, keeps those that find their queue full, and raises one interrupt for a batch. */
export class CompletionPoster {
  readonly #bus: BusMaster
  readonly #bar: ControllerRegisters
  readonly #slots: SlotPool
  readonly #stats: ControllerCounters
  readonly #interrupts: PosterInterrupts
  readonly #range: BusRange = new BusRange()
  readonly #trace: Tracepoint
  #anyDirty = false

  constructor(components: {
    readonly kernel: Kernel
    readonly bus: BusMaster
    readonly bar: ControllerRegisters
    readonly slots: SlotPool
    readonly stats: ControllerCounters
    readonly interrupts: PosterInterrupts
  }) {
    this.#bus = components.bus
    this.#bar = components.bar
    this.#slots = components.slots
    this.#stats = components.stats
    this.#interrupts = components.interrupts
    this.#trace = components.kernel.tracer.point('nvmet_req_complete', ['sqid', 'cid', 'status'])
  }

  /** Posts the completion of a command, or keeps it until the host has made room. */
  deliver(sq: SubmissionQueue, slot: CommandSlot): void {
    if (sq.cq.full || sq.cq.backlogFirst !== null) sq.cq.pushBacklog(slot)
    else this.#post(sq, slot)
  }

  /** The same for a command whose completion goes wrong. One that finds the queue full goes right. */
  deliverWrong(sq: SubmissionQueue, slot: CommandSlot, fault: CommandFault): void {
    const { cq } = sq
    const dirty = cq.dirty
    if (fault.posting === Posting.NONE) {
      this.#slots.give(slot)
      return
    }
    if (fault.posting === Posting.WRONG_ID) slot.commandId = fault.commandId
    const room = !cq.full && cq.backlogFirst === null
    if (fault.posting === Posting.TWICE && room) this.#write(sq, slot)
    this.deliver(sq, slot)
    if (fault.posting === Posting.NO_INTERRUPT && room) cq.dirty = dirty
  }

  flushBacklog(cq: CompletionQueue): void {
    while (cq.backlogFirst !== null && !cq.full) {
      const slot = cq.shiftBacklog()
      if (slot?.sq) this.#post(slot.sq, slot)
    }
  }

  /** One interrupt for each queue that has news; a queue whose vector is masked keeps its news until it is not. */
  interrupt(cqs: readonly (CompletionQueue | null)[]): void {
    // An interrupt is a write to memory too: with bus mastering off there is none. @see PCI Express Base, Bus Master Enable
    if (!this.#bus.enabled) return
    const { lines, coalescing } = this.#interrupts
    if (!lines.msix) {
      if (lines.pin(cqs, (vector) => this.#bar.isMasked(vector))) this.#stats.interrupts++
      return
    }
    this.#stats.interrupts += lines.unmasked()
    if (!this.#anyDirty) return
    this.#anyDirty = false
    for (const cq of cqs) if (cq?.dirty === true) this.#message(cq)
    coalescing.looked()
  }

  #message(cq: CompletionQueue): void {
    const { lines, coalescing } = this.#interrupts
    if (cq.interruptsEnabled && this.#bar.isMasked(cq.vector)) return
    if (cq.interruptsEnabled && coalescing.waits(cq)) {
      this.#anyDirty = true
      return
    }
    cq.dirty = false
    cq.unreported = 0
    if (cq.interruptsEnabled && lines.message(cq.vector)) this.#stats.interrupts++
  }

  /** Looks at all queues for news the next time. */
  again(): void {
    this.#anyDirty = true
  }

  /** The queues are gone. */
  forget(): void {
    this.#anyDirty = false
    this.#interrupts.lines.forget()
    this.#interrupts.coalescing.reset()
  }

  #post(sq: SubmissionQueue, slot: CommandSlot): void {
    this.#write(sq, slot)
    this.#slots.give(slot)
  }

  #write(sq: SubmissionQueue, slot: CommandSlot): void {
    const { cq } = sq
    const range = this.#range
    const entryAddr = cq.baseAddr + cq.tail * CQE_BYTES
    if (this.#bus.translate(entryAddr, CQE_BYTES, BusAccess.WRITE, range) < CQE_BYTES) {
      this.#bar.fail()
      return
    }
    const { view } = range.side
    const at = range.offset
    view.setUint32(at + CqeOffset.DW0, slot.result, true)
    view.setUint32(at + CqeOffset.DW1, 0, true)
    view.setUint16(at + CqeOffset.SQHD, sq.head, true)
    view.setUint16(at + CqeOffset.SQID, sq.id, true)
    view.setUint16(at + CqeOffset.CID, slot.commandId, true)
    // The phase is in the last word written: the entry is whole when it turns.
    view.setUint16(at + CqeOffset.STATUS, statusField(slot.status, cq.phase), true)
    cq.advanceTail()
    cq.dirty = true
    cq.unreported++
    this.#anyDirty = true
    if (this.#trace.enabled) this.#trace.emit(sq.id, slot.commandId, slot.status)
  }
}
