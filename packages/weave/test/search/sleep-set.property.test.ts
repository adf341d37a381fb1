// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DeferredCall, type Op } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exhaust } from '../../src/search/exhaustive.ts'
import { type Observed, programOf } from './programs.ts'

/** A call: the cell that it writes, or null for one that reads all and promises nothing; and what it queues. */
interface Shape {
  readonly cell: number | null
  readonly next: Shape | null
}

const shape: fc.Arbitrary<Shape> = fc.record({
  cell: fc.option(fc.nat({ max: 2 })),
  next: fc.option(fc.record({ cell: fc.option(fc.nat({ max: 2 })), next: fc.constant(null) })),
})

const program = fc.record({
  calls: fc.array(shape, { minLength: 1, maxLength: 3 }),
  /** Queued by a task, which passes a choice point and looks. */
  inside: fc.array(shape, { maxLength: 2 }),
})

type Plan = typeof program extends fc.Arbitrary<infer T> ? T : never

function build({ calls, inside }: Plan): Observed {
  return programOf((scheduler) => {
    const cells: string[][] = [[], [], []]
    const seen: string[] = []
    let count = 0
    const look = (): string => cells.map((cell) => cell.join('')).join('|')
    const make = ({ cell, next }: Shape): DeferredCall => {
      const id = `${count++}`
      const then = next === null ? null : make(next)
      const own = cell === null ? null : cells[cell]!
      const call = new DeferredCall(id, () => {
        if (own === null) seen.push(`${id}:${look()}`)
        else own.push(id)
        if (then !== null) scheduler.queue(then)
      })
      call.footprint = own
      return call
    }
    function* task(queued: readonly DeferredCall[]): Op<void> {
      for (const call of queued) scheduler.queue(call)
      scheduler.choicePoint('looks')
      seen.push(look())
    }
    for (const call of calls.map(make)) scheduler.queue(call)
    if (inside.length > 0) scheduler.spawn('task', task(inside.map(make)))
    return { outcome: () => `${look()} ${seen.join(' ')}` }
  })
}

describe('pruning by sleep sets', () => {
  it('comes to the same outcomes as no pruning, in any program of calls', () => {
    let pruned = 0
    fc.assert(
      fc.property(program, (plan) => {
        const whole = build(plan)
        const few = build(plan)
        const init = { schedulesMax: 2_000, failuresMax: Number.POSITIVE_INFINITY }
        const all = exhaust(whole.program, { ...init, prune: false })
        const result = exhaust(few.program, { ...init, prune: true })
        fc.pre(all.complete)
        expect(result.complete).toBe(true)
        expect(result.schedules).toBeLessThanOrEqual(all.schedules)
        expect([...few.outcomes].sort()).toEqual([...whole.outcomes].sort())
        pruned += result.pruned
      }),
      { seed: 5, numRuns: 60 },
    )
    expect(pruned).toBeGreaterThan(0)
  })
})
