// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmabufToken } from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import { createDevice, DmaDirection } from '@iolayers/dma-mapping'
import { joinTask, type Op, type Task, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { expectNothingLeft, makeWorld, type World } from '../world.ts'

const BIDIRECTIONAL = DmaDirection.BIDIRECTIONAL
const SIZE = 16 * 1024

interface Rig extends World {
  readonly dmabuf: DmaBuf
  readonly token: DmabufToken
}

function makeRig(policy: 'fence' | 'drain'): Rig {
  const world = makeWorld({ seed: 5 }, { policy })
  const dmabuf = world.heap.allocate(SIZE)
  const create = world.tokens.create(world.device, dmabuf, BIDIRECTIONAL)
  return { ...world, dmabuf, token: world.scheduler.runSync('register', create) }
}

function finish(rig: Rig): void {
  rig.scheduler.runSync('release', rig.token.release())
  rig.dmabuf.put()
  rig.device.destroy()
  expectNothingLeft(rig)
}

function* steps({ scheduler }: World, count: number): Op<void> {
  for (let i = 0; i < count; i++) yield* yieldNow(scheduler)
}

function run<T>({ scheduler }: World, op: Op<T>): T {
  return scheduler.runSync('run', op)
}

function expectWaiting(rig: Rig, task: Task<unknown>): void {
  run(rig, steps(rig, 50))
  expect(task.state).not.toBe('done')
}

for (const policy of ['fence', 'drain'] as const) {
  describe(`the removal of the device of a token that invalidates with ${policy}`, () => {
    it('H15: gives no map from then on, and kills none by itself', () => {
      const rig = makeRig(policy)
      const map = run(rig, rig.token.getMap())
      expect(map.tryGetActive()).not.toBeNull()
      rig.token.deviceRemoved()
      rig.token.deviceRemoved()
      expect(rig.token.tryGetMap()).toBeNull()
      expect(() => run(rig, rig.token.getMap())).toThrow(
        expect.objectContaining({ code: 'ENODEV' }) as Error,
      )
      expect(map.dead).toBe(false)
      map.putActive()
      map.put()
      finish(rig)
    })

    it('H15: a detach waits for the last active, unmaps and detaches; the registration stays until it is released', () => {
      const rig = makeRig(policy)
      const map = run(rig, rig.token.getMap())
      map.tryGetActive()
      const detach = rig.scheduler.spawn('detach', rig.token.detachDevice())
      expectWaiting(rig, detach)
      expect(map.dead).toBe(true)
      expect(rig.dmabuf.attachments).toBe(1)
      map.putActive()
      run(rig, joinTask(rig.scheduler, detach))
      expect([rig.dmabuf.attachments, rig.dmabuf.mappings]).toEqual([0, 0])
      // The device may go now, while somebody still has the map and the registration.
      rig.device.destroy()
      run(rig, rig.token.detachDevice())
      expect(rig.tokens.stats.tokensLive).toBe(1)
      expect(map.tryGetActive()).toBeNull()
      run(rig, rig.heap.move(rig.dmabuf))
      run(rig, rig.token.release())
      map.put()
      rig.dmabuf.put()
      expectNothingLeft(rig)
    })

    it('H15, H14: a release, a detach and a move at the same time, with DMA in flight, detach once', () => {
      const rig = makeRig(policy)
      const map = run(rig, rig.token.getMap())
      map.tryGetActive()
      const tasks: Task<unknown>[] = [
        rig.scheduler.spawn('detach', rig.token.detachDevice()),
        rig.scheduler.spawn('release', rig.token.release()),
        rig.scheduler.spawn('detach again', rig.token.detachDevice()),
        rig.scheduler.spawn('move', rig.heap.move(rig.dmabuf)),
      ]
      for (const task of tasks) expectWaiting(rig, task)
      map.putActive()
      for (const task of tasks) run(rig, joinTask(rig.scheduler, task))
      map.put()
      expect(rig.dmabuf.attachments).toBe(0)
      finish(rig)
    })
  })
}

describe('the removal of the device below a stacked token', () => {
  it('H15: goes down to the children, and the stacked map dies', () => {
    const world = makeWorld({ seed: 7 })
    const { scheduler, tokens } = world
    const dmabuf = world.heap.allocate(SIZE)
    const devices = [0, 1].map((i) =>
      createDevice(world, { name: `lower${i}`, iommuMode: 'strict' }),
    )
    const lowers = devices.map((device) => ({
      createDmabufToken: (buffer: DmaBuf, direction: DmaDirection): Op<DmabufToken> =>
        tokens.create(device, buffer, direction),
    }))
    const token = scheduler.runSync(
      'register',
      tokens.createStacked('md0', lowers, dmabuf, BIDIRECTIONAL),
    )
    const map = scheduler.runSync('map', token.getMap())
    token.deviceRemoved()
    expect(token.tryGetMap()).toBeNull()
    expect(map.dead).toBe(false)
    expect(() => scheduler.runSync('map', token.getMap())).toThrow(
      expect.objectContaining({ code: 'ENODEV' }) as Error,
    )
    scheduler.runSync('detach', token.detachDevice())
    expect([map.dead, dmabuf.attachments]).toEqual([true, 0])
    map.put()
    scheduler.runSync('detach again', token.detachDevice())
    scheduler.runSync('release', token.release())
    dmabuf.put()
    for (const device of [world.device, ...devices]) device.destroy()
    expectNothingLeft(world)
  })
})
