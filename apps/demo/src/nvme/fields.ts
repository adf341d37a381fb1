// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// How structures are shown: names and order are nvme-cli's (version 1 of its JSON), values come from the layouts of the specification.

import type { Decoded, Layout } from '@iolayers/nvme/spec'

/** A value as JSON has it: numbers beyond 2^53 as their digits. */
export type Shown = number | string | readonly Shown[] | { readonly [name: string]: Shown }

/** nvme-cli's name of a field, and the specification's where that is another one. */
export type FieldNames<L extends Layout> = readonly (
  | (keyof L['fields'] & string)
  | readonly [string, keyof L['fields'] & string]
)[]

/** These fields of a structure, in this order, each under its name. */
export function showFields<L extends Layout>(
  names: FieldNames<L>,
  values: Decoded<L>,
): { [name: string]: Shown } {
  const shown: { [name: string]: Shown } = {}
  for (const entry of names) {
    const [name, field] = typeof entry === 'string' ? [entry.toLowerCase(), entry] : entry
    shown[name] = showValue(values[field])
  }
  return shown
}

export function showValue(value: unknown): Shown {
  if (typeof value === 'bigint') {
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString()
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(showValue)
  return typeof value === 'number' || typeof value === 'string' ? value : String(value)
}

/** `name : value` lines; what is below a name is indented. */
export function asLines(shown: { readonly [name: string]: Shown }, indent = ''): string[] {
  const width = Math.max(...Object.keys(shown).map((name) => name.length), 0)
  return Object.entries(shown).flatMap(([name, value]) => {
    const head = `${indent}${name.padEnd(width)} : `
    if (typeof value !== 'object') return [`${head}${value}`]
    if (isList(value))
      return value.flatMap((one, i) => listLines(`${indent}${name} ${i}`, one, indent))
    return [`${indent}${name}:`, ...asLines(value, `${indent}  `)]
  })
}

function listLines(head: string, value: Shown, indent: string): string[] {
  if (typeof value !== 'object') return [`${head} : ${value}`]
  return isList(value)
    ? [`${head} : ${value.join(' ')}`]
    : [`${head}:`, ...asLines(value, `${indent}  `)]
}

function isList(value: Shown): value is readonly Shown[] {
  return Array.isArray(value)
}
