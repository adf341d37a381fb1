// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import type { IoschedTunables } from './elevator.ts'

/** One setting: its range, and where it lives. */
export interface Tunable {
  readonly min: number
  readonly max: number
  get(): number
  set(value: number): void
}

export const INT_MAX = 0x7fff_ffff

export function makeTunables(table: ReadonlyMap<string, Tunable>): IoschedTunables {
  const find = (name: string): Tunable => {
    const tunable = table.get(name)
    if (tunable !== undefined) return tunable
    const names = [...table.keys()].join(', ')
    throw new KernelError('ENOENT', `iosched: there is no ${name}, but ${names}`)
  }
  return {
    names: [...table.keys()],
    get: (name) => find(name).get(),
    set: (name, value) => {
      const { min, max, set } = find(name)
      if (!Number.isInteger(value)) {
        throw new KernelError('EINVAL', `iosched: ${name} is ${value}, but must be an integer`)
      }
      set(Math.min(Math.max(value, min), max))
    },
  }
}
