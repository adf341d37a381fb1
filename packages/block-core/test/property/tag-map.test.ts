// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TagMap } from '../../src/mq/tag-map.ts'
import type { TagUser } from '../../src/mq/tag-user.ts'
import { makeMachine, ScriptedDriver } from '../support.ts'

/** What is known of a user by adding up; time stands still, so a claim once made lasts. */
interface NaiveUser {
  readonly user: TagUser
  readonly tags: Set<number>
  busy: boolean
  claims: boolean
}

/** A tag map as sets. */
class NaiveTags {
  readonly users: NaiveUser[] = []
  readonly reserved: number
  depth: number

  constructor(depth: number, reserved: number) {
    this.depth = depth
    this.reserved = reserved
  }

  add(user: TagUser): void {
    this.users.push({ user, tags: new Set(), busy: false, claims: false })
    for (const each of this.users) each.busy ||= each.tags.size > 0
  }

  inUse(tag: number): boolean {
    return this.users.some(({ tags }) => tags.has(tag))
  }

  free(from: number, to: number): number[] {
    const tags: number[] = []
    for (let tag = from; tag < to; tag++) if (!this.inUse(tag)) tags.push(tag)
    return tags
  }

  /** Those that the user may get; none where it has to be refused. */
  offers(who: NaiveUser): number[] {
    const free = this.free(this.reserved, this.depth)
    if (this.users.length > 1) {
      who.busy = true
      if (!this.#mayHaveMore(who)) {
        const idle = this.users.filter(
          (each) => each !== who && each.tags.size === 0 && each.busy && !each.claims,
        )
        for (const each of idle) each.busy = false
        if (idle.length === 0 || !this.#mayHaveMore(who)) return []
      }
    }
    if (free.length === 0) who.claims = true
    return free
  }

  /** @see block/blk-mq.h hctx_may_queue */
  #mayHaveMore({ tags }: NaiveUser): boolean {
    const depth = this.depth - this.reserved
    const users = this.users.filter(({ busy }) => busy).length
    return depth === 1 || tags.size < Math.max(Math.ceil(depth / users), 4)
  }
}

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('take'), which: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('takeReserved'), which: fc.nat(3) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('put'), which: fc.nat(63) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('depth'), which: fc.nat(31) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('add'), which: fc.nat(0) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove'), which: fc.nat(3) }) },
)

class Pair {
  readonly #tags: TagMap
  readonly #naive: NaiveTags
  #names = 0

  constructor(depth: number, reserved: number) {
    const { kernel } = makeMachine()
    const init = { hctxIndex: 0, depth, reserved }
    this.#tags = new TagMap(kernel, new ScriptedDriver(kernel), init)
    this.#naive = new NaiveTags(depth, reserved)
    this.#add()
  }

  run(kind: string, which: number): void {
    const { users } = this.#naive
    const who = users[which % users.length]
    if (who === undefined) return
    if (kind === 'take') this.#take(who)
    else if (kind === 'takeReserved') this.#takeReserved(who)
    else if (kind === 'put') this.#put(which)
    else if (kind === 'depth') this.#setDepth(which)
    else if (kind === 'add' && users.length < 4) this.#add()
    else if (kind === 'remove' && users.length > 1 && who.tags.size === 0) this.#remove(who)
    this.#check()
  }

  #add(): void {
    this.#naive.add(this.#tags.addUser(`user ${this.#names++}`))
  }

  #remove(who: NaiveUser): void {
    this.#tags.removeUser(who.user)
    this.#naive.users.splice(this.#naive.users.indexOf(who), 1)
  }

  #take(who: NaiveUser): void {
    const offers = this.#naive.offers(who)
    const rq = this.#tags.tryGet(who.user, false)
    if (rq === null) expect(offers).toEqual([])
    else {
      expect(offers).toContain(rq.tag)
      who.tags.add(rq.tag)
    }
  }

  #takeReserved(who: NaiveUser): void {
    const offers = this.#naive.free(0, this.#naive.reserved)
    const rq = this.#tags.tryGet(who.user, true)
    if (rq === null) expect(offers).toEqual([])
    else {
      expect(offers).toContain(rq.tag)
      who.tags.add(rq.tag)
    }
  }

  #put(which: number): void {
    const held = this.#naive.users.flatMap((who) => [...who.tags].map((tag) => ({ who, tag })))
    const one = held[which % Math.max(held.length, 1)]
    if (one === undefined) return
    one.who.tags.delete(one.tag)
    this.#tags.put(one.who.user, one.tag)
  }

  #setDepth(which: number): void {
    const { requests, nrReservedTags } = this.#tags
    const depth = nrReservedTags + 1 + (which % (requests.length - nrReservedTags))
    this.#tags.setDepth(depth)
    this.#naive.depth = depth
  }

  #check(): void {
    const { reserved, depth, users } = this.#naive
    expect(this.#tags.free).toBe(this.#naive.free(reserved, depth).length)
    expect(this.#tags.freeReserved).toBe(this.#naive.free(0, reserved).length)
    expect(this.#tags.users.map(({ active }) => active)).toEqual(users.map(({ tags }) => tags.size))
    if (users.length > 1) {
      expect(this.#tags.activeQueues).toBe(users.filter(({ busy }) => busy).length)
    }
  }
}

it('a tag map gives out what a naive model of shares, reserved tags and depths would', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 24 }),
      fc.nat(4),
      fc.array(step, { minLength: 20, maxLength: 120 }),
      (tags, reserved, steps) => {
        const pair = new Pair(tags + reserved, reserved)
        for (const { kind, which } of steps) pair.run(kind, which)
      },
    ),
    { numRuns: 200 },
  )
})
