// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PENDING } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import type { LongCommand } from './long-command.ts'
import { type Scratch, ScratchPool } from './scratch.ts'

/** Commands that work through memory of the controller at once; more of them wait. 64 KiB each. */
const SCRATCH_BUFFERS = 16

/** What the engine needs of the controller. */
export interface IoEngineHost {
  /** Something is to be done, soon. */
  kick(): void
  /** Whether the queue of a command is still there. */
  serves(slot: CommandSlot): boolean
  /** A command has ended. */
  ended(slot: CommandSlot, status: number): void
}

/** Runs the commands that take more than one I/O, and keeps those that wait. */
export class IoEngine {
  readonly #host: IoEngineHost
  readonly #pool: ScratchPool = new ScratchPool(SCRATCH_BUFFERS)
  #ready: LongCommand[] = []
  readonly #waiting: LongCommand[] = []

  constructor(host: IoEngineHost) {
    this.#host = host
  }

  /** Whether `goOn` has something to do. */
  get due(): boolean {
    return this.#ready.length > 0
  }

  serves(slot: CommandSlot): boolean {
    return this.#host.serves(slot)
  }

  /** Null: there is none; the command goes on when there is. */
  takeScratch(command: LongCommand): Scratch | null {
    const scratch = this.#pool.take()
    if (scratch !== null) return scratch
    command.slot.parked = command
    this.#waiting.push(command)
    return null
  }

  giveScratch(scratch: Scratch): void {
    this.#pool.give(scratch)
    const next = this.#waiting.shift()
    if (next !== undefined) this.later(next)
  }

  /** The command goes on when others have had their turn. */
  later(command: LongCommand): void {
    command.slot.parked = command
    this.#ready.push(command)
    this.#host.kick()
  }

  /** Lets those go on that may. */
  goOn(): void {
    const ready = this.#ready
    this.#ready = []
    for (const command of ready) {
      const { slot } = command
      // It was dropped in a reset, and its slot may be another command's by now.
      if (slot.parked !== command) continue
      slot.parked = null
      const status = command.run()
      if (status !== PENDING) this.#host.ended(slot, status)
    }
  }

  /** A reset: nobody waits any more. Their slots are given back by who resets. */
  reset(): void {
    this.#ready = []
    this.#waiting.length = 0
  }
}
