// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TokenList } from '../../src/token-list.ts'

it('R-ITER-1: a list of tokens is what a naive model says, whatever comes and goes during a walk', () => {
  const step = fc.record({ kind: fc.constantFrom('add', 'remove', 'walk'), pick: fc.nat(30) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const list = new TokenList<{ readonly id: number }>()
      const model: { readonly id: number }[] = []
      const removed: { readonly id: number }[] = []
      let place = Number.POSITIVE_INFINITY
      for (const { kind, pick } of steps) {
        if (kind === 'add') {
          const token = { id: list.nextId() }
          list.add(token)
          model.push(token)
        } else if (kind === 'remove' && model.length > 0) {
          const [token] = model.splice(pick % model.length, 1)
          if (token === undefined) continue
          list.remove(token)
          list.remove(token)
          removed.push(token)
        } else if (kind === 'walk') {
          const next = place === Number.POSITIVE_INFINITY ? list.newest() : list.before(place)
          expect(next).toBe(model.findLast(({ id }) => id < place) ?? null)
          place = next?.id ?? Number.POSITIVE_INFINITY
        }
        for (const token of model) expect(list.has(token)).toBe(true)
        for (const token of removed) expect(list.has(token)).toBe(false)
      }
    }),
  )
})
