// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure, type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { Request } from '../../src/index.ts'
import { TagMap } from '../../src/mq/tag-map.ts'
import type { TagUser } from '../../src/mq/tag-user.ts'
import { type Machine, makeMachine, ScriptedDriver } from '../support.ts'

function setUp(depth: number, users: number, reserved = 0) {
  const machine = makeMachine()
  const ops = new ScriptedDriver(machine.kernel)
  const tags = new TagMap(machine.kernel, ops, { hctxIndex: 0, depth, reserved })
  const [first, second, third] = Array.from({ length: 3 }, (_, index) => `user ${index}`)
    .slice(0, users)
    .map((name) => tags.addUser(name))
  return { machine, tags, first: the(first), second, third }
}

function the<T>(value: T | null | undefined): T {
  if (value === undefined || value === null) throw new Error('there is none')
  return value
}

/** As many tags as it gets, `most` at most. */
function take(tags: TagMap, user: TagUser, most: number, reserved = false): number[] {
  const taken: number[] = []
  for (let i = 0; i < most; i++) {
    const rq: Request | null = tags.tryGet(user, reserved)
    if (rq === null) break
    taken.push(rq.tag)
  }
  return taken
}

const never = () => false

/** A submitter that waits for a tag and takes it; what it took is pushed. */
function sleepFor(machine: Machine, tags: TagMap, user: TagUser, got: number[]): void {
  const wait = function* (): Op<void> {
    yield* tags.waitTag(user, false, never)
    got.push(the(tags.tryGet(user, false)).tag)
  }
  machine.scheduler.spawn(`waiter of ${user.name}`, wait())
  settle(machine)
}

/** Runs what can run; tasks that sleep on are no error here. */
function settle(machine: Machine): void {
  try {
    machine.scheduler.runUntilIdle()
  } catch (error) {
    if (!String(error).includes('deadlock')) throw error
  }
}

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
    settle(machine)
    expect([got, tags.free]).toEqual([[], 2])
    tags.put(first, 0)
    settle(machine)
    expect(got).toEqual([0])
    tags.put(first, 0)
    settle(machine)
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

describe('sleepers', () => {
  it('are woken one for each tag, in the order in which they came', () => {
    const { machine, tags, first } = setUp(2, 1)
    take(tags, first, 2)
    const got: number[][] = [[], [], []]
    for (const each of got) sleepFor(machine, tags, first, each)
    tags.put(first, 1)
    settle(machine)
    expect(got).toEqual([[1], [], []])
    tags.put(first, 0)
    settle(machine)
    expect(got).toEqual([[1], [0], []])
    tags.put(first, 0)
    tags.put(first, 1)
    settle(machine)
    expect(got.flat()).toHaveLength(3)
    expect(machine.scheduler.outstanding()).toEqual([])
  })

  it('users have their turn one after the other', () => {
    const { machine, tags, first, second, third } = setUp(12, 3)
    const all = take(tags, the(third), 12)
    const order: string[] = []
    const wait = function* (user: TagUser): Op<void> {
      yield* tags.waitTag(user, false, never)
      the(tags.tryGet(user, false))
      order.push(user.name)
    }
    for (const user of [first, first, the(second), the(second)]) {
      machine.scheduler.spawn(user.name, wait(user))
      settle(machine)
    }
    for (const tag of all.slice(0, 4)) {
      tags.put(the(third), tag)
      settle(machine)
    }
    expect(order).toEqual(['user 0', 'user 1', 'user 0', 'user 1'])
  })

  it('a tag that comes back wakes nobody who has his share', () => {
    const { machine, tags, first, second } = setUp(8, 2)
    const mine = take(tags, first, 8)
    const got: number[] = []
    const other: number[] = []
    sleepFor(machine, tags, first, got)
    sleepFor(machine, tags, the(second), other)
    settle(machine)
    for (const tag of mine.slice(0, 4)) {
      tags.put(first, tag)
      settle(machine)
    }
    expect([got, other]).toEqual([[], [mine[0]]])
    tags.put(first, mine[4] ?? -1)
    settle(machine)
    expect(got).toHaveLength(1)
  })

  it('one that finds its tag taken by another sleeps on, and gets the next', () => {
    const { machine, tags, first } = setUp(1, 1)
    take(tags, first, 1)
    const got: number[] = []
    sleepFor(machine, tags, first, got)
    settle(machine)
    tags.put(first, 0)
    expect(take(tags, first, 1)).toEqual([0])
    settle(machine)
    expect(got).toEqual([])
    tags.put(first, 0)
    settle(machine)
    expect(got).toEqual([0])
  })

  it('one that was woken and has its share by then lets another user have the tag', () => {
    const { machine, tags, first, second } = setUp(8, 2)
    const mine = take(tags, first, 4)
    const others = take(tags, the(second), 4)
    const got: number[] = []
    const other: number[] = []
    sleepFor(machine, tags, first, got)
    sleepFor(machine, tags, first, got)
    settle(machine)
    tags.put(first, mine[0] ?? -1)
    sleepFor(machine, tags, the(second), other)
    tags.put(the(second), others[0] ?? -1)
    settle(machine)
    expect([got.length, other.length, tags.free]).toEqual([1, 1, 0])
  })

  it('the last tag of an idle user raises the shares, and wakes who may have more', () => {
    const { machine, tags, first, second } = setUp(16, 2)
    const [tag] = take(tags, the(second), 1)
    take(tags, first, 8)
    const got: number[] = []
    for (let i = 0; i < 3; i++) sleepFor(machine, tags, first, got)
    settle(machine)
    expect([got.length, tags.free]).toEqual([0, 7])
    tags.put(the(second), the(tag))
    settle(machine)
    expect([got.length, tags.activeQueues]).toEqual([3, 1])
  })

  it('leave when their hardware queue goes, and others get what they were woken for', () => {
    const { machine, tags, first, second } = setUp(2, 2)
    const mine = take(tags, first, 2)
    const left: boolean[] = []
    const leave = function* (): Op<void> {
      yield* tags.waitTag(the(second), false, never)
      left.push(the(second).closed)
    }
    machine.scheduler.spawn('leaves', leave())
    const got: number[] = []
    sleepFor(machine, tags, first, got)
    settle(machine)
    tags.put(first, mine[0] ?? -1)
    tags.removeUser(the(second))
    settle(machine)
    expect([left, got.length]).toEqual([[true], 1])
  })

  it('one that gives up passes the wake on', () => {
    const { machine, tags, first, second } = setUp(2, 2)
    const mine = take(tags, first, 2)
    let dying = false
    const giveUp = function* (): Op<void> {
      yield* tags.waitTag(the(second), false, () => dying)
      expect(dying).toBe(true)
      tags.passWake()
    }
    machine.scheduler.spawn('gives up', giveUp())
    const got: number[] = []
    sleepFor(machine, tags, first, got)
    settle(machine)
    dying = true
    tags.put(first, mine[0] ?? -1)
    tags.wakeUser(the(second))
    settle(machine)
    expect(got).toHaveLength(1)
    expect(machine.scheduler.outstanding()).toEqual([])
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
    settle(machine)
    expect(got).toEqual([])
    tags.setDepth(16)
    settle(machine)
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
