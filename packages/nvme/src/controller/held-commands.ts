// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getUint64, NvmOpcode, SQE_BYTES, SqeOffset } from '../spec/index.ts'
import type { CommandSlot } from './command-slot.ts'
import type { CommandFault, CommandInfo, HeldCommand } from './fault-hooks.ts'
import type { SubmissionQueue } from './transport/queues.ts'

/** A command that a fault holds, before it is run or after its data moved. */
export class Held implements HeldCommand {
  live = true
  due = false
  readonly slot: CommandSlot
  readonly abortable: boolean
  /** The entry as it was fetched: the host may use its place again. Null after the data moved. */
  readonly entry: DataView | null
  /** Of the end that is held. */
  readonly status: number
  readonly #owner: HeldCommands

  constructor(
    owner: HeldCommands,
    slot: CommandSlot,
    init: { readonly abortable: boolean; readonly entry: DataView | null; readonly status: number },
  ) {
    this.#owner = owner
    this.slot = slot
    this.abortable = init.abortable
    this.entry = init.entry
    this.status = init.status
  }

  release(): void {
    if (!this.live || this.due) return
    this.due = true
    this.#owner.oneIsDue()
  }
}

/** All commands that are held. They have left their queue and are at no store: nothing is moved for them while they are here. */
export class HeldCommands {
  #list: Held[] = []
  #anyDue = false
  readonly #kick: () => void

  constructor(kick: () => void) {
    this.#kick = kick
  }

  add(slot: CommandSlot, fault: CommandFault, entry: DataView | null, status: number): void {
    const held = new Held(this, slot, { abortable: fault.abortable, entry, status })
    this.#list.push(held)
    fault.heldBy(held)
  }

  oneIsDue(): void {
    this.#anyDue = true
    this.#kick()
  }

  /** The next that goes on, null for none. */
  takeDue(): Held | null {
    if (!this.#anyDue) return null
    const found = this.#take((held) => held.due)
    if (found === null) this.#anyDue = false
    return found
  }

  /** Stops one of a queue: any, or the one with this identifier. It is its finder's to complete. */
  stop(sq: SubmissionQueue, commandId: number | null): CommandSlot | null {
    const found = this.#take(
      ({ slot, abortable }) =>
        abortable && slot.sq === sq && (commandId === null || slot.commandId === commandId),
    )
    return found === null ? null : found.slot
  }

  count(match: (slot: CommandSlot) => boolean): number {
    return this.#list.filter((held) => match(held.slot)).length
  }

  /** A reset: the slots are their finder's to give back. */
  reset(): CommandSlot[] {
    const dropped = this.#list
    this.#list = []
    for (const held of dropped) held.live = false
    return dropped.map((held) => held.slot)
  }

  #take(match: (held: Held) => boolean): Held | null {
    const at = this.#list.findIndex(match)
    const held = this.#list[at]
    if (held === undefined) return null
    this.#list.splice(at, 1)
    held.live = false
    return held
  }
}

export function copyEntry(view: DataView, at: number): DataView {
  const copy = new Uint8Array(SQE_BYTES)
  copy.set(new Uint8Array(view.buffer, view.byteOffset + at, SQE_BYTES))
  return new DataView(copy.buffer)
}

/** Commands whose range is SLBA and NLB. */
const RANGED: ReadonlySet<number> = new Set([
  NvmOpcode.READ,
  NvmOpcode.WRITE,
  NvmOpcode.COMPARE,
  NvmOpcode.VERIFY,
  NvmOpcode.WRITE_UNCORRECTABLE,
  NvmOpcode.WRITE_ZEROES,
])

/** What a fault can be chosen by. */
export function commandInfo(
  slot: CommandSlot,
  view: DataView,
  at: number,
  about: { readonly inFlight: number; readonly hostId: string },
): CommandInfo {
  const { opcode, commandId, nsid } = slot
  const sqid = slot.sq?.id ?? 0
  const ranged = sqid > 0 && RANGED.has(opcode)
  return {
    sqid,
    commandId,
    opcode,
    nsid,
    firstBlock: ranged ? getUint64(view, at + SqeOffset.CDW10) : 0,
    blocks: ranged ? view.getUint16(at + SqeOffset.CDW12, true) + 1 : 0,
    ...about,
    dword: (index) => view.getUint32(at + 4 * index, true),
  }
}
