// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPrng, type Kernel, type Prng, Timer } from '@iolayers/kernel'
import {
  type CommandFault,
  type CommandInfo,
  type HeldCommand,
  HoldAt,
  Posting,
} from '../controller/index.ts'
import { STATUS_CRD_SHIFT, STATUS_DNR } from '../spec/index.ts'
import { type Change, changed, toChanges } from './bytes.ts'
import type { MediumFault } from './medium-fault.ts'
import type {
  CompletionFault,
  DelayData,
  EventData,
  FaultRuleData,
  StatusData,
} from './rule-data.ts'
import { Selection } from './selection.ts'

/** A fault that was set up. */
export interface FaultRule {
  readonly data: FaultRuleData
  /** Commands that it met. */
  readonly hits: number
  /** Meets no more. What it holds stays held. */
  remove(): void
}

/** A fault that holds commands. */
export interface HoldRule extends FaultRule {
  /** Commands held now. */
  readonly held: number
  /** Lets those go on that are held now; how many. Later ones are held again. */
  release(): number
}

/** Whom a rule tells of what happens beside its command. */
export interface RuleOwner {
  readonly kernel: Kernel
  removed(rule: Rule): void
  event(event: EventData): void
  power(event: 'fatal' | 'removal' | 'cut'): void
}

/** One in a hundred takes the rare time. @see SPDK, module/bdev/delay: p99 latency */
const RARE = 100

export class Rule implements HoldRule, CommandFault {
  readonly data: FaultRuleData
  readonly hold: HoldAt
  readonly abortable: boolean
  readonly status: number
  readonly endStatus: number
  readonly result: number
  readonly posting: Posting
  readonly commandId: number
  /** What its I/Os at a store meet; null for nothing. */
  readonly medium: MediumFault | null
  hits = 0
  readonly #owner: RuleOwner
  readonly #selection: Selection
  readonly #prng: Prng
  readonly #delay: DelayData | null
  readonly #entry: readonly Change[]
  readonly #toHost: readonly Change[]
  #commands: HeldCommand[] = []

  /** The data has been checked. */
  constructor(owner: RuleOwner, data: FaultRuleData, seed: number) {
    const { before, completion, media, power } = data
    this.#owner = owner
    this.data = data
    this.#prng = createPrng(seed)
    this.#selection = new Selection(data.match ?? {}, this.#prng)
    this.hold = holdOf(data)
    this.abortable = before?.lost !== true && power === undefined
    this.status = before?.status === undefined ? -1 : statusOf(before.status)
    this.endStatus = completion?.status === undefined ? -1 : statusOf(completion.status)
    this.result = completion?.result ?? -1
    this.posting = postingOf(completion)
    this.commandId = completion?.commandId ?? 0
    this.#delay = before?.delay ?? completion?.delay ?? null
    this.#entry = toChanges(before?.entry)
    this.#toHost = toChanges(data.data?.change)
    this.medium =
      media === undefined && data.data === undefined
        ? null
        : {
            status: media?.status === undefined ? -1 : statusOf(media.status),
            delayNs: () => (media?.delay === undefined ? 0 : this.#draw(media.delay)),
            tornBytes: media?.tornBytes ?? Number.POSITIVE_INFINITY,
            lost: media?.lost === true,
            read: toChanges(media?.change),
            write: [...this.#toHost, ...toChanges(media?.change)],
          }
  }

  get held(): number {
    return this.#commands.filter((command) => command.live).length
  }

  release(): number {
    const commands = this.#commands.filter((command) => command.live)
    this.#commands = []
    for (const command of commands) command.release()
    return commands.length
  }

  remove(): void {
    this.#owner.removed(this)
  }

  /** Counts a command that matches; true when it is meant. */
  meets(info: CommandInfo): boolean {
    if (!this.#selection.meets(info)) return false
    this.hits++
    return true
  }

  /** @internal For the controller. */
  met(): void {
    const event = this.data.before?.event
    if (event !== undefined) this.#owner.event(event)
  }

  /** @internal */
  ended(): void {
    const event = this.data.completion?.event
    if (event !== undefined) this.#owner.event(event)
  }

  get changesEntry(): boolean {
    return this.#entry.length > 0
  }

  get changesData(): boolean {
    return this.#toHost.length > 0
  }

  /** @internal */
  entryByte(offset: number, byte: number): number {
    return changed(this.#entry, offset, byte)
  }

  /** @internal */
  dataByte(offset: number, byte: number): number {
    return changed(this.#toHost, offset, byte)
  }

  /** @internal For the controller. */
  heldBy(command: HeldCommand): void {
    this.#commands = this.#commands.filter((one) => one.live)
    this.#commands.push(command)
    const { power } = this.data
    if (power !== undefined) this.#owner.power(power.event)
    if (this.#delay === null) return
    const { scheduler } = this.#owner.kernel
    new Timer(scheduler, 'nvme fault delay', () => command.release()).arm(this.#draw(this.#delay))
  }

  #draw(delay: DelayData): number {
    if (typeof delay === 'number') return delay
    if ('minNs' in delay) {
      const span = Math.max(0, delay.maxNs - delay.minNs)
      return delay.minNs + Math.floor((this.#prng.nextUint32() / 2 ** 32) * (span + 1))
    }
    return this.#prng.below(RARE) === 0 ? delay.p99Ns : delay.averageNs
  }
}

function holdOf({ before, completion, power }: FaultRuleData): HoldAt {
  if (power !== undefined) return power.after === true ? HoldAt.AFTER : HoldAt.BEFORE
  if (before?.hold === true || before?.lost === true || before?.delay !== undefined) {
    return HoldAt.BEFORE
  }
  const late = completion?.hold === true || completion?.delay !== undefined
  return late ? HoldAt.AFTER : HoldAt.NOWHERE
}

function statusOf(status: StatusData): number {
  if (typeof status === 'number') return status
  const { sct, sc, dnr, crd } = status
  return (sct << 8) | sc | ((crd ?? 0) << STATUS_CRD_SHIFT) | (dnr === true ? STATUS_DNR : 0)
}

function postingOf(completion: CompletionFault | undefined): Posting {
  if (completion?.drop === true) return Posting.NONE
  if (completion?.duplicate === true) return Posting.TWICE
  if (completion?.commandId !== undefined) return Posting.WRONG_ID
  return completion?.noInterrupt === true ? Posting.NO_INTERRUPT : Posting.NORMAL
}
