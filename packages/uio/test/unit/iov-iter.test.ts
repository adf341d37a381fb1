// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { KernelError } from '@iolayers/kernel'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  type BioVec,
  copyFromIter,
  copyToIter,
  type DmabufMap,
  extractBvecs,
  IovIter,
  IovIterState,
  ITER_DEST,
  ITER_SOURCE,
  IterType,
  zeroIter,
} from '../../src/index.ts'
import { patternedMemory } from '../support.ts'

const vec = (frame: number, offsetBytes: number, lengthBytes: number): BioVec => ({
  frame,
  offsetBytes,
  lengthBytes,
})

const map: DmabufMap = { sizeBytes: 2 ** 33, granuleShift: 12 }

function dmabufIter(offsetBytes: number, countBytes: number): IovIter {
  const iter = new IovIter()
  iter.initDmabufMap(ITER_DEST, map, offsetBytes, countBytes)
  return iter
}

describe('dmabuf iterator', () => {
  it('R-UIO-1: is a type of its own beside the others', () => {
    const iter = dmabufIter(0, 4096)
    expect(iter.iterType).toBe(IterType.DMABUF_MAP)
    expect(iter.isDmabuf).toBe(true)
    expect(new Set(Object.values(IterType)).size).toBe(8)
  })

  it('R-UIO-2: carries the map it was given, typed, and an offset', () => {
    interface RichMap extends DmabufMap {
      readonly generation: number
    }
    const rich: RichMap = { sizeBytes: 8192, granuleShift: 12, generation: 7 }
    const iter = new IovIter<RichMap>()
    iter.initDmabufMap(ITER_SOURCE, rich, 512, 1024)
    expectTypeOf(iter.dmabufMap).toEqualTypeOf<RichMap | null>()
    expect(iter.dmabufMap?.generation).toBe(7)
    expect(iter.offsetBytes).toBe(512)
  })

  it('R-UIO-2: advance, revert, truncate, reexpand and count work, beyond 4 GiB too', () => {
    const iter = dmabufIter(5 * 2 ** 30, 2 ** 31)
    iter.advance(2 ** 30 + 512)
    expect([iter.offsetBytes, iter.countBytes]).toEqual([6 * 2 ** 30 + 512, 2 ** 30 - 512])
    iter.revert(512)
    expect([iter.offsetBytes, iter.countBytes]).toEqual([6 * 2 ** 30, 2 ** 30])
    iter.truncate(4096)
    expect(iter.singleSegCount()).toBe(4096)
    iter.truncate(8192)
    expect(iter.countBytes).toBe(4096)
    iter.reexpand(2 ** 30)
    iter.advance(2 ** 40)
    expect([iter.offsetBytes, iter.countBytes]).toEqual([7 * 2 ** 30, 0])
    expect(iter.alignment()).toBe(0)
  })

  it('R-UIO-2: what needs pages or a CPU copy fails with EOPNOTSUPP naming it', () => {
    const memory = patternedMemory(4)
    const source = new IovIter()
    source.initDmabufMap(ITER_SOURCE, map, 0, 512)
    const attempts: Record<string, () => unknown> = {
      npages: () => dmabufIter(0, 512).npages(1),
      peekRun: () => dmabufIter(0, 512).peekRun(1, vec(0, 0, 0)),
      extractBvecs: () => extractBvecs(dmabufIter(0, 512), [], 1, 512),
      copyToIter: () => copyToIter(memory, new Uint8Array(1), dmabufIter(0, 512)),
      copyFromIter: () => copyFromIter(memory, new Uint8Array(1), source),
      zeroIter: () => zeroIter(memory, 1, dmabufIter(0, 512)),
    }
    for (const [name, attempt] of Object.entries(attempts)) {
      expect(attempt, name).toThrow(KernelError)
      expect(attempt, name).toThrow(`${name}: a dmabuf iterator has no pages`)
    }
  })

  it('R-UIO-3: alignment is that of offset and length, and never of the map', () => {
    expect(dmabufIter(4096, 512).alignment()).toBe(4096 | 512)
    expect(dmabufIter(0, 4096).alignment()).toBe(4096)
    expect(dmabufIter(3, 4096).alignment() & 511).toBe(3)
    expect(dmabufIter(512, 4095).alignment() & 511).toBe(511)
    expect(dmabufIter(2 ** 32, 512).alignment()).toBe(512)
  })

  it('refuses a range outside the buffer', () => {
    expect(() => dmabufIter(2 ** 33 - 511, 512)).toThrow('beyond the buffer')
    expect(() => dmabufIter(-1, 512)).toThrow('negative')
  })

  it('refuses to be reverted before the start of the buffer', () => {
    expect(() => dmabufIter(512, 512).revert(513)).toThrow('before the start')
  })
})

describe('iterators over memory', () => {
  it('skips empty segments, and ends at the end of the last', () => {
    const iter = new IovIter()
    iter.initKvec(ITER_DEST, [vec(1, 0, 0), vec(2, 8, 100), vec(3, 0, 0), vec(4, 0, 50)], 4, 150)
    const run = vec(0, 0, 0)
    expect(iter.peekRun(4096, run)).toBe(100)
    expect(run).toEqual(vec(2, 8, 100))
    iter.advance(100)
    expect(iter.nrSegs).toBe(1)
    expect(iter.peekRun(10, run)).toBe(10)
    iter.advance(1000)
    expect([iter.countBytes, iter.nrSegs, iter.peekRun(1, run)]).toEqual([0, 0, 0])
    iter.revert(150)
    expect([iter.countBytes, iter.segIndex, iter.offsetBytes]).toEqual([150, 1, 0])
    expect(() => iter.revert(1)).toThrow('before the start')
  })

  it('an advance of nothing steps over empty segments, and past the end there is nothing', () => {
    const iter = new IovIter()
    iter.initIovec(ITER_DEST, [vec(1, 0, 0), vec(3, 0, 0), vec(4, 0, 50)], 3, 50)
    expect([iter.nrSegs, iter.singleSegCount()]).toEqual([3, 0])
    iter.advance(0)
    expect([iter.nrSegs, iter.singleSegCount(), iter.countBytes]).toEqual([1, 50, 50])
    iter.advance(51)
    expect([iter.nrSegs, iter.countBytes, iter.alignment(), iter.npages(9)]).toEqual([0, 0, 0, 0])
    iter.advance(0)
    expect([iter.nrSegs, iter.countBytes, iter.isAligned(4095, 4095)]).toEqual([0, 0, true])
    iter.initIovec(ITER_DEST, [], 0, 0)
    iter.advance(1)
    expect([iter.nrSegs, iter.countBytes, iter.singleSegCount()]).toEqual([0, 0, 0])
    expect(() => iter.revert(1)).toThrow('before the start')
  })

  it('reports an iovec, a ubuf and a bvec by their own types', () => {
    const iter = new IovIter()
    iter.initUbuf(ITER_SOURCE, 3, 16, 32)
    expect([iter.iterType, iter.singleSegCount(), iter.nrSegs]).toEqual([IterType.UBUF, 32, 1])
    iter.initIovec(ITER_SOURCE, [vec(1, 0, 16)], 1, 16)
    expect(iter.iterType).toBe(IterType.IOVEC)
    iter.initBvec(ITER_SOURCE, [vec(1, 0, 16)], 1, 16)
    expect([iter.iterType, iter.singleSegCount()]).toEqual([IterType.BVEC, 16])
    iter.advance(16)
    expect(iter.singleSegCount()).toBe(0)
  })

  it('counts pages by segment, across page boundaries, up to the bound', () => {
    const iter = new IovIter()
    iter.initBvec(ITER_DEST, [vec(1, 4095, 2), vec(9, 0, 8192)], 2, 8194)
    expect(iter.npages(100)).toBe(4)
    expect(iter.npages(3)).toBe(3)
    iter.advance(1)
    expect(iter.npages(100)).toBe(3)
    iter.initUbuf(ITER_DEST, 7, 4000, 200)
    expect(iter.npages(100)).toBe(2)
  })

  it('normalises a run that starts beyond the first page of its segment', () => {
    const iter = new IovIter()
    iter.initUbuf(ITER_DEST, 7, 100, 3 * 4096)
    iter.advance(8192)
    const run = vec(0, 0, 0)
    iter.peekRun(1 << 20, run)
    expect(run).toEqual(vec(9, 100, 4096))
  })

  it('merges neighbouring segments when extracting, and reuses the entries', () => {
    const iter = new IovIter()
    iter.initKvec(ITER_DEST, [vec(1, 0, 4096), vec(2, 0, 100), vec(2, 200, 100)], 3, 4296)
    const first = vec(0, 0, 0)
    const out = [first]
    expect(extractBvecs(iter, out, 8, 1 << 20)).toBe(2)
    expect(out.slice(0, 2)).toEqual([vec(1, 0, 4196), vec(2, 200, 100)])
    expect(out[0]).toBe(first)
    expect(iter.countBytes).toBe(0)
  })

  it('copies and zeroes as far as it goes, and says how far', () => {
    const memory = patternedMemory(4)
    const bytes = memory.regions[0]?.bytes
    const base = memory.regions[0]?.baseFrame ?? 0
    const iter = new IovIter()
    iter.initUbuf(ITER_DEST, base, 4090, 5000)
    expect(zeroIter(memory, 4100, iter)).toBe(4100)
    expect(zeroIter(memory, 9000, iter)).toBe(900)
    expect(zeroIter(memory, 1, iter)).toBe(0)
    expect(bytes?.findIndex((byte, at) => at >= 4090 && byte !== 0)).toBe(9090)
    expect(bytes?.[4089]).not.toBe(0)
    expect(copyToIter(memory, new Uint8Array(5), iter)).toBe(0)
    iter.initUbuf(ITER_SOURCE, base, 0, 3)
    expect(copyFromIter(memory, new Uint8Array(5), iter)).toBe(3)
  })

  it('saves and restores where it stood', () => {
    const iter = new IovIter()
    iter.initKvec(ITER_DEST, [vec(1, 0, 10), vec(2, 0, 10)], 2, 20)
    const state = new IovIterState()
    iter.advance(3)
    iter.saveState(state)
    iter.advance(12)
    iter.restore(state)
    expect([iter.countBytes, iter.offsetBytes, iter.segIndex]).toEqual([17, 3, 0])
  })

  it('asserts against misuse: shrinking reexpand, too many segments, wrong direction', () => {
    const iter = new IovIter()
    iter.initUbuf(ITER_DEST, 0, 0, 10)
    expect(() => iter.reexpand(9)).toThrow('shrinks')
    expect(() => iter.truncate(-1)).toThrow('negative')
    expect(() => iter.revert(-1)).toThrow('negative')
    expect(() => iter.initKvec(ITER_DEST, [], 1, 0)).toThrow('more segments')
    expect(() => iter.initKvec(ITER_DEST, [], 0, -1)).toThrow('negative')
    expect(() => iter.initUbuf(ITER_DEST, 0, 0, -1)).toThrow('negative')
    iter.initKvec(ITER_DEST, [vec(0, 0, 1)], 1, 2)
    iter.advance(1)
    expect(() => iter.peekRun(1, vec(0, 0, 0))).toThrow('more than the segments hold')
    const memory = patternedMemory(1)
    expect(() => copyFromIter(memory, new Uint8Array(1), iter)).toThrow('destination')
    iter.initUbuf(ITER_SOURCE, 0, 0, 1)
    expect(() => copyToIter(memory, new Uint8Array(1), iter)).toThrow('source')
  })
})
