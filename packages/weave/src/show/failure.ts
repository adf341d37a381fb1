// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import type { Pick } from '../search/contracts.ts'
import { fromBase64url, toBase64url } from './base64url.ts'

const VERSION = 1
const TEXT_MAX = 65_536
const NAME_MAX = 128
const NAMES_MAX = 256
const PICKS_MAX = 4096

/** Which side of a scenario: the design that the hazard was found in, or this project's. */
export type WovenDesign = 'mutant' | 'ours'

/** How a map is invalidated; for scenarios that run with both. */
export type WovenPolicy = 'fence' | 'drain'

/** A failure that was found, with what replays it. */
export interface WeaveFailure {
  readonly version: 1
  /** Id of the hazard whose scenario it is: `H2`. */
  readonly hazard: string
  readonly design: WovenDesign
  readonly policy?: WovenPolicy
  /** By which check it fails. */
  readonly check: string
  readonly script: readonly Pick[]
}

/**
 * As JSON, under 2 KB for 40 picks with names of usual length: names stand in tables, and a pick is one number, the index of its actor plus, nested at the
 * label with index l, (l + 1) times the number of actors.
 */
export function encodeFailure(failure: WeaveFailure): string {
  const actors = [...new Set(failure.script.map(({ actor }) => actor))]
  const labels = [...new Set(failure.script.flatMap(({ at }) => (at === null ? [] : [at])))]
  const picks = failure.script.map(({ actor, at }) => {
    const label = at === null ? 0 : labels.indexOf(at) + 1
    return actors.indexOf(actor) + label * actors.length
  })
  const { version, hazard, design, policy, check } = failure
  const head = { version, hazard, design, ...(policy === undefined ? {} : { policy }), check }
  return JSON.stringify({ ...head, script: { actors, labels, picks } })
}

/** Reads what anybody may have written. Throws EINVAL with the name of the first field that is wrong. */
export function decodeFailure(text: string): WeaveFailure {
  if (text.length > TEXT_MAX) {
    throw new KernelError('EINVAL', 'a failure is too long', {
      value: `${text.length} characters`,
      accepted: `at most ${TEXT_MAX}`,
    })
  }
  const fields = objectOf(parse(text), 'the failure')
  if (fields.get('version') !== VERSION) {
    throw wrong('version', fields.get('version'), `${VERSION}`)
  }
  const policy = fields.get('policy')
  return {
    version: VERSION,
    hazard: nameOf(fields.get('hazard'), 'hazard'),
    design: oneOf(fields.get('design'), ['mutant', 'ours'] as const, 'design'),
    ...(policy === undefined
      ? {}
      : { policy: oneOf(policy, ['fence', 'drain'] as const, 'policy') }),
    check: nameOf(fields.get('check'), 'check'),
    script: scriptOf(fields.get('script')),
  }
}

/** For the fragment of a URL: base64url of the JSON. */
export function failureToUrl(failure: WeaveFailure): string {
  return toBase64url(encodeFailure(failure))
}

/** Reads what `failureToUrl` gave, or anybody wrote. Throws EINVAL. */
export function failureFromUrl(encoded: string): WeaveFailure {
  const text = encoded.length > 2 * TEXT_MAX ? null : fromBase64url(encoded)
  if (text === null) throw wrong('the failure', encoded, 'base64url of UTF-8')
  return decodeFailure(text)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new KernelError('EINVAL', 'a failure is no JSON', { value: shown(text), cause })
  }
}

function scriptOf(value: unknown): readonly Pick[] {
  const fields = objectOf(value, 'script')
  const actors = namesOf(fields.get('actors'), 'script.actors', '')
  const labels = namesOf(fields.get('labels'), 'script.labels')
  const picks = arrayOf(fields.get('picks'), 'script.picks', PICKS_MAX)
  const codes = actors.length * (labels.length + 1)
  return picks.map((code, i) => {
    const field = `script.picks[${i}]`
    if (typeof code !== 'number' || !Number.isInteger(code) || code < 0 || code >= codes) {
      throw wrong(field, code, `a whole number below ${codes}`)
    }
    const actor = actors[code % actors.length] ?? ''
    const at = labels[Math.floor(code / actors.length) - 1] ?? null
    if (actor === '' && at === null) throw wrong(field, code, 'an actor, or a choice point passed')
    return { actor, at }
  })
}

/** `also`: a text that no name is, and that may stand here. */
function namesOf(value: unknown, field: string, also?: string): readonly string[] {
  return arrayOf(value, field, NAMES_MAX).map((name, i) =>
    also !== undefined && name === also ? also : nameOf(name, `${field}[${i}]`),
  )
}

function nameOf(value: unknown, field: string): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > NAME_MAX) {
    throw wrong(field, value, `a text of 1 to ${NAME_MAX} characters`)
  }
  return value
}

function oneOf<T extends string>(value: unknown, accepted: readonly T[], field: string): T {
  const found = accepted.find((one) => one === value)
  if (found === undefined) throw wrong(field, value, accepted.join(' or '))
  return found
}

function arrayOf(value: unknown, field: string, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > lengthMax) {
    throw wrong(field, value, `a list of at most ${lengthMax}`)
  }
  return value
}

function objectOf(value: unknown, field: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(field, value, 'an object')
  }
  return new Map(Object.entries(value))
}

function wrong(field: string, value: unknown, accepted: string): KernelError {
  return new KernelError('EINVAL', `${field} of a failure is wrong`, {
    value: shown(value),
    accepted,
  })
}

/** Untrusted and of any length: the beginning says enough. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
