// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { UsageError } from './failure.ts'

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
}

/** Bytes from `4096`, `64K`, `1M`, `2G`: units of 1024. */
export function parseSize(text: string, name: string): number {
  const match = /^(\d+)([KMGT]?)(?:i?B)?$/i.exec(text)
  const unit = UNITS[(match?.[2] ?? '').toUpperCase()]
  const value =
    match?.[1] === undefined || unit === undefined ? Number.NaN : Number(match[1]) * unit
  if (Number.isSafeInteger(value)) return value
  throw new UsageError(
    `${name} is "${text}"; it takes bytes, or a number with K, M or G (units of 1024)`,
  )
}

/** Both are allowed values. */
export interface Bounds {
  readonly min: number
  readonly max: number
}

/** A whole number within its bounds. */
export function parseCount(text: string, name: string, { min, max }: Bounds): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`
  throw new UsageError(`${name} is "${text}"; it takes a whole number ${range}`)
}

/** A size within its bounds that is a power of two. */
export function parsePowerOfTwo(text: string, name: string, { min, max }: Bounds): number {
  const value = parseSize(text, name)
  if (value >= min && value <= max && Number.isInteger(Math.log2(value))) return value
  throw new UsageError(`${name} is ${text}; it takes a power of two from ${min} to ${max} bytes`)
}

/** One of a few words. */
export function parseChoice<T extends string>(
  text: string,
  name: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === text)
  if (found !== undefined) return found
  throw new UsageError(`${name} is "${text}"; it takes one of ${choices.join(', ')}`)
}
