// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type BioVec,
  copyFromIter,
  copyToIter,
  extractBvecs,
  IovIter,
  IovIterState,
  ITER_DEST,
  ITER_SOURCE,
} from '../../src/index.ts'
import { patternedMemory } from '../support.ts'

const PAGES = 8
const BYTES = PAGES * 4096
const memory = patternedMemory(PAGES)
const region = memory.regions[0]
if (region === undefined) throw new Error('no region')
const { baseFrame, baseAddr, bytes } = region

/** The naive model: the address of every byte, a position, and an end. */
class Model {
  readonly addresses: readonly number[]
  readonly lengths: readonly number[]
  position = 0
  end: number
  constructor(segments: readonly BioVec[]) {
    this.addresses = segments.flatMap((s) =>
      Array.from({ length: s.lengthBytes }, (_, i) => s.frame * 4096 + s.offsetBytes + i),
    )
    this.lengths = segments.map((s) => s.lengthBytes)
    this.end = this.addresses.length
  }
  get count(): number {
    return this.end - this.position
  }
  rest(): readonly number[] {
    return this.addresses.slice(this.position, this.end)
  }
  /** Bytes left of each segment, without empty ones: [start address, length]. */
  ranges(): (readonly [number, number])[] {
    const out: [number, number][] = []
    let start = 0
    for (const length of this.lengths) {
      const from = Math.max(start, this.position)
      const to = Math.min(start + length, this.end)
      if (to > from) out.push([this.addresses[from] ?? -1, to - from])
      start += length
    }
    return out
  }
}

const segment = fc
  .tuple(fc.nat(BYTES - 1), fc.oneof(fc.constant(0), fc.nat(300), fc.nat(9000)))
  .map(([at, wanted]) => ({
    frame: baseFrame + Math.floor(at / 4096),
    offsetBytes: at % 4096,
    lengthBytes: Math.min(wanted, BYTES - at),
  }))
const step = fc.tuple(
  fc.constantFrom(
    'advance',
    'revert',
    'truncate',
    'reexpand',
    'copy',
    'extract',
    'save',
    'restore',
  ),
  fc.nat(12_000),
)

function check(iter: IovIter, model: Model): void {
  expect(iter.countBytes).toBe(model.count)
  const ranges = model.ranges()
  expect(iter.alignment()).toBe(ranges.reduce((bits, [a, n]) => bits | a | n, 0))
  const pages = ranges.reduce(
    (sum, [a, n]) => sum + Math.floor((a + n - 1) / 4096) - Math.floor(a / 4096) + 1,
    0,
  )
  expect(iter.npages(1 << 20)).toBe(pages)
}

function extract(iter: IovIter, model: Model, size: number): void {
  const out: BioVec[] = []
  const before = iter.countBytes
  const count = extractBvecs(iter, out, 3, size)
  const taken = before - iter.countBytes
  const addresses = out
    .slice(0, count)
    .flatMap((v) =>
      Array.from({ length: v.lengthBytes }, (_, i) => v.frame * 4096 + v.offsetBytes + i),
    )
  expect(addresses).toEqual(model.rest().slice(0, taken))
  expect(count === 3 || taken === Math.min(size, before)).toBe(true)
  model.position += taken
}

function copyOut(iter: IovIter, model: Model, size: number): void {
  const target = new Uint8Array(size)
  const done = copyFromIter(memory, target, iter)
  const expected = model.rest().slice(0, size)
  expect(done).toBe(expected.length)
  expect(Array.from(target.subarray(0, done))).toEqual(expected.map((a) => bytes[a - baseAddr]))
  model.position += done
}

function run(iter: IovIter, model: Model, steps: readonly (readonly [string, number])[]): void {
  const state = new IovIterState()
  iter.saveState(state)
  let saved = { position: 0, end: model.end }
  const whole = model.end
  for (const [what, size] of steps) {
    if (what === 'advance') {
      iter.advance(size)
      model.position += Math.min(size, model.count)
    } else if (what === 'revert') {
      const back = Math.min(size, model.position)
      iter.revert(back)
      // The kernel gives the bytes back as count, also where a truncate had taken some away.
      model.position -= back
    } else if (what === 'truncate') {
      iter.truncate(size)
      model.end = Math.min(model.end, model.position + size)
    } else if (what === 'reexpand') {
      model.end = whole
      iter.reexpand(model.count)
    } else if (what === 'copy') copyOut(iter, model, size)
    else if (what === 'extract') extract(iter, model, size)
    else if (what === 'save') {
      iter.saveState(state)
      saved = { position: model.position, end: model.end }
    } else {
      iter.restore(state)
      Object.assign(model, saved)
    }
    check(iter, model)
  }
}

describe('IovIter against a byte array', () => {
  it('R-UIO-2: any sequence of operations over kernel, user and bio vectors', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('initKvec' as const, 'initIovec' as const, 'initBvec' as const),
        fc.array(segment, { maxLength: 6 }),
        fc.array(step, { maxLength: 12 }),
        (init, segments, steps) => {
          const model = new Model(segments)
          const iter = new IovIter()
          iter[init](ITER_SOURCE, segments, segments.length, model.end)
          check(iter, model)
          run(iter, model, steps)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('a user buffer behaves as a vector of one', () => {
    fc.assert(
      fc.property(segment, fc.array(step, { maxLength: 12 }), (one, steps) => {
        const iter = new IovIter()
        iter.initUbuf(ITER_SOURCE, one.frame, one.offsetBytes, one.lengthBytes)
        run(iter, new Model([one]), steps)
      }),
      { numRuns: 150 },
    )
  })

  it('R-UIO-2, R-UIO-3: a dmabuf iterator is a position and a count', () => {
    const map = { sizeBytes: 1 << 20, granuleShift: 12 }
    fc.assert(
      fc.property(fc.nat(1 << 19), fc.nat(1 << 19), fc.array(step), (offset, count, steps) => {
        const iter = new IovIter()
        iter.initDmabufMap(ITER_DEST, map, offset, count)
        let position = offset
        let end = offset + count
        for (const [what, size] of steps) {
          if (what === 'advance') {
            iter.advance(size)
            position += Math.min(size, end - position)
          } else if (what === 'revert') {
            const back = Math.min(size, position - offset)
            iter.revert(back)
            position -= back
          } else if (what === 'truncate') {
            iter.truncate(size)
            end = Math.min(end, position + size)
          }
          expect([iter.offsetBytes, iter.countBytes]).toEqual([position, end - position])
          expect(iter.alignment()).toBe(end === position ? 0 : position | (end - position))
        }
      }),
    )
  })

  it('copies in where it says, and nowhere else', () => {
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 4 }), fc.nat(12_000), (segments, size) => {
        const target = patternedMemory(PAGES)
        const written = target.regions[0]?.bytes
        const model = new Model(segments)
        const iter = new IovIter()
        iter.initKvec(ITER_DEST, segments, segments.length, model.end)
        const data = Uint8Array.from({ length: size }, (_, i) => (i * 7) % 253)
        const expected = bytes.slice()
        model
          .rest()
          .slice(0, size)
          .forEach((a, i) => {
            expected[a - baseAddr] = data[i] ?? -1
          })
        expect(copyToIter(target, data, iter)).toBe(Math.min(size, model.end))
        expect(Buffer.compare(written ?? expected.subarray(1), expected)).toBe(0)
      }),
      { numRuns: 60 },
    )
  })
})
