// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure } from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BIO_MAX_SIZE,
  BIO_MAX_VECS,
  Bio,
  BioFlag,
  BioList,
  BioWaiter,
  BioWalk,
  BlkStatus,
  bioAddFolio,
  bioAddPage,
  bioAdvance,
  bioEndio,
  bioEndWith,
  bioFull,
  bioIncRemaining,
  bioInitClone,
  bioInitInline,
  bioInitTable,
  bioReset,
  bioReuse,
  bioSetFlag,
  bioTrim,
  bioTruncate,
  ReqOp,
} from '../../src/index.ts'
import {
  dmabufBio,
  EndRecorder,
  FakeMap,
  makeDisk,
  makeMachine,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

function inlineBio(maxVecs = 4, op: number = ReqOp.READ): Bio {
  const bio = new Bio()
  bio.init(op, 8, new EndRecorder())
  bioInitInline(bio, maxVecs)
  return bio
}

function entries(bio: Bio): number[][] {
  return bio.biIoVec
    .slice(0, bio.biVcnt)
    .map(({ frame, offsetBytes, lengthBytes }) => [frame, offsetBytes, lengthBytes])
}

describe('building a bio page by page', () => {
  it('folds what goes on from the last entry into it, and counts every byte', () => {
    const bio = inlineBio()
    expect(bioAddPage(bio, 5, 1024, 512)).toBe(1024)
    expect(bioAddPage(bio, 5, 2560, 1536)).toBe(2560)
    expect(bioAddPage(bio, 6, 4096, 0)).toBe(4096)
    expect(bioAddPage(bio, 8, 4096, 0)).toBe(4096)
    expect(bioAddPage(bio, 7, 4096, 0)).toBe(4096)
    expect(entries(bio)).toEqual([
      [5, 512, 7680],
      [8, 0, 4096],
      [7, 0, 4096],
    ])
    expect(bio.biIter.biSize).toBe(7680 + 8192)
  })

  it('is full at its entries, though the last may still grow, and at the largest size', () => {
    const bio = inlineBio(1)
    expect(bioFull(bio, 512)).toBe(false)
    expect(bioAddPage(bio, 1, 4096, 0)).toBe(4096)
    expect(bioFull(bio, 512)).toBe(true)
    expect(bioAddPage(bio, 9, 512, 0)).toBe(0)
    expect(bioAddPage(bio, 2, 4096, 0)).toBe(4096)
    expect(entries(bio)).toEqual([[1, 0, 8192]])
    const large = inlineBio(2)
    expect(bioAddPage(large, 1, BIO_MAX_SIZE - 4096, 0)).toBe(BIO_MAX_SIZE - 4096)
    expect([bioFull(large, 4096), bioFull(large, 4097)]).toEqual([false, true])
    expect(bioAddPage(large, 0x20_0000, 4097, 0)).toBe(0)
    expect(bioAddPage(large, 0x20_0000, 4096, 0)).toBe(4096)
  })

  it('takes bytes of a folio, from the page in it where they begin', () => {
    const bio = inlineBio()
    const folio = { frame: 16, order: 2 }
    expect(bioAddFolio(bio, folio, 6000, 5000)).toBe(true)
    expect(entries(bio)).toEqual([[17, 904, 6000]])
    expect(() => bioAddFolio(bio, folio, 4096, 12_289)).toThrow(AssertionFailure)
    const full = inlineBio(1)
    bioAddPage(full, 1, 512, 0)
    expect(bioAddFolio(full, folio, 512, 0)).toBe(false)
  })

  it('a vector of the caller is written over and stays through a reset', () => {
    const table: BioVec[] = [{ frame: 99, offsetBytes: 9, lengthBytes: 9 }]
    const [kept] = table
    const bio = new Bio()
    bio.init(ReqOp.WRITE, 8, new EndRecorder())
    bioInitTable(bio, table, 2)
    bioAddPage(bio, 1, 512, 0)
    bioAddPage(bio, 3, 512, 0)
    expect(table).toHaveLength(2)
    expect(table[0]).toBe(kept)
    expect(bio.biInlineVecs).toHaveLength(0)
    bioReset(bio, ReqOp.READ)
    expect(bio).toMatchObject({ biVcnt: 0, biOpf: ReqOp.READ, biStatus: 0, biMaxVecs: 2 })
    expect(bio.biIter).toMatchObject({ biSector: 0, biSize: 0 })
    expect(bioAddPage(bio, 7, 512, 0)).toBe(512)
    expect(table[0]).toEqual({ frame: 7, offsetBytes: 0, lengthBytes: 512 })
    const without = new Bio()
    bioReset(without, ReqOp.READ)
    expect(() => bioAddPage(without, 1, 512, 0)).toThrow(AssertionFailure)
  })

  it('asserts on clones, on no bytes, on vectors too long and on a second one', () => {
    const bio = inlineBio()
    expect(() => bioAddPage(bio, 1, 0, 0)).toThrow(AssertionFailure)
    bioAddPage(bio, 1, 512, 0)
    expect(() => bioInitInline(bio, 2)).toThrow(AssertionFailure)
    const clone = new Bio()
    bioInitClone(clone, bio, new EndRecorder())
    expect(() => bioAddPage(clone, 2, 512, 0)).toThrow(AssertionFailure)
    expect(() => inlineBio(BIO_MAX_VECS + 1)).toThrow(AssertionFailure)
    expect(() => inlineBio(0)).toThrow(AssertionFailure)
  })
})

describe('walking a bio', () => {
  it('page by page gives the bytes that run by run gives, from anywhere, and changes nothing', () => {
    const vec = fc.record({
      frame: fc.integer({ min: 0, max: 1000 }),
      offsetBytes: fc.integer({ min: 0, max: 4095 }),
      lengthBytes: fc.integer({ min: 0, max: 6000 }),
    })
    const vecs = fc.array(vec, { minLength: 1, maxLength: 6 })
    const walk = new BioWalk()
    fc.assert(
      fc.property(vecs, fc.nat(), fc.nat(), (list, skip, drop) => {
        const bio = vecBio(list)
        const all = addresses(list)
        const begin = all.length === 0 ? 0 : skip % all.length
        bioAdvance(bio, begin)
        bio.biIter.biSize -= bio.biIter.biSize === 0 ? 0 : drop % bio.biIter.biSize
        const wanted = all.slice(begin, begin + bio.biIter.biSize).join()
        const before = { ...bio.biIter }
        walk.init(bio)
        expect(addresses(collect((out) => walk.nextBvec(out))).join()).toBe(wanted)
        walk.init(bio)
        const pages = collect((out) => walk.nextSegment(out))
        for (const page of pages) {
          expect(page.offsetBytes + page.lengthBytes).toBeLessThanOrEqual(4096)
        }
        expect(addresses(pages).join()).toBe(wanted)
        expect({ ...bio.biIter }).toEqual(before)
      }),
      { numRuns: 100, seed: 21 },
    )
  })

  it('a dmabuf and a discard have no memory to walk', () => {
    const walk = new BioWalk()
    const out = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
    const dmabuf = dmabufBio(new FakeMap(8192, 12), { op: 0, sector: 0, offset: 0, bytes: 4096 })
    const discard = new Bio()
    discard.init(ReqOp.DISCARD, 0, new EndRecorder())
    discard.biIter.biSize = 4096
    for (const bio of [dmabuf, discard]) {
      walk.init(bio)
      expect([walk.nextBvec(out), walk.nextSegment(out)]).toEqual([0, 0])
    }
  })

  function vecBio(list: readonly BioVec[]): Bio {
    const bio = new Bio()
    bio.init(ReqOp.READ, 0, new EndRecorder())
    bio.biIoVec = list
    bio.biVcnt = list.length
    bio.biIter.biSize = list.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
    return bio
  }

  function addresses(list: readonly BioVec[]): number[] {
    return list.flatMap(({ frame, offsetBytes, lengthBytes }) =>
      Array.from({ length: lengthBytes }, (_, i) => frame * 4096 + offsetBytes + i),
    )
  }

  function collect(next: (out: BioVec) => number): BioVec[] {
    const found: BioVec[] = []
    const out = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
    while (next(out) > 0) found.push({ ...out })
    return found
  }
})

describe('cutting and using again', () => {
  it('advancing by part of a sector, or over a seam of two entries, keeps whole sectors', () => {
    const bio = inlineBio()
    bioAddPage(bio, 1, 700, 0)
    bioAddPage(bio, 9, 2000, 4)
    bioAdvance(bio, 700)
    expect(bio.biIter).toMatchObject({ biSector: 9, biIdx: 1, biBvecDone: 0, biSize: 2000 })
    bioAdvance(bio, 100)
    expect(bio.biIter).toMatchObject({ biSector: 9, biIdx: 1, biBvecDone: 100, biSize: 1900 })
    const map = new FakeMap(2 ** 40, 12)
    const dmabuf = dmabufBio(map, { op: 0, sector: 1, offset: 0, bytes: 2 ** 36 })
    bioAdvance(dmabuf, 2 ** 35 + 100)
    expect(dmabuf.biIter).toMatchObject({ biSector: 1 + 2 ** 26, biBvecDone: 2 ** 35 + 100 })
  })

  it('trims to a range of sectors', () => {
    const bio = runBio({ op: ReqOp.READ, sector: 100, bytes: 8192 })
    bioTrim(bio, 0, 16)
    expect(bio.biIter).toMatchObject({ biSector: 100, biSize: 8192, biBvecDone: 0 })
    bioTrim(bio, 3, 4)
    expect(bio.biIter).toMatchObject({ biSector: 103, biSize: 2048, biBvecDone: 1536 })
    bioTrim(bio, 0, 1)
    expect(bio.biIter).toMatchObject({ biSector: 103, biSize: 512 })
    expect(() => bioTrim(bio, 1, 1)).toThrow(AssertionFailure)
    expect(() => bioTrim(bio, -1, 1)).toThrow(AssertionFailure)
  })

  it('what falls off a truncated read is zeroed, of a write it is not', () => {
    const zeroed: BioVec[] = []
    const memory = { zero: (run: BioVec) => zeroed.push({ ...run }) }
    const read = inlineBio()
    bioAddPage(read, 1, 4096, 0)
    bioAddPage(read, 4, 6144, 1024)
    bioTruncate(read, 20_000, memory)
    expect([read.biIter.biSize, zeroed]).toEqual([10_240, []])
    bioTruncate(read, 3584, memory)
    expect(zeroed).toEqual([
      { frame: 1, offsetBytes: 3584, lengthBytes: 512 },
      { frame: 4, offsetBytes: 1024, lengthBytes: 3072 },
      { frame: 5, offsetBytes: 0, lengthBytes: 3072 },
    ])
    const write = inlineBio(4, ReqOp.WRITE)
    bioAddPage(write, 1, 4096, 0)
    bioTruncate(write, 512, memory)
    expect([write.biIter.biSize, read.biIter.biSize, zeroed.length]).toEqual([512, 3584, 3])
  })

  it('is used again with the memory, the listener and nothing else of before', () => {
    const bio = inlineBio()
    const { biEndIo } = bio
    bioAddPage(bio, 1, 4096, 0)
    bioAddPage(bio, 3, 512, 0)
    bio.biPrivate = 'mine'
    bioAdvance(bio, 4608)
    bioEndWith(bio, BlkStatus.IOERR)
    bioReuse(bio, ReqOp.WRITE)
    expect(bio).toMatchObject({ biOpf: ReqOp.WRITE, biStatus: 0, biVcnt: 2, biPrivate: 'mine' })
    expect(bio.biIter).toMatchObject({ biSector: 0, biSize: 4608, biIdx: 0, biBvecDone: 0 })
    expect(bio.biEndIo).toBe(biEndIo)
    const clone = new Bio()
    bioInitClone(clone, bio, new EndRecorder())
    expect(() => bioReuse(clone, ReqOp.READ)).toThrow(AssertionFailure)
    const dmabuf = dmabufBio(new FakeMap(8192, 12), { op: 0, sector: 0, offset: 0, bytes: 4096 })
    expect(() => bioReuse(dmabuf, ReqOp.READ)).toThrow(AssertionFailure)
  })
})

describe('ends', () => {
  it('a bio with more to wait for ends with the last of them', () => {
    const end = new EndRecorder()
    const bio = runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, end)
    bioIncRemaining(bio)
    bioIncRemaining(bio)
    bioEndio(bio)
    bioEndWith(bio, BlkStatus.MEDIUM)
    expect(end.statuses).toEqual([])
    bioEndio(bio)
    expect(end.statuses).toEqual([BlkStatus.MEDIUM])
    const over = runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, end)
    bioSetFlag(over, BioFlag.CHAIN)
    over.biRemaining = 0
    expect(() => bioEndio(over)).toThrow(AssertionFailure)
  })

  it('a list keeps the order, is merged, and is ended in one go', () => {
    const end = new EndRecorder()
    const bios = [0, 1, 2, 3].map((sector) => runBio({ op: ReqOp.READ, sector, bytes: 512 }, end))
    const [a, b] = [new BioList(), new BioList()]
    expect([a.empty, a.pop(), a.peek()]).toEqual([true, null, null])
    for (const [i, bio] of bios.entries()) (i < 2 ? a : b).add(bio)
    for (const bio of bios.slice(0, 3)) expect(() => a.add(bio)).toThrow(AssertionFailure)
    a.merge(b)
    a.merge(new BioList())
    a.merge(a)
    expect([b.empty, a.peek()]).toEqual([true, bios[0]])
    expect(a.pop()).toBe(bios[0])
    const first = bios[1]
    if (first !== undefined) first.biStatus = BlkStatus.MEDIUM
    a.endAll(BlkStatus.IOERR)
    expect(a.empty).toBe(true)
    expect(end.ended).toEqual(bios.slice(1))
    expect(end.statuses).toEqual([BlkStatus.MEDIUM, BlkStatus.IOERR, BlkStatus.IOERR])
    b.merge(a)
    b.add(bios[0] ?? new Bio())
    expect(b.pop()).toBe(bios[0])
    expect(b.empty).toBe(true)
  })

  it('whoever hears of an end may put the bio on the list again', () => {
    const list = new BioList()
    const again = { bioEndIo: (bio: Bio) => list.add(bio) }
    const bio = runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, again)
    const other = runBio({ op: ReqOp.READ, sector: 1, bytes: 512 }, again)
    list.add(bio)
    list.add(other)
    list.endAll(BlkStatus.OK)
    expect([list.pop(), list.pop(), list.pop()]).toEqual([bio, other, null])
  })

  it('a waiter submits and says how it ended, again and again', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver)
    const waiter = new BioWaiter(machine.kernel, 'waiter')
    const bio = runBio({ op: ReqOp.READ, sector: 0, bytes: 512 })
    const wait = () => machine.scheduler.runSync('wait', waiter.submitBioWait(bio, disk))
    expect(wait()).toBe(BlkStatus.OK)
    driver.endStatus = () => BlkStatus.MEDIUM
    bioReuse(bio, ReqOp.WRITE)
    expect(wait()).toBe(BlkStatus.MEDIUM)
    expect(driver.issued.map(({ op }) => op)).toEqual([ReqOp.READ, ReqOp.WRITE])
    tearDown(machine, disk)
  })
})
