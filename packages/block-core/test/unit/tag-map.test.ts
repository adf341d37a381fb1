// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure, type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { Request } from '../../src/index.ts'
import { TagMap } from '../../src/mq/tag-map.ts'
import { makeMachine, ScriptedDriver } from '../support.ts'
import { never, setUpTagMap as setUp, sleepFor, take, the } from '../tag-map-support.ts'

describe('tags of one user', () => {
  it('are given out from 0 on, each once, and again when they come back', () => {
    const { tags, first } = setUp(4, 1)
    expect(take(tags, first, 9)).toEqual([0, 1, 2, 3])
    expect([tags.free, first.active]).toEqual([0, 4])
    tags.put(first, 2)
    expect(take(tags, first, 9)).toEqual([2])
    for (const tag of [0, 1, 2, 3]) tags.put(first, tag)
    expect([tags.free, first.active]).toEqual([4, 0])
    expect(() => tags.put(first, 0)).toThrow(AssertionFailure)
  })

  it('are all for it, however few there are', () => {
    const { tags, first } = setUp(1, 1)
    expect(take(tags, first, 9)).toEqual([0])
    expect(tags.activeQueues).toBe(0)
  })
})

describe('reserved tags', () => {
  it('come first, and only those get them who ask for one', () => {
    const { tags, first } = setUp(6, 1, 2)
    expect(take(tags, first, 9)).toEqual([2, 3, 4, 5])
    expect(take(tags, first, 9, true)).toEqual([0, 1])
    expect([tags.free, tags.freeReserved]).toEqual([0, 0])
    tags.put(first, 1)
    tags.put(first, 4)
    expect([tags.free, tags.freeReserved]).toEqual([1, 1])
    expect(take(tags, first, 9)).toEqual([4])
    expect(take(tags, first, 9, true)).toEqual([1])
  })

  it('are no part of the shares, and stay when the depth shrinks', () => {
    const { tags, first, second } = setUp(12, 2, 2)
    take(tags, the(second), 1)
    expect(take(tags, first, 9)).toHaveLength(5)
    expect(take(tags, first, 9, true)).toEqual([0, 1])
    tags.setDepth(3)
    tags.put(first, 0)
    expect(take(tags, first, 9, true)).toEqual([0])
    expect(() => tags.setDepth(2)).toThrow(AssertionFailure)
    expect(() => tags.setDepth(13)).toThrow(AssertionFailure)
  })

  it('put twice are an assertion', () => {
    const { tags, first } = setUp(2, 1, 1)
    take(tags, first, 1, true)
    tags.put(first, 0)
    expect(() => tags.put(first, 0)).toThrow(AssertionFailure)
  })

  it('have sleepers of their own, woken one for each tag', () => {
    const { machine, tags, first } = setUp(3, 1, 1)
    take(tags, first, 1, true)
    const got: number[] = []
    const wait = function* (): Op<void> {
      yield* tags.waitTag(first, true, never)
      got.push(the(tags.tryGet(first, true)).tag)
    }
    for (let i = 0; i < 2; i++) machine.scheduler.spawn(`waiter ${i}`, wait())
    machine.scheduler.runReady()
    expect([got, tags.free]).toEqual([[], 2])
    tags.put(first, 0)
    machine.scheduler.runReady()
    expect(got).toEqual([0])
    tags.put(first, 0)
    machine.scheduler.runReady()
    expect(got).toEqual([0, 0])
    expect(machine.scheduler.outstanding()).toEqual([])
  })
})

describe('tags of several users', () => {
  it('are divided among those that are busy, rounded up', () => {
    const { tags, first, second, third } = setUp(16, 3)
    expect(take(tags, first, 1)).toHaveLength(1)
    expect(take(tags, the(second), 1)).toHaveLength(1)
    expect(take(tags, the(third), 1)).toHaveLength(1)
    expect(tags.activeQueues).toBe(3)
    expect(take(tags, first, 16)).toHaveLength(5)
    expect(take(tags, the(second), 16)).toHaveLength(5)
    expect(take(tags, the(third), 16)).toHaveLength(3)
    expect([first.active, second?.active, third?.active]).toEqual([6, 6, 4])
  })

  it('all go to one where the others want none, and it gives way when they do', () => {
    const { tags, first, second } = setUp(16, 2)
    const all = take(tags, first, 99)
    expect(all).toHaveLength(16)
    expect(take(tags, the(second), 1)).toEqual([])
    expect(tags.activeQueues).toBe(2)
    for (const tag of all.slice(0, 8)) {
      tags.put(first, tag)
      expect(take(tags, first, 1)).toEqual([])
    }
    expect(take(tags, the(second), 99)).toHaveLength(8)
    tags.put(first, all[8] ?? -1)
    expect(take(tags, first, 99)).toHaveLength(1)
  })

  it('at least four each', () => {
    const { tags, first, second, third } = setUp(6, 3)
    for (const user of [first, the(second), the(third)]) take(tags, user, 1)
    expect(take(tags, first, 9)).toHaveLength(3)
    expect([first.active, first.limit]).toEqual([4, 4])
  })

  it('one tag is not divided', () => {
    const { tags, first, second } = setUp(1, 2)
    expect(take(tags, first, 2)).toEqual([0])
    expect(take(tags, the(second), 2)).toEqual([])
    tags.put(first, 0)
    expect(take(tags, the(second), 2)).toEqual([0])
  })

  it('one tag beside reserved ones is not divided, whoever has those', () => {
    const { tags, first, second } = setUp(6, 2, 5)
    take(tags, the(second), 1)
    take(tags, first, 5, true)
    tags.put(the(second), 5)
    expect([first.active, take(tags, first, 1)]).toEqual([5, [5]])
  })

  it('one that found no tag keeps its claim for a second, and loses it then', () => {
    const { machine, tags, first, second } = setUp(16, 2)
    const all = take(tags, first, 99)
    expect(take(tags, the(second), 1)).toEqual([])
    for (const tag of all.slice(0, 10)) tags.put(first, tag)
    machine.scheduler.runSync('wait', sleep(machine.scheduler, 999_999_999))
    expect(take(tags, first, 99)).toHaveLength(2)
    machine.scheduler.runSync('wait', sleep(machine.scheduler, 1))
    expect(take(tags, first, 99)).toHaveLength(8)
    expect(tags.activeQueues).toBe(1)
  })

  it('one that has nothing and waits for nothing does not count when another wants more', () => {
    const { tags, first, second } = setUp(16, 2)
    const [tag] = take(tags, the(second), 1)
    expect(take(tags, first, 99)).toHaveLength(8)
    tags.put(the(second), the(tag))
    expect(tags.activeQueues).toBe(2)
    expect(take(tags, first, 99)).toHaveLength(8)
    expect(tags.activeQueues).toBe(1)
  })

  it('one that has tags when the second comes is busy from then on', () => {
    const { tags, first } = setUp(16, 1)
    const taken = take(tags, first, 10)
    const second = tags.addUser('late')
    expect(tags.activeQueues).toBe(1)
    take(tags, second, 1)
    expect([tags.activeQueues, first.limit]).toEqual([2, 8])
    expect(() => tags.removeUser(second)).toThrow(AssertionFailure)
    tags.put(second, 10)
    for (const tag of taken) tags.put(first, tag)
    tags.removeUser(second)
    expect(() => tags.removeUser(second)).toThrow(AssertionFailure)
    expect(take(tags, first, 99)).toHaveLength(16)
  })
})

describe('the depth', () => {
  it('shrinks at once, and tags above it that are in use are not given out again', () => {
    const { tags, first } = setUp(8, 1)
    take(tags, first, 6)
    tags.setDepth(4)
    expect([tags.depth, tags.free]).toEqual([4, 0])
    tags.put(first, 5)
    expect([tags.free, first.active]).toEqual([0, 5])
    tags.put(first, 1)
    expect(take(tags, first, 9)).toEqual([1])
  })

  it('grows to all tags that are not in use', () => {
    const { tags, first } = setUp(8, 1)
    take(tags, first, 6)
    tags.setDepth(2)
    tags.put(first, 3)
    tags.setDepth(8)
    expect(take(tags, first, 9).toSorted((a, b) => a - b)).toEqual([3, 6, 7])
    for (let tag = 0; tag < 8; tag++) tags.put(first, tag)
    expect(tags.free).toBe(8)
  })

  it('wakes sleepers when it grows, and changes the shares', () => {
    const { machine, tags, first, second } = setUp(16, 2)
    tags.setDepth(8)
    take(tags, the(second), 1)
    expect(take(tags, first, 9)).toHaveLength(4)
    const got: number[] = []
    for (let i = 0; i < 5; i++) sleepFor(machine, tags, first, got)
    machine.scheduler.runReady()
    expect(got).toEqual([])
    tags.setDepth(16)
    machine.scheduler.runReady()
    expect([got.length, first.limit]).toEqual([4, 8])
  })
})

describe('requests', () => {
  it('are given back when the map goes, and not before its users have', () => {
    const machine = makeMachine()
    const exited: number[] = []
    const ops = Object.assign(new ScriptedDriver(machine.kernel), {
      exitRequest: (rq: Request, hctxIndex: number) => exited.push(hctxIndex * 10 + rq.tag),
    })
    const tags = new TagMap(machine.kernel, ops, { hctxIndex: 3, depth: 3, reserved: 1 })
    const user = tags.addUser('user')
    expect(() => tags.exit()).toThrow(AssertionFailure)
    tags.removeUser(user)
    tags.exit()
    expect(exited).toEqual([30, 31, 32])
  })

  it('that were made before one fails are given back', () => {
    const machine = makeMachine()
    const exited: number[] = []
    const ops = Object.assign(new ScriptedDriver(machine.kernel), {
      initRequest: (_hctx: number, tag: number) => {
        if (tag === 2) throw new Error('no memory')
        return { requeued: 0 }
      },
      exitRequest: (rq: Request) => exited.push(rq.tag),
    })
    const init = { hctxIndex: 0, depth: 4, reserved: 0 }
    expect(() => new TagMap(machine.kernel, ops, init)).toThrow('no memory')
    expect(exited).toEqual([0, 1])
  })
})
