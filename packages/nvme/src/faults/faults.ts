// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What goes wrong in a controller, chosen by whoever tests a host. Rules for commands are asked in the order in which they were made; the
// first that means a command is its fate.

import { type Kernel, KernelError } from '@iolayers/kernel'
import {
  type CommandFault,
  type CommandInfo,
  type ControllerFaults,
  type FaultTarget,
  HoldAt,
  type IdentifyLies,
  Posting,
} from '../controller/index.ts'
import { type CommandMatch, type FaultRule, type HoldRule, Rule, type RuleInit } from './rule.ts'

export type { CommandMatch, FaultRule, HoldRule } from './rule.ts'

/** The faults of one controller, given to it as a component when it is made. */
export interface Faults extends ControllerFaults {
  /**
   * Holds commands until they are released, or for ever: a device that lost a command, or hangs over one. By default before any of it is run;
   * `after` its data moved it is only the completion that is missing. A held command moves nothing. `abortable: false` is firmware that does
   * not find a command that it lost.
   */
  hold(
    match: CommandMatch,
    init?: { readonly after?: boolean; readonly abortable?: boolean },
  ): HoldRule
  /** Holds commands for a time: a drive that collects garbage, or reads a weak cell again and again. */
  delay(match: CommandMatch, delayNs: number, init?: { readonly after?: boolean }): HoldRule
  /** Ends commands with a status, with or without `STATUS_DNR`; they move nothing. A bad block, a path that is gone, a drive that is full. */
  fail(match: CommandMatch, status: number): FaultRule
  /** No completion entry at all, though all else was done: a write that the bus dropped. */
  dropCompletion(match: CommandMatch): FaultRule
  /** The completion entry is written, and its interrupt lost: MSI-X raced with a mask, a bridge dropped the message. A later one is not. */
  dropInterrupt(match: CommandMatch): FaultRule
  /** The completion comes twice: firmware that posts again after an internal retry. */
  duplicateCompletion(match: CommandMatch): FaultRule
  /** The completion names another command, or none: a bit that flipped in the controller's memory. */
  wrongCommandId(match: CommandMatch, commandId: number): FaultRule
  /** CC.EN=0 changes nothing, and RDY stays: firmware that is stuck goes on with its DMA. What was asked meanwhile is done when this ends. */
  ignoreDisable(on: boolean): void
  /** From EN=1 to RDY=1; infinite for never. Drives that rebuild their tables after a loss of power take seconds. */
  delayReady(delayNs: number): void
  /** Identify says what is not so: a quirky drive. What the controller does stays the same. Null for the truth. */
  lieInIdentify(lies: IdentifyLies | null): void
  /** CSTS.CFS: firmware that found itself broken. Throws ENODEV without a controller. */
  fatal(): void
  /** Pulled out: registers read as all ones, no DMA, no interrupts, for good. Throws ENODEV without a controller. */
  surpriseRemoval(): void
}

/** The faults of one controller, none of them yet: give them to `createNvmeController` as the component `faults`. They cost nothing when absent. */
export function createFaults(components: { readonly kernel: Kernel }): Faults {
  return new FaultSet(components.kernel)
}

class FaultSet implements Faults {
  ignoresDisable = false
  readyDelayNs = 0
  identifyLies: IdentifyLies | null = null
  readonly #kernel: Kernel
  #rules: Rule[] = []
  #target: FaultTarget | null = null

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  attach(target: FaultTarget): void {
    if (this.#target !== null) throw new KernelError('EBUSY', 'faults have a controller already')
    this.#target = target
  }

  command(info: CommandInfo): CommandFault | null {
    let fate: Rule | null = null
    for (const rule of this.#rules) if (rule.meets(info)) fate ??= rule
    return fate
  }

  hold(
    match: CommandMatch,
    init: { readonly after?: boolean; readonly abortable?: boolean } = {},
  ): HoldRule {
    const hold = init.after === true ? HoldAt.AFTER : HoldAt.BEFORE
    return this.#add(match, { hold, abortable: init.abortable ?? true })
  }

  delay(match: CommandMatch, delayNs: number, init: { readonly after?: boolean } = {}): HoldRule {
    const hold = init.after === true ? HoldAt.AFTER : HoldAt.BEFORE
    return this.#add(match, { hold, delayNs: time('delayNs', delayNs, 1) })
  }

  fail(match: CommandMatch, status: number): FaultRule {
    return this.#add(match, { status: upTo('status', status, 0x7fff) })
  }

  dropCompletion(match: CommandMatch): FaultRule {
    return this.#add(match, { posting: Posting.NONE })
  }

  dropInterrupt(match: CommandMatch): FaultRule {
    return this.#add(match, { posting: Posting.NO_INTERRUPT })
  }

  duplicateCompletion(match: CommandMatch): FaultRule {
    return this.#add(match, { posting: Posting.TWICE })
  }

  wrongCommandId(match: CommandMatch, commandId: number): FaultRule {
    return this.#add(match, {
      posting: Posting.WRONG_ID,
      commandId: upTo('commandId', commandId, 0xffff),
    })
  }

  ignoreDisable(on: boolean): void {
    this.ignoresDisable = on
    this.#target?.kick()
  }

  delayReady(delayNs: number): void {
    this.readyDelayNs = delayNs === Number.POSITIVE_INFINITY ? delayNs : time('delayNs', delayNs, 0)
    this.#target?.kick()
  }

  lieInIdentify(lies: IdentifyLies | null): void {
    this.identifyLies = lies
  }

  fatal(): void {
    this.#attached().fail()
  }

  surpriseRemoval(): void {
    this.#attached().remove()
  }

  #attached(): FaultTarget {
    if (this.#target !== null) return this.#target
    throw new KernelError('ENODEV', 'faults were given to no controller')
  }

  #add(match: CommandMatch, init: RuleInit): Rule {
    const rule = new Rule(this.#kernel, match, init, (one) => {
      this.#rules = this.#rules.filter((other) => other !== one)
    })
    this.#rules.push(rule)
    return rule
  }
}

function upTo(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new KernelError('EINVAL', name, { value, accepted: `0 to ${max}` })
}

function time(name: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value
  throw new KernelError('EINVAL', name, { value, accepted: `${min} ns or more` })
}
