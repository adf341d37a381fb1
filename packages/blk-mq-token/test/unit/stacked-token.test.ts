// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type {
  DmabufIoMap,
  DmabufRegistrar,
  DmabufToken,
  DmabufTokenParent,
} from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import { createDevice, type Device, DmaDirection } from '@iolayers/dma-mapping'
import {
  AssertionFailure,
  joinAll,
  joinTask,
  KernelError,
  type Op,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { ListedToken } from '../../src/index.ts'
import { expectNothingLeft, makeWorld, type World } from '../world.ts'

const SIZE = 16 * 1024

interface Rig extends World {
  readonly dmabuf: DmaBuf
  readonly devices: readonly Device[]
  readonly lowers: readonly DmabufRegistrar[]
  /** What the lower devices made, in order. */
  readonly children: DmabufToken[]
}

function makeRig(seed: number, count = 2): Rig {
  const world = makeWorld({ seed })
  const devices = Array.from({ length: count }, (_, i) =>
    createDevice(world, { name: `lower${i}`, iommuMode: 'strict' }),
  )
  const children: DmabufToken[] = []
  const lowers = devices.map((device) => ({
    *createDmabufToken(dmabuf: DmaBuf, direction: DmaDirection): Op<DmabufToken> {
      const token = yield* world.tokens.create(device, dmabuf, direction)
      children.push(token)
      return token
    },
  }))
  return { ...world, dmabuf: world.heap.allocate(SIZE), devices, lowers, children }
}

function register(
  { scheduler, tokens, dmabuf }: Rig,
  lowers: readonly DmabufRegistrar[],
): DmabufToken {
  const { BIDIRECTIONAL } = DmaDirection
  return scheduler.runSync('register', tokens.createStacked('md0', lowers, dmabuf, BIDIRECTIONAL))
}

function mapOf({ scheduler }: Rig, token: DmabufToken): DmabufIoMap {
  return scheduler.runSync('map', token.getMap())
}

function childOf(map: DmabufIoMap, index: number): DmabufIoMap {
  const child = map.childMap?.(index)
  if (child === undefined) throw new Error('not a stacked map')
  return child
}

function finish(rig: Rig, token: DmabufToken): void {
  rig.scheduler.runSync('release', token.release())
  rig.dmabuf.put()
  for (const device of rig.devices) device.destroy()
  expectNothingLeft(rig)
}

function listed({ tokens: { source } }: Rig): string[] {
  const lines: string[] = []
  let item: ListedToken | null = source.begin()
  for (; item !== null; item = source.next(item)) lines.push(source.show(item))
  return lines
}

describe('a stacked token', () => {
  it('has one generation over those of its children, with the smallest granule and no addresses', () => {
    const rig = makeRig(1)
    const token = register(rig, rig.lowers)
    expect([token.sizeBytes, token.tryGetMap()]).toEqual([SIZE, null])
    const map = mapOf(rig, token)
    const granules = [childOf(map, 0), childOf(map, 1)].map(({ granuleShift }) => granuleShift)
    expect([map.sizeBytes, map.granuleShift, map.dead]).toEqual([
      SIZE,
      Math.min(...granules),
      false,
    ])
    expect(childOf(map, 0)).not.toBe(childOf(map, 1))
    expect(() => childOf(map, 2)).toThrow(AssertionFailure)
    expect(() => map.tryGetActive()).toThrow(AssertionFailure)
    expect(() => map.putActive()).toThrow(AssertionFailure)
    const again = token.tryGetMap()
    expect(again).toBe(map)
    again?.put()
    map.put()
    expect(rig.tokens.stats).toMatchObject({ tokens: 3, mapsMade: 2, stackedMapsMade: 1 })
    finish(rig, token)
  })

  it('R-MQ-3: many first I/Os make one generation', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const rig = makeRig(seed, 3)
      const token = register(rig, rig.lowers)
      const got = new Set<DmabufIoMap>()
      function* io(): Op<void> {
        const map = token.tryGetMap() ?? (yield* token.getMap())
        got.add(map)
        map.put()
      }
      const tasks = Array.from({ length: 6 }, (_, i) => rig.scheduler.spawn(`io ${i}`, io()))
      rig.scheduler.runSync('all', joinAll(rig.scheduler, tasks))
      expect([got.size, rig.tokens.stats.mapsMade, rig.tokens.stats.stackedMapsMade]).toEqual([
        1, 3, 1,
      ])
      finish(rig, token)
    }
  })

  it('R-MQ-6: losing a map of a child ends the generation at once; the next getMap makes one over live maps', () => {
    const rig = makeRig(2)
    const token = register(rig, rig.lowers)
    const map = mapOf(rig, token)
    rig.scheduler.runSync('move', rig.heap.move(rig.dmabuf))
    expect([map.dead, token.tryGetMap(), childOf(map, 0).dead, childOf(map, 1).dead]).toEqual([
      true,
      null,
      true,
      true,
    ])
    expect(childOf(map, 0).tryGetActive()).toBeNull()
    const next = mapOf(rig, token)
    expect([next === map, next.dead, childOf(next, 0).dead, childOf(next, 1).dead]).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect(rig.tokens.stats).toMatchObject({ stackedMapsMade: 2, stackedMapsLost: 1, mapsLost: 2 })
    map.put()
    next.put()
    finish(rig, token)
  })

  it('holds one reference on each map below as long as anybody has one on it, over its death', () => {
    const rig = makeRig(3)
    const token = register(rig, rig.lowers)
    const map = mapOf(rig, token)
    map.get()
    const refs = (): (number | undefined)[] => {
      const { source } = rig.tokens
      const found: (number | undefined)[] = []
      for (let item = source.begin(); item !== null; item = source.next(item)) {
        found.push(item.fields.map?.refs)
      }
      return found
    }
    // The stacked map: published, and two of ours. The others: published, mapped, and the stacked map's.
    expect(refs()).toEqual([3, 3, 3])
    map.put()
    expect(refs()).toEqual([2, 3, 3])
    rig.scheduler.runSync('release', token.release())
    expect(childOf(map, 0).dead).toBe(true)
    map.put()
    rig.dmabuf.put()
    for (const device of rig.devices) device.destroy()
    expectNothingLeft(rig)
  })

  it('is listed with its children, which name it', () => {
    const rig = makeRig(4)
    const token = register(rig, rig.lowers)
    const map = mapOf(rig, token)
    const { inode } = rig.dmabuf
    const common = `inode=${inode} bytes=${SIZE} direction=BIDIRECTIONAL`
    const granule = 2 ** map.granuleShift
    expect(listed(rig)).toEqual([
      `id=3 parent=- dev=md0 ${common} policy=stacked state=mapped generations=1 maps=1 generation=1 refs=2 active=- segments=- granule=${granule}\n`,
      expect.stringMatching(`^id=2 parent=3 dev=lower1 ${common} policy=fence state=mapped`),
      expect.stringMatching(`^id=1 parent=3 dev=lower0 ${common} policy=fence state=mapped`),
    ])
    rig.scheduler.runSync('move', rig.heap.move(rig.dmabuf))
    expect(listed(rig)[0]).toContain('state=unmapped generations=1 maps=0 generation=- ')
    map.put()
    finish(rig, token)
    expect(listed(rig)).toEqual([])
  })

  it('a device below that refuses leaves nothing: what was registered before is released', () => {
    const rig = makeRig(5)
    const refusing: DmabufRegistrar = {
      *createDmabufToken(): Op<DmabufToken> {
        yield* yieldNow(rig.scheduler)
        throw new KernelError('EOPNOTSUPP', 'no SGLs')
      },
    }
    expect(() => register(rig, [...rig.lowers, refusing])).toThrow('no SGLs')
    expect([rig.tokens.stats.tokens, rig.tokens.stats.tokensLive, listed(rig)]).toEqual([2, 0, []])
    const token = register(rig, rig.lowers)
    finish(rig, token)
  })

  it('releases every child even when one throws, once, and says what it threw', () => {
    const rig = makeRig(6)
    const broken: DmabufRegistrar = {
      *createDmabufToken(dmabuf, direction): Op<DmabufToken> {
        const token = yield* rig.tokens.create(rig.device, dmabuf, direction)
        function* release(): Op<void> {
          yield* token.release()
          throw new KernelError('EIO', 'the device is gone')
        }
        return {
          sizeBytes: token.sizeBytes,
          direction,
          tryGetMap: () => token.tryGetMap(),
          getMap: () => token.getMap(),
          setParent: (parent: DmabufTokenParent) => token.setParent(parent),
          release,
          deviceRemoved: () => token.deviceRemoved(),
          detachDevice: () => token.detachDevice(),
        }
      },
    }
    const token = register(rig, [broken, ...rig.lowers])
    mapOf(rig, token).put()
    const second = function* (): Op<void> {
      yield* token.release()
    }
    expect(() => rig.scheduler.runSync('release', token.release())).toThrow('the device is gone')
    expect(rig.tokens.stats.tokensLive).toBe(0)
    rig.scheduler.runSync('again', second())
    expect(() => mapOf(rig, token)).toThrow('was released')
    finish(rig, token)
  })

  it('an error of a child is that of getMap, and the maps of the others are put', () => {
    const rig = makeRig(7)
    const token = register(rig, rig.lowers)
    const [, second] = rig.children as [DmabufToken, DmabufToken]
    rig.scheduler.runSync('release a child', second.release())
    expect(() => mapOf(rig, token)).toThrow('was released')
    expect(rig.tokens.stats).toMatchObject({ mapsMade: 1, stackedMapsMade: 0 })
    finish(rig, token)
  })

  it('losing the map of one child alone ends the generation; the others stay', () => {
    const rig = makeRig(10)
    const token = register(rig, rig.lowers)
    const map = mapOf(rig, token)
    const [first, second] = [childOf(map, 0), childOf(map, 1)]
    const [, child] = rig.children as [DmabufToken, DmabufToken]
    rig.scheduler.runSync('release a child', child.release())
    expect([map.dead, first.dead, second.dead, token.tryGetMap()]).toEqual([
      true,
      false,
      true,
      null,
    ])
    expect([first.tryGetActive() !== null, second.tryGetActive()]).toEqual([true, null])
    first.putActive()
    expect(rig.tokens.stats).toMatchObject({ stackedMapsLost: 1, mapsLost: 0 })
    map.put()
    finish(rig, token)
  })

  it('R7: a buffer that moves whenever its maps are collected is ESTALE after 8 attempts', () => {
    const rig = makeRig(8)
    let moves = 0
    const moving: DmabufRegistrar = {
      *createDmabufToken(dmabuf, direction): Op<DmabufToken> {
        const token = yield* rig.tokens.create(rig.device, dmabuf, direction)
        return {
          sizeBytes: token.sizeBytes,
          direction,
          tryGetMap: () => null,
          *getMap(): Op<DmabufIoMap> {
            moves++
            yield* rig.heap.move(dmabuf)
            return yield* token.getMap()
          },
          setParent: (parent: DmabufTokenParent) => token.setParent(parent),
          release: () => token.release(),
          deviceRemoved: () => token.deviceRemoved(),
          detachDevice: () => token.detachDevice(),
        }
      },
    }
    const token = register(rig, [...rig.lowers, moving])
    expect(() => mapOf(rig, token)).toThrow(
      /moved each time: got 8 attempts to get maps of 3 devices/,
    )
    expect([moves, rig.tokens.stats.stackedMapsMade]).toEqual([8, 0])
    finish(rig, token)
  })

  it('release while a first map is being made: the maker finds ENOENT, or a map that release ends', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const rig = makeRig(seed)
      const token = register(rig, rig.lowers)
      let outcome = ''
      function* io(): Op<void> {
        try {
          const map = yield* token.getMap()
          outcome = 'map'
          map.put()
        } catch (error) {
          if (!(error instanceof KernelError)) throw error
          outcome = error.code
        }
      }
      const task = rig.scheduler.spawn('io', io())
      rig.scheduler.runSync('release', token.release())
      rig.scheduler.runSync('join', joinTask(rig.scheduler, task))
      expect(['map', 'ENOENT']).toContain(outcome)
      finish(rig, token)
    }
  })

  it('a stack of stacks: losing a map at the bottom ends the generation at the top', () => {
    const rig = makeRig(9)
    const inner: DmabufRegistrar = {
      createDmabufToken: (dmabuf, direction) =>
        rig.tokens.createStacked('inner', rig.lowers, dmabuf, direction),
    }
    const token = register(rig, [inner])
    const map = mapOf(rig, token)
    expect(childOf(childOf(map, 0), 1).dead).toBe(false)
    rig.scheduler.runSync('move', rig.heap.move(rig.dmabuf))
    expect([map.dead, childOf(map, 0).dead, token.tryGetMap()]).toEqual([true, true, null])
    map.put()
    mapOf(rig, token).put()
    expect(listed(rig).map((line) => line.split(' dev=')[0])).toEqual([
      'id=4 parent=-',
      'id=3 parent=4',
      'id=2 parent=3',
      'id=1 parent=3',
    ])
    finish(rig, token)
  })
})
