// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmabufToken } from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import { DmaDirection } from '@iolayers/dma-mapping'
import { joinTask, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { ListedToken, TokenSource, TokenState } from '../../src/index.ts'
import { expectNothingLeft, makeWorld, type World } from '../world.ts'

const SIZE = 16 * 1024

interface Registered {
  readonly dmabuf: DmaBuf
  readonly token: DmabufToken
}

function register({ scheduler, heap, tokens, device }: World): Registered {
  const dmabuf = heap.allocate(SIZE)
  const create = tokens.create(device, dmabuf, DmaDirection.BIDIRECTIONAL)
  return { dmabuf, token: scheduler.runSync('register', create) }
}

function release({ scheduler }: World, { dmabuf, token }: Registered): void {
  scheduler.runSync('release', token.release())
  dmabuf.put()
}

function listAll(source: TokenSource): ListedToken[] {
  const items: ListedToken[] = []
  for (let item = source.begin(); item !== null; item = source.next(item)) items.push(item)
  return items
}

describe('the source of tokens', () => {
  it('R-MQ-3: shows a token before and after its first map, with references and segments', () => {
    const world = makeWorld({ seed: 1 })
    const { source } = world.tokens
    expect(source.begin()).toBeNull()
    const one = register(world)
    const [item] = listAll(source)
    if (item === undefined) throw new Error('one token was there')
    const { inode } = one.dmabuf
    expect(item.fields).toEqual({
      id: 1,
      parent: null,
      device: 'dev',
      inode,
      sizeBytes: SIZE,
      direction: 'BIDIRECTIONAL',
      policy: 'fence',
      state: 'unmapped',
      generations: 0,
      mapsLive: 0,
      map: null,
    })
    expect(source.show(item)).toBe(
      `id=1 parent=- dev=dev inode=${inode} bytes=${SIZE} direction=BIDIRECTIONAL policy=fence state=unmapped generations=0 maps=0 generation=- refs=- active=- segments=- granule=-\n`,
    )
    const map = world.scheduler.runSync('map', one.token.getMap())
    const segments = map.tryGetActive()
    map.tryGetActive()
    expect(source.live(item)).toBe(true)
    expect(item.fields).toMatchObject({
      state: 'mapped',
      generations: 1,
      mapsLive: 1,
      map: {
        generation: 1,
        refs: 3,
        active: 2,
        segments: segments?.count,
        granuleBytes: 2 ** map.granuleShift,
      },
    })
    expect(source.show(item)).toContain(' generation=1 refs=3 active=2 segments=')
    map.putActive()
    map.putActive()
    map.put()
    source.put(item)
    release(world, one)
    expect(source.live(item)).toBe(false)
    expect(source.begin()).toBeNull()
    expectNothingLeft(world)
  })

  it.each(['fence', 'drain'] as const)(
    'R-MQ-6: under %s a killed map is seen to drain, to be unmapped, and to be made again',
    (policy) => {
      const world = makeWorld({ seed: 2 }, { policy })
      const { scheduler, heap, tokens } = world
      const one = register(world)
      const map = scheduler.runSync('map', one.token.getMap())
      map.tryGetActive()
      const seen: TokenState[] = []
      const look = (): void => {
        const state = tokens.source.begin()?.fields.state
        if (state !== undefined && seen.at(-1) !== state) seen.push(state)
      }
      look()
      const move = scheduler.spawn('move', heap.move(one.dmabuf))
      function* device(): Op<void> {
        for (let i = 0; i < 50; i++) yield* yieldNow(scheduler)
        look()
        map.putActive()
        look()
      }
      scheduler.runSync('device', device())
      scheduler.runSync('moved', joinTask(scheduler, move))
      scheduler.runUntilIdle()
      look()
      expect(seen).toEqual(['mapped', 'draining', 'unmapping', 'unmapped'])
      scheduler.runSync('map again', one.token.getMap()).put()
      expect(tokens.source.begin()?.fields).toMatchObject({
        policy,
        state: 'mapped',
        generations: 2,
        mapsLive: 1,
        map: { generation: 2, refs: 2, active: 0 },
      })
      map.put()
      release(world, one)
      expectNothingLeft(world)
    },
  )

  it('R-ITER-1, R-ITER-3: newest first, in n + 1 calls, without those made during the walk, past those that were released', () => {
    const world = makeWorld({ seed: 3 })
    const { source } = world.tokens
    const registered = Array.from({ length: 6 }, () => register(world))
    expect(listAll(source).map(({ fields }) => fields.id)).toEqual([6, 5, 4, 3, 2, 1])
    const seen: number[] = []
    let calls = 1
    for (let item = source.begin(); item !== null; item = source.next(item)) {
      calls++
      seen.push(item.fields.id)
      if (item.fields.id === 5) {
        registered.push(register(world))
        for (const gone of registered.splice(3, 2)) release(world, gone)
      }
    }
    expect(seen).toEqual([6, 5, 3, 2, 1])
    expect(calls).toBe(6)
    for (const left of registered) release(world, left)
    expectNothingLeft(world)
  })

  it('a walk holds up no release', () => {
    const world = makeWorld({ seed: 4 })
    const { scheduler, tokens } = world
    const one = register(world)
    const map = scheduler.runSync('map', one.token.getMap())
    map.tryGetActive()
    const parked = tokens.source.begin()
    if (parked === null) throw new Error('one token was there')
    const releasing = scheduler.spawn('release', one.token.release())
    function* device(): Op<void> {
      for (let i = 0; i < 20; i++) yield* yieldNow(scheduler)
      expect(tokens.source.live(parked as ListedToken)).toBe(true)
      expect(parked?.fields.state).toBe('releasing')
      map.putActive()
    }
    scheduler.runSync('device', device())
    scheduler.runSync('released', joinTask(scheduler, releasing))
    expect(tokens.source.live(parked)).toBe(false)
    expect(tokens.source.next(parked)).toBeNull()
    map.put()
    one.dmabuf.put()
    expectNothingLeft(world)
  })
})
