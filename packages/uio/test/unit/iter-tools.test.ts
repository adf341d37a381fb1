// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { Errno, KernelError } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type BioVec,
  dupIter,
  FolioXarray,
  IovIter,
  ITER_DEST,
  ITER_SOURCE,
  IterType,
  importIovec,
  importUbuf,
  iovIterExtractPages,
  iovIterExtractWillPin,
  iovIterGetPages,
  MAX_RW_COUNT,
  PageList,
  UIO_MAXIOV,
} from '../../src/index.ts'
import { queueOfFrames, vec } from '../support.ts'

const iovec = (segments: readonly BioVec[], count?: number): IovIter => {
  const iter = new IovIter()
  const total = segments.reduce((sum, s) => sum + s.lengthBytes, 0)
  iter.initIovec(ITER_DEST, segments, segments.length, count ?? total)
  return iter
}
const dmabuf = (offset: number, count: number): IovIter => {
  const iter = new IovIter()
  iter.initDmabufMap(ITER_DEST, { sizeBytes: 2 ** 40, granuleShift: 12 }, offset, count)
  return iter
}

describe('import of user memory', () => {
  it('a user buffer is cut to the most that one read or write may have', () => {
    const iter = new IovIter()
    expect(importUbuf(ITER_SOURCE, vec(3, 5, 100), iter)).toBe(0)
    expect([iter.iterType, iter.dataSource, iter.countBytes]).toEqual([IterType.UBUF, 1, 100])
    expect(importUbuf(ITER_DEST, vec(3, 5, 2 ** 32), iter)).toBe(0)
    expect([iter.countBytes, MAX_RW_COUNT]).toEqual([0x7fff_f000, 0x7fff_f000])
    expect(importUbuf(ITER_DEST, vec(3, 5, 0), iter)).toBe(0)
    expect(iter.countBytes).toBe(0)
  })

  it('a user buffer outside the address space is EFAULT, a negative length EINVAL; the iterator stays', () => {
    const iter = iovec([vec(1, 0, 9)])
    expect(importUbuf(ITER_DEST, vec(2 ** 31, -100, 101), iter)).toBe(-Errno.EFAULT)
    expect(importUbuf(ITER_DEST, vec(-1, 0, 1), iter)).toBe(-Errno.EFAULT)
    expect(importUbuf(ITER_DEST, vec(0.3, 0, 1), iter)).toBe(-Errno.EFAULT)
    expect(importUbuf(ITER_DEST, vec(1, 0, -1), iter)).toBe(-Errno.EINVAL)
    expect(importUbuf(ITER_DEST, vec(1, 0, 0.5), iter)).toBe(-Errno.EINVAL)
    expect([iter.iterType, iter.countBytes]).toEqual([IterType.IOVEC, 9])
    expect(importUbuf(ITER_DEST, vec(2 ** 31, -100, 100), iter)).toBe(0)
  })

  it('a vector is copied, into entries that are there already', () => {
    const iter = new IovIter()
    const user = [vec(1, 0, 10), vec(2, 0, 0), vec(3, 1, 20)]
    const pooled = vec(0, 0, 0)
    const copies = [pooled]
    expect(importIovec(ITER_SOURCE, user, 3, copies, iter)).toBe(30)
    expect([iter.iterType, iter.nrSegs, iter.countBytes]).toEqual([IterType.IOVEC, 3, 30])
    expect(copies).toEqual(user)
    expect(copies[0]).toBe(pooled)
    Object.assign(user[0] ?? {}, vec(77, 0, 7))
    expect(iter.singleSegCount()).toBe(10)
  })

  it('one range becomes a user buffer, none an empty vector', () => {
    const iter = new IovIter()
    const copies: BioVec[] = []
    expect(importIovec(ITER_DEST, [vec(1, 2, 3)], 1, copies, iter)).toBe(3)
    expect([iter.iterType, copies.length]).toEqual([IterType.UBUF, 0])
    expect(importIovec(ITER_DEST, [], 0, copies, iter)).toBe(0)
    expect([iter.iterType, iter.countBytes, iter.nrSegs]).toEqual([IterType.IOVEC, 0, 0])
    iter.advance(1)
    expect([iter.singleSegCount(), iter.alignment(), iter.npages(1)]).toEqual([0, 0, 0])
  })

  it('refuses more than 1024 ranges, a negative length, and what lies outside', () => {
    const iter = iovec([vec(1, 0, 9)])
    const many = Array.from({ length: UIO_MAXIOV + 1 }, () => vec(1, 0, 1))
    expect(importIovec(ITER_DEST, many, 1025, [], iter)).toBe(-Errno.EINVAL)
    expect(importIovec(ITER_DEST, many, -1, [], iter)).toBe(-Errno.EINVAL)
    expect(importIovec(ITER_DEST, [vec(1, 0, -1)], 1, [], iter)).toBe(-Errno.EINVAL)
    expect(importIovec(ITER_DEST, [vec(-1, 0, 1), vec(1, 0, -1)], 2, [], iter)).toBe(-Errno.EINVAL)
    expect(importIovec(ITER_DEST, [vec(1, 0, 1), vec(-1, 0, 1)], 2, [], iter)).toBe(-Errno.EFAULT)
    expect(importIovec(ITER_DEST, [vec(-1, 0, 1)], 1, [], iter)).toBe(-Errno.EFAULT)
    expect(importIovec(ITER_DEST, [vec(1, 0, 1)], 2, [], iter)).toBe(-Errno.EFAULT)
    expect(iter.countBytes).toBe(9)
    expect(importIovec(ITER_DEST, many, 1024, [], iter)).toBe(1024)
  })

  it('cuts the sum to the most that one read or write may have, and not the user’s own vector', () => {
    const iter = new IovIter()
    const copies: BioVec[] = []
    const user = [vec(0, 0, 0x7fff_0000), vec(0, 0, 0x7fff_0000), vec(0, 0, 5)]
    expect(importIovec(ITER_DEST, user, 3, copies, iter)).toBe(MAX_RW_COUNT)
    expect(copies.map((c) => c.lengthBytes)).toEqual([0x7fff_0000, 0xf000, 0])
    expect(user[1]?.lengthBytes).toBe(0x7fff_0000)
    expect(iter.countBytes).toBe(MAX_RW_COUNT)
  })
})

describe('alignment', () => {
  it('of a vector: every address and length of what is left', () => {
    const iter = iovec([vec(1, 0, 512), vec(5, 4, 0), vec(2, 1024, 2048)])
    expect(iter.alignment()).toBe(4096 | 512 | 8192 | 1024 | 2048)
    expect([
      iter.isAligned(511, 511),
      iter.isAligned(1023, 511),
      iter.isAligned(511, 1023),
    ]).toEqual([true, true, false])
    iter.advance(512)
    expect(iter.alignment()).toBe(8192 | 1024 | 2048)
    expect([iter.isAligned(1023, 2047), iter.isAligned(2047, 2047)]).toEqual([true, false])
    iter.truncate(100)
    expect(iter.isAligned(1023, 511)).toBe(false)
    iter.truncate(0)
    expect(iter.isAligned(-1, -1)).toBe(true)
  })

  it('S7, R-UIO-3: of a dmabuf: its offset and length, in every helper', () => {
    const iter = dmabuf(4096 + 8, 1024)
    expect(iter.alignment()).toBe(4096 | 8 | 1024)
    expect([iter.isAligned(7, 1023), iter.isAligned(15, 1023), iter.isAligned(7, 2047)]).toEqual([
      true,
      false,
      false,
    ])
    expect(iter.gapAlignment()).toBe(0)
    expect(dmabuf(2 ** 35 + 512, 2 ** 34).isAligned(511, 4095)).toBe(true)
    expect(dmabuf(2 ** 35 + 512, 2 ** 34).isAligned(1023, 4095)).toBe(false)
  })

  it('of gaps: the inner edges of a user vector, empty segments aside', () => {
    const segments = [vec(1, 100, 3996), vec(9, 1, 0), vec(3, 0, 4096), vec(5, 512, 100)]
    expect(iovec(segments).gapAlignment()).toBe(8192 | (3 * 4096) | (4 * 4096) | (5 * 4096 + 512))
    expect(iovec(segments.slice(0, 3)).gapAlignment() & 4095).toBe(0)
    expect(iovec(segments, 3996 + 4096).gapAlignment() & 4095).toBe(0)
    expect(iovec(segments, 3997).gapAlignment() & 4095).toBe(0)
    expect(iovec(segments, 3996).gapAlignment()).toBe(0)
    const late = iovec(segments)
    late.advance(3000)
    expect(late.gapAlignment() & 4095).toBe(512)
    late.advance(996 + 4096)
    expect(late.gapAlignment()).toBe(0)
  })

  it('of gaps: nothing for one range, and no answer for the rest', () => {
    const iter = new IovIter()
    iter.initUbuf(ITER_DEST, 1, 1, 1)
    expect(iter.gapAlignment()).toBe(0)
    iter.initKvec(ITER_DEST, [vec(1, 0, 1)], 1, 1)
    expect(iter.gapAlignment()).toBe(0xffff_ffff)
  })
})

describe('pages taken from an iterator', () => {
  const pages = new PageList()
  const list = (taken: number): unknown => [
    taken,
    pages.offsetBytes,
    pages.frames.slice(0, pages.nrPages),
  ]

  it('user and kernel vectors give one segment at a time', () => {
    const iter = iovec([vec(1, 0, 0), vec(2, 100, 3996), vec(3, 0, 4096)])
    expect(list(iovIterExtractPages(iter, pages, 1 << 20, 8))).toEqual([3996, 100, [2]])
    expect(list(iovIterGetPages(iter, pages, 1 << 20, 8))).toEqual([4096, 0, [3]])
    expect(iovIterExtractPages(iter, pages, 1 << 20, 8)).toBe(0)
    iter.initKvec(ITER_DEST, [vec(2, 100, 9000), vec(7, 0, 1)], 2, 9001)
    expect(list(iovIterExtractPages(iter, pages, 1 << 20, 2))).toEqual([8092, 100, [2, 3]])
    expect(list(iovIterExtractPages(iter, pages, 1 << 20, 2))).toEqual([908, 0, [4]])
  })

  it('a bio vector goes on where pages follow on pages, and gets pages by the segment', () => {
    const segments = [vec(2, 100, 3996), vec(9, 0, 8192), vec(4, 0, 10), vec(5, 0, 10)]
    const iter = new IovIter()
    iter.initBvec(ITER_DEST, segments, 4, 12_208)
    expect(list(iovIterExtractPages(iter, pages, 1 << 20, 8))).toEqual([12_198, 100, [2, 9, 10, 4]])
    expect(list(iovIterExtractPages(iter, pages, 1 << 20, 8))).toEqual([10, 0, [5]])
    iter.revert(12_208)
    expect(list(iovIterGetPages(iter, pages, 1 << 20, 8))).toEqual([3996, 100, [2]])
    expect(list(iovIterGetPages(iter, pages, 5000, 8))).toEqual([5000, 0, [9, 10]])
    expect(list(iovIterExtractPages(iter, pages, 1 << 20, 0))).toEqual([0, 0, []])
  })

  it('a bio vector ends a list of pages where the next segment starts inside a page', () => {
    const segments = [vec(2, 0, 4096), vec(9, 512, 4096), vec(4, 0, 10)]
    const iter = new IovIter()
    iter.initBvec(ITER_DEST, segments, 3, 8202)
    expect(list(iovIterExtractPages(iter, pages, 1 << 20, 8))).toEqual([4096, 0, [2]])
    expect(list(iovIterExtractPages(iter, pages, 1 << 20, 8))).toEqual([4096, 512, [9, 10]])
    expect(list(iovIterExtractPages(iter, pages, 1 << 20, 8))).toEqual([10, 0, [4]])
  })

  it('says which of them the kernel would pin, and refuses what has none', () => {
    const iter = iovec([vec(1, 0, 1)])
    expect(iovIterExtractWillPin(iter)).toBe(true)
    iter.initKvec(ITER_DEST, [vec(1, 0, 1)], 1, 1)
    expect(iovIterExtractWillPin(iter)).toBe(false)
    expect(() => iovIterGetPages(iter, pages, 1, 1)).toThrow(
      expect.objectContaining({ code: 'EFAULT' }),
    )
    iter.initDiscard(ITER_DEST, 1)
    expect(() => iovIterExtractPages(iter, pages, 1, 1)).toThrow('discard')
    expect(() => iovIterGetPages(iter, pages, 1, 1)).toThrow('discard')
  })

  it('R-UIO-2: a dmabuf has none, whichever way they are asked for', () => {
    for (const take of [iovIterExtractPages, iovIterGetPages]) {
      expect(() => take(dmabuf(0, 512), pages, 1, 1)).toThrow(KernelError)
      expect(() => take(dmabuf(0, 512), pages, 1, 1)).toThrow(
        expect.objectContaining({ code: 'EOPNOTSUPP' }),
      )
    }
  })
})

describe('duplicate', () => {
  it('has a vector of its own, and moves on its own', () => {
    const segments = [vec(1, 0, 10), vec(2, 0, 20), vec(3, 0, 30)]
    const source = iovec(segments)
    source.advance(15)
    const copy = new IovIter()
    const owned = dupIter(copy, source)
    expect(owned).toEqual(segments.slice(1))
    for (const segment of segments) segment.lengthBytes = 1
    copy.advance(20)
    expect([copy.countBytes, copy.segIndex, copy.offsetBytes]).toEqual([25, 1, 5])
    expect([source.countBytes, source.segIndex, source.offsetBytes]).toEqual([45, 1, 5])
    copy.revert(25)
    expect([copy.segIndex, copy.offsetBytes]).toEqual([0, 0])
    expect(() => copy.revert(1)).toThrow('before the start')
  })

  it('shares what is no vector', () => {
    const copy = new IovIter()
    const ubuf = new IovIter()
    ubuf.initUbuf(ITER_SOURCE, 5, 6, 7)
    expect(dupIter(copy, ubuf)).toBeNull()
    ubuf.initUbuf(ITER_DEST, 1, 1, 1)
    const run = vec(0, 0, 0)
    expect([copy.peekRun(9, run), run, copy.dataSource]).toEqual([7, vec(5, 6, 7), ITER_SOURCE])

    const source = dmabuf(512, 1024)
    expect(dupIter(copy, source)).toBeNull()
    copy.advance(512)
    expect([copy.offsetBytes, source.offsetBytes]).toEqual([1024, 512])
    expect(copy.dmabufMap).toBe(source.dmabufMap)

    source.initFolioQueue(ITER_DEST, queueOfFrames([1, 2]), 1, 5, 9)
    expect(dupIter(copy, source)).toBeNull()
    expect([copy.folioq, copy.folioqSlot]).toEqual([source.folioq, 1])
    source.initXarray(ITER_DEST, new FolioXarray(), 99, 1)
    expect(dupIter(copy, source)).toBeNull()
    expect([copy.xarray, copy.xarrayStartBytes, copy.folioq]).toEqual([source.xarray, 99, null])
  })
})
