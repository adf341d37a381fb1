// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, KernelError, Timer } from '@iolayers/kernel'
import {
  type CommandFault,
  type CommandInfo,
  type HeldCommand,
  HoldAt,
  Posting,
} from '../controller/index.ts'

/** Which commands. What is not given matches all, but for the queue: without one, commands of every I/O queue and of no admin queue. */
export interface CommandMatch {
  readonly opcode?: number
  readonly queue?: number
  readonly nsid?: number
  /** Reads and writes that touch one of `blocks` blocks from here on. */
  readonly firstBlock?: number
  /** 1 by default. */
  readonly blocks?: number
  /** The first of those that match which is meant, counted from 1; 1 by default. */
  readonly nth?: number
  /** How many are meant, from the nth on; without it, 1 where `nth` is given and all otherwise. */
  readonly times?: number
}

/** A fault that was set up. */
export interface FaultRule {
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

export interface RuleInit {
  readonly hold?: HoldAt
  readonly abortable?: boolean
  readonly status?: number
  readonly posting?: Posting
  readonly commandId?: number
  /** Held for so long; 0 for until it is released. */
  readonly delayNs?: number
}

export class Rule implements HoldRule, CommandFault {
  readonly hold: HoldAt
  readonly abortable: boolean
  readonly status: number
  readonly posting: Posting
  readonly commandId: number
  hits = 0
  readonly #match: CommandMatch
  readonly #kernel: Kernel
  readonly #delayNs: number
  readonly #onRemove: (rule: Rule) => void
  readonly #first: number
  readonly #last: number
  #seen = 0
  #commands: HeldCommand[] = []

  constructor(kernel: Kernel, match: CommandMatch, init: RuleInit, onRemove: (rule: Rule) => void) {
    this.hold = init.hold ?? HoldAt.NOWHERE
    this.abortable = init.abortable ?? true
    this.status = init.status ?? -1
    this.posting = init.posting ?? Posting.NORMAL
    this.commandId = init.commandId ?? 0
    this.#kernel = kernel
    this.#match = match
    this.#delayNs = init.delayNs ?? 0
    this.#onRemove = onRemove
    this.#first = positive('nth', match.nth ?? 1)
    const times = match.times ?? (match.nth === undefined ? Number.POSITIVE_INFINITY : 1)
    this.#last = this.#first + positive('times', times) - 1
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
    this.#onRemove(this)
  }

  /** Counts a command that matches; true when it is meant. */
  meets(info: CommandInfo): boolean {
    if (!matches(this.#match, info)) return false
    this.#seen++
    if (this.#seen < this.#first || this.#seen > this.#last) return false
    this.hits++
    return true
  }

  /** @internal For the controller. */
  heldBy(command: HeldCommand): void {
    this.#commands = this.#commands.filter((one) => one.live)
    this.#commands.push(command)
    if (this.#delayNs === 0) return
    new Timer(this.#kernel.scheduler, 'nvme fault delay', () => command.release()).arm(
      this.#delayNs,
    )
  }
}

function matches(match: CommandMatch, info: CommandInfo): boolean {
  if (match.queue === undefined ? info.sqid === 0 : match.queue !== info.sqid) return false
  if (match.opcode !== undefined && match.opcode !== info.opcode) return false
  if (match.nsid !== undefined && match.nsid !== info.nsid) return false
  if (match.firstBlock === undefined) return true
  const end = match.firstBlock + (match.blocks ?? 1)
  return info.firstBlock < end && match.firstBlock < info.firstBlock + info.blocks
}

function positive(name: string, value: number): number {
  if (value >= 1) return value
  throw new KernelError('EINVAL', name, { value, accepted: '1 or more' })
}
