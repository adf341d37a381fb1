// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Checks of values that came from anywhere. Each throws EINVAL, naming the place, what was there and what is accepted.

import { KernelError } from '@iolayers/kernel'

/** Where in the whole: `rules[2].media.tornBytes`. */
export type Place = string
export type Check = (value: unknown, at: Place) => void

function fail(at: Place, value: unknown, accepted: string): never {
  throw new KernelError('EINVAL', at, { value: JSON.stringify(value) ?? String(value), accepted })
}

export const flag: Check = (value, at) => {
  if (typeof value !== 'boolean') fail(at, value, 'true or false')
}

export const text: Check = (value, at) => {
  if (typeof value !== 'string') fail(at, value, 'text')
}

export function whole(min: number, max: number): Check {
  return (value, at) => {
    if (!Number.isInteger(value)) fail(at, value, 'a whole number')
    real(min, max)(value, at)
  }
}

export function real(min: number, max: number): Check {
  return (value, at) => {
    const inside = typeof value === 'number' && value >= min && value <= max
    if (!inside) fail(at, value, `${min} to ${max}`)
  }
}

export function oneOf(...values: readonly (string | number)[]): Check {
  return (value, at) => {
    if (!values.some((one) => one === value)) fail(at, value, values.join(', '))
  }
}

export function list(item: Check): Check {
  return (value, at) => {
    if (!Array.isArray(value)) fail(at, value, 'a list')
    for (const [index, one] of value.entries()) item(one, `${at}[${index}]`)
  }
}

/** With these fields and no others; undefined is as if it were not there. */
export function object(
  fields: Readonly<Record<string, Check>>,
  ...required: readonly string[]
): Check {
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      fail(at, value, `an object of ${Object.keys(fields).join(', ')}`)
    }
    const given = Object.entries(value).filter(([, one]) => one !== undefined)
    for (const [key, one] of given) {
      const check = Object.hasOwn(fields, key) ? fields[key] : undefined
      if (check === undefined) fail(at, key, Object.keys(fields).join(', '))
      check(one, `${at}.${key}`)
    }
    const missing = required.find((key) => !given.some(([name]) => name === key))
    if (missing !== undefined) fail(at, `no ${missing}`, required.join(', '))
  }
}

/** What a completion can name, without the phase bit. */
export const STATUS_MAX = 0x7fff

export function checkStatus(value: number): number {
  whole(0, STATUS_MAX)(value, 'status')
  return value
}

/** Of the scheduler: whole nanoseconds. */
export function checkTime(name: string, ns: number, min: number): number {
  whole(min, Number.MAX_SAFE_INTEGER)(ns, name)
  return ns
}
