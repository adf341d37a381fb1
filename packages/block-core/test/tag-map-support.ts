// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { Request } from '../src/index.ts'
import { TagMap } from '../src/mq/tag-map.ts'
import type { TagUser } from '../src/mq/tag-user.ts'
import { type Machine, makeMachine, ScriptedDriver } from './support.ts'

export interface TagMapRig {
  readonly machine: Machine
  readonly tags: TagMap
  readonly first: TagUser
  readonly second: TagUser | undefined
  readonly third: TagUser | undefined
}

/** A tag map with as many users. */
export function setUpTagMap(depth: number, users: number, reserved = 0): TagMapRig {
  const machine = makeMachine()
  const ops = new ScriptedDriver(machine.kernel)
  const tags = new TagMap(machine.kernel, ops, { hctxIndex: 0, depth, reserved })
  const [first, second, third] = Array.from({ length: 3 }, (_, index) => `user ${index}`)
    .slice(0, users)
    .map((name) => tags.addUser(name))
  return { machine, tags, first: the(first), second, third }
}

export function the<T>(value: T | null | undefined): T {
  if (value === undefined || value === null) throw new Error('there is none')
  return value
}

/** As many tags as it gets, `most` at most. */
export function take(tags: TagMap, user: TagUser, most: number, reserved = false): number[] {
  const taken: number[] = []
  for (let i = 0; i < most; i++) {
    const rq: Request | null = tags.tryGet(user, reserved)
    if (rq === null) break
    taken.push(rq.tag)
  }
  return taken
}

export const never: () => boolean = () => false

/** A submitter that waits for a tag and takes it; what it took is pushed. */
export function sleepFor(machine: Machine, tags: TagMap, user: TagUser, got: number[]): void {
  const wait = function* (): Op<void> {
    yield* tags.waitTag(user, false, never)
    got.push(the(tags.tryGet(user, false)).tag)
  }
  machine.scheduler.spawn(`waiter of ${user.name}`, wait())
  machine.scheduler.runReady()
}
