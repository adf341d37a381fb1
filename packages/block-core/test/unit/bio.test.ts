// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure } from '@iolayers/kernel'
import { IovIter, ITER_DEST } from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import {
  Bio,
  BioFlag,
  BioSet,
  BlkStatus,
  bioAdvance,
  bioChain,
  bioClearFlag,
  bioEndio,
  bioEndWith,
  bioFlagged,
  bioInitClone,
  bioIovIterGetPages,
  bioRoot,
  bioSetDmabuf,
  bioSetFlag,
  bioSplitFront,
  type DmabufIoMap,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import { dmabufBio, dmabufIter, EndRecorder, FakeMap, makeMachine, runBio } from '../support.ts'

describe('bio flags', () => {
  it('R-BIO-1: the flag test takes a read-only bio; setting and clearing leave the neighbours', () => {
    const bio = new Bio()
    bioSetFlag(bio, BioFlag.CLONED)
    bioSetFlag(bio, BioFlag.CHAIN)
    const frozen: Readonly<Bio> = Object.freeze({ ...bio }) as Readonly<Bio>
    expect(bioFlagged(frozen, BioFlag.CHAIN)).toBe(true)
    bioClearFlag(bio, BioFlag.CHAIN)
    expect(bioFlagged(bio, BioFlag.CHAIN)).toBe(false)
    expect(bioFlagged(bio, BioFlag.CLONED)).toBe(true)
  })
})

describe('cloning', () => {
  it('R-BIO-2: a clone carries a dmabuf payload and its place', () => {
    const map = new FakeMap(1 << 20, 12)
    const bio = dmabufBio(map, { op: ReqOp.WRITE, sector: 8, offset: 512, bytes: 4096 })
    const clone = new Bio()
    bioInitClone(clone, bio, new EndRecorder())
    expect(clone.biDmabufMap).toBe(map)
    expect(clone.isDmabuf).toBe(true)
    expect(clone.biIter).toEqual(bio.biIter)
    expect(bioFlagged(clone, BioFlag.CLONED)).toBe(true)
    expect(map.refs).toBe(1)
  })

  it('R-BIO-2: a clone carries a vector, shared, and its place', () => {
    const bio = runBio({ op: ReqOp.READ, sector: 3, bytes: 8192 })
    bioAdvance(bio, 512)
    const clone = new Bio()
    bioInitClone(clone, bio, new EndRecorder())
    expect(clone.biIoVec).toBe(bio.biIoVec)
    expect(clone.biVcnt).toBe(1)
    expect(clone.biIter).toEqual(bio.biIter)
    expect(clone.biDmabufMap).toBe(null)
  })
})

describe('building from an iterator', () => {
  it('R-BIO-3: a dmabuf iterator becomes a bio without touching pages, and advances by what was taken', () => {
    const map = new FakeMap(2 ** 33, 21)
    const iter = dmabufIter(map, 2 ** 32 + 4096, 1 << 20)
    const bio = new Bio()
    bio.init(ReqOp.READ, 0, new EndRecorder())
    bioSetDmabuf(bio, iter)
    expect(bio.biDmabufMap).toBe(map)
    expect(bio.biIter.biBvecDone).toBe(2 ** 32 + 4096)
    expect(bio.biIter.biSize).toBe(1 << 20)
    expect(bio.biIoVec).toHaveLength(0)
    expect(bio.biInlineVecs).toHaveLength(0)
    expect(iter.countBytes).toBe(0)
    expect(iter.offsetBytes).toBe(2 ** 32 + 4096 + (1 << 20))
  })

  it('takes pages up to the byte bound, cut to the block, and reuses its entries', () => {
    const iter = new IovIter<DmabufIoMap>()
    const kvec = [
      { frame: 1, offsetBytes: 0, lengthBytes: 700 },
      { frame: 9, offsetBytes: 100, lengthBytes: 900 },
    ]
    iter.initKvec(ITER_DEST, kvec, 2, 1600)
    const bio = new Bio()
    bio.init(ReqOp.READ, 0, new EndRecorder())
    expect(bioIovIterGetPages(bio, iter, 1600, 512)).toBe(1536)
    expect(iter.countBytes).toBe(64)
    const entries = [...bio.biInlineVecs]
    iter.initKvec(ITER_DEST, kvec, 2, 1600)
    bioIovIterGetPages(bio, iter, 512, 512)
    expect(bio.biIter.biSize).toBe(512)
    expect(bio.biInlineVecs[0]).toBe(entries[0])
  })

  it('is an assertion on an iterator without a map', () => {
    const bio = new Bio()
    expect(() => bioSetDmabuf(bio, new IovIter<DmabufIoMap>())).toThrow(AssertionFailure)
  })
})

describe('splitting and chaining', () => {
  function split(
    bytes: number,
    front: number,
  ): { bio: Bio; piece: Bio; end: EndRecorder; set: BioSet } {
    const { kernel } = makeMachine()
    const set = new BioSet(kernel, 'test', 2)
    const end = new EndRecorder()
    const map = new FakeMap(1 << 20, 12)
    const bio = dmabufBio(map, { op: ReqOp.READ, sector: 100, offset: 4096, bytes }, end)
    const piece = set.tryAlloc()
    if (piece === null) throw new Error('empty set')
    bioSplitFront(bio, front, piece)
    return { bio, piece, end, set }
  }

  it('cuts a front clone off, and the rest goes on behind it', () => {
    const { bio, piece } = split(8192, 3072)
    expect(piece.biIter).toMatchObject({ biSector: 100, biSize: 3072, biBvecDone: 4096 })
    expect(bio.biIter).toMatchObject({ biSector: 106, biSize: 5120, biBvecDone: 7168 })
    expect(bioRoot(piece)).toBe(bio)
    expect(bioRoot(bio)).toBe(bio)
  })

  it('ends once, after both halves, whichever is last, and keeps the first error', () => {
    for (const frontFirst of [true, false]) {
      const { bio, piece, end, set } = split(8192, 4096)
      const [first, second] = frontFirst ? [piece, bio] : [bio, piece]
      bioEndWith(first, BlkStatus.STALE)
      expect(end.ended).toHaveLength(0)
      bioEndWith(second, BlkStatus.IOERR)
      expect(end.statuses).toEqual([BlkStatus.STALE])
      expect(set.free).toBe(2)
    }
  })

  it('walks a long chain without recursion', () => {
    const end = new EndRecorder()
    const last = runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, end)
    let child = last
    for (let i = 0; i < 50_000; i++) {
      const next = runBio({ op: ReqOp.READ, sector: 0, bytes: 512 })
      bioChain(next, child)
      bioEndio(child)
      child = next
    }
    expect(end.ended).toHaveLength(0)
    bioEndio(child)
    expect(end.ended).toEqual([last])
  })

  it('asserts on cuts outside the bio, off a sector, and on advancing past the end', () => {
    const bio = dmabufBio(new FakeMap(8192, 12), { op: 0, sector: 0, offset: 0, bytes: 4096 })
    const piece = new Bio()
    for (const cut of [0, 4096, 100]) {
      expect(() => bioSplitFront(bio, cut, piece)).toThrow(AssertionFailure)
    }
    expect(() => bioAdvance(bio, 4608)).toThrow(AssertionFailure)
    const empty = runBio({ op: ReqOp.READ, sector: 0, bytes: 512 })
    expect(() => bioAdvance(empty, 1024)).toThrow(AssertionFailure)
    const discard = new Bio()
    discard.init(ReqOp.DISCARD, 0, new EndRecorder())
    expect(() => bioAdvance(discard, 512)).toThrow(AssertionFailure)
  })
})

describe('BioSet', () => {
  it('fails when all are in use, and a sleeper gets the next one', () => {
    const { kernel, scheduler } = makeMachine()
    const set = new BioSet(kernel, 'test', 1)
    const only = set.tryAlloc()
    expect(set.tryAlloc()).toBe(null)
    const got: Bio[] = []
    scheduler.spawn(
      'sleeper',
      (function* () {
        got.push(yield* set.alloc())
      })(),
    )
    if (only === null) throw new Error('empty set')
    scheduler.spawn(
      'giver',
      (function* () {
        set.put(only)
      })(),
    )
    scheduler.runUntilIdle()
    expect(got).toEqual([only])
    set.put(only)
    expect(() => set.put(only)).toThrow(AssertionFailure)
    expect(() => set.put(new Bio())).toThrow(AssertionFailure)
  })

  it('keeps the operation flags of the payload kinds apart', () => {
    expect(ReqFlags.DMABUF & 0xff).toBe(0)
    const bits = Object.values(ReqFlags)
    expect(new Set(bits).size).toBe(bits.length)
  })
})
