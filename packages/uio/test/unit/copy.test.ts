// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { describe, expect, it } from 'vitest'
import {
  copyFolioFromIter,
  copyFolioToIter,
  copyFromIter,
  copyFromIterFull,
  copyPageFromIter,
  copyPageToIter,
  copyToIter,
  copyToIterFull,
  faultInIovIterReadable,
  faultInIovIterWriteable,
  IovIter,
  ITER_DEST,
  ITER_SOURCE,
  UserMemory,
  UserProt,
  userBackedIter,
  zeroIter,
} from '../../src/index.ts'
import { firstFrame, patternedMemory, readFrames, vec } from '../support.ts'

/** Eight pages of user memory: the third may not be touched, the sixth only read. */
function userSetup() {
  const memory = patternedMemory(8)
  const frame = firstFrame(memory)
  const user = new UserMemory(memory)
  user.protect(frame + 2, 1, UserProt.NONE)
  user.protect(frame + 5, 1, UserProt.READ)
  return { memory, frame, user }
}

const ubuf = (direction: 0 | 1, frame: number, offset: number, count: number): IovIter => {
  const iter = new IovIter()
  iter.initUbuf(direction, frame, offset, count)
  return iter
}

describe('user memory that faults', () => {
  it('a copy ends at the page that faults, and the iterator with it', () => {
    const { memory, frame, user } = userSetup()
    const to = ubuf(ITER_DEST, frame, 100, 3 * PAGE_SIZE)
    const data = new Uint8Array(3 * PAGE_SIZE).fill(7)
    const before = readFrames(memory, [frame, frame + 1, frame + 2])
    expect(copyToIter(user, data, to)).toBe(2 * PAGE_SIZE - 100)
    expect(to.offsetBytes).toBe(2 * PAGE_SIZE - 100)
    expect(copyToIter(user, data, to)).toBe(0)
    const bytes = readFrames(memory, [frame, frame + 1, frame + 2])
    const end = 2 * PAGE_SIZE
    expect(bytes.subarray(100, end).every((b) => b === 7)).toBe(true)
    expect(bytes.subarray(0, 100)).toEqual(before.subarray(0, 100))
    expect(bytes.subarray(end)).toEqual(before.subarray(end))
    expect(copyFromIter(user, data, ubuf(ITER_SOURCE, frame, 100, 9000))).toBe(8092)
    expect(zeroIter(user, 9000, ubuf(ITER_DEST, frame, 100, 9000))).toBe(8092)
  })

  it('a page that may only be read faults on a write alone; reopened, on neither', () => {
    const { frame, user } = userSetup()
    const data = new Uint8Array(PAGE_SIZE)
    expect(copyFromIter(user, data, ubuf(ITER_SOURCE, frame + 5, 0, 4096))).toBe(4096)
    expect(copyToIter(user, data, ubuf(ITER_DEST, frame + 5, 0, 4096))).toBe(0)
    user.protect(frame + 5, 1, UserProt.READ_WRITE)
    expect(copyToIter(user, data, ubuf(ITER_DEST, frame + 5, 0, 4096))).toBe(4096)
  })

  it('in a vector, the segments before the fault are done and those behind are not', () => {
    const { frame, user } = userSetup()
    const iter = new IovIter()
    const segments = [vec(frame, 0, 10), vec(frame + 1, 4090, 10), vec(frame + 3, 0, 10)]
    iter.initIovec(ITER_SOURCE, segments, 3, 30)
    expect(copyFromIter(user, new Uint8Array(30), iter)).toBe(16)
    expect([iter.segIndex, iter.offsetBytes, iter.countBytes]).toEqual([1, 6, 14])
  })

  it("the kernel's own vectors do not fault", () => {
    const { frame, user } = userSetup()
    const iter = new IovIter()
    iter.initKvec(ITER_SOURCE, [vec(frame + 2, 0, 10)], 1, 10)
    expect([userBackedIter(iter), copyFromIter(user, new Uint8Array(10), iter)]).toEqual([
      false,
      10,
    ])
  })

  it('where there is no memory a user copy falls short, and one of the kernel throws EFAULT', () => {
    const { memory, frame } = userSetup()
    const iter = ubuf(ITER_SOURCE, frame + 7, 4000, 200)
    expect(copyFromIter(memory, new Uint8Array(200), iter)).toBe(96)
    iter.initKvec(ITER_SOURCE, [vec(frame + 8, 0, 10)], 1, 10)
    expect(() => copyFromIter(memory, new Uint8Array(10), iter)).toThrow(
      expect.objectContaining({ code: 'EFAULT' }),
    )
  })

  it('full copies put the iterator back where they fall short', () => {
    const { frame, user } = userSetup()
    const to = ubuf(ITER_DEST, frame, 0, 8 * PAGE_SIZE)
    expect(copyToIterFull(user, new Uint8Array(2 * PAGE_SIZE), to)).toBe(true)
    expect(to.offsetBytes).toBe(2 * PAGE_SIZE)
    to.revert(10)
    expect(copyToIterFull(user, new Uint8Array(11), to)).toBe(false)
    expect([to.offsetBytes, to.countBytes]).toEqual([2 * PAGE_SIZE - 10, 6 * PAGE_SIZE + 10])
    const from = ubuf(ITER_SOURCE, frame, 0, 100)
    expect(copyFromIterFull(user, new Uint8Array(101), from)).toBe(false)
    expect(from.countBytes).toBe(100)
    expect(copyFromIterFull(user, new Uint8Array(100), from)).toBe(true)
    expect(from.countBytes).toBe(0)
  })

  it('faulting in says how many bytes could not be had, and moves nothing', () => {
    const { frame, user } = userSetup()
    const iter = new IovIter()
    const segments = [vec(frame, 0, 10), vec(frame, 0, 0), vec(frame + 4, 4000, 200)]
    iter.initIovec(ITER_DEST, segments, 3, 210)
    iter.advance(5)
    expect(faultInIovIterReadable(user, iter, 205)).toBe(0)
    expect(faultInIovIterWriteable(user, iter, 205)).toBe(104)
    expect(faultInIovIterWriteable(user, iter, 101)).toBe(0)
    expect(faultInIovIterReadable(user, iter, 1000)).toBe(795)
    expect([iter.segIndex, iter.offsetBytes, iter.countBytes]).toEqual([0, 5, 205])
    expect(faultInIovIterReadable(user, ubuf(ITER_SOURCE, frame + 1, 0, 9000), 9000)).toBe(4904)
    iter.initKvec(ITER_DEST, segments, 3, 210)
    expect(faultInIovIterWriteable(user, iter, 9000)).toBe(0)
  })
})

describe('copies of pages and folios', () => {
  it('go in both directions, and by the CPU copy of the memory', () => {
    const memory = patternedMemory(16)
    const frame = firstFrame(memory)
    const before = readFrames(memory, [frame])
    const iter = new IovIter()
    iter.initBvec(ITER_DEST, [vec(frame + 4, 4000, 200), vec(frame + 6, 0, 100)], 2, 300)
    expect(copyPageToIter(memory, frame, 50, 250, iter)).toBe(250)
    expect(memory.stats.cpuCopyBytes).toBe(250)
    expect(readFrames(memory, [frame + 4]).subarray(4000)).toEqual(before.subarray(50, 146))
    expect(copyPageToIter(memory, frame, 0, 4096, iter)).toBe(50)
    iter.initBvec(ITER_SOURCE, [vec(frame, 50, 300)], 1, 300)
    expect(copyPageFromIter(memory, frame + 9, 7, 299, iter)).toBe(299)
    expect(readFrames(memory, [frame + 9]).subarray(7, 306)).toEqual(before.subarray(50, 349))
    expect(copyPageFromIter(memory, frame + 9, 0, 10, iter)).toBe(1)
  })

  it('a folio goes past its first page', () => {
    const memory = patternedMemory(16)
    const frame = firstFrame(memory)
    const folio = { frame, order: 1 }
    const iter = new IovIter()
    iter.initUbuf(ITER_DEST, frame + 4, 0, 8192)
    expect(copyFolioToIter(memory, folio, 1000, 7192, iter)).toBe(7192)
    const source = readFrames(memory, [frame, frame + 1])
    expect(readFrames(memory, [frame + 4, frame + 5]).subarray(0, 7192)).toEqual(
      source.subarray(1000),
    )
    iter.initUbuf(ITER_SOURCE, frame + 8, 0, 5000)
    expect(copyFolioFromIter(memory, folio, 4000, 4192, iter)).toBe(4192)
    expect(readFrames(memory, [frame + 8, frame + 9]).subarray(0, 4192)).toEqual(
      readFrames(memory, [frame, frame + 1]).subarray(4000),
    )
  })

  it('refuse a range outside the page, the wrong direction, and a dmabuf', () => {
    const memory = patternedMemory(4)
    const frame = firstFrame(memory)
    const to = ubuf(ITER_DEST, frame, 0, 8192)
    const from = ubuf(ITER_SOURCE, frame, 0, 8192)
    expect(() => copyPageToIter(memory, frame, 1, 4096, to)).toThrow('beyond its end')
    expect(() => copyPageFromIter(memory, frame, -1, 1, from)).toThrow('negative')
    expect(() => copyFolioToIter(memory, { frame, order: 1 }, 0, 8193, to)).toThrow('beyond')
    expect(() => copyFolioFromIter(memory, { frame, order: 0 }, 0, -1, from)).toThrow('negative')
    expect(() => copyPageToIter(memory, frame, 0, 1, from)).toThrow('is a source')
    expect(() => copyPageFromIter(memory, frame, 0, 1, to)).toThrow('is a destination')
    const map = { sizeBytes: 4096, granuleShift: 12 }
    to.initDmabufMap(ITER_DEST, map, 0, 512)
    from.initDmabufMap(ITER_SOURCE, map, 0, 512)
    expect(() => copyPageToIter(memory, frame, 0, 1, to)).toThrow(
      expect.objectContaining({ code: 'EOPNOTSUPP' }),
    )
    expect(() => copyPageFromIter(memory, frame, 0, 1, from)).toThrow(
      expect.objectContaining({ code: 'EOPNOTSUPP' }),
    )
  })
})

describe('discard iterator', () => {
  it('swallows what is copied to it, and has no memory', () => {
    const memory = patternedMemory(4)
    const frame = firstFrame(memory)
    const iter = new IovIter()
    iter.initDiscard(ITER_DEST, 10_000)
    expect(copyToIter(memory, new Uint8Array(4000), iter)).toBe(4000)
    expect(zeroIter(memory, 4000, iter)).toBe(4000)
    expect(copyPageToIter(memory, frame, 0, 1000, iter)).toBe(1000)
    expect([iter.countBytes, iter.singleSegCount(), iter.offsetBytes]).toEqual([1000, 1000, 0])
    expect(copyToIterFull(memory, new Uint8Array(1001), iter)).toBe(false)
    iter.revert(9000)
    expect(iter.countBytes).toBe(10_000)
    expect([iter.nrSegs, iter.npages(9), iter.alignment(), iter.isAligned(-1, -1)]).toEqual([
      0,
      0,
      0,
      true,
    ])
    expect(() => iter.peekRun(1, vec(0, 0, 0))).toThrow('peekRun: a discard iterator has no memory')
    expect(memory.stats.cpuWriteBytes).toBe(0)
  })

  it('is never a source', () => {
    const iter = new IovIter()
    expect(() => iter.initDiscard(ITER_SOURCE as typeof ITER_DEST, 1)).toThrow('no source')
    expect(() => iter.initDiscard(ITER_DEST, -1)).toThrow('negative')
  })
})
