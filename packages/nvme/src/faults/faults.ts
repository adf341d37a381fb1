// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What goes wrong in a controller, chosen by whoever tests a host. Rules for commands are asked in the order in which they were made; the
// first that means a command is its fate.

import { DeferredCall, type Kernel, KernelError } from '@iolayers/kernel'
import type {
  CommandFault,
  CommandInfo,
  ControllerFaults,
  FaultTarget,
  IdentifyLies,
  NamespaceStore,
} from '../controller/index.ts'
import { checkStatus, checkTime } from './checks.ts'
import { FaultyStore } from './faulty-store.ts'
import { checkRule, parseFaultPlan } from './parse.ts'
import { type FaultRule, type HoldRule, Rule, type RuleOwner } from './rule.ts'
import { type RuleBuilder, toRule } from './rule-builder.ts'
import type { CommandMatch, EventData, FaultPlan, FaultRuleData } from './rule-data.ts'
import { isVolatile, type VolatileStore } from './volatile-store.ts'

/** The faults of one controller, given to it as a component when it is made. */
export interface Faults extends ControllerFaults {
  /** Sets up a rule, as data or from the builder. Rules are asked in the order in which they came. Throws EINVAL, naming the place. */
  add(rule: FaultRuleData | RuleBuilder): HoldRule
  /** All of a plan: its rules after those that are there. Throws EINVAL for one that makes no sense, and nothing is changed. */
  load(plan: FaultPlan): readonly HoldRule[]
  /**
   * Holds commands until they are released, or for ever: a device that lost a command, or hangs over one. By default before any of it is run;
   * `after` its data moved it is only the completion that is missing. A held command moves nothing. `abortable: false` is firmware that does
   * not find a command that it lost, before it began.
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
  /** Its power goes, and comes back: it is disabled, its commands are gone, and volatile stores forget. Throws ENODEV without a controller. */
  powerCut(): void
  /** A namespace is on the list of changes, though nothing became of it. Throws ENODEV without a controller. */
  namespaceChanged(nsid: number): void
}

/**
 * The faults of one controller, none of them yet: give them to `createNvmeController` as the component `faults`. They cost nothing when absent. `seed` is that
 * of all chance in them, 1 by default: the same seed and the same commands, the same faults.
 */
export function createFaults(
  components: { readonly kernel: Kernel },
  init: { readonly seed?: number } = {},
): Faults {
  return new FaultSet(components.kernel, init.seed ?? 1)
}

type PowerEvent = 'fatal' | 'removal' | 'cut'

class FaultSet implements Faults, RuleOwner {
  ignoresDisable = false
  readyDelayNs = 0
  identifyLies: IdentifyLies | null = null
  readonly kernel: Kernel
  #seed: number
  #rules: Rule[] = []
  #made = 0
  #target: FaultTarget | null = null
  /** What is to happen to the whole controller, when it is not in the midst of a command. */
  readonly #soon: PowerEvent[] = []
  readonly #work: DeferredCall
  readonly #volatile: Set<VolatileStore> = new Set()

  constructor(kernel: Kernel, seed: number) {
    this.kernel = kernel
    this.#seed = seed
    this.#work = new DeferredCall('nvme faults', () => this.#happen())
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

  medium(store: NamespaceStore): NamespaceStore {
    if (store instanceof FaultyStore) return store
    if (isVolatile(store)) this.#volatile.add(store)
    return new FaultyStore(this.kernel, store, (io) => {
      const fault = this.#target?.faultOf(io)
      return fault instanceof Rule ? fault.medium : null
    })
  }

  add(rule: FaultRuleData | RuleBuilder): HoldRule {
    const data = toRule(rule)
    checkRule(data)
    const made = new Rule(this, data, Math.imul(this.#seed, 31) + this.#made++)
    this.#rules.push(made)
    return made
  }

  load(plan: FaultPlan): readonly HoldRule[] {
    const { seed, readyDelayNs, ignoreDisable, identify, rules = [] } = parseFaultPlan(plan)
    if (seed !== undefined) this.#seed = seed
    if (readyDelayNs !== undefined) this.delayReady(readyDelayNs ?? Number.POSITIVE_INFINITY)
    if (ignoreDisable !== undefined) this.ignoreDisable(ignoreDisable)
    if (identify !== undefined) this.lieInIdentify(identify)
    return rules.map((rule) => this.add(rule))
  }

  hold(
    match: CommandMatch,
    init: { readonly after?: boolean; readonly abortable?: boolean } = {},
  ): HoldRule {
    if (init.after === true) return this.add({ match, completion: { hold: true } })
    return this.add({ match, before: init.abortable === false ? { lost: true } : { hold: true } })
  }

  delay(match: CommandMatch, delayNs: number, init: { readonly after?: boolean } = {}): HoldRule {
    const late = { delay: checkTime('delayNs', delayNs, 1) }
    return this.add(init.after === true ? { match, completion: late } : { match, before: late })
  }

  fail(match: CommandMatch, status: number): FaultRule {
    return this.add({ match, before: { status: checkStatus(status) } })
  }

  dropCompletion(match: CommandMatch): FaultRule {
    return this.add({ match, completion: { drop: true } })
  }

  dropInterrupt(match: CommandMatch): FaultRule {
    return this.add({ match, completion: { noInterrupt: true } })
  }

  duplicateCompletion(match: CommandMatch): FaultRule {
    return this.add({ match, completion: { duplicate: true } })
  }

  wrongCommandId(match: CommandMatch, commandId: number): FaultRule {
    return this.add({ match, completion: { commandId } })
  }

  ignoreDisable(on: boolean): void {
    this.ignoresDisable = on
    this.#target?.kick()
  }

  delayReady(delayNs: number): void {
    const never = delayNs === Number.POSITIVE_INFINITY
    this.readyDelayNs = never ? delayNs : checkTime('delayNs', delayNs, 0)
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

  powerCut(): void {
    const target = this.#attached()
    for (const store of this.#volatile) store.powerCut()
    target.powerCut()
  }

  namespaceChanged(nsid: number): void {
    this.#attached().namespaceChanged(nsid)
  }

  // What its rules ask for.

  removed(rule: Rule): void {
    this.#rules = this.#rules.filter((other) => other !== rule)
  }

  event(event: EventData): void {
    const target = this.#attached()
    if ('namespace' in event) target.namespaceChanged(event.namespace)
    else target.raiseEvent(event.type, event.info, event.log)
  }

  power(event: PowerEvent): void {
    this.#soon.push(event)
    this.kernel.scheduler.queue(this.#work)
  }

  #happen(): void {
    for (const event of this.#soon.splice(0)) {
      if (event === 'fatal') this.fatal()
      else if (event === 'removal') this.surpriseRemoval()
      else this.powerCut()
    }
  }

  #attached(): FaultTarget {
    if (this.#target !== null) return this.#target
    throw new KernelError('ENODEV', 'faults were given to no controller')
  }
}
