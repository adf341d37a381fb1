// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess, BusRange, DmaDirection, PAGE_SIZE, type SgTable } from '@iolayers/dma-mapping'
import { createFdTable, joinTask, type Op, OpenFlags, sleep, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createContiguousHeap,
  createDmaHeaps,
  createMovableHeap,
  createSystemHeap,
  type DmaBuf,
  type DmaBufAttachment,
  DmaFence,
  DmaResvUsage,
  type MovableHeapInit,
} from '../../src/index.ts'
import {
  createRig,
  errorCode,
  expectNothingOutstanding,
  fenceOps,
  type Rig,
  withLock,
} from '../support.ts'

const MIB = 1024 * 1024
const BIDI = DmaDirection.BIDIRECTIONAL

function setup(init: MovableHeapInit = {}, rigInit: Parameters<typeof createRig>[0] = {}) {
  const rig = createRig(rigInit)
  const free = rig.memory.stats.pagesFree
  return {
    rig,
    free,
    system: createSystemHeap(rig),
    movable: createMovableHeap(rig, init),
    close(): void {
      expectNothingOutstanding(rig)
      expect(rig.memory.stats.pagesFree).toBe(free)
    },
  }
}

function map(rig: Rig, dmabuf: DmaBuf, attachment: DmaBufAttachment): SgTable {
  return rig.run(withLock(dmabuf, () => dmabuf.mapAttachment(attachment, BIDI)))
}

function unmap(rig: Rig, dmabuf: DmaBuf, attachment: DmaBufAttachment, table: SgTable): void {
  rig.run(
    withLock(dmabuf, function* () {
      dmabuf.unmapAttachment(attachment, table, BIDI)
    }),
  )
}

function fill(rig: Rig, dmabuf: DmaBuf, seed: number): void {
  const view = rig.run(dmabuf.vmap())
  let at = 0
  for (const segment of view.segments) {
    for (let i = 0; i < segment.length; i++) segment[i] = (seed + at++ * 7) & 0xff
  }
  dmabuf.vunmap()
}

function matches(rig: Rig, dmabuf: DmaBuf, seed: number): boolean {
  const view = rig.run(dmabuf.vmap())
  let at = 0
  let same = true
  for (const segment of view.segments) {
    for (const byte of segment) same = byte === ((seed + at++ * 7) & 0xff) && same
  }
  dmabuf.vunmap()
  return same && at === dmabuf.sizeBytes
}

const importer = (invalidateMappings: () => Op<void>) => ({
  allowPeer2peer: true,
  invalidateMappings,
})
const quiet = importer(function* () {})

describe('system heap', () => {
  it('takes blocks of 1 MiB, 64 KiB and 4 KiB, and gives them all back', () => {
    const { rig, system, free, close } = setup()
    const dmabuf = system.allocate(MIB + 64 * 1024 + PAGE_SIZE + 1, { name: 'mixed' })
    expect(dmabuf.sizeBytes).toBe(MIB + 64 * 1024 + 2 * PAGE_SIZE)
    expect([dmabuf.name, dmabuf.exporterName]).toEqual(['mixed', 'system'])
    const view = rig.run(dmabuf.vmap())
    expect(view.segments.map((segment) => segment.length)).toEqual([
      MIB,
      64 * 1024,
      PAGE_SIZE,
      PAGE_SIZE,
    ])
    dmabuf.vunmap()
    expect(rig.memory.stats.pagesFree).toBe(free - dmabuf.sizeBytes / PAGE_SIZE)
    dmabuf.put()
    close()
  })

  it('gives zeroed memory', () => {
    const { rig, system, close } = setup()
    const first = system.allocate(MIB)
    fill(rig, first, 1)
    first.put()
    const second = system.allocate(8 * MIB - 64 * PAGE_SIZE)
    const view = rig.run(second.vmap())
    expect(view.segments.every((segment) => segment.every((byte) => byte === 0))).toBe(true)
    second.vunmap()
    second.put()
    close()
  })

  it('falls back to smaller blocks, and frees what it got when that is not enough', () => {
    const { rig, system, free } = setup({}, { ramBytes: 2 * MIB })
    const frames: number[] = []
    for (let i = 0; i < free; i++) frames.push(rig.memory.allocPages(0))
    // Every other page: no block is larger than one.
    for (let i = 0; i < free; i += 2) rig.memory.freePages(frames[i]!, 0)
    const dmabuf = system.allocate(100 * PAGE_SIZE)
    expect(rig.run(dmabuf.vmap()).segments).toHaveLength(100)
    dmabuf.vunmap()
    expect(errorCode(() => system.allocate(free * PAGE_SIZE))).toBe('ENOMEM')
    // Free pages of a device are no memory for a heap: found out only after the last page of RAM was taken.
    rig.memory.addRegion({ frames: free, kind: 'device', backing: 'plain' })
    const left = rig.memory.stats.pagesFree
    expect(errorCode(() => system.allocate(free * PAGE_SIZE))).toBe('ENOMEM')
    expect(rig.memory.stats.pagesFree).toBe(left)
    dmabuf.put()
    for (let i = 1; i < free; i += 2) rig.memory.freePages(frames[i]!, 0)
    expectNothingOutstanding(rig)
    expect(rig.memory.stats.pagesFree).toBe(2 * free)
  })

  it('refuses bad sizes and bad names, and keeps no page', () => {
    const { system, movable, close } = setup()
    for (const size of [0, -1, Number.NaN, 1.5]) {
      expect(errorCode(() => system.allocate(size))).toBe('EINVAL')
    }
    expect(errorCode(() => system.allocate(2 ** 40))).toBe('ENOMEM')
    expect(errorCode(() => system.allocate(1, { name: 'x'.repeat(40) }))).toBe('EINVAL')
    expect(errorCode(() => movable.allocate(1, { name: 'x'.repeat(40) }))).toBe('EINVAL')
    close()
  })

  it('maps for each device, and syncs what a device that does not snoop wrote', () => {
    const { rig, system, close } = setup()
    const dmabuf = system.allocate(3 * PAGE_SIZE)
    const device = rig.device('dev', { coherent: false })
    const attachment = dmabuf.dynamicAttach(device, quiet)
    fill(rig, dmabuf, 9)
    const table = map(rig, dmabuf, attachment)
    const out = new BusRange()
    const address = table.dmaAddressAt(0)
    expect(device.bus.translate(address, 4, BusAccess.WRITE, out)).toBe(4)
    expect(out.bytes[out.offset]).toBe(9)
    out.bytes[out.offset] = 200
    const firstByte = (): number => {
      const byte = rig.run(dmabuf.vmap()).segments[0]![0]!
      dmabuf.vunmap()
      return byte
    }
    expect(firstByte()).toBe(9)
    rig.run(dmabuf.beginCpuAccess(DmaDirection.FROM_DEVICE))
    expect(firstByte()).toBe(200)
    rig.run(dmabuf.vmap()).segments[0]![0] = 50
    dmabuf.vunmap()
    rig.run(dmabuf.endCpuAccess(BIDI))
    device.bus.translate(address, 4, BusAccess.READ, out)
    expect(out.bytes[out.offset]).toBe(50)
    unmap(rig, dmabuf, attachment, table)
    dmabuf.detach(attachment)
    dmabuf.put()
    close()
  })

  it('waits for a device before it syncs', () => {
    const { rig, system, close } = setup()
    const dmabuf = system.allocate(PAGE_SIZE)
    const fence = new DmaFence(rig.kernel, fenceOps)
    fence.init(1, 1)
    rig.run(
      withLock(dmabuf, function* () {
        dmabuf.resv.reserveFences(1)
        dmabuf.resv.addFence(fence, DmaResvUsage.WRITE)
      }),
    )
    const task = rig.scheduler.spawn('cpu', dmabuf.beginCpuAccess(DmaDirection.FROM_DEVICE))
    rig.run(yieldNow(rig.scheduler))
    task.signal()
    expect(errorCode(() => rig.run(joinTask(rig.scheduler, task)))).toBe('ERESTARTSYS')
    fence.signal()
    rig.run(dmabuf.beginCpuAccess(DmaDirection.FROM_DEVICE))
    rig.run(dmabuf.endCpuAccess(DmaDirection.FROM_DEVICE))
    dmabuf.put()
    close()
  })
})

describe('movable heap', () => {
  it('R-MQ-6 moves the bytes to other pages, and frees the old ones', () => {
    const { rig, movable, free, close } = setup()
    const dmabuf = movable.allocate(MIB + 5 * PAGE_SIZE)
    fill(rig, dmabuf, 3)
    const before = rig.run(dmabuf.vmap()).segments[0]!.byteOffset
    dmabuf.vunmap()
    expect(rig.run(movable.move(dmabuf))).toBe(true)
    const after = rig.run(dmabuf.vmap()).segments[0]!.byteOffset
    dmabuf.vunmap()
    expect(after).not.toBe(before)
    expect(matches(rig, dmabuf, 3)).toBe(true)
    expect(movable.stats).toEqual({ moves: 1, movedBytes: dmabuf.sizeBytes, pinned: 0, retired: 0 })
    expect(rig.memory.stats.cpuCopyBytes).toBe(dmabuf.sizeBytes)
    expect(rig.memory.stats.pagesFree).toBe(free - dmabuf.sizeBytes / PAGE_SIZE)
    dmabuf.put()
    close()
  })

  it('copies between blocks of other sizes', () => {
    const { rig, movable, free, close } = setup({}, { ramBytes: 2 * MIB })
    const dmabuf = movable.allocate(70 * PAGE_SIZE)
    fill(rig, dmabuf, 5)
    const frames: number[] = []
    for (let i = 70; i < free; i++) frames.push(rig.memory.allocPages(0))
    for (let i = 0; i < frames.length; i += 2) rig.memory.freePages(frames[i]!, 0)
    rig.run(movable.move(dmabuf))
    expect(matches(rig, dmabuf, 5)).toBe(true)
    for (let i = 1; i < frames.length; i += 2) rig.memory.freePages(frames[i]!, 0)
    rig.run(movable.move(dmabuf))
    expect(matches(rig, dmabuf, 5)).toBe(true)
    dmabuf.put()
    close()
  })

  it('does not move a buffer that a static importer has mapped, or that has a CPU view', () => {
    const { rig, movable, close } = setup()
    const dmabuf = movable.allocate(PAGE_SIZE)
    const attachment = dmabuf.attach(rig.device())
    const table = map(rig, dmabuf, attachment)
    expect(rig.run(movable.move(dmabuf))).toBe(false)
    unmap(rig, dmabuf, attachment, table)
    expect(rig.run(movable.move(dmabuf))).toBe(true)
    rig.run(dmabuf.vmap())
    rig.run(dmabuf.vmap())
    dmabuf.vunmap()
    expect(rig.run(movable.move(dmabuf))).toBe(false)
    dmabuf.vunmap()
    expect(movable.stats).toMatchObject({ moves: 1, pinned: 2 })
    dmabuf.detach(attachment)
    dmabuf.put()
    close()
  })

  it('refuses a buffer of another heap', () => {
    const { rig, system, movable, close } = setup()
    const dmabuf = system.allocate(PAGE_SIZE)
    expect(errorCode(() => rig.run(movable.move(dmabuf)))).toBe('EINVAL')
    dmabuf.put()
    close()
  })

  it('tells the importers, waits under the lock for the last DMA, then copies', () => {
    const { rig, movable, free, close } = setup()
    const dmabuf = movable.allocate(2 * PAGE_SIZE)
    fill(rig, dmabuf, 1)
    const device = rig.device()
    const fence = new DmaFence(rig.kernel, fenceOps)
    const attachment = dmabuf.dynamicAttach(
      device,
      importer(function* () {
        dmabuf.resv.reserveFences(1)
        fence.init(rig.core.fenceContextAlloc(1), 1)
        dmabuf.resv.addFence(fence, DmaResvUsage.BOOKKEEP)
      }),
    )
    const table = map(rig, dmabuf, attachment)
    const body = function* (): Op<void> {
      const move = rig.scheduler.spawn('move', movable.move(dmabuf))
      yield* sleep(rig.scheduler, 100)
      expect(move.state).toBe('parked')
      expect(dmabuf.resv.tryLock()).toBe(false)
      // DMA that was under way when the exporter came: it has to be in the copy.
      const out = new BusRange()
      expect(device.bus.translate(table.dmaAddressAt(0), 1, BusAccess.WRITE, out)).toBe(1)
      out.bytes[out.offset] = 77
      fence.signal()
      expect(yield* joinTask(rig.scheduler, move)).toBe(true)
    }
    rig.run(body())
    const view = rig.run(dmabuf.vmap())
    expect([view.segments[0]![0], view.segments[0]![1]]).toEqual([77, 8])
    dmabuf.vunmap()
    expect(movable.stats.retired).toBe(1)
    expect(rig.memory.stats.pagesFree).toBe(free - 4)
    unmap(rig, dmabuf, attachment, table)
    expect(movable.stats.retired).toBe(0)
    expect(rig.memory.stats.pagesFree).toBe(free - 2)
    dmabuf.detach(attachment)
    dmabuf.put()
    close()
  })

  it('never holds more than two sets of pages: the next move waits for the unmap', () => {
    const { rig, movable, close } = setup()
    const dmabuf = movable.allocate(PAGE_SIZE)
    const attachment = dmabuf.dynamicAttach(rig.device(), quiet)
    const table = map(rig, dmabuf, attachment)
    rig.run(movable.move(dmabuf))
    const moves = [1, 2].map((i) => rig.scheduler.spawn(`move ${i}`, movable.move(dmabuf)))
    rig.run(sleep(rig.scheduler, 1000))
    expect(moves.map((move) => move.state)).toEqual(['parked', 'parked'])
    expect(movable.stats).toMatchObject({ moves: 1, retired: 1 })
    unmap(rig, dmabuf, attachment, table)
    for (const move of moves) rig.run(joinTask(rig.scheduler, move))
    expect(movable.stats).toMatchObject({ moves: 3, retired: 0 })
    dmabuf.detach(attachment)
    dmabuf.put()
    close()
  })

  it('gives up with ETIME on an importer that does not unmap, or whose DMA does not end', () => {
    const { rig, movable, close } = setup({ timeoutNs: 1000, name: 'vram' })
    const dmabuf = movable.allocate(PAGE_SIZE)
    expect(dmabuf.exporterName).toBe('vram')
    const attachment = dmabuf.dynamicAttach(rig.device(), quiet)
    const fence = new DmaFence(rig.kernel, fenceOps)
    fence.init(1, 1)
    rig.run(
      withLock(dmabuf, function* () {
        dmabuf.resv.reserveFences(1)
        dmabuf.resv.addFence(fence, DmaResvUsage.BOOKKEEP)
      }),
    )
    expect(errorCode(() => rig.run(movable.move(dmabuf)))).toBe('ETIME')
    expect(dmabuf.resv.held).toBe(false)
    fence.signal()
    const table = map(rig, dmabuf, attachment)
    expect(rig.run(movable.move(dmabuf))).toBe(true)
    expect(errorCode(() => rig.run(movable.move(dmabuf)))).toBe('ETIME')
    unmap(rig, dmabuf, attachment, table)
    dmabuf.detach(attachment)
    dmabuf.put()
    close()
  })

  it('leaves the buffer where it is when there is no memory for the move', () => {
    const { rig, movable, free, close } = setup({}, { ramBytes: MIB })
    const dmabuf = movable.allocate((free / 2 + 1) * PAGE_SIZE)
    fill(rig, dmabuf, 2)
    expect(errorCode(() => rig.run(movable.move(dmabuf)))).toBe('ENOMEM')
    expect(matches(rig, dmabuf, 2)).toBe(true)
    dmabuf.put()
    close()
  })

  it('keeps the buffer alive during the move, and no longer', () => {
    const { rig, movable, close } = setup()
    const dmabuf = movable.allocate(PAGE_SIZE)
    const task = rig.scheduler.spawn('move', movable.move(dmabuf))
    rig.run(
      withLock(dmabuf, function* () {
        yield* yieldNow(rig.scheduler)
      }),
    )
    dmabuf.put()
    rig.run(joinTask(rig.scheduler, task))
    close()
  })
})

describe('contiguous heap', () => {
  it('gives buffers of one piece each, zeroed and aligned, and frees them exactly', () => {
    const { rig, free, close } = setup()
    const heap = createContiguousHeap(rig, { areaBytes: MIB })
    expect(heap.name).toBe('default_cma_region')
    expect(rig.memory.stats.pagesFree).toBe(free - 256)
    const first = heap.allocate(3 * PAGE_SIZE + 1)
    fill(rig, first, 1)
    const second = heap.allocate(5 * PAGE_SIZE, { name: 'camera' })
    const attachment = second.dynamicAttach(rig.device(), quiet)
    const table = map(rig, second, attachment)
    expect([table.origNents, table.nents, second.sizeBytes]).toEqual([1, 1, 5 * PAGE_SIZE])
    // Five pages lie on a multiple of eight.
    expect(table.frameAt(0) % 8).toBe(0)
    expect(heap.freeBytes).toBe(MIB - 9 * PAGE_SIZE)
    first.put()
    const again = heap.allocate(4 * PAGE_SIZE)
    expect(rig.run(again.vmap()).segments[0]!.every((byte) => byte === 0)).toBe(true)
    again.vunmap()
    again.put()
    expect(() => heap.destroy()).toThrow('in use')
    unmap(rig, second, attachment, table)
    second.detach(attachment)
    second.put()
    expect(heap.freeBytes).toBe(MIB)
    heap.destroy()
    close()
  })

  it('says ENOMEM when the room is in pieces, and when there is no area', () => {
    const { rig, close } = setup()
    const heap = createContiguousHeap(rig, { areaBytes: 16 * PAGE_SIZE, name: 'camera' })
    const buffers = Array.from({ length: 8 }, () => heap.allocate(2 * PAGE_SIZE))
    expect(errorCode(() => heap.allocate(1))).toBe('ENOMEM')
    for (let i = 0; i < 8; i += 2) buffers[i]!.put()
    expect([heap.freeBytes, heap.largestFreeBytes]).toEqual([8 * PAGE_SIZE, 2 * PAGE_SIZE])
    expect(errorCode(() => heap.allocate(3 * PAGE_SIZE))).toBe('ENOMEM')
    expect(() => heap.allocate(3 * PAGE_SIZE)).toThrow('at most 2, of 8 that are free')
    buffers[1]!.put()
    heap.allocate(4 * PAGE_SIZE).put()
    for (let i = 3; i < 8; i += 2) buffers[i]!.put()
    heap.allocate(16 * PAGE_SIZE).put()
    for (const size of [0, -1, 1.5]) expect(errorCode(() => heap.allocate(size))).toBe('EINVAL')
    expect(errorCode(() => heap.allocate(17 * PAGE_SIZE))).toBe('ENOMEM')
    expect(errorCode(() => heap.allocate(1, { name: 'x'.repeat(40) }))).toBe('EINVAL')
    expect(heap.freeBytes).toBe(16 * PAGE_SIZE)
    heap.destroy()
    for (const areaBytes of [0, 100, -PAGE_SIZE]) {
      expect(errorCode(() => createContiguousHeap(rig, { areaBytes }))).toBe('EINVAL')
    }
    expect(errorCode(() => createContiguousHeap(rig, { areaBytes: 64 * MIB }))).toBe('ENOMEM')
    close()
  })

  it('takes its area from the region that it is told', () => {
    const { rig, free } = setup()
    const region = rig.memory.addRegion({ frames: 64, kind: 'ram', backing: 'plain', name: 'cma' })
    const heap = createContiguousHeap(rig, { areaBytes: 64 * PAGE_SIZE, region })
    const dmabuf = heap.allocate(PAGE_SIZE)
    const attachment = dmabuf.dynamicAttach(rig.device(), quiet)
    const table = map(rig, dmabuf, attachment)
    expect(table.frameAt(0)).toBe(region.baseFrame)
    unmap(rig, dmabuf, attachment, table)
    dmabuf.detach(attachment)
    dmabuf.put()
    heap.destroy()
    expectNothingOutstanding(rig)
    expect(rig.memory.stats.pagesFree).toBe(free + 64)
  })
})

describe('heaps by name', () => {
  it('are found, and are refused without a name, with one that is taken, and when there are 128', () => {
    const { rig, system, movable, close } = setup()
    const heaps = createDmaHeaps(rig)
    heaps.add(system)
    heaps.add(movable)
    expect(heaps.names).toEqual(['system', 'movable'])
    expect(heaps.find('system')).toBe(system)
    expect(heaps.find('nosuch')).toBe(null)
    expect(errorCode(() => heaps.add(createMovableHeap(rig)))).toBe('EINVAL')
    expect(errorCode(() => heaps.add(createMovableHeap(rig, { name: '' })))).toBe('EINVAL')
    for (let i = 2; i < 128; i++) heaps.add(createMovableHeap(rig, { name: `heap${i}` }))
    expect(errorCode(() => heaps.add(createMovableHeap(rig, { name: 'one more' })))).toBe('EBUSY')
    close()
  })

  it('give programs descriptors: whole pages, with the access that they ask for', () => {
    const { rig, system, close } = setup()
    const heaps = createDmaHeaps(rig)
    heaps.add(system)
    const fds = createFdTable()
    const fdFlags = OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC
    const fd = heaps.ioctlAlloc('system', fds, { len: PAGE_SIZE + 1, fdFlags })
    const dmabuf = rig.core.fromFd(fds, fd)
    expect([dmabuf.sizeBytes, dmabuf.references]).toEqual([2 * PAGE_SIZE, 2])
    dmabuf.mmap(0, PAGE_SIZE, 'write').munmap()
    dmabuf.put()
    fds.close(fd)
    const readOnly = heaps.ioctlAlloc('system', fds, { len: 1 })
    const reader = rig.core.fromFd(fds, readOnly)
    expect(errorCode(() => reader.mmap(0, PAGE_SIZE, 'write'))).toBe('EACCES')
    reader.put()
    fds.close(readOnly)
    close()
  })

  it('refuse flags, descriptors and lengths that cannot be, and leave nothing behind', () => {
    const { rig, system, close } = setup()
    const heaps = createDmaHeaps(rig)
    heaps.add(system)
    const fds = createFdTable({ limit: 1 })
    const code = (data: Parameters<typeof heaps.ioctlAlloc>[2], name = 'system'): string =>
      errorCode(() => heaps.ioctlAlloc(name, fds, data))
    expect(code({ len: 1 }, 'nosuch')).toBe('ENODEV')
    expect(code({ len: 1, fd: 3 })).toBe('EINVAL')
    expect(code({ len: 1, fdFlags: OpenFlags.O_DIRECT })).toBe('EINVAL')
    expect(code({ len: 1, heapFlags: 1 })).toBe('EINVAL')
    for (const len of [0, -1, Number.NaN, 2 ** 53]) expect(code({ len })).toBe('EINVAL')
    expect(code({ len: 2 ** 40 })).toBe('ENOMEM')
    const taken = fds.reserve()
    expect(code({ len: 1 })).toBe('EMFILE')
    expect(rig.core.stats.live).toBe(0)
    fds.putUnused(taken)
    close()
  })
})

describe('a program and the buffers of heaps', () => {
  it('maps a range across blocks, and sees it where a move puts it', () => {
    const { rig, movable, close } = setup({}, { ramBytes: 4 * MIB })
    const dmabuf = movable.allocate(18 * PAGE_SIZE)
    fill(rig, dmabuf, 6)
    const mapping = dmabuf.mmap(15 * PAGE_SIZE, 2 * PAGE_SIZE, 'read')
    const lengths = mapping.segments().map((segment) => segment.length)
    expect(lengths).toEqual([PAGE_SIZE, PAGE_SIZE])
    const before = mapping.segments()[1]!
    rig.run(movable.move(dmabuf))
    const after = mapping.segments()[1]!
    expect(after.byteOffset).not.toBe(before.byteOffset)
    expect(after[0]).toBe((6 + 16 * PAGE_SIZE * 7) & 0xff)
    mapping.munmap()
    dmabuf.put()
    close()
  })
})
