// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { KernelError } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createOpenCodedIter,
  createSourceIterTarget,
  createTextProgram,
  type IterSource,
} from '../../src/index.ts'
import { Bench, type TestBuffer, TestSource } from '../support.ts'

/** What can be shown of a request: a copy, and the slot that it was found in. */
interface Seen {
  readonly slot: number
  readonly request: number
}

/** Requests in numbered slots: they come and go at any time, in no order, and nobody may hold one. */
class SlotSource implements IterSource<Seen> {
  readonly slots: (number | null)[]
  calls = 0

  constructor(slots: (number | null)[]) {
    this.slots = slots
  }

  begin(): Seen | null {
    return this.#from(0)
  }

  next(current: Seen): Seen | null {
    return this.#from(current.slot + 1)
  }

  put(): void {}

  live({ slot, request }: Seen): boolean {
    return this.slots[slot] === request
  }

  show({ slot, request }: Seen): string {
    return `${slot}:${request}\n`
  }

  #from(first: number): Seen | null {
    this.calls += 1
    for (let slot = first; slot < this.slots.length; slot += 1) {
      const request = this.slots[slot]
      if (request !== null && request !== undefined) return { slot, request }
    }
    return null
  }
}

describe('a source of objects that nobody can hold', () => {
  it('lists what is there when its turn comes, and passes over what went away since', () => {
    const bench = new Bench()
    const source = new SlotSource([10, null, 12, 13, null, 15, 16])
    const file = bench.open(createSourceIterTarget('request', source), createTextProgram(source))
    expect(bench.read(file, 1)).toBe('0')
    expect(bench.read(file, 64)).toBe(':10\n')
    // The one at which it stopped goes away, and its slot is taken by another; one comes behind, one goes, one comes in front.
    source.slots[2] = 22
    source.slots[4] = 24
    source.slots[5] = null
    source.slots[1] = 21
    expect(bench.readToEnd(file, 64).text).toBe('3:13\n4:24\n6:16\n')
    file.put()
  })

  it('is empty when everything went away', () => {
    const bench = new Bench()
    const source = new SlotSource([1, 2, 3])
    const file = bench.open(createSourceIterTarget('request', source), createTextProgram(source))
    expect(bench.read(file, 1)).toBe('0')
    source.slots.fill(null)
    expect(bench.readToEnd(file, 64).text).toBe(':1\n')
    file.put()
    const none = bench.open(createSourceIterTarget('request', source), createTextProgram(source))
    expect(bench.read(none, 64)).toBe('')
    none.put()
  })
})

describe('a source that fails', () => {
  /** Fails at its n-th step, having dropped the reference that it was given. */
  function failing(step: number, error: Error): TestSource {
    const source = new TestSource()
    for (let i = 0; i < 3; i += 1) source.export()
    let steps = 0
    const { begin, next } = source
    source.begin = () => {
      if (steps++ === step) throw error
      return begin.call(source)
    }
    source.next = (current: TestBuffer) => {
      if (steps++ !== step) return next.call(source, current)
      source.put(current)
      throw error
    }
    return source
  }

  it('ends the listing with its error, after what was held, and at every read from then on', () => {
    for (let step = 0; step <= 3; step += 1) {
      for (const size of [1, 64]) {
        const bench = new Bench()
        const source = failing(step, new KernelError('EIO', 'the list is broken'))
        const file = bench.open(createSourceIterTarget('test', source), ({ meta, item }) => {
          meta.seq.puts(`${item?.inode}`)
          return 0
        })
        const { text, errors } = bench.readToEnd(file, size, 2)
        expect(text).toBe('321'.slice(0, step))
        expect(errors).toEqual([-5, -5, -5])
        file.put()
        expect(source.list.map((buffer) => buffer.refs)).toEqual([1, 1, 1])
      }
    }
  })

  it('with a bug reaches the reader, and nothing is put twice', () => {
    const bench = new Bench()
    const source = failing(1, new TypeError('a bug in the source'))
    const file = bench.open(createSourceIterTarget('test', source), () => 0)
    expect(() => bench.read(file, 64)).toThrow('a bug in the source')
    file.put()
    expect(source.list.map((buffer) => buffer.refs)).toEqual([1, 1, 1])
  })

  it('R-ITER-9: ends an open-coded walk, whose destroy has nothing left to put', () => {
    for (let step = 0; step <= 3; step += 1) {
      const source = failing(step, new KernelError('EIO', 'the list is broken'))
      const iter = createOpenCodedIter(source)
      for (let i = 0; i < step; i += 1) expect(iter.next()).not.toBeNull()
      expect(() => iter.next()).toThrow('the list is broken')
      expect(iter.next()).toBeNull()
      iter.destroy()
      expect(source.list.map((buffer) => buffer.refs)).toEqual([1, 1, 1])
    }
  })
})

describe('open-coded iterator in a for loop', () => {
  it('R-ITER-9: destroys itself when the loop ends, is left, or throws', () => {
    for (const leave of ['end', 'break', 'throw'] as const) {
      const source = new TestSource()
      for (let i = 0; i < 3; i += 1) source.export()
      const seen: number[] = []
      const iter = createOpenCodedIter(source)
      const walk = (): void => {
        for (const { inode } of iter) {
          seen.push(inode)
          if (inode === 2 && leave === 'break') break
          if (inode === 2 && leave === 'throw') throw new Error('left')
        }
      }
      if (leave === 'throw') expect(walk).toThrow('left')
      else walk()
      expect(seen).toEqual(leave === 'end' ? [3, 2, 1] : [3, 2])
      expect(iter.next()).toBeNull()
      expect(source.list.map((buffer) => buffer.refs)).toEqual([1, 1, 1])
    }
  })
})
