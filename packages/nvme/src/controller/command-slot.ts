// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { ERROR_LOG_NONE } from '../spec/index.ts'
import { type DmaGate, type StoreCompletion, StoreIo } from './contracts.ts'
import type { CommandFault } from './fault-hooks.ts'
import type { Namespace } from './io/namespace.ts'
import type { SubmissionQueue } from './transport/queues.ts'

/** One of several things that a command does at its store, one after the other. */
export interface CommandStep {
  /**
   * The I/O of the slot has ended. PENDING: another one is under way, or the slot is kept; `slot.step` says what comes after that. Else the status
   * with which the command has ended.
   */
  storeDone(slot: CommandSlot, status: number): number
  /** The command is not heard of again: a reset took it from its store, or from where it waited. */
  dropped?(): void
}

/** A command between fetch and completion. Made with the controller and used again. */
export class CommandSlot {
  readonly io: StoreIo
  sq: SubmissionQueue | null = null
  commandId = 0
  opcode = 0
  /** What comes after the I/O that is at the store; null: the command ends with it. */
  step: CommandStep | null = null
  /** Who keeps it while it waits for its turn; it is then at no store. */
  parked: CommandStep | null = null
  /** A flush follows the write. */
  fua = false
  /** Which field of the entry is wrong, for the error log: its byte, and from bit 8 on its bit; ERROR_LOG_NONE where none is. */
  errorAt: number = ERROR_LOG_NONE
  /** DW0 of the completion. */
  result = 0
  status = 0
  /** NSID of its entry. */
  nsid = 0
  /** At whose store its I/O is, or was last: not the namespace of NSID where a command is for several. */
  namespace: Namespace | null = null
  /** It has ended, though its completion may still wait for room in a queue. */
  over = false
  /** What is wrong with it. Never set where there are no faults. */
  fault: CommandFault | null = null
  next: CommandSlot | null = null

  constructor(index: number, completion: StoreCompletion, gate: DmaGate) {
    this.io = new StoreIo(index, completion, gate)
  }
}

/** Slots that are free, and all of them by index. */
export class SlotPool {
  readonly slots: CommandSlot[] = []
  #free: CommandSlot | null = null
  outstanding = 0

  constructor(count: number, completion: StoreCompletion, gate: DmaGate) {
    for (let index = 0; index < count; index++) {
      const slot = new CommandSlot(index, completion, gate)
      slot.next = this.#free
      this.#free = slot
      this.slots.push(slot)
    }
  }

  get hasFree(): boolean {
    return this.#free !== null
  }

  take(): CommandSlot | null {
    const slot = this.#free
    if (slot === null) return null
    this.#free = slot.next
    slot.next = null
    slot.step = null
    slot.parked = null
    slot.fua = false
    slot.errorAt = ERROR_LOG_NONE
    slot.result = 0
    slot.status = 0
    slot.namespace = null
    slot.over = false
    slot.io.count = 0
    this.outstanding++
    return slot
  }

  give(slot: CommandSlot): void {
    slot.sq = null
    slot.next = this.#free
    this.#free = slot
    this.outstanding--
  }
}
