// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { TagUser } from '../../src/mq/tag-user.ts'
import { never, setUpTagMap as setUp, sleepFor, take, the } from '../tag-map-support.ts'

describe('sleepers', () => {
  it('are woken one for each tag, in the order in which they came', () => {
    const { machine, tags, first } = setUp(2, 1)
    take(tags, first, 2)
    const got: number[][] = [[], [], []]
    for (const each of got) sleepFor(machine, tags, first, each)
    tags.put(first, 1)
    machine.scheduler.runReady()
    expect(got).toEqual([[1], [], []])
    tags.put(first, 0)
    machine.scheduler.runReady()
    expect(got).toEqual([[1], [0], []])
    tags.put(first, 0)
    tags.put(first, 1)
    machine.scheduler.runReady()
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
      machine.scheduler.runReady()
    }
    for (const tag of all.slice(0, 4)) {
      tags.put(the(third), tag)
      machine.scheduler.runReady()
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
    machine.scheduler.runReady()
    for (const tag of mine.slice(0, 4)) {
      tags.put(first, tag)
      machine.scheduler.runReady()
    }
    expect([got, other]).toEqual([[], [mine[0]]])
    tags.put(first, mine[4] ?? -1)
    machine.scheduler.runReady()
    expect(got).toHaveLength(1)
  })

  it('one that finds its tag taken by another sleeps on, and gets the next', () => {
    const { machine, tags, first } = setUp(1, 1)
    take(tags, first, 1)
    const got: number[] = []
    sleepFor(machine, tags, first, got)
    machine.scheduler.runReady()
    tags.put(first, 0)
    expect(take(tags, first, 1)).toEqual([0])
    machine.scheduler.runReady()
    expect(got).toEqual([])
    tags.put(first, 0)
    machine.scheduler.runReady()
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
    machine.scheduler.runReady()
    tags.put(first, mine[0] ?? -1)
    sleepFor(machine, tags, the(second), other)
    tags.put(the(second), others[0] ?? -1)
    machine.scheduler.runReady()
    expect([got.length, other.length, tags.free]).toEqual([1, 1, 0])
  })

  it('the last tag of an idle user raises the shares, and wakes who may have more', () => {
    const { machine, tags, first, second } = setUp(16, 2)
    const [tag] = take(tags, the(second), 1)
    take(tags, first, 8)
    const got: number[] = []
    for (let i = 0; i < 3; i++) sleepFor(machine, tags, first, got)
    machine.scheduler.runReady()
    expect([got.length, tags.free]).toEqual([0, 7])
    tags.put(the(second), the(tag))
    machine.scheduler.runReady()
    expect([got.length, tags.activeQueues]).toEqual([3, 1])
  })

  it('a claim that another user finds lapsed raises the shares for all', () => {
    const { machine, tags, first, second, third } = setUp(24, 3)
    const mine = [take(tags, the(third), 1), take(tags, first, 12), take(tags, the(second), 12)]
    for (const tag of mine[0] ?? []) tags.put(the(third), tag)
    take(tags, the(second), 4)
    expect([take(tags, the(third), 1), tags.free]).toEqual([[], 0])
    for (const tag of (mine[1] ?? []).slice(0, 4)) tags.put(first, tag)
    for (const tag of (mine[2] ?? []).slice(0, 4)) tags.put(the(second), tag)
    const got: number[] = []
    sleepFor(machine, tags, first, got)
    expect([got, tags.free, tags.activeQueues]).toEqual([[], 8, 3])
    machine.scheduler.advance(1_000_000_000)
    expect(got).toEqual([])
    expect(take(tags, the(second), 1)).toHaveLength(1)
    machine.scheduler.runReady()
    expect([got.length, tags.activeQueues]).toEqual([1, 2])
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
    machine.scheduler.runReady()
    tags.put(first, mine[0] ?? -1)
    tags.removeUser(the(second))
    machine.scheduler.runReady()
    expect([left, got.length]).toEqual([[true], 1])
  })

  it('leave when their hardware queue goes, also where no tag is free', () => {
    const { machine, tags, first, second } = setUp(2, 2)
    take(tags, first, 2)
    const left: number[] = []
    const leave = function* (): Op<void> {
      yield* tags.waitTag(the(second), false, never)
      left.push(tags.free)
    }
    machine.scheduler.spawn('leaves', leave())
    machine.scheduler.runReady()
    tags.removeUser(the(second))
    machine.scheduler.runReady()
    expect(left).toEqual([0])
  })

  it('one that gives up and leaves its user idle raises the shares', () => {
    const { machine, tags, first, second } = setUp(8, 2)
    const all = take(tags, first, 8)
    let frozen = false
    const giveUp = function* (): Op<void> {
      yield* tags.waitTag(the(second), false, () => frozen)
      tags.passWake()
    }
    machine.scheduler.spawn('gives up', giveUp())
    machine.scheduler.runReady()
    const got: number[] = []
    sleepFor(machine, tags, first, got)
    machine.scheduler.advance(1_000_000_000)
    frozen = true
    for (const tag of all.slice(0, 3)) tags.put(first, tag)
    machine.scheduler.runReady()
    expect([got.length, tags.activeQueues, tags.free]).toEqual([1, 1, 2])
  })

  it('one that gave up while no tag was free does not count when the next one comes back', () => {
    const { machine, tags, first, second, third } = setUp(12, 3)
    take(tags, the(second), 1)
    const mine = take(tags, first, 6)
    take(tags, the(second), 5)
    let dying = false
    const giveUp = function* (): Op<void> {
      yield* tags.waitTag(the(third), false, () => dying)
      tags.passWake()
    }
    machine.scheduler.spawn('gives up', giveUp())
    machine.scheduler.advance(1_000_000_000)
    dying = true
    tags.wakeUser(the(third))
    const got: number[] = []
    sleepFor(machine, tags, first, got)
    expect([tags.activeQueues, tags.free]).toEqual([3, 0])
    tags.put(first, mine[0] ?? -1)
    machine.scheduler.runReady()
    expect([got.length, tags.activeQueues]).toEqual([1, 2])
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
    machine.scheduler.runReady()
    dying = true
    tags.put(first, mine[0] ?? -1)
    tags.wakeUser(the(second))
    machine.scheduler.runReady()
    expect(got).toHaveLength(1)
    expect(machine.scheduler.outstanding()).toEqual([])
  })
})
