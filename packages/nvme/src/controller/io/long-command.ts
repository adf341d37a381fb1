// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A command that takes several I/Os at its store, one after the other: each is a piece of bounded size, and after some of them others get their turn.

import { assert } from '@iolayers/kernel'
import { Status } from '../../spec/index.ts'
import { PENDING } from '../command-handler.ts'
import type { CommandSlot, CommandStep } from '../command-slot.ts'
import type { StoreOp } from '../contracts.ts'
import type { IoEngine } from './io-engine.ts'
import type { Namespace } from './namespace.ts'
import { SCRATCH_BYTES, type Scratch } from './scratch.ts'

/** Pieces in a row before others get their turn. */
const BURST = 32

const Phase = { IDLE: 0, SUBMITTING: 1, ENDED: 2, WAITING: 3 } as const
type Phase = (typeof Phase)[keyof typeof Phase]

export abstract class LongCommand implements CommandStep {
  readonly slot: CommandSlot
  protected readonly engine: IoEngine
  #scratch: Scratch | null = null
  #phase: Phase = Phase.IDLE
  #status = 0

  constructor(engine: IoEngine, slot: CommandSlot) {
    this.engine = engine
    this.slot = slot
  }

  /** Whether it works through memory of the controller's own. */
  protected abstract readonly needsScratch: boolean

  /** Starts the next piece with `transfer` or `sized` and gives its namespace; a status when there is none left, or something is wrong. */
  protected abstract next(): Namespace | number

  /** A piece ended well: SUCCESS to go on, or the status with which all ends. */
  protected abstract pieceDone(): number

  /** It has ended, well or not, or was dropped. */
  protected over(): void {}

  /** Goes on as far as it gets: PENDING, or the status with which the command has ended. */
  run(): number {
    if (this.needsScratch && this.#scratch === null) {
      this.#scratch = this.engine.takeScratch(this)
      if (this.#scratch === null) return PENDING
    }
    for (let pieces = 0; pieces < BURST; pieces++) {
      const status = this.#piece()
      if (status === PENDING) return PENDING
      if (status !== Status.SUCCESS) return this.#end(status)
    }
    this.engine.later(this)
    return PENDING
  }

  storeDone(slot: CommandSlot, status: number): number {
    if (this.#phase === Phase.SUBMITTING) {
      this.#phase = Phase.ENDED
      this.#status = status
      return PENDING
    }
    assert(this.#phase === Phase.WAITING, 'a piece of a command ended twice')
    this.#phase = Phase.IDLE
    if (!this.engine.serves(slot)) return this.#end(Status.ABORTED_SQ_DELETION)
    const done = status === Status.SUCCESS ? this.pieceDone() : status
    return done === Status.SUCCESS ? this.run() : this.#end(done)
  }

  /** Its store has let go of it, or it waited when everything was reset: it is not heard of again. */
  dropped(): void {
    this.#end(Status.SUCCESS)
  }

  protected get scratch(): Scratch {
    assert(this.#scratch !== null, 'a command without scratch memory')
    return this.#scratch
  }

  /** The next piece moves bytes between the medium and the scratch memory. */
  protected transfer(op: StoreOp, offsetBytes: number, lengthBytes: number): void {
    assert(lengthBytes <= SCRATCH_BYTES, 'a piece that is too long')
    this.sized(op, offsetBytes, lengthBytes)
    this.slot.io.addRange(this.scratch, 0, lengthBytes)
  }

  /** The next piece has no data. */
  protected sized(op: StoreOp, offsetBytes: number, lengthBytes: number): void {
    const { io } = this.slot
    io.op = op
    io.count = 0
    io.offsetBytes = offsetBytes
    io.lengthBytes = lengthBytes
  }

  /** SUCCESS: it has ended well already. */
  #piece(): number {
    const namespace = this.next()
    if (typeof namespace === 'number') return namespace === Status.SUCCESS ? DONE : namespace
    this.#phase = Phase.SUBMITTING
    this.slot.step = this
    this.slot.namespace = namespace
    namespace.store.submit(this.slot.io)
    if (this.#phase === Phase.SUBMITTING) {
      this.#phase = Phase.WAITING
      return PENDING
    }
    this.#phase = Phase.IDLE
    return this.#status === Status.SUCCESS ? this.pieceDone() : this.#status
  }

  #end(status: number): number {
    if (this.#scratch !== null) this.engine.giveScratch(this.#scratch)
    this.#scratch = null
    this.over()
    return status === DONE ? Status.SUCCESS : status
  }
}

/** All pieces are done. No status of the wire has this value. */
const DONE = -2
