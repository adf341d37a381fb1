// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Prng } from '@iolayers/kernel'
import type { CommandInfo } from '../controller/index.ts'
import type { CommandMatch, DwordMatch } from './rule-data.ts'

const CHANCES = 2 ** 32

/** Which of the commands that come by are meant. */
export class Selection {
  readonly #match: CommandMatch
  readonly #prng: Prng
  readonly #first: number
  readonly #every: number
  #seen = 0
  #left: number

  constructor(match: CommandMatch, prng: Prng) {
    this.#match = match
    this.#prng = prng
    this.#first = match.nth ?? 1
    this.#every = match.every ?? 1
    const many = match.nth === undefined || match.every !== undefined
    this.#left = match.times ?? (many ? Number.POSITIVE_INFINITY : 1)
  }

  /** Counts a command that matches; true when it is meant. */
  meets(info: CommandInfo): boolean {
    if (this.#left === 0 || !matches(this.#match, info)) return false
    this.#seen++
    const since = this.#seen - this.#first
    if (since < 0 || since % this.#every !== 0) return false
    const { probability } = this.#match
    if (probability !== undefined && this.#prng.nextUint32() >= probability * CHANCES) return false
    this.#left--
    return true
  }
}

function matches(match: CommandMatch, info: CommandInfo): boolean {
  const { queue, dwords, inFlight = 1, host } = match
  if (queue === undefined ? info.sqid === 0 : queue !== info.sqid) return false
  if (info.inFlight < inFlight || !isOrAny(match.opcode, info.opcode)) return false
  if (!isOrAny(match.nsid, info.nsid) || !touches(match, info)) return false
  if (host !== undefined && !info.hostId.startsWith(host.toLowerCase())) return false
  return dwords === undefined || dwords.every((one) => sameDword(one, info))
}

function isOrAny(wanted: number | undefined, found: number): boolean {
  return wanted === undefined || wanted === found
}

function touches({ firstBlock, blocks = 1 }: CommandMatch, info: CommandInfo): boolean {
  if (firstBlock === undefined) return true
  return info.firstBlock < firstBlock + blocks && firstBlock < info.firstBlock + info.blocks
}

function sameDword({ index, value, mask = 0xffff_ffff }: DwordMatch, info: CommandInfo): boolean {
  return ((info.dword(index) ^ value) & mask) === 0
}
