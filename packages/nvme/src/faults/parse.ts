// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { SQE_BYTES } from '../spec/index.ts'
import {
  type Check,
  flag,
  list,
  object,
  oneOf,
  type Place,
  real,
  STATUS_MAX,
  text,
  whole,
} from './checks.ts'
import type { FaultPlan, FaultRuleData } from './rule-data.ts'

const DWORD = 0xffff_ffff
/** No time of the scheduler is longer: 2^53 ns are 104 days. */
const NS = Number.MAX_SAFE_INTEGER

const status: Check = (value, at) => {
  if (typeof value === 'number') whole(0, STATUS_MAX)(value, at)
  else
    object(
      { sct: whole(0, 7), sc: whole(0, 255), dnr: flag, crd: whole(0, 3) },
      'sct',
      'sc',
    )(value, at)
}

const delay: Check = (value, at) => {
  const ns = whole(1, NS)
  if (typeof value === 'number') ns(value, at)
  else if (has(value, 'minNs')) {
    object({ minNs: whole(0, NS), maxNs: ns }, 'minNs', 'maxNs')(value, at)
    const { minNs, maxNs } = value as { readonly minNs: number; readonly maxNs: number }
    if (minNs > maxNs) throw wrong(at, value, 'minNs that is not more than maxNs')
  } else object({ averageNs: whole(0, NS), p99Ns: whole(0, NS) }, 'averageNs', 'p99Ns')(value, at)
}

/** An even number of hexadecimal digits. */
const hex: Check = (value, at) => {
  text(value, at)
  if (!/^([0-9a-fA-F]{2})+$/.test(String(value)))
    throw wrong(at, value, 'hexadecimal digits, two a byte')
}

function changes(lastByte: number): Check {
  const change = object({ at: whole(0, lastByte), xor: hex, set: hex }, 'at')
  return list((value, at) => {
    change(value, at)
    if (has(value, 'xor') === has(value, 'set')) throw wrong(at, value, 'either `xor` or `set`')
  })
}

const entryChanges: Check = (value, at) => {
  changes(SQE_BYTES - 1)(value, at)
}

const event: Check = (value, at) => {
  if (has(value, 'namespace')) object({ namespace: whole(1, DWORD) })(value, at)
  else {
    const fields = { type: whole(0, 7), info: whole(0, 255), log: whole(0, 255) }
    object(fields, 'type', 'info', 'log')(value, at)
  }
}

const match = object({
  opcode: whole(0, 255),
  queue: whole(0, 0xffff),
  nsid: whole(0, DWORD),
  firstBlock: whole(0, Number.MAX_SAFE_INTEGER),
  blocks: whole(1, Number.MAX_SAFE_INTEGER),
  dwords: list(
    object(
      { index: whole(0, 15), value: whole(0, DWORD), mask: whole(0, DWORD) },
      'index',
      'value',
    ),
  ),
  inFlight: whole(1, 0xffff),
  host: hex,
  nth: whole(1, NS),
  every: whole(1, NS),
  probability: real(0, 1),
  times: whole(1, NS),
})

const points = {
  before: object({ status, delay, hold: flag, lost: flag, entry: entryChanges, event }),
  data: object({ change: changes(DWORD) }, 'change'),
  media: object({ status, delay, tornBytes: whole(0, DWORD), lost: flag, change: changes(DWORD) }),
  completion: object({
    status,
    result: whole(0, DWORD),
    delay,
    hold: flag,
    drop: flag,
    duplicate: flag,
    commandId: whole(0, 0xffff),
    noInterrupt: flag,
    event,
  }),
  power: object({ event: oneOf('fatal', 'removal', 'cut'), after: flag }, 'event'),
}

const rule = object({ match, ...points })

const plan = object(
  {
    version: oneOf(1),
    seed: whole(0, DWORD),
    readyDelayNs: (value, at) => {
      if (value !== null) whole(0, NS)(value, at)
    },
    ignoreDisable: flag,
    identify: object({ mdts: whole(0, 255), sgl: flag }),
    rules: list(checkRule),
  },
  'version',
)

/** Throws EINVAL with the place and what it takes, for data of any type. */
export function checkRule(value: unknown, at: Place = 'rule'): asserts value is FaultRuleData {
  rule(value, at)
  const data = value as FaultRuleData
  if (!Object.keys(points).some((point) => has(value, point))) {
    throw wrong(at, Object.keys(data), `at least one of ${Object.keys(points).join(', ')}`)
  }
  const { before, completion, power } = data
  const ways = [before?.status, before?.delay, before?.hold, before?.lost, power]
  const waits = [completion?.delay, completion?.hold]
  if (count(ways) > 1)
    throw wrong(at, '2', 'one of status, delay, hold, lost and power before it begins')
  if (count([...ways.slice(1), ...waits]) > 1) {
    throw wrong(at, '2', 'one delay or hold, before or at its completion, or power')
  }
  const { drop, duplicate, commandId, noInterrupt } = completion ?? {}
  if (count([drop, duplicate, commandId, noInterrupt]) > 1) {
    throw wrong(at, '2', 'one of drop, duplicate, commandId and noInterrupt')
  }
}

/** The plan in a value of any type, as it comes out of `JSON.parse`. Throws EINVAL with the place of what is wrong, and what it takes. */
export function parseFaultPlan(value: unknown): FaultPlan {
  plan(value, 'faults')
  return value as FaultPlan
}

function count(values: readonly unknown[]): number {
  return values.filter((value) => value !== undefined && value !== false).length
}

function has(value: unknown, key: string): boolean {
  return typeof value === 'object' && value !== null && key in value
}

function wrong(at: Place, value: unknown, accepted: string): KernelError {
  return new KernelError('EINVAL', at, { value: JSON.stringify(value), accepted })
}
