// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The way of a command from its fetch to its completion: checked, made to fail where a fault says so, run by its handler, over its store in as many steps
// as it takes, and posted.

import { assert, assertOnce, type Kernel, type Tracepoint } from '@iolayers/kernel'
import { ERROR_LOG_NONE, FeatureId, getUint64, SqeOffset, Status } from '../spec/index.ts'
import { isFused, refused } from './command-checks.ts'
import { INVALID_OPCODE, PENDING } from './command-handler.ts'
import type { CommandSlot, SlotPool } from './command-slot.ts'
import type { StoreCompletion, StoreIo } from './contracts.ts'
import { countMoved } from './controller-counters.ts'
import { changeData, changedEntry, hexOf } from './fault-changes.ts'
import { type CommandFault, type ControllerFaults, HoldAt } from './fault-hooks.ts'
import { commandInfo, copyEntry, HeldCommands } from './held-commands.ts'
import { type FusedHost, FusedPairs, type KeptCommand } from './io/fused.ts'
import { IoEngine, type IoEngineHost } from './io/io-engine.ts'
import type { Controller } from './nvme-controller.ts'
import type { CompletionPoster } from './transport/completion-poster.ts'
import type { SubmissionQueue } from './transport/queues.ts'
import type { CommandStarter } from './transport/submission-reader.ts'

/** Where commands come from and go to. Set once the controller has made them. */
export interface CommandWays {
  readonly slots: SlotPool
  readonly poster: CompletionPoster
}

export class CommandRunner implements CommandStarter, StoreCompletion, IoEngineHost, FusedHost {
  readonly held: HeldCommands
  readonly io: IoEngine
  readonly fused: FusedPairs
  ways: CommandWays | null = null
  /** Nothing is kept any more. */
  destroyed = false
  readonly #controller: Controller
  readonly #faults: ControllerFaults | null
  readonly #trace: Tracepoint

  constructor(kernel: Kernel, controller: Controller, faults: ControllerFaults | null) {
    this.#controller = controller
    this.#faults = faults
    this.#trace = kernel.tracer.point('nvmet_req_init', ['sqid', 'cid', 'opcode', 'nsid'])
    this.held = new HeldCommands(() => this.kick())
    this.io = new IoEngine(this)
    this.fused = new FusedPairs(controller, this)
  }

  kick(): void {
    this.#controller.kick()
  }

  start(sq: SubmissionQueue, slot: CommandSlot, view: DataView, at: number): void {
    slot.sq = sq
    slot.opcode = view.getUint8(at + SqeOffset.OPC)
    slot.commandId = view.getUint16(at + SqeOffset.CID, true)
    slot.nsid = view.getUint32(at + SqeOffset.NSID, true)
    sq.outstanding++
    const { stats } = this.#controller
    if (sq.id === 0) stats.adminCommands++
    else stats.ioCommands++
    if (this.#trace.enabled) this.#trace.emit(sq.id, slot.commandId, slot.opcode, slot.nsid)
    if (this.#faults === null || !this.#goesWrong(this.#faults, slot, view, at)) {
      this.#execute(sq, slot, view, at)
    }
  }

  storeDone(io: StoreIo, status: number): void {
    const slot = this.#ways.slots.slots[io.index]
    assert(slot !== undefined, 'a store ended an I/O of nobody')
    const { step } = slot
    if (step !== null) {
      slot.step = null
      status = step.storeDone(slot, status)
      if (status === PENDING) return
    }
    this.ended(slot, status)
    this.kick()
  }

  serves(slot: CommandSlot): boolean {
    return slot.sq !== null && this.#controller.queues.cqs[slot.sq.cq.id] === slot.sq.cq
  }

  ended(slot: CommandSlot, status: number): void {
    if (status === Status.SUCCESS) countMoved(this.#controller.stats, slot)
    else this.#logError(slot, status)
    this.#kept(slot, status)
  }

  complete(slot: CommandSlot, status: number): void {
    if (status !== Status.SUCCESS) this.#logError(slot, status)
    this.#kept(slot, status)
  }

  rerun({ slot, entry }: KeptCommand): void {
    if (slot.sq !== null) this.#execute(slot.sq, slot, entry, 0)
  }

  *inFlight(): Iterable<CommandSlot> {
    for (const slot of this.#ways.slots.slots) if (slot.sq !== null && !slot.over) yield slot
  }

  /** A command that was stopped: whatever was wrong with it, it ends as it should. */
  stopped(slot: CommandSlot, status: number): void {
    slot.fault = null
    this.#finish(slot, status)
  }

  /** Commands that were kept, and are no more, go on where they were. */
  goOn(): void {
    for (let held = this.held.takeDue(); held !== null; held = this.held.takeDue()) {
      const { slot, entry } = held
      if (entry === null) this.#finish(slot, held.status)
      else this.rerun({ slot, entry })
    }
    if (this.io.due) this.io.goOn()
  }

  get #ways(): CommandWays {
    assert(this.ways !== null, 'a command before there was a way for it')
    return this.ways
  }

  #execute(sq: SubmissionQueue, slot: CommandSlot, view: DataView, at: number): void {
    if ((this.fused.active || isFused(view, at)) && this.fused.take(sq, slot, view, at)) return
    const controller = this.#controller
    let status = refused(sq.id, view, at, controller.identity.fabric !== null)
    if (status === Status.SUCCESS) {
      const run = (sq.id === 0 ? controller.adminCommands : controller.ioCommands)[slot.opcode]
      status = run ? run(controller, slot, view, at) : INVALID_OPCODE
    }
    if (status === PENDING) return
    if (status !== Status.SUCCESS) {
      const lba = sq.id === 0 ? 0 : getUint64(view, at + SqeOffset.CDW10)
      controller.errorLog.add(sq.id, slot.commandId, status, slot.nsid, lba, slot.errorAt)
    }
    this.#kept(slot, status)
  }

  #logError(slot: CommandSlot, status: number): void {
    const { namespace } = slot
    const lba = namespace === null ? 0 : Math.floor(slot.io.offsetBytes / namespace.blockBytes)
    const sqid = slot.sq?.id ?? ERROR_LOG_NONE
    this.#controller.errorLog.add(sqid, slot.commandId, status, slot.nsid, lba, slot.errorAt)
  }

  /** Asks what is wrong with a command. True when it is not run now, or not as it was sent. */
  #goesWrong(faults: ControllerFaults, slot: CommandSlot, view: DataView, at: number): boolean {
    const { features } = this.#controller
    const info = commandInfo(slot, view, at, {
      inFlight: this.#controller.outstanding,
      hostId: hexOf(features.data(FeatureId.HOST_IDENTIFIER)),
    })
    const fault = faults.command(info)
    slot.fault = fault
    if (fault === null) return false
    fault.met()
    const entry = fault.changesEntry ? changedEntry(slot, copyEntry(view, at), fault) : null
    if (fault.hold === HoldAt.BEFORE) {
      this.held.add(slot, fault, entry ?? copyEntry(view, at), Status.SUCCESS)
      return true
    }
    if (fault.status < 0) {
      if (entry !== null) this.rerun({ slot, entry })
      return entry !== null
    }
    if (fault.status !== Status.SUCCESS) {
      this.#controller.errorLog.add(
        info.sqid,
        info.commandId,
        fault.status,
        info.nsid,
        info.firstBlock,
      )
    }
    this.#kept(slot, fault.status)
    return true
  }

  /** The end of a command, unless a fault changes it or keeps it back. */
  #kept(slot: CommandSlot, status: number): void {
    const { fault } = slot
    if (fault === null) {
      this.#finish(slot, status)
      return
    }
    const ended = this.#changedEnd(slot, fault, status)
    if (fault.hold !== HoldAt.AFTER) this.#finish(slot, ended)
    else if (this.destroyed || (fault.abortable && slot.sq?.deletion)) this.#finish(slot, ended)
    else this.held.add(slot, fault, null, ended)
  }

  #changedEnd(slot: CommandSlot, fault: CommandFault, status: number): number {
    if (fault.changesData && status === Status.SUCCESS) changeData(slot, fault)
    if (fault.result >= 0) slot.result = fault.result
    fault.ended()
    if (fault.endStatus < 0 || fault.endStatus === status) return status
    if (fault.endStatus !== Status.SUCCESS) this.#logError(slot, fault.endStatus)
    return fault.endStatus
  }

  #finish(slot: CommandSlot, status: number): void {
    const { sq, fault } = slot
    assertOnce(sq !== null, 'a command was completed twice')
    const { stats } = this.#controller
    if (status !== Status.SUCCESS) stats.errors++
    slot.status = status
    slot.over = true
    sq.outstanding--
    if (!this.serves(slot)) {
      // The queue went away in a reset: nobody is told.
      this.#ways.slots.give(slot)
      return
    }
    if (fault === null) this.#ways.poster.deliver(sq, slot)
    else this.#ways.poster.deliverWrong(sq, slot, fault)
    if (this.fused.active) this.fused.ended(slot, status)
    const { deletion } = sq
    if (deletion === null || sq.outstanding > 0) return
    sq.deletion = null
    sq.cq.users--
    this.#kept(deletion, Status.SUCCESS)
  }
}
