// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type DeviceInit, DmaDirection, PAGE_SIZE } from '@iolayers/dma-mapping'
import { joinAll, joinTask, type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createDeviceMemory,
  type DeviceMemory,
  type DeviceMemoryInit,
  type DmaBuf,
  DmaFence,
  DmaResvUsage,
  MAX_SCHEDULE_TIMEOUT,
  peerBytesOf,
} from '../../src/index.ts'
import {
  createDmaImporter,
  type DmaImporter,
  type DmaImporterInit,
  verifyDeviceRead,
  verifyDeviceWrite,
} from '../../src/testing/index.ts'
import { createRig, errorCode, expectNothingOutstanding, fenceOps, withLock } from '../support.ts'

const PATTERN: Uint8Array = pattern(8 * PAGE_SIZE, 1)

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + seed * 7) & 0xff)
}

/** Quicker than an expectation over a whole array. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

interface Setup {
  readonly vramPages?: number
  readonly windowPages?: number
  readonly seed?: number
  readonly failReserveFences?: () => boolean
}

function setup(init: Partial<DeviceMemoryInit> & Setup = {}) {
  const { vramPages = 16, windowPages = vramPages, seed, failReserveFences, ...rest } = init
  const rig = createRig({
    ramBytes: 128 * PAGE_SIZE,
    ...(seed === undefined ? {} : { seed }),
    ...(failReserveFences === undefined ? {} : { failReserveFences }),
  })
  const region = rig.memory.addRegion({
    frames: vramPages,
    kind: 'device',
    backing: 'plain',
    name: 'vram',
    apertureBytes: windowPages * PAGE_SIZE,
  })
  const free = rig.memory.stats.pagesFree
  const gpu = rig.device('gpu', { peerToPeer: true })
  const vram = createDeviceMemory({ ...rig, device: gpu }, { region, ...rest })
  const importers: DmaImporter[] = []
  return {
    ...rig,
    rig,
    region,
    vram,
    allocate: (pages: number, placement: 'vram' | 'system' = 'vram'): DmaBuf =>
      rig.run(vram.allocate(pages * PAGE_SIZE, { placement })),
    importer(dmabuf: DmaBuf, options: Partial<DmaImporterInit> & { peer?: boolean } = {}) {
      const { peer = true, ...importerInit } = options
      const device = rig.device(`dev${importers.length}`, { peerToPeer: peer })
      const importer = createDmaImporter({ dmabuf, device, allowPeer2peer: peer, ...importerInit })
      importers.push(importer)
      return importer
    },
    close(...buffers: DmaBuf[]): void {
      for (const importer of importers) {
        if (importer.table !== null) rig.run(importer.unmap())
        importer.detach()
      }
      for (const buffer of buffers) buffer.put()
      expectNothingOutstanding(rig)
      vram.destroy()
      expect(rig.memory.stats.pagesFree).toBe(free)
      expect(rig.memory.debug?.count).toBe(0)
    },
  }
}

type World = ReturnType<typeof setup>

/** Through the CPU's view, without moving the buffer for it. */
function bytesOf(world: World, dmabuf: DmaBuf): Uint8Array {
  const out = new Uint8Array(dmabuf.sizeBytes)
  let at = 0
  for (const segment of world.run(dmabuf.vmap()).segments) {
    out.set(segment, at)
    at += segment.length
  }
  dmabuf.vunmap()
  return out
}

function fill(world: World, dmabuf: DmaBuf, bytes: Uint8Array): void {
  let at = 0
  for (const segment of world.run(dmabuf.vmap()).segments) {
    segment.set(bytes.subarray(at, at + segment.length))
    at += segment.length
  }
  dmabuf.vunmap()
}

function settle(world: World): void {
  world.run(sleep(world.scheduler, 1e9))
}

describe('device memory and peers', () => {
  it('goes peer to peer when the importer allows it and reaches it; both directions arrive', () => {
    const world = setup()
    const dmabuf = world.allocate(8)
    const nvme = world.importer(dmabuf)
    const write = function* (): Op<void> {
      yield* nvme.map()
      nvme.write(0, PATTERN)
    }
    world.run(verifyDeviceWrite(dmabuf, PATTERN, write, { cpuAccess: false }))
    const read = function* (): Op<Uint8Array> {
      return nvme.read(0, PATTERN.length)
    }
    world.run(verifyDeviceRead(dmabuf, PATTERN, read, { cpuAccess: false }))
    expect(world.vram.inspect(dmabuf)).toMatchObject({ placement: 'vram', mappingsP2p: 1 })
    expect(world.vram.stats).toMatchObject({
      mappingsP2p: 1,
      bytesP2p: dmabuf.sizeBytes,
      mappingsSystem: 0,
      movedBytes: 0,
    })
    expect(peerBytesOf(nvme.table!, world.region)).toBe(dmabuf.sizeBytes)
    world.close(dmabuf)
  })

  it('an importer that allows no peers, or does not reach them, gets system memory, which is counted', () => {
    for (const [peer, allowPeer2peer, reason] of [
      [true, false, 'notAllowed'],
      [false, true, 'unreachable'],
    ] as const) {
      const world = setup()
      const dmabuf = world.allocate(4)
      fill(world, dmabuf, PATTERN)
      const importer = world.importer(dmabuf, { peer, allowPeer2peer })
      world.run(importer.map())
      expect(same(importer.read(0, 4 * PAGE_SIZE), PATTERN.subarray(0, 4 * PAGE_SIZE))).toBe(true)
      expect(peerBytesOf(importer.table!, world.region)).toBe(0)
      expect(world.vram.inspect(dmabuf)).toMatchObject({ placement: 'system', mappingsSystem: 1 })
      expect(world.vram.stats).toMatchObject({ movesToSystem: 1, bytesSystem: 4 * PAGE_SIZE })
      expect(world.vram.stats.fallbacks[reason]).toBe(1)
      world.close(dmabuf)
    }
  })

  it('P2 a static attachment forces the buffer into system memory: counted, seen in its addresses, and it stays there', () => {
    const world = setup()
    const dmabuf = world.allocate(4)
    fill(world, dmabuf, PATTERN)
    const legacy = world.importer(dmabuf, { dynamic: false })
    world.run(legacy.map())
    expect(world.vram.stats.fallbacks.static).toBe(1)
    expect(world.vram.stats).toMatchObject({ mappingsP2p: 0, mappingsSystem: 1 })
    expect(peerBytesOf(legacy.table!, world.region)).toBe(0)
    expect(legacy.read(0, 100)).toEqual(PATTERN.subarray(0, 100))
    // The device works on the copy as well, as long as that is pinned.
    world.run(world.vram.use(dmabuf, { work: ([first]) => void first?.fill(7, 0, 10) })).put()
    settle(world)
    expect(world.vram.inspect(dmabuf)).toMatchObject({ placement: 'system', pinned: true })
    expect(legacy.read(0, 10)).toEqual(new Uint8Array(10).fill(7))
    world.run(legacy.unmap())
    world.run(world.vram.use(dmabuf)).put()
    expect(world.vram.inspect(dmabuf).placement).toBe('vram')
    expect(bytesOf(world, dmabuf).subarray(0, 10)).toEqual(new Uint8Array(10).fill(7))
    world.close(dmabuf)
  })

  it('P2 a pinned buffer stays in the device only if all importers reach it there', () => {
    const world = setup()
    const dmabuf = world.allocate(2)
    const rdma = world.importer(dmabuf)
    const pin = (importer: DmaImporter): void =>
      world.run(withLock(dmabuf, () => dmabuf.pin(importer.attachment)))
    pin(rdma)
    expect(world.vram.inspect(dmabuf)).toMatchObject({ placement: 'vram', pinned: true })
    world.run(rdma.map())
    world.run(dmabuf.beginCpuAccess(DmaDirection.FROM_DEVICE))
    world.run(dmabuf.endCpuAccess(DmaDirection.FROM_DEVICE))
    expect(world.vram.inspect(dmabuf).placement).toBe('vram')
    const legacy = world.importer(dmabuf, { dynamic: false })
    expect(errorCode(() => world.run(legacy.map()))).toBe('EBUSY')
    expect(errorCode(() => world.run(withLock(dmabuf, () => dmabuf.pin(rdma.attachment))))).toBe(
      'EBUSY',
    )
    expect(world.run(world.vram.evict(dmabuf))).toBe(false)
    world.run(
      withLock(dmabuf, function* () {
        dmabuf.unpin(rdma.attachment)
      }),
    )
    pin(rdma)
    expect(world.vram.inspect(dmabuf)).toMatchObject({ placement: 'system', pinned: true })
    expect(rdma.mapped).toBe(false)
    world.run(
      withLock(dmabuf, function* () {
        dmabuf.unpin(rdma.attachment)
      }),
    )
    world.close(dmabuf)
  })

  it('P3 what lies outside the window goes to system memory, unless there is room within', () => {
    const world = setup({ vramPages: 16, windowPages: 4 })
    const low = world.allocate(4)
    const high = world.allocate(4)
    expect(world.vram.inspect(low).visible).toBe(true)
    expect(world.vram.inspect(high).visible).toBe(false)
    world.run(world.vram.use(high, { work: ([view]) => void view?.fill(9) })).put()
    const nvme = world.importer(high)
    world.run(nvme.map())
    expect(world.vram.inspect(high).placement).toBe('system')
    expect(world.vram.stats.fallbacks.window).toBe(1)
    expect(nvme.read(0, 4)).toEqual(new Uint8Array(4).fill(9))
    world.run(nvme.unmap())
    low.put()
    world.scheduler.runUntilIdle()
    // Room from the window's start on: an allocation outside moves in.
    const filler = world.allocate(4)
    const outside = world.allocate(2)
    filler.put()
    expect(world.vram.inspect(outside).visible).toBe(false)
    const peer = world.importer(outside)
    world.run(peer.map())
    expect(world.vram.inspect(outside)).toMatchObject({ placement: 'vram', visible: true })
    expect(peerBytesOf(peer.table!, world.region)).toBe(2 * PAGE_SIZE)
    expect(world.vram.stats).toMatchObject({ movesToVram: 1, movesToSystem: 1 })
    world.close(high, outside)
  })

  it('P3 the CPU does not reach beyond the window either', () => {
    const world = setup({ vramPages: 8, windowPages: 0 })
    const dmabuf = world.allocate(2)
    const mapping = dmabuf.mmap(0, PAGE_SIZE, 'write')
    expect(errorCode(() => mapping.segments())).toBe('EFAULT')
    const view = world.run(dmabuf.vmap())
    expect(world.vram.inspect(dmabuf)).toMatchObject({ placement: 'system', pinned: true })
    view.segments[0]![5] = 42
    expect(mapping.segments()[0]![5]).toBe(42)
    dmabuf.vunmap()
    mapping.munmap()
    world.close(dmabuf)
  })

  it('P4 a buffer in pieces: each byte is where its segment says, not at the first address plus its offset', () => {
    const world = setup({ vramPages: 16, blockPagesMax: 1 })
    const holes = Array.from({ length: 16 }, () => world.allocate(1))
    holes.forEach((hole, i) => {
      if (i % 2 === 0) hole.put()
    })
    const dmabuf = world.allocate(8)
    expect(world.vram.inspect(dmabuf).segments).toBe(8)
    const nvme = world.importer(dmabuf)
    world.run(nvme.map())
    expect(nvme.table!.nents).toBe(8)
    nvme.write(0, PATTERN)
    expect(same(bytesOf(world, dmabuf), PATTERN)).toBe(true)
    const second = nvme.table!.dmaAddressAt(1)
    expect(second).not.toBe(nvme.table!.dmaAddressAt(0) + PAGE_SIZE)
    world.close(dmabuf, ...holes.filter((_, i) => i % 2 === 1))
  })

  it('P5 a job of the device while a peer reads: memory stays safe, the contents are for the users to order', () => {
    const world = setup()
    const dmabuf = world.allocate(1)
    const nvme = world.importer(dmabuf)
    world.run(nvme.map())
    const work = ([view]: readonly Uint8Array[]): void => void view?.fill(1)
    const fence = world.run(world.vram.use(dmabuf, { durationNs: 1000, work }))
    expect(nvme.read(0, 1)[0]).toBe(0)
    expect(dmabuf.resv.testSignaled(DmaResvUsage.KERNEL)).toBe(true)
    expect(dmabuf.resv.testSignaled(DmaResvUsage.WRITE)).toBe(false)
    world.run(fence.wait(false, MAX_SCHEDULE_TIMEOUT))
    fence.put()
    expect(nvme.read(0, 1)[0]).toBe(1)
    world.close(dmabuf)
  })
})

describe('moves of device memory', () => {
  it('H7 a move is KERNEL until its last byte is copied: importers map the new place, and wait under the lock', () => {
    const world = setup({ copyEngine: { setupNs: 1_000_000 } })
    const dmabuf = world.allocate(4)
    fill(world, dmabuf, PATTERN)
    const nvme = world.importer(dmabuf)
    world.run(nvme.map())
    nvme.write(5, Uint8Array.of(99))
    expect(world.run(world.vram.evict(dmabuf))).toBe(true)
    expect(nvme.invalidations).toBe(1)
    expect(errorCode(() => nvme.read(0, 1))).toBe('ESTALE')
    expect(world.vram.inspect(dmabuf).moving).toBe(true)
    expect(dmabuf.resv.testSignaled(DmaResvUsage.KERNEL)).toBe(false)
    const startNs = world.scheduler.nowNs()
    world.run(nvme.map())
    expect(world.scheduler.nowNs() - startNs).toBeGreaterThanOrEqual(1_000_000)
    const want = PATTERN.slice(0, 4 * PAGE_SIZE)
    want[5] = 99
    expect(same(nvme.read(0, want.length), want)).toBe(true)
    expect(world.vram.inspect(dmabuf).moving).toBe(false)
    world.close(dmabuf)
  })

  it('waits for the BOOKKEEP fences of the importers before it takes the place', () => {
    const world = setup()
    const dmabuf = world.allocate(1)
    const fence = new DmaFence(world.kernel, fenceOps)
    fence.init(world.core.fenceContextAlloc(1), 1)
    world.run(
      withLock(dmabuf, function* () {
        dmabuf.resv.reserveFences(1)
        dmabuf.resv.addFence(fence, DmaResvUsage.BOOKKEEP)
      }),
    )
    const evicting = world.scheduler.spawn('evict', world.vram.evict(dmabuf))
    world.run(sleep(world.scheduler, 1000))
    expect(evicting.state).toBe('parked')
    expect(world.vram.inspect(dmabuf).placement).toBe('vram')
    fence.signal()
    fence.put()
    expect(world.run(joinTask(world.scheduler, evicting))).toBe(true)
    world.close(dmabuf)
  })

  it('gives up with ETIME on DMA that does not end, and with ENOMEM without slots or pages: the buffer is where it was', () => {
    let fail = false
    const world = setup({ timeoutNs: 1000, failReserveFences: () => fail })
    const dmabuf = world.allocate(4)
    fill(world, dmabuf, PATTERN)
    fail = true
    expect(errorCode(() => world.run(world.vram.evict(dmabuf)))).toBe('ENOMEM')
    fail = false
    const fence = new DmaFence(world.kernel, fenceOps)
    fence.init(world.core.fenceContextAlloc(1), 1)
    world.run(
      withLock(dmabuf, function* () {
        dmabuf.resv.reserveFences(1)
        dmabuf.resv.addFence(fence, DmaResvUsage.BOOKKEEP)
      }),
    )
    expect(errorCode(() => world.run(world.vram.evict(dmabuf)))).toBe('ETIME')
    fence.signal()
    fence.put()
    const held: number[] = []
    for (let frame = world.memory.allocPages(0); frame >= 0; frame = world.memory.allocPages(0)) {
      held.push(frame)
    }
    expect(errorCode(() => world.run(world.vram.evict(dmabuf)))).toBe('ENOMEM')
    for (const frame of held) world.memory.freePages(frame, 0)
    expect(world.vram.inspect(dmabuf).placement).toBe('vram')
    expect(world.vram.freeBytes).toBe(12 * PAGE_SIZE)
    expect(same(bytesOf(world, dmabuf), PATTERN.subarray(0, 4 * PAGE_SIZE))).toBe(true)
    world.close(dmabuf)
  })

  it('a use that cannot bring the buffer back in time throws ETIME, and lets go of the lock', () => {
    const world = setup({ timeoutNs: 1000 })
    const dmabuf = world.allocate(1, 'system')
    const fence = new DmaFence(world.kernel, fenceOps)
    fence.init(world.core.fenceContextAlloc(1), 1)
    world.run(
      withLock(dmabuf, function* () {
        dmabuf.resv.reserveFences(1)
        dmabuf.resv.addFence(fence, DmaResvUsage.BOOKKEEP)
      }),
    )
    expect(errorCode(() => world.run(world.vram.use(dmabuf)))).toBe('ETIME')
    expect(dmabuf.references).toBe(1)
    fence.signal()
    fence.put()
    world.run(world.vram.use(dmabuf)).put()
    expect(world.vram.inspect(dmabuf).placement).toBe('vram')
    settle(world)
    world.close(dmabuf)
  })

  it('leaves alone what somebody works on, and evicts the next', () => {
    const world = setup({ vramPages: 4 })
    const [a, b] = [world.allocate(2), world.allocate(2)]
    const body = function* (): Op<DmaBuf> {
      yield* a.resv.lock(null)
      const allocating = world.scheduler.spawn('allocate', world.vram.allocate(2 * PAGE_SIZE))
      const c = yield* joinTask(world.scheduler, allocating)
      a.resv.unlock()
      return c
    }
    const c = world.run(body())
    const placements = [a, b, c].map((each) => world.vram.inspect(each).placement)
    expect(placements).toEqual(['vram', 'system', 'vram'])
    world.close(a, b, c)
  })

  it('evicts what was not used for longest when there is no room, and brings it back on use', () => {
    const world = setup({ vramPages: 8 })
    const [a, b] = [world.allocate(4), world.allocate(4)]
    fill(world, a, pattern(4 * PAGE_SIZE, 3))
    fill(world, b, pattern(4 * PAGE_SIZE, 4))
    world.run(world.vram.use(a)).put()
    const c = world.allocate(4)
    const placements = (): string[] => [a, b, c].map((each) => world.vram.inspect(each).placement)
    expect(placements()).toEqual(['vram', 'system', 'vram'])
    expect(world.vram.stats).toMatchObject({ evictions: 1, movesToSystem: 1 })
    world.run(world.vram.use(b)).put()
    expect(placements()).toEqual(['system', 'vram', 'vram'])
    expect(same(bytesOf(world, a), pattern(4 * PAGE_SIZE, 3))).toBe(true)
    expect(same(bytesOf(world, b), pattern(4 * PAGE_SIZE, 4))).toBe(true)
    world.close(a, b, c)
  })

  it('waits for importers to unmap what it evicted: room is there only then', () => {
    const world = setup({ vramPages: 4 })
    const a = world.allocate(4)
    const nvme = world.importer(a)
    world.run(nvme.map())
    const allocating = world.scheduler.spawn('allocate', world.vram.allocate(4 * PAGE_SIZE))
    world.run(sleep(world.scheduler, 1_000_000))
    expect(allocating.state).toBe('parked')
    expect(world.vram.inspect(a)).toMatchObject({ placement: 'system', moving: false })
    expect(world.vram.freeBytes).toBe(0)
    world.run(nvme.unmap())
    const b = world.run(joinTask(world.scheduler, allocating))
    expect(world.vram.inspect(b).placement).toBe('vram')
    expect(world.scheduler.nowNs()).toBeLessThan(2_000_000)
    world.close(a, b)
  })

  it('takes system memory when nothing can be evicted', () => {
    const world = setup({ vramPages: 4, timeoutNs: 1000 })
    const a = world.allocate(4)
    world.run(a.vmap())
    const b = world.allocate(2)
    expect(world.vram.inspect(b).placement).toBe('system')
    expect(world.vram.stats.fallbacks.full).toBe(1)
    world.run(world.vram.use(b)).put()
    expect(world.vram.inspect(b).placement).toBe('system')
    expect(world.vram.stats.fallbacks.full).toBe(2)
    const big = world.allocate(5)
    expect(world.vram.inspect(big).placement).toBe('system')
    a.vunmap()
    world.close(a, b, big)
  })

  it('frees a buffer that is released while it is being copied when the copy is over', () => {
    const world = setup()
    const dmabuf = world.allocate(4)
    world.run(world.vram.evict(dmabuf))
    expect(world.vram.inspect(dmabuf).moving).toBe(true)
    dmabuf.put()
    expect(world.vram.freeBytes).toBe(12 * PAGE_SIZE)
    world.scheduler.runUntilIdle()
    expect(world.vram.freeBytes).toBe(16 * PAGE_SIZE)
    world.close()
  })

  it('H7 a job of the device begins when its buffer is there, and is not overwritten by the move', () => {
    const world = setup()
    const dmabuf = world.allocate(4, 'system')
    fill(world, dmabuf, PATTERN)
    const fence = world.run(world.vram.use(dmabuf, { work: ([view]) => void view?.fill(7, 0, 3) }))
    world.run(fence.wait(false, MAX_SCHEDULE_TIMEOUT))
    fence.put()
    settle(world)
    const want = PATTERN.slice(0, 4 * PAGE_SIZE).fill(7, 0, 3)
    expect(same(bytesOf(world, dmabuf), want)).toBe(true)
    expect(world.vram.inspect(dmabuf).placement).toBe('vram')
    world.close(dmabuf)
  })

  it('a job keeps its buffer until it is over', () => {
    const world = setup()
    const dmabuf = world.allocate(1)
    let seen = -1
    const work = ([view]: readonly Uint8Array[]): void => {
      seen = view?.[0] ?? -1
    }
    world.run(world.vram.use(dmabuf, { durationNs: 5000, access: 'read', work })).put()
    dmabuf.put()
    expect(world.core.stats.live).toBe(1)
    world.scheduler.runUntilIdle()
    expect(seen).toBe(0)
    world.close()
  })
})

describe('device memory and the CPU', () => {
  it('reads by the CPU go to system memory, writes do not', () => {
    const world = setup()
    const dmabuf = world.allocate(2)
    world.run(dmabuf.beginCpuAccess(DmaDirection.TO_DEVICE))
    world.run(dmabuf.endCpuAccess(DmaDirection.TO_DEVICE))
    expect(world.vram.inspect(dmabuf).placement).toBe('vram')
    world.run(dmabuf.beginCpuAccess(DmaDirection.FROM_DEVICE))
    expect(world.vram.inspect(dmabuf)).toMatchObject({ placement: 'system', moving: false })
    world.run(dmabuf.endCpuAccess(DmaDirection.FROM_DEVICE))
    world.close(dmabuf)
  })

  it('a mapping of it follows a move, with EAGAIN while it is copied', () => {
    const world = setup()
    const dmabuf = world.allocate(2)
    const mapping = dmabuf.mmap(PAGE_SIZE, PAGE_SIZE, 'write')
    mapping.segments()[0]!.fill(3)
    world.run(world.vram.evict(dmabuf))
    expect(errorCode(() => mapping.segments())).toBe('EAGAIN')
    settle(world)
    expect(mapping.segments()[0]![0]).toBe(3)
    mapping.munmap()
    world.close(dmabuf)
  })

  it('a device that does not snoop maps only what has been copied', () => {
    const world = setup()
    const dmabuf = world.allocate(4)
    fill(world, dmabuf, PATTERN)
    const device = world.device('arm', { coherent: false } satisfies Partial<DeviceInit>)
    const importer = createDmaImporter({ dmabuf, device })
    world.run(importer.map())
    expect(same(importer.read(0, 4 * PAGE_SIZE), PATTERN.subarray(0, 4 * PAGE_SIZE))).toBe(true)
    importer.write(0, Uint8Array.of(1, 2, 3))
    world.run(importer.unmap())
    importer.detach()
    expect(bytesOf(world, dmabuf).subarray(0, 3)).toEqual(Uint8Array.of(1, 2, 3))
    world.close(dmabuf)
  })

  it('refuses what is not its own', () => {
    const world = setup()
    const other = setup()
    const foreign = other.allocate(1)
    expect(errorCode(() => world.run(world.vram.use(foreign)))).toBe('EINVAL')
    expect(errorCode(() => world.run(world.vram.evict(foreign)))).toBe('EINVAL')
    expect(errorCode(() => world.vram.inspect(foreign))).toBe('EINVAL')
    const region = world.memory.regions[0]!
    const device = world.device('gpu2')
    expect(errorCode(() => createDeviceMemory({ ...world.rig, device }, { region }))).toBe('EINVAL')
    other.close(foreign)
    world.close()
  })
})

describe('device memory under load', () => {
  it('P2 P3 P4 many buffers, importers and jobs at once: no byte is lost, no page leaks, for 100 seeds', () => {
    for (let seed = 1; seed <= 100; seed++) runLoad(seed)
  })
})

function runLoad(seed: number): void {
  const world = setup({ seed, vramPages: 12, windowPages: 8, blockPagesMax: 2 })
  const { scheduler } = world
  const buffers = Array.from({ length: 6 }, () => world.allocate(3))
  const pairs = buffers.map((dmabuf, i) => ({
    dmabuf,
    importer: world.importer(dmabuf, {
      peer: i % 3 !== 0,
      dynamic: i % 4 !== 1,
      skipCpuSync: i % 2 === 0,
    }),
    bytes: pattern(3 * PAGE_SIZE, i),
  }))
  const actor = function* ({ dmabuf, importer, bytes }: (typeof pairs)[number]): Op<void> {
    for (let round = 0; round < 4; round++) {
      yield* importer.map()
      if (importer.mapped) importer.write(0, bytes)
      if (round % 2 === 0) (yield* world.vram.use(dmabuf, { durationNs: 500 })).put()
      if (!importer.mapped) yield* importer.map()
      if (importer.mapped) expect(same(importer.read(0, bytes.length), bytes)).toBe(true)
      yield* importer.unmap()
      yield* sleep(scheduler, (seed * 37 + round * 911) % 5000)
    }
  }
  const evictor = function* (memory: DeviceMemory): Op<void> {
    for (let i = 0; i < 12; i++) {
      yield* memory.evict(buffers[i % buffers.length]!)
      yield* sleep(scheduler, 1500)
    }
  }
  const tasks = pairs.map((pair, i) => scheduler.spawn(`actor ${i}`, actor(pair)))
  tasks.push(scheduler.spawn('evictor', evictor(world.vram)))
  world.run(joinAll(scheduler, tasks))
  settle(world)
  for (const { dmabuf, bytes } of pairs) expect(same(bytesOf(world, dmabuf), bytes)).toBe(true)
  expect(world.vram.stats.movedBytes).toBeGreaterThan(0)
  world.close(...buffers)
}
