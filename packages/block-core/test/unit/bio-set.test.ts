// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  Bio,
  BioFlag,
  BioSet,
  bioAllocClone,
  bioInitClone,
  bioRoot,
  bioTryAllocClone,
  ReqOp,
} from '../../src/index.ts'
import { dmabufBio, EndRecorder, FakeMap, makeMachine, runBio } from '../support.ts'

function take(set: BioSet<unknown>, count: number): Bio[] {
  return Array.from({ length: count }, () => {
    const bio = set.tryAlloc()
    if (bio === null) throw new Error('empty set')
    return bio
  })
}

describe('a pool of bios', () => {
  it('has a front of its own for each bio, made once', () => {
    const { kernel } = makeMachine()
    let made = 0
    const set = new BioSet(kernel, 'front', 2, {
      frontPad: (bio) => ({ bio, number: made++, cookie: 0 }),
    })
    const [a, b] = take(set, 2)
    if (a === undefined || b === undefined) throw new Error('two were taken')
    set.front(a).cookie = 7
    expect([set.front(a).bio, set.front(b).bio]).toEqual([a, b])
    set.put(a)
    expect(take(set, 1)).toEqual([a])
    expect([set.front(a).cookie, made]).toEqual([7, 2])
    expect(() => set.front(new Bio())).toThrow(AssertionFailure)
    const plain = new BioSet(kernel, 'plain', 1)
    for (const bio of take(plain, 1)) expect(() => plain.front(bio)).toThrow(AssertionFailure)
  })

  it('makes more than the reserve only when that is used up, up to its bound, and keeps them', () => {
    const { kernel } = makeMachine()
    let made = 0
    const set = new BioSet(kernel, 'growing', 2, { maxBios: 3, frontPad: () => ++made })
    expect([set.free, made]).toEqual([3, 2])
    const bios = take(set, 3)
    expect([set.free, made, new Set(bios).size]).toEqual([0, 3, 3])
    expect(set.tryAlloc()).toBe(null)
    for (const bio of bios) set.put(bio)
    expect([set.free, take(set, 3).length, made]).toEqual([3, 3, 3])
    expect(() => new BioSet(kernel, 'less', 2, { maxBios: 1 })).toThrow(AssertionFailure)
    expect(() => new BioSet(kernel, 'none', 0)).toThrow(AssertionFailure)
  })

  it('a bio that is put twice is noticed, whether others are in use or not', () => {
    const { kernel } = makeMachine()
    const set = new BioSet(kernel, 'twice', 3)
    const [a, b] = take(set, 2)
    if (a === undefined || b === undefined) throw new Error('two were taken')
    set.put(a)
    expect(() => set.put(a)).toThrow('put twice')
    set.put(b)
    expect(() => set.put(b)).toThrow('put twice')
    expect(set.free).toBe(3)
  })

  it('two tasks that each need several get all or none, and do not wait for each other', () => {
    const { kernel, scheduler } = makeMachine()
    const set = new BioSet(kernel, 'several', 4)
    const log: string[] = []
    function* worker(name: string) {
      const mine: Bio[] = []
      yield* set.allocMany(3, mine)
      log.push(`${name} has ${mine.length}`)
      yield* sleep(scheduler, 10)
      for (const bio of mine) set.put(bio)
    }
    scheduler.spawn('a', worker('a'))
    scheduler.spawn('b', worker('b'))
    scheduler.runUntilIdle()
    expect(log.toSorted()).toEqual(['a has 3', 'b has 3'])
    expect(set.free).toBe(4)
    expect(() => scheduler.runSync('too many', set.allocMany(5, []))).toThrow(AssertionFailure)
    expect(scheduler.outstanding()).toEqual([])
  })
})

describe('clones out of a pool', () => {
  it('R-BIO-2: carry the payload, know the bio that was submitted, and go back to the pool', () => {
    const { kernel, scheduler } = makeMachine()
    const set = new BioSet(kernel, 'clones', 2)
    const map = new FakeMap(1 << 20, 12)
    const bio = dmabufBio(map, { op: ReqOp.WRITE, sector: 8, offset: 512, bytes: 4096 })
    bio.biIoprio = 3
    const end = new EndRecorder()
    const first = bioTryAllocClone(set, bio, end)
    const second = scheduler.runSync('clone', bioAllocClone(set, first ?? bio, end))
    for (const clone of [first ?? bio, second]) {
      expect(clone).not.toBe(bio)
      expect(clone).toMatchObject({ biDmabufMap: map, biIoprio: 3, biEndIo: end, biOpf: bio.biOpf })
      expect(clone.biIter).toEqual(bio.biIter)
      expect([bioRoot(clone), clone.biFlags & BioFlag.CLONED]).toEqual([bio, BioFlag.CLONED])
      set.put(clone)
    }
    take(set, 2)
    expect(bioTryAllocClone(set, bio, end)).toBe(null)
  })

  it('R-BIO-2: bioAllocClone waits for a bio of the pool', () => {
    const { kernel, scheduler } = makeMachine()
    const set = new BioSet(kernel, 'one', 1)
    const [only] = take(set, 1)
    if (only === undefined) throw new Error('one was taken')
    const source = runBio({ op: ReqOp.READ, sector: 5, bytes: 512 })
    const got: Bio[] = []
    scheduler.spawn(
      'cloner',
      (function* () {
        got.push(yield* bioAllocClone(set, source, new EndRecorder()))
      })(),
    )
    scheduler.spawn(
      'giver',
      (function* () {
        yield* sleep(scheduler, 10)
        expect(got).toEqual([])
        set.put(only)
      })(),
    )
    scheduler.runUntilIdle()
    expect(got[0]?.biIoVec).toBe(source.biIoVec)
    expect(scheduler.outstanding()).toEqual([])
  })

  it('a clone of a clone knows the bio at the root', () => {
    const source = runBio({ op: ReqOp.READ, sector: 5, bytes: 512 })
    const [a, b] = [new Bio(), new Bio()]
    bioInitClone(a, source, new EndRecorder())
    bioInitClone(b, a, new EndRecorder())
    expect(bioRoot(b)).toBe(source)
  })
})
