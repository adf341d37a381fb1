// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type CountingTokenFactory, createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import {
  BlkStatus,
  type DmabufIoMap,
  type DmabufRegistrar,
  type DmabufToken,
  type DmabufTokenFactory,
  ReqOp,
} from '@iolayers/block-core'
import { createDmaBufCore, createMovableHeap, type DmaBuf } from '@iolayers/dma-buf'
import { DmaDirection } from '@iolayers/dma-mapping'
import { joinTask, type Op, sleep, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { TwinCommand } from './controller-twin.ts'
import {
  contiguousMap,
  dmabufIo,
  expectNothingLeft,
  finish,
  makeRig,
  probed,
  type Rig,
  type RigInit,
  type TestIo,
} from './rig.ts'

const isIo = ({ qid }: TwinCommand): boolean => qid !== 0

/** A rig on which buffers can be registered. */
function withTokens(policy: 'fence' | 'drain', init: RigInit = {}) {
  let tokens: CountingTokenFactory | null = null
  let core: ReturnType<typeof createDmaBufCore> | null = null
  const rig = probed({
    ...init,
    tokens: (kernel) => {
      core = createDmaBufCore({ kernel })
      tokens = createDmabufTokenFactory({ kernel, fences: core }, { policy })
      return tokens
    },
  })
  if (tokens === null || core === null) throw new Error('no tokens')
  const made: { tokens: CountingTokenFactory; core: ReturnType<typeof createDmaBufCore> } = {
    tokens,
    core,
  }
  const heap = createMovableHeap({ ...rig, core: made.core })
  return { ...rig, ...made, heap }
}

type TokenRig = ReturnType<typeof withTokens>

function registrarOf(rig: TokenRig): DmabufRegistrar {
  const { dmabuf } = rig.disk
  if (dmabuf === null) throw new Error('no registrar')
  return dmabuf
}

function register(rig: TokenRig, dmabuf: DmaBuf): DmabufToken {
  const op = registrarOf(rig).createDmabufToken(dmabuf, DmaDirection.BIDIRECTIONAL)
  return rig.scheduler.runSync('register', op)
}

function mapOf(rig: Rig, token: DmabufToken): DmabufIoMap {
  return rig.scheduler.runSync('map', token.getMap())
}

function startReads(rig: TokenRig, map: DmabufIoMap, count: number): TestIo[] {
  rig.twin.judge = (command) => (isIo(command) ? 'hold' : 'run')
  const ios = Array.from({ length: count }, (_, i) =>
    dmabufIo(rig, map, i * 512, 512, { op: ReqOp.READ, sector: i }),
  )
  for (const io of ios) expect(rig.disk.submitBio(io.bio, null)).toBe(BlkStatus.OK)
  rig.scheduler.runUntilIdle()
  return ios
}

function expectDead(rig: TokenRig, ios: readonly TestIo[]): void {
  for (const io of ios) expect([io.ends, io.bio.biStatus]).toEqual([1, BlkStatus.IOERR])
  expect(rig.tokens.stats.mapsLive).toBe(0)
  expect(rig.core.stats.mapped).toBe(rig.core.stats.unmapped)
}

describe.each(['fence', 'drain'] as const)('nvme host: removal, policy %s', (policy) => {
  it.each([false, true])(
    'H15: with a registered buffer and I/O in flight everything ends; surprise %s',
    (surprise) => {
      const rig = withTokens(policy)
      const dmabuf = rig.heap.allocate(8192)
      const token = register(rig, dmabuf)
      const map = mapOf(rig, token)
      const ios = startReads(rig, map, 4)
      map.put()
      if (surprise) rig.twin.stuck = 'gone'
      rig.scheduler.runSync('remove', rig.host.remove())
      expectDead(rig, ios)
      expect(rig.host.state).toBe(surprise ? 'dead' : 'deleting')
      expect(rig.host.stats.cancelled).toBe(4)
      // It stays registered, without a device.
      expect(rig.tokens.stats.tokensLive).toBe(1)
      expect(token.tryGetMap()).toBeNull()
      expect(() => mapOf(rig, token)).toThrow(/is gone/)
      expect(() => register(rig, dmabuf)).toThrow(/is gone/)
      const late = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
      expect(rig.disk.submitBio(late.bio, null)).toBe(BlkStatus.IOERR)
      rig.scheduler.runSync('release', token.release())
      dmabuf.put()
      rig.twin.held.length = 0
      expectNothingLeft(rig)
    },
  )

  it('H15: an exporter that moves the buffer meanwhile gets on', () => {
    const rig = withTokens(policy)
    const dmabuf = rig.heap.allocate(8192)
    const token = register(rig, dmabuf)
    const map = mapOf(rig, token)
    const ios = startReads(rig, map, 2)
    map.put()
    const moving = rig.scheduler.spawn('move', rig.heap.move(dmabuf))
    const both = function* (): Op<void> {
      for (let i = 0; i < 5; i++) yield* yieldNow(rig.scheduler)
      yield* rig.host.remove()
      yield* joinTask(rig.scheduler, moving)
    }
    rig.scheduler.runSync('both', both())
    expectDead(rig, ios)
    rig.scheduler.runSync('release', token.release())
    dmabuf.put()
    rig.twin.held.length = 0
    expectNothingLeft(rig)
  })

  it('H11: a registration that was released before is not touched', () => {
    const rig = withTokens(policy)
    const dmabuf = rig.heap.allocate(4096)
    const token = register(rig, dmabuf)
    rig.scheduler.runSync('release', token.release())
    expect(rig.tokens.stats.tokensLive).toBe(0)
    let touched = 0
    const { detachDevice } = token
    token.detachDevice = function* (): Op<void> {
      touched++
      yield* detachDevice.call(token)
    }
    rig.scheduler.runSync('remove', rig.host.remove())
    expect(touched).toBe(0)
    dmabuf.put()
    expectNothingLeft(rig)
  })

  it('R-MQ-7: registrations and their maps survive a reset', () => {
    const rig = withTokens(policy)
    const dmabuf = rig.heap.allocate(8192)
    const token = register(rig, dmabuf)
    const map = mapOf(rig, token)
    const ios = startReads(rig, map, 3)
    rig.twin.judge = () => 'run'
    rig.scheduler.runSync('reset', rig.host.reset())
    rig.scheduler.runUntilIdle()
    for (const io of ios) expect([io.ends, io.bio.biStatus]).toEqual([1, BlkStatus.OK])
    expect(map.dead).toBe(false)
    expect(rig.tokens.stats.mapsMade).toBe(1)
    map.put()
    rig.scheduler.runSync('release', token.release())
    dmabuf.put()
    finish(rig)
  })

  it('shutdown takes the device from registrations that are left', () => {
    const rig = withTokens(policy)
    const dmabuf = rig.heap.allocate(8192)
    const token = register(rig, dmabuf)
    mapOf(rig, token).put()
    rig.scheduler.runSync('shutdown', rig.host.shutdown())
    expect(rig.tokens.stats.mapsLive).toBe(0)
    expect(() => mapOf(rig, token)).toThrow(/is gone/)
    rig.scheduler.runSync('release', token.release())
    dmabuf.put()
    expectNothingLeft(rig)
  })
})

describe('nvme host: removal', () => {
  it('H15: the order: told, stopped, cancelled, detached', () => {
    const order: string[] = []
    const fake = (): DmabufToken => ({
      sizeBytes: 4096,
      direction: DmaDirection.BIDIRECTIONAL,
      tryGetMap: () => null,
      *getMap() {
        throw new Error('no map')
      },
      *release() {},
      deviceRemoved: () => {
        const late = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
        expect(rig.disk.submitBio(late.bio, null)).toBe(BlkStatus.IOERR)
        order.push('told')
      },
      *detachDevice() {
        order.push('detached')
      },
      setParent() {},
    })
    const factory: DmabufTokenFactory = {
      *create() {
        return fake()
      },
    }
    const rig = probed({ tokens: () => factory })
    const map = contiguousMap(rig, 1)
    const dmabuf = createMovableHeap({ ...rig, core: createDmaBufCore(rig) }).allocate(4096)
    const registrar = rig.disk.dmabuf
    if (registrar === null) throw new Error('no registrar')
    const token = registrar.createDmabufToken(dmabuf, DmaDirection.TO_DEVICE)
    rig.scheduler.runSync('register', token)
    rig.twin.judge = (command) => (isIo(command) ? 'hold' : 'run')
    const io = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
    rig.disk.submitBio(io.bio, null)
    rig.scheduler.runUntilIdle()
    map.onPut = () => order.push('cancelled')
    rig.twin.onDisable = () => order.push('stopped')
    rig.scheduler.runSync('remove', rig.host.remove())
    expect(order).toEqual(['told', 'stopped', 'cancelled', 'detached'])
    map.destroy()
    dmabuf.put()
    expectNothingLeft(rig)
  })

  it('H15: a registration in the making is waited for, and refused', () => {
    let slow = true
    const rig = withTokensThatWait(() => slow)
    const dmabuf = rig.heap.allocate(4096)
    const registrar = rig.disk.dmabuf
    if (registrar === null) throw new Error('no registrar')
    const making = registrar.createDmabufToken(dmabuf, DmaDirection.TO_DEVICE)
    const register = function* (): Op<string> {
      try {
        yield* making
        return 'made'
      } catch (error) {
        return String(error)
      }
    }
    const registering = rig.scheduler.spawn('register', register())
    let removed = false
    const remove = function* (): Op<void> {
      yield* sleep(rig.scheduler, 1000)
      yield* rig.host.remove()
      removed = true
    }
    rig.scheduler.spawn('remove', remove())
    const watch = function* (): Op<string> {
      yield* sleep(rig.scheduler, 1e9)
      expect(removed).toBe(false)
      slow = false
      return yield* joinTask(rig.scheduler, registering)
    }
    expect(rig.scheduler.runSync('watch', watch())).toMatch(/the controller is gone/)
    rig.scheduler.runUntilIdle()
    expect(removed).toBe(true)
    dmabuf.put()
    expectNothingLeft(rig)
  })

  function withTokensThatWait(slow: () => boolean) {
    let core: ReturnType<typeof createDmaBufCore> | null = null
    const rig = probed({
      tokens: (kernel) => {
        const made = createDmaBufCore({ kernel })
        core = made
        const inner = createDmabufTokenFactory({ kernel, fences: made })
        return {
          *create(...args) {
            const token = yield* inner.create(...args)
            while (slow()) yield* sleep(kernel.scheduler, 1e6)
            return token
          },
        }
      },
    })
    if (core === null) throw new Error('no tokens')
    return { ...rig, heap: createMovableHeap({ ...rig, core }) }
  }

  it('I/O that waits for a tag, and I/O that waits in a queue, ends', () => {
    const rig = probed({ host: { queueDepth: 2 } })
    const map = contiguousMap(rig, 1)
    rig.twin.judge = (command) => (isIo(command) ? 'hold' : 'run')
    const ios: TestIo[] = []
    const submitter = function* (i: number): Op<void> {
      const io = dmabufIo(rig, map, i * 512, 512, { op: ReqOp.READ, sector: i })
      ios.push(io)
      yield* rig.disk.submitBioWait(io.bio, null)
    }
    for (let i = 0; i < 8; i++) rig.scheduler.spawn('submitter', submitter(i))
    const remove = function* (): Op<void> {
      while (rig.twin.held.length < 2) yield* yieldNow(rig.scheduler)
      rig.disk.queue.quiesce()
      yield* rig.host.remove()
    }
    const removing = rig.scheduler.spawn('remove', remove())
    rig.scheduler.runUntilIdle()
    rig.disk.queue.unquiesce()
    rig.scheduler.runSync('join', joinTask(rig.scheduler, removing))
    expect(ios.map(({ ends, bio }) => [ends, bio.biStatus])).toEqual(
      new Array(8).fill([1, BlkStatus.IOERR]),
    )
    expect(map.activations).toBe(2)
    map.destroy()
    expectNothingLeft(rig)
  })

  it('in the midst of a reset', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    rig.twin.judge = (command) => (isIo(command) ? 'hold' : 'run')
    const io = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
    rig.disk.submitBio(io.bio, null)
    rig.scheduler.runUntilIdle()
    rig.twin.stuck = 'never-ready'
    const outcome = function* (): Op<string> {
      try {
        yield* rig.host.reset()
        return 'reset'
      } catch (error) {
        return String(error)
      }
    }
    const resetting = rig.scheduler.spawn('reset', outcome())
    const remove = function* (): Op<string> {
      while (rig.host.state !== 'connecting') yield* sleep(rig.scheduler, 1000)
      yield* rig.host.remove()
      return yield* joinTask(rig.scheduler, resetting)
    }
    expect(rig.scheduler.runSync('remove', remove())).toMatch(/nvme reset/)
    expect([io.ends, io.bio.biStatus]).toEqual([1, BlkStatus.IOERR])
    expect(rig.host.state).toBe('dead')
    map.destroy()
    expectNothingLeft(rig)
  })

  it('is idempotent, and whoever comes second waits for the first', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    const { stats } = rig.device.dma
    const ender = function* (end: () => Op<void>): Op<void> {
      yield* end()
      expect(stats.coherentAllocs).toBe(stats.coherentFrees)
    }
    const ends = [() => rig.host.remove(), () => rig.host.remove(), () => rig.host.shutdown()]
    for (const end of ends) rig.scheduler.spawn('end', ender(end))
    rig.scheduler.runUntilIdle()
    rig.scheduler.runSync('again', rig.host.remove())
    const io = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
    expect(rig.disk.submitBio(io.bio, null)).toBe(BlkStatus.IOERR)
    map.destroy()
    expectNothingLeft(rig)
  })

  it.each(['remove', 'shutdown'] as const)('not while it is probed: %s', (how) => {
    const rig = makeRig()
    const probing = rig.scheduler.spawn('probe', rig.host.probe())
    const end = function* (): Op<void> {
      while (rig.host.state === 'new') yield* yieldNow(rig.scheduler)
      yield* rig.host[how]()
    }
    expect(() => rig.scheduler.runSync('end', end())).toThrow(/still being probed/)
    rig.scheduler.runSync('join', joinTask(rig.scheduler, probing))
    finish(rig)
  })

  it('a probe that fails with a disk in use takes it down, too', () => {
    const namespaces = [1, 2].map((nsid) => ({ nsid, blocks: 64 }))
    const rig = makeRig({ twin: { namespaces }, host: { adminTimeoutNs: 1e9 } })
    const probe = function* (): Op<void> {
      yield* rig.host.probe()
    }
    let identified = 0
    rig.twin.judge = (command) => {
      if (isIo(command)) return 'drop'
      const { opcode, nsid } = command
      if (opcode === 0x06 && nsid === 2) identified++
      return identified > 0 ? 'drop' : 'run'
    }
    const user = function* (): Op<BlkStatus> {
      while (rig.host.disks.length === 0) yield* yieldNow(rig.scheduler)
      const [disk] = rig.host.disks
      if (disk === undefined) throw new Error('no disk')
      const map = contiguousMap(rig, 1)
      const io = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
      yield* disk.submitBioWait(io.bio, null)
      const status = yield* io.wait()
      map.destroy()
      return status
    }
    const using = rig.scheduler.spawn('user', user())
    expect(() => rig.scheduler.runSync('probe', probe())).toThrow(/no completion within/)
    expect(rig.scheduler.runSync('join', joinTask(rig.scheduler, using))).toBe(BlkStatus.IOERR)
    expectNothingLeft(rig)
  })

  it('of a host that was never probed does nothing', () => {
    const rig = makeRig()
    rig.scheduler.runSync('remove', rig.host.remove())
    expect(rig.host.state).toBe('new')
    rig.device.bus.enabled = false
    expectNothingLeft(rig)
  })

  it('after a reset that failed', () => {
    const rig = probed()
    rig.twin.stuck = 'never-ready'
    expect(() => rig.scheduler.runSync('reset', rig.host.reset())).toThrow(/not done within/)
    rig.scheduler.runSync('remove', rig.host.remove())
    expect(rig.host.state).toBe('dead')
    expectNothingLeft(rig)
  })
})
