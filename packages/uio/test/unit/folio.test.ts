// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { describe, expect, it } from 'vitest'
import {
  copyFromIter,
  extractBvecs,
  FOLIOQ_SLOTS,
  FolioQueue,
  FolioXarray,
  folioSizeBytes,
  IovIter,
  IovIterState,
  ITER_DEST,
  ITER_SOURCE,
  iovIterExtractPages,
  iovIterGetPages,
  PageList,
} from '../../src/index.ts'
import { firstFrame, patternedMemory, queueOfFrames, vec } from '../support.ts'

const page = (frame: number) => ({ frame, order: 0 })
const folioqIter = (queue: FolioQueue, slot: number, offset: number, count: number): IovIter => {
  const iter = new IovIter()
  iter.initFolioQueue(ITER_DEST, queue, slot, offset, count)
  return iter
}

describe('folio queue', () => {
  it('holds 31 folios a segment, of any order, and links to the next', () => {
    const queue = queueOfFrames(Array.from({ length: 32 }, (_, i) => i))
    expect([queue.count, queue.isFull, queue.next?.count]).toEqual([FOLIOQ_SLOTS, true, 1])
    expect(queue.next?.prev).toBe(queue)
    expect(queue.next?.append({ frame: 64, order: 3 })).toBe(1)
    expect(queue.next?.folioSizeBytes(1)).toBe(8 * 4096)
    expect(folioSizeBytes({ frame: 0, order: 9 })).toBe(2 << 20)
    expect(() => queue.append(page(1))).toThrow('full')
    expect(() => queue.appendSegment()).toThrow('not the last')
  })

  it('steps over slots that were cleared or never filled', () => {
    const queue = queueOfFrames([10, 11, 12])
    queue.appendSegment().append(page(20))
    queue.clear(1)
    expect([queue.folio(1), queue.folioSizeBytes(1), queue.folioSizeBytes(30)]).toEqual([
      null,
      0,
      0,
    ])
    expect(() => queue.clear(3)).toThrow('no such slot')
    expect(() => queue.clear(-1)).toThrow('no such slot')
    const iter = folioqIter(queue, 0, 0, 3 * 4096)
    const out = [vec(0, 0, 0)]
    expect(extractBvecs(iter, out, 8, 1 << 20)).toBe(3)
    expect(out).toEqual([vec(10, 0, 4096), vec(12, 0, 4096), vec(20, 0, 4096)])
    iter.revert(3 * 4096)
    expect([iter.countBytes, iter.folioqSlot, iter.offsetBytes]).toEqual([3 * 4096, 0, 0])
  })

  it('an iterator starts at a slot and an offset, and counts what is left of its folio', () => {
    const queue = new FolioQueue()
    queue.append(page(4))
    queue.append({ frame: 8, order: 2 })
    const iter = folioqIter(queue, 1, 5000, 6000)
    expect(iter.singleSegCount()).toBe(6000)
    expect(folioqIter(queue, 0, 96, 6000).singleSegCount()).toBe(4000)
    expect(iter.nrSegs).toBe(0)
    expect(iter.npages(9)).toBe(2)
    expect(iter.npages(1)).toBe(1)
    expect(iter.alignment()).toBe(5000 | 6000)
    expect([iter.isAligned(7, 7), iter.isAligned(15, 7), iter.isAligned(7, 255)]).toEqual([
      true,
      false,
      false,
    ])
    const run = vec(0, 0, 0)
    expect(iter.peekRun(1 << 20, run)).toBe(6000)
    expect(run).toEqual(vec(9, 904, 6000))
    iter.advance(6000)
    expect([iter.singleSegCount(), iter.alignment(), iter.npages(9)]).toEqual([0, 0, 0])
  })

  it('goes back across segments, and to where it was saved', () => {
    const queue = queueOfFrames(Array.from({ length: 64 }, (_, i) => i))
    const iter = folioqIter(queue, 0, 0, 64 * 4096)
    const state = new IovIterState()
    iter.advance(5)
    iter.saveState(state)
    iter.advance(63 * 4096)
    expect(iter.folioq).toBe(queue.next?.next)
    iter.revert(40 * 4096)
    expect([iter.folioq === queue, iter.folioqSlot, iter.offsetBytes]).toEqual([true, 23, 5])
    iter.advance(40 * 4096)
    iter.restore(state)
    expect([iter.folioq === queue, iter.folioqSlot, iter.offsetBytes]).toEqual([true, 0, 5])
    expect(() => iter.revert(6)).toThrow('before the start')
  })

  it('waits behind its last slot for a segment that is added later', () => {
    const queue = queueOfFrames(Array.from({ length: FOLIOQ_SLOTS }, (_, i) => i))
    const iter = folioqIter(queue, 0, 0, FOLIOQ_SLOTS * 4096)
    iter.advance(FOLIOQ_SLOTS * 4096)
    expect([iter.folioqSlot, iter.countBytes]).toEqual([FOLIOQ_SLOTS, 0])
    iter.reexpand(4096)
    expect(() => iter.peekRun(1, vec(0, 0, 0))).toThrow('more than the folio queue holds')
    expect(() => iter.advance(1)).toThrow('more than the folio queue holds')
    iter.initFolioQueue(ITER_DEST, queue, FOLIOQ_SLOTS, 0, 4096)
    queue.appendSegment().append(page(99))
    const out = vec(0, 0, 0)
    expect([iter.peekRun(1 << 20, out), out.frame]).toEqual([4096, 99])
    iter.advance(1)
    expect([iter.folioqSlot, iter.offsetBytes]).toEqual([0, 1])
  })

  it('asserts against misuse', () => {
    const queue = new FolioQueue()
    expect(() => folioqIter(queue, -1, 0, 0)).toThrow('no such slot')
    expect(() => folioqIter(queue, FOLIOQ_SLOTS + 1, 0, 0)).toThrow('no such slot')
    expect(() => folioqIter(queue, 0, -1, 0)).toThrow('negative')
    expect(() => folioqIter(queue, 0, 0, -1)).toThrow('negative')
    const iter = folioqIter(queue, 0, 0, 1)
    iter.folioq = null
    expect(() => iter.advance(1)).toThrow('without its queue')
  })
})

describe('xarray of folios', () => {
  it('finds a folio at each of its indices, replaces and erases it whole', () => {
    const xarray = new FolioXarray()
    const large = { frame: 32, order: 2 }
    xarray.store(4, large)
    expect([4, 5, 6, 7].map((i) => xarray.load(i))).toEqual([large, large, large, large])
    expect([xarray.load(3), xarray.load(8)]).toEqual([null, null])
    xarray.store(6, page(50))
    expect([4, 5, 6, 7].map((i) => xarray.load(i)?.frame ?? null)).toEqual([null, null, 50, null])
    xarray.erase(6)
    xarray.erase(6)
    expect(xarray.load(6)).toBeNull()
    expect(() => xarray.store(2, large)).toThrow('no multiple')
    expect(() => xarray.store(-4, large)).toThrow('no multiple')
  })

  it('an iterator starts anywhere in a file, also far into it', () => {
    const xarray = new FolioXarray()
    const index = 2 ** 22
    xarray.store(index, { frame: 16, order: 2 })
    xarray.store(index + 4, page(20))
    xarray.store(index + 5, page(9))
    const start = index * 4096 + 5000
    const iter = new IovIter()
    iter.initXarray(ITER_DEST, xarray, start, 19_000)
    expect([iter.nrSegs, iter.singleSegCount(), iter.npages(99)]).toEqual([0, 19_000, 5])
    expect(iter.npages(3)).toBe(3)
    expect(iter.alignment()).toBe(5000 | 19_000)
    expect([iter.isAligned(7, 7), iter.isAligned(15, 7), iter.isAligned(7, 15)]).toEqual([
      true,
      false,
      false,
    ])
    const out = [vec(0, 0, 0)]
    expect(extractBvecs(iter, out, 8, 1 << 20)).toBe(2)
    expect(out).toEqual([vec(17, 904, 3 * 4096 + 3192), vec(9, 0, 3520)])
    expect([iter.offsetBytes, iter.countBytes]).toEqual([19_000, 0])
    iter.revert(19_000)
    expect(() => iter.revert(1)).toThrow('before the start')
  })

  it('a hole ends what can be copied or taken', () => {
    const memory = patternedMemory(8)
    const frame = firstFrame(memory)
    const xarray = new FolioXarray()
    xarray.store(0, page(frame + 3))
    const iter = new IovIter()
    iter.initXarray(ITER_SOURCE, xarray, 4000, 4096)
    expect(copyFromIter(memory, new Uint8Array(4096), iter)).toBe(96)
    expect(copyFromIter(memory, new Uint8Array(1), iter)).toBe(0)
    expect(extractBvecs(iter, [], 8, 4096)).toBe(0)
    const pages = new PageList()
    expect(iovIterExtractPages(iter, pages, 4096, 8)).toBe(0)
    expect(iovIterGetPages(iter, pages, 4096, 8)).toBe(0)
    expect([pages.nrPages, iter.countBytes]).toEqual([0, 4000])
  })

  it('asserts against misuse', () => {
    const iter = new IovIter()
    expect(() => iter.initXarray(ITER_DEST, new FolioXarray(), -1, 0)).toThrow('negative')
    expect(() => iter.initXarray(ITER_DEST, new FolioXarray(), 0, -1)).toThrow('negative')
    iter.initXarray(ITER_DEST, new FolioXarray(), 0, 1)
    iter.xarray = null
    expect(() => iter.peekRun(1, vec(0, 0, 0))).toThrow('without its xarray')
  })
})
