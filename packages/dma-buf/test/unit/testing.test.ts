// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createDevice,
  createIommu,
  createPhysicalMemory,
  type Device,
  type DeviceInit,
  DmaDirection,
  PAGE_SIZE,
} from '@iolayers/dma-mapping'
import {
  AssertionFailure,
  createKernel,
  createVirtualScheduler,
  DeadlockError,
  fifoStrategy,
  joinTask,
  KernelCheckError,
  KernelError,
  type Op,
  sleep,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createDmaBufCore, createSystemHeap, MAX_SCHEDULE_TIMEOUT } from '../../src/index.ts'
import {
  createDmaImporter,
  createMisbehavingExporter,
  type DmaImporter,
  Lie,
  type MisbehavingExporterInit,
  verifyDeviceRead,
  verifyDeviceWrite,
} from '../../src/testing/index.ts'

const SIZE = 4 * PAGE_SIZE
const PATTERN: Uint8Array = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 0xff)

function setup(lie: Lie, init: Partial<MisbehavingExporterInit> & { keep?: boolean } = {}) {
  const rig = createWorld(init.keep)
  const other = rig.device('other')
  const free = rig.memory.stats.pagesFree
  const exporter = createMisbehavingExporter(rig, { lie, otherDevice: other, ...init })
  return { ...rig, other, exporter, free, dmabuf: exporter.dmabuf }
}

/** `keep`: findings of checked mode are kept, and not thrown. */
function createWorld(keep = false) {
  const scheduler = createVirtualScheduler({ strategy: fifoStrategy() })
  const onReport = keep ? { onReport: () => undefined } : {}
  const kernel = createKernel({ scheduler }, { checked: true, ...onReport })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 64 * PAGE_SIZE, backing: 'plain' })
  const iommu = createIommu({ kernel })
  const core = createDmaBufCore({ kernel })
  const devices: Device[] = []
  return {
    scheduler,
    kernel,
    memory,
    core,
    device(name = 'dev', deviceInit: Partial<DeviceInit> = {}): Device {
      const init = { name, iommuMode: 'strict', ...deviceInit } as const
      const device = createDevice({ kernel, memory, iommu }, init)
      devices.push(device)
      return device
    },
    run: <T>(op: Op<T>): T => scheduler.runSync('test', op),
    checks: (): string[] => kernel.reports.map((report) => report.check),
    destroyDevices: (): void => {
      for (const device of devices) device.destroy()
    },
  }
}

/** Quicker than an expectation over a whole array. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** What a lie ended in: the code of an error, the check of a report, or nothing. */
function outcome(body: () => unknown): string {
  try {
    body()
  } catch (error) {
    if (error instanceof KernelError) return error.code
    if (error instanceof KernelCheckError) return error.check
    if (error instanceof AssertionFailure) return `assertion: ${error.message}`
    if (error instanceof DeadlockError) return 'deadlock'
    throw error
  }
  return 'none'
}

type World = ReturnType<typeof setup>

/** Ends honestly: nothing mapped, attached, pinned or live; every page is back. */
function close(world: World, importers: readonly DmaImporter[] = []): void {
  for (const importer of importers) {
    if (importer.table !== null) world.run(importer.unmap())
    importer.detach()
  }
  world.dmabuf.put()
  world.exporter.cleanUp()
  world.scheduler.runUntilIdle()
  world.destroyDevices()
  expect(world.exporter.told).toBeGreaterThan(0)
  expect(world.core.stats.live).toBe(0)
  expect(world.core.stats.mapped).toBe(world.core.stats.unmapped)
  expect(world.memory.stats.pagesFree).toBe(world.free)
  expect(world.scheduler.outstanding()).toEqual([])
}

describe('an exporter whose tables lie', () => {
  const refused = [
    [Lie.SHORT_TABLE, /another length than its buffer/],
    [Lie.LONG_TABLE, /another length than its buffer/],
    [Lie.UNALIGNED_TABLE, /bad (length|address)/],
    [Lie.ZERO_LENGTH_ENTRY, /bad length/],
    [Lie.HUGE_ENTRY, /bad length/],
    [Lie.UNMAPPED_TABLE, /another length than its buffer/],
    [Lie.OVERLAPPING_ENTRIES, /overlap|twice|same bytes/],
    [Lie.FOREIGN_TABLE, /another device|for other|not mapped/],
    [Lie.WRONG_DIRECTION, /direction/],
  ] as const
  for (const [lie, message] of refused) {
    for (const dynamic of [true, false]) {
      const kind = dynamic ? 'dynamic' : 'static'
      it(`${lie}: the ${kind} importer gets EINVAL, and nothing stays mapped`, () => {
        const world = setup(lie)
        const { run, dmabuf, device } = world
        const direction = DmaDirection.TO_DEVICE
        const importer = createDmaImporter({ dmabuf, device: device(), dynamic, direction })
        let error: unknown = null
        const attempt = function* (): Op<void> {
          try {
            yield* importer.map()
          } catch (thrown) {
            error = thrown
          }
        }
        run(attempt())
        expect(error).toBeInstanceOf(KernelError)
        expect((error as KernelError).code).toBe('EINVAL')
        expect((error as KernelError).message).toMatch(message)
        expect(world.memory.debug?.count).toBe(0)
        expect(world.kernel.reports).toEqual([])
        close(world, [importer])
      })
    }
  }

  it('sameTableTwice: the second importer gets EINVAL, the first keeps its mapping', () => {
    const world = setup(Lie.SAME_TABLE_TWICE)
    const { run, dmabuf, device } = world
    const first = createDmaImporter({ dmabuf, device: device() })
    const second = createDmaImporter({ dmabuf, device: device('second') })
    run(first.map())
    expect(outcome(() => run(second.map()))).toBe('EINVAL')
    first.write(0, PATTERN)
    expect(same(first.read(0, SIZE), PATTERN)).toBe(true)
    close(world, [first, second])
  })

  it('nowhere: every access faults and moves no byte, with an IOMMU and without', () => {
    for (const iommuMode of ['strict', 'passthrough'] as const) {
      const world = setup(Lie.NOWHERE)
      const { run, dmabuf } = world
      const device = world.device('dev', { iommuMode })
      const importer = createDmaImporter({ dmabuf, device })
      const mapped = outcome(() => run(importer.map()))
      if (mapped === 'none') {
        expect(outcome(() => importer.write(0, PATTERN))).toBe('EFAULT')
        expect(outcome(() => importer.read(PAGE_SIZE, 8))).toBe('EFAULT')
        expect(device.bus.faultCount).toBe(2)
      } else expect(mapped).toBe('EINVAL')
      close(world, [importer])
    }
  })

  it('shortView: a CPU view of fewer bytes is refused with EINVAL', () => {
    const world = setup(Lie.SHORT_VIEW, { sizeBytes: 5 * PAGE_SIZE })
    expect(outcome(() => world.run(world.dmabuf.vmap()))).toBe('EINVAL')
    close(world)
  })
})

describe('an exporter that swallows peer writes', () => {
  it('P1 swallowPeerWrites: the write reports success; poison and a look by another way find every lost byte', () => {
    const world = setup(Lie.SWALLOW_PEER_WRITES)
    const { run, dmabuf } = world
    const importer = createDmaImporter({ dmabuf, device: world.device() })
    const transfer = function* (): Op<void> {
      yield* importer.map()
      importer.write(0, PATTERN)
      // What the device itself reads back proves nothing.
      expect(same(importer.read(0, SIZE), PATTERN)).toBe(true)
      yield* importer.unmap()
    }
    let error: unknown = null
    const verify = function* (): Op<void> {
      try {
        yield* verifyDeviceWrite(dmabuf, PATTERN, transfer)
      } catch (thrown) {
        error = thrown
      }
    }
    run(verify())
    expect((error as KernelError).code).toBe('EIO')
    expect((error as KernelError).message).toContain(`${SIZE} of ${SIZE} bytes`)
    expect((error as KernelError).message).toContain(`${SIZE} are as they were before`)
    close(world, [importer])
  })

  it('P1 an honest exporter passes, in both directions, at any offset, also where the device does not snoop', () => {
    const world = createWorld()
    const dmabuf = createSystemHeap(world).allocate(SIZE)
    for (const coherent of [true, false]) {
      const importer = createDmaImporter({ dmabuf, device: world.device('dev', { coherent }) })
      for (const [offsetBytes, length] of [
        [0, SIZE],
        [100, 5000],
        [PAGE_SIZE, 1],
      ] as const) {
        const bytes = PATTERN.subarray(0, length)
        const write = function* (): Op<void> {
          yield* importer.map()
          importer.write(offsetBytes, bytes)
          yield* importer.unmap()
        }
        world.run(verifyDeviceWrite(dmabuf, bytes, write, { offsetBytes }))
        const read = function* (): Op<Uint8Array> {
          yield* importer.map()
          const found = importer.read(offsetBytes, length)
          yield* importer.unmap()
          return found
        }
        world.run(verifyDeviceRead(dmabuf, bytes, read, { offsetBytes, cpuAccess: coherent }))
      }
      importer.detach()
    }
    dmabuf.put()
    world.destroyDevices()
    expect(world.kernel.reports).toEqual([])
  })

  it('P1 one wrong byte is named', () => {
    const world = createWorld()
    const dmabuf = createSystemHeap(world).allocate(SIZE)
    const importer = createDmaImporter({ dmabuf, device: world.device() })
    world.run(importer.map())
    const read = function* (): Op<Uint8Array> {
      const found = importer.read(0, SIZE)
      found[1234] = (found[1234] ?? 0) ^ 1
      return found
    }
    expect(() => world.run(verifyDeviceRead(dmabuf, PATTERN, read))).toThrow(/the first at 1234/)
    world.run(importer.unmap())
    importer.detach()
    dmabuf.put()
    world.destroyDevices()
  })
})

describe('an exporter that moves or frees what devices use', () => {
  for (const lie of [Lie.MOVE_WITHOUT_NOTICE, Lie.FREE_WHILE_MAPPED] as const) {
    it(`${lie}: reported when the pages go back, and at every access after that`, () => {
      const world = setup(lie, { keep: true })
      const { run, dmabuf } = world
      const importer = createDmaImporter({ dmabuf, device: world.device() })
      run(importer.map())
      importer.write(0, PATTERN)
      expect(world.checks()).toEqual([])
      run(world.exporter.act())
      expect(new Set(world.checks())).toEqual(new Set(['dma-free-mapped']))
      const before = world.checks().length
      importer.read(0, 16)
      importer.write(SIZE - 16, PATTERN.subarray(0, 16))
      const after = world.checks().slice(before)
      expect(after.filter((check) => check === 'dma-given-back')).toHaveLength(2)
      close(world, [importer])
    })

    it(`${lie}: without anybody to keep the reports, it stops the exporter`, () => {
      const world = setup(lie, { sizeBytes: PAGE_SIZE })
      const importer = createDmaImporter({ dmabuf: world.dmabuf, device: world.device() })
      world.run(importer.map())
      expect(outcome(() => world.run(world.exporter.act()))).toBe('dma-free-mapped')
      expect(outcome(() => importer.read(0, 16))).toBe('dma-given-back')
      close(world, [importer])
    })
  }

  it('lateUnmap: reported when the pages go back under the mapping', () => {
    const world = setup(Lie.LATE_UNMAP, { keep: true })
    const { run, dmabuf } = world
    const importer = createDmaImporter({ dmabuf, device: world.device() })
    run(importer.map())
    run(importer.unmap())
    importer.detach()
    expect(world.checks()).toEqual([])
    close(world)
    expect(new Set(world.checks())).toEqual(new Set(['dma-free-mapped']))
    expect(world.memory.debug?.count).toBe(0)
  })

  it('lateUnmap: a device that ends with a mapping left is reported too', () => {
    const world = setup(Lie.LATE_UNMAP, { keep: true })
    const device = world.device()
    const importer = createDmaImporter({ dmabuf: world.dmabuf, device })
    world.run(importer.map())
    world.run(importer.unmap())
    device.destroy()
    expect(world.checks()).toEqual(['dma-leak'])
    expect(world.kernel.reports[0]?.message).toContain('1 mappings')
  })

  it('invalidateDuringMap: the importer was told, so the table is void: ESTALE and not DMA to the old place', () => {
    const world = setup(Lie.INVALIDATE_DURING_MAP)
    const { run, dmabuf } = world
    const importer = createDmaImporter({ dmabuf, device: world.device() })
    expect(outcome(() => run(importer.map()))).toMatch(/^(ESTALE|EINVAL)$/)
    expect(importer.invalidations).toBe(1)
    expect(importer.mapped).toBe(false)
    expect(outcome(() => importer.read(0, 1))).toBe('ESTALE')
    close(world, [importer])
  })
})

describe('an exporter whose fences lie', () => {
  it('H7 forgetKernelFence: whoever touches what a copy is still to write is reported', () => {
    const world = setup(Lie.FORGET_KERNEL_FENCE)
    const { run, dmabuf } = world
    const importer = createDmaImporter({ dmabuf, device: world.device() })
    run(importer.map())
    importer.write(0, PATTERN)
    run(world.exporter.act())
    expect(importer.mapped).toBe(false)
    run(importer.map())
    expect(outcome(() => importer.read(0, 64))).toBe('dma-unfinished-copy')
    run(sleep(world.scheduler, 2_000_000))
    expect(same(importer.read(0, SIZE), PATTERN)).toBe(true)
    close(world, [importer])
  })

  it('H7 neverSignal: an importer with a bound gives up with ETIME, and has nothing mapped', () => {
    const world = setup(Lie.NEVER_SIGNAL)
    const { run, dmabuf } = world
    const importer = createDmaImporter({ dmabuf, device: world.device(), timeoutNs: 5_000_000 })
    run(world.exporter.act())
    expect(outcome(() => run(importer.map()))).toBe('ETIME')
    expect(world.memory.debug?.count).toBe(0)
    close(world, [importer])
  })

  it('neverSignal: one that waits for ever is found as a deadlock, with what it waits for', () => {
    const world = setup(Lie.NEVER_SIGNAL)
    const { run, dmabuf } = world
    const timeoutNs = MAX_SCHEDULE_TIMEOUT
    const importer = createDmaImporter({ dmabuf, device: world.device(), timeoutNs })
    run(world.exporter.act())
    const waiting = world.scheduler.spawn('importer', importer.map())
    let message = ''
    try {
      run(joinTask(world.scheduler, waiting))
    } catch (error) {
      if (error instanceof DeadlockError) message = error.message
    }
    expect(message).toContain('dma_fence')
    world.exporter.cleanUp()
    run(joinTask(world.scheduler, waiting))
    close(world, [importer])
  })
})

describe('an exporter that gets the lock wrong', () => {
  it('invalidateUnlocked: stopped before any importer is told', () => {
    const world = setup(Lie.INVALIDATE_UNLOCKED)
    const importer = createDmaImporter({ dmabuf: world.dmabuf, device: world.device() })
    expect(outcome(() => world.run(world.exporter.act()))).toContain('lock is not held')
    expect(importer.invalidations).toBe(0)
    close(world, [importer])
  })

  it('dropLock: found before the table is used', () => {
    const world = setup(Lie.DROP_LOCK)
    const { run, dmabuf } = world
    const importer = createDmaImporter({ dmabuf, device: world.device() })
    expect(outcome(() => run(importer.map()))).toMatch(/lock|dma-buf/)
    const tidy = function* (): Op<void> {
      yield* dmabuf.resv.lock(null)
      dmabuf.resv.unlock()
    }
    run(tidy())
    close(world, [importer])
  })
})

describe('an exporter that keeps the lock', () => {
  it('leaveLocked: found in the call that kept it, and others get the lock all the same or hear of it', () => {
    const world = setup(Lie.LEAVE_LOCKED)
    const { run, dmabuf } = world
    const body = function* (): Op<string> {
      try {
        yield* dmabuf.beginCpuAccess(DmaDirection.FROM_DEVICE)
        return 'nothing'
      } catch (error) {
        return error instanceof Error ? error.message : 'no error'
      } finally {
        if (dmabuf.resv.held) dmabuf.resv.unlock()
      }
    }
    expect(run(body())).toMatch(/misbehaving.*lock.*beginCpuAccess/)
    close(world)
  })
})

describe('an exporter that throws', () => {
  it('throwInAttach: the importer gets the error, and is not attached', () => {
    const world = setup(Lie.THROW_IN_ATTACH)
    const { dmabuf } = world
    const attach = (): unknown => createDmaImporter({ dmabuf, device: world.device() })
    expect(outcome(attach)).toBe('EIO')
    expect(dmabuf.attachments).toBe(0)
    close(world)
  })

  it('throwInDetach: the importer gets the error, and is detached all the same', () => {
    const world = setup(Lie.THROW_IN_DETACH)
    const { dmabuf } = world
    const importer = createDmaImporter({ dmabuf, device: world.device() })
    expect(outcome(() => importer.detach())).toBe('EIO')
    expect(dmabuf.attachments).toBe(0)
    close(world)
  })

  for (const lie of [Lie.THROW_IN_PIN, Lie.THROW_IN_MAP] as const) {
    it(`${lie}: a static importer gets the error, and nothing is pinned or mapped`, () => {
      const world = setup(lie)
      const { run, dmabuf } = world
      const importer = createDmaImporter({ dmabuf, device: world.device(), dynamic: false })
      expect(outcome(() => run(importer.map()))).toBe('EIO')
      expect(importer.table).toBe(null)
      expect(dmabuf.mappings).toBe(0)
      expect(dmabuf.resv.held).toBe(false)
      close(world, [importer])
    })
  }

  for (const lie of [Lie.THROW_IN_UNMAP, Lie.THROW_IN_UNPIN] as const) {
    it(`${lie}: the importer gets the error, and has nothing mapped any more`, () => {
      const world = setup(lie)
      const { run, dmabuf } = world
      const importer = createDmaImporter({ dmabuf, device: world.device(), dynamic: false })
      run(importer.map())
      expect(outcome(() => run(importer.unmap()))).toBe('EIO')
      expect(dmabuf.mappings).toBe(0)
      expect(dmabuf.resv.held).toBe(false)
      close(world, [importer])
    })
  }

  it('throwInRelease: whoever drops the last reference gets the error, the buffer is gone', () => {
    const world = setup(Lie.THROW_IN_RELEASE)
    expect(outcome(() => world.dmabuf.put())).toBe('EIO')
    expect(world.core.stats.live).toBe(0)
    expect(world.memory.stats.pagesFree).toBe(world.free)
  })
})
