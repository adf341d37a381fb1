// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Fused Compare and Write: two neighbours in a queue that are one command. Nothing else writes to the namespace between the comparison and the end of the
// write; who would have to waits.
//
//   FIRST fetched --> kept --SECOND fetched--> (writes under way end) --> compare --same--> write --> both ended, who waited goes on
//                      |                                                     +--differs, fails--> the write ends with Failed Fused
//                      +--anything else, or nothing, fetched--> Missing Fused

import { Fuse, getUint64, NvmOpcode, SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { INVALID_FIELD, invalidField, PENDING } from '../command-handler.ts'
import type { CommandSlot, CommandStep } from '../command-slot.ts'
import { copyEntry } from '../held-commands.ts'
import type { Controller } from '../nvme-controller.ts'
import type { SubmissionQueue } from '../transport/queues.ts'
import { compareCommand } from './compare.ts'
import { FUSED_BLOCKS_MAX } from './io-limits.ts'
import { prepareReadWrite, readWrite } from './read-write.ts'

const MISSING = Status.FUSED_MISSING | STATUS_DNR
/** The other half of it did not do what it should: the same pair may be sent again. */
const FAILED = Status.FUSED_FAIL

/** A command that was fetched, and its entry: the host may use its place again. */
export interface KeptCommand {
  readonly slot: CommandSlot
  readonly entry: DataView
}

/** What the pairs need of the controller. */
export interface FusedHost {
  complete(slot: CommandSlot, status: number): void
  /** Runs a command that was kept, as if it had just been fetched. */
  rerun(command: KeptCommand): void
  /** Commands that have been fetched and not ended. */
  inFlight(): Iterable<CommandSlot>
}

/** The pairs of one controller. */
export class FusedPairs implements CommandStep {
  readonly #controller: Controller
  readonly #host: FusedHost
  readonly #firsts: Map<SubmissionQueue, KeptCommand> = new Map()
  /** By namespace: the pair that has it, then those that come next. */
  readonly #pairs: Map<number, Pair[]> = new Map()
  #waiting: KeptCommand[] = []

  constructor(controller: Controller, host: FusedHost) {
    this.#controller = controller
    this.#host = host
  }

  /** Whether commands have to be looked at besides those that are fused. */
  get active(): boolean {
    return this.#firsts.size > 0 || this.#pairs.size > 0
  }

  /** True: the command is not to be run now; it is kept, or has ended. */
  take(sq: SubmissionQueue, slot: CommandSlot, view: DataView, at: number): boolean {
    const fuse = view.getUint8(at + SqeOffset.FLAGS) & 3
    const first = this.#firsts.get(sq)
    if (first !== undefined) {
      this.#firsts.delete(sq)
      first.slot.parked = null
      if (fuse === Fuse.SECOND) {
        this.#begin(first, { slot, entry: copyEntry(view, at) })
        return true
      }
      this.#host.complete(first.slot, MISSING)
    }
    if (fuse === Fuse.NORMAL) return this.#mayHaveToWait(slot, view, at)
    if (fuse === Fuse.FIRST && sq.id > 0) {
      this.#firsts.set(sq, { slot, entry: copyEntry(view, at) })
      slot.parked = this
    } else if (fuse === Fuse.SECOND && sq.id > 0) this.#host.complete(slot, MISSING)
    else this.#host.complete(slot, invalidField(slot, SqeOffset.FLAGS))
    return true
  }

  /** Everything that there is has been fetched: whose second half did not come, has none. */
  allFetched(): void {
    for (const [sq, first] of this.#firsts) {
      if (sq.head !== sq.tail) continue
      this.#firsts.delete(sq)
      first.slot.parked = null
      this.#host.complete(first.slot, MISSING)
    }
  }

  /** A command of a namespace that a pair wants has ended, or one half of a pair. */
  ended(slot: CommandSlot, status: number): void {
    const pairs = this.#pairs.get(slot.nsid)
    const pair = pairs?.[0]
    if (pairs === undefined || pair === undefined) return
    if (slot === pair.first.slot && pair.state === PairState.COMPARING) this.#compared(pair, status)
    else if (slot === pair.second.slot && pair.state === PairState.WRITING) this.#over(pairs)
    else if (pair.state === PairState.WAITING) this.#tryToRun(pair)
  }

  /** A reset: the slots are given back by who resets. */
  reset(): void {
    this.#firsts.clear()
    this.#pairs.clear()
    this.#waiting = []
  }

  #mayHaveToWait(slot: CommandSlot, view: DataView, at: number): boolean {
    const nsid = view.getUint32(at + SqeOffset.NSID, true)
    if (!this.#pairs.has(nsid) || !writes(slot)) return false
    slot.parked = this
    this.#waiting.push({ slot, entry: copyEntry(view, at) })
    return true
  }

  #begin(first: KeptCommand, second: KeptCommand): void {
    const refusal = this.#refusal(first, second)
    if (refusal !== null) {
      this.#host.complete(first.slot, refusal.first)
      this.#host.complete(second.slot, refusal.second)
      return
    }
    const { nsid } = first.slot
    first.slot.parked = this
    second.slot.parked = this
    const pair: Pair = { first, second, nsid, state: PairState.WAITING }
    const pairs = this.#pairs.get(nsid)
    if (pairs !== undefined) {
      pairs.push(pair)
      return
    }
    this.#pairs.set(nsid, [pair])
    this.#tryToRun(pair)
  }

  /** What is wrong with them, as far as that can be said before anything is done. */
  #refusal(first: KeptCommand, second: KeptCommand): { first: number; second: number } | null {
    const a = first.entry
    const b = second.entry
    const pairing =
      first.slot.opcode === NvmOpcode.COMPARE && second.slot.opcode === NvmOpcode.WRITE
    if (!pairing || !sameBlocks(a, b)) return { first: INVALID_FIELD, second: INVALID_FIELD }
    if (a.getUint16(SqeOffset.CDW12, true) >= FUSED_BLOCKS_MAX) {
      return { first: Status.ATOMIC_WRITE_UNIT_EXCEEDED | STATUS_DNR, second: FAILED }
    }
    const compare = compareCommand(this.#controller, first.slot, a, 0)
    if (typeof compare === 'number') return { first: compare, second: FAILED }
    const write = prepareReadWrite(this.#controller, second.slot, b, 0)
    return typeof write === 'number' ? { first: FAILED, second: write } : null
  }

  /** Not before the writes that are under way have ended: which of them came first could not be said. */
  #tryToRun(pair: Pair): void {
    for (const slot of this.#host.inFlight()) {
      const other = slot !== pair.first.slot && slot !== pair.second.slot
      if (other && slot.parked !== this && slot.nsid === pair.nsid && writes(slot)) return
    }
    pair.state = PairState.COMPARING
    const { slot, entry } = pair.first
    slot.parked = null
    const compare = compareCommand(this.#controller, slot, entry, 0)
    const status = typeof compare === 'number' ? compare : compare.run()
    if (status !== PENDING) this.#host.complete(slot, status)
  }

  #compared(pair: Pair, status: number): void {
    const { slot, entry } = pair.second
    pair.state = PairState.WRITING
    slot.parked = null
    const written = status === Status.SUCCESS ? readWrite(this.#controller, slot, entry, 0) : FAILED
    if (written !== PENDING) this.#host.complete(slot, written)
  }

  #over(pairs: Pair[]): void {
    const [pair] = pairs.splice(0, 1)
    const next = pairs[0]
    if (next !== undefined) {
      this.#tryToRun(next)
      return
    }
    if (pair !== undefined) this.#pairs.delete(pair.nsid)
    const waiting = this.#waiting
    this.#waiting = []
    for (const command of waiting) {
      command.slot.parked = null
      this.#host.rerun(command)
    }
  }

  /** In a reset nobody waits for the other half. */
  storeDone(_slot: CommandSlot, status: number): number {
    return status
  }
}

const PairState = { WAITING: 0, COMPARING: 1, WRITING: 2 } as const
type PairState = (typeof PairState)[keyof typeof PairState]

interface Pair {
  readonly first: KeptCommand
  readonly second: KeptCommand
  readonly nsid: number
  state: PairState
}

function sameBlocks(a: DataView, b: DataView): boolean {
  return (
    a.getUint32(SqeOffset.NSID, true) === b.getUint32(SqeOffset.NSID, true) &&
    getUint64(a, SqeOffset.CDW10) === getUint64(b, SqeOffset.CDW10) &&
    a.getUint16(SqeOffset.CDW12, true) === b.getUint16(SqeOffset.CDW12, true)
  )
}

/** Whether it changes what a Compare would see. */
function writes({ sq, opcode }: CommandSlot): boolean {
  if (sq === null || sq.id === 0) return false
  switch (opcode) {
    case NvmOpcode.WRITE:
    case NvmOpcode.WRITE_UNCORRECTABLE:
    case NvmOpcode.WRITE_ZEROES:
    case NvmOpcode.DATASET_MANAGEMENT:
    case NvmOpcode.COPY:
      return true
    default:
      return false
  }
}
