// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { BlkStatus, type Disk, ReqFlags, ReqOp } from '@iolayers/block-core'
import { createDmaBufCore, createMovableHeap } from '@iolayers/dma-buf'
import {
  createDevice,
  createIommu,
  createPhysicalMemory,
  DmaDirection,
} from '@iolayers/dma-mapping'
import {
  createKernel,
  createPrng,
  createVirtualScheduler,
  joinAll,
  joinTask,
  type Op,
  sleep,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createMemoryStore,
  createNvmeController,
  createSimulatedStore,
} from '../../../src/controller/index.ts'
import { createNvmeHost, type NvmeHostInit } from '../../../src/host/index.ts'
import { dmabufIo, expectSameBytes, pattern, submit, TestIo, vecIo } from './rig.ts'

interface StackInit {
  readonly seed: number
  readonly iommuMode: 'strict' | 'lazy' | 'passthrough'
  readonly coherent: boolean
  readonly sgl?: boolean
  readonly host?: NvmeHostInit
  /** Does its I/O in steps, so that a reset can come in between. */
  readonly slowStore?: boolean
}

function makeStack(init: StackInit) {
  const scheduler = createVirtualScheduler({ seed: init.seed })
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 8 << 20, backing: 'plain' })
  const iommu = createIommu({ kernel })
  const device = createDevice({ kernel, memory, iommu }, { ...init, name: 'nvme0' })
  const controller = createNvmeController(
    { kernel, bus: device.bus },
    { sgl: init.sgl ?? true, mdtsBytes: 65_536 },
  )
  const slowStore = init.slowStore === true
  const store = slowStore
    ? createSimulatedStore({ kernel }, { sizeBytes: 1 << 20 })
    : createMemoryStore({ kernel, memory }, { sizeBytes: 1 << 20 })
  controller.addNamespace(1, { store })
  const core = createDmaBufCore({ kernel })
  const tokens = createDmabufTokenFactory({ kernel, fences: core })
  const host = createNvmeHost(
    {
      kernel,
      device,
      bar: controller.bar,
      interrupts: (sink) => controller.connectInterrupts(sink),
      tokens,
    },
    { ioQueues: 2, queueDepth: 4, ...init.host },
  )
  const heap = createMovableHeap({ kernel, memory, core })
  return { scheduler, kernel, memory, device, controller, store, host, heap, tokens, slowStore }
}

type Stack = ReturnType<typeof makeStack>

function close(stack: Stack): void {
  stack.scheduler.runSync('shutdown', stack.host.shutdown())
  stack.controller.destroy()
  stack.scheduler.runSync('close', stack.store.close())
  stack.scheduler.runUntilIdle()
  expect(stack.scheduler.outstanding()).toEqual([])
  stack.device.destroy()
  expect(stack.kernel.reports).toEqual([])
  expect(stack.memory.stats.pagesAllocated).toBe(0)
  expect(stack.device.bus.faultCount).toBe(0)
  expect(stack.host.stats.unknownCompletions).toBe(0)
}

function diskOf(stack: Stack): Disk {
  stack.scheduler.runSync('probe', stack.host.probe())
  const [disk] = stack.host.disks
  if (disk === undefined) throw new Error('no disk')
  return disk
}

/** One writer to one part of the namespace: writes, reads back into another place, compares, resubmitting after STALE. */
function* worker(stack: Stack, disk: Disk, id: number): Op<void> {
  const { heap } = stack
  const prng = createPrng(stack.scheduler.steps * 8 + id)
  const dmabuf = heap.allocate(32_768)
  const registrar = disk.dmabuf
  if (registrar === null) throw new Error('no registrar')
  const token = yield* registrar.createDmabufToken(dmabuf, DmaDirection.BIDIRECTIONAL)
  const io = function* (op: ReqOp, offset: number, length: number, sector: number): Op<void> {
    for (;;) {
      const map = token.tryGetMap() ?? (yield* token.getMap())
      const request: TestIo = dmabufIo(stack, map, offset, length, { op, sector })
      const status = yield* submit(disk, request)
      map.put()
      if (status === BlkStatus.OK) return
      expect(status).toBe(BlkStatus.STALE)
    }
  }
  const working = { on: true }
  const mover = stack.scheduler.spawn(`mover ${id}`, moveWhile(stack, dmabuf, working))
  for (let round = 0; round < 4; round++) {
    const blocks = 1 + prng.below(32)
    const sector = id * 256 + prng.below(200)
    const from = prng.below(65 - blocks) * 512
    const to = prng.below(65 - blocks) * 512
    const bytes = pattern(blocks * 512, prng.nextUint32() & 0xffff)
    yield* fill(dmabuf, from, bytes)
    yield* io(ReqOp.WRITE, from, bytes.length, sector)
    yield* fill(dmabuf, to, new Uint8Array(bytes.length))
    yield* io(ReqOp.READ, to, bytes.length, sector)
    expectSameBytes(yield* peek(dmabuf, to, bytes.length), bytes)
    if (prng.below(3) === 0) {
      const flush = new TestIo(stack, { op: ReqOp.WRITE, flags: ReqFlags.PREFLUSH })
      expect(yield* submit(disk, flush)).toBe(BlkStatus.OK)
    }
  }
  working.on = false
  yield* joinTask(stack.scheduler, mover)
  yield* token.release()
  dmabuf.put()
}

function* moveWhile(stack: Stack, dmabuf: Buffer, working: { readonly on: boolean }): Op<void> {
  const prng = createPrng(dmabuf.inode)
  while (working.on) {
    yield* stack.heap.move(dmabuf)
    // A reset takes time, which passes only where somebody sleeps.
    if (stack.slowStore) yield* sleep(stack.scheduler, prng.below(1e6))
    else for (let i = prng.below(20); i > 0; i--) yield* yieldNow(stack.scheduler)
  }
}

type Buffer = ReturnType<Stack['heap']['allocate']>

function* peek(dmabuf: Buffer, offset: number, length: number): Op<Uint8Array> {
  const view = yield* dmabuf.vmap()
  const all = new Uint8Array(dmabuf.sizeBytes)
  let at = 0
  for (const segment of view.segments) {
    all.set(segment, at)
    at += segment.length
  }
  dmabuf.vunmap()
  return all.slice(offset, offset + length)
}

function* fill(dmabuf: Buffer, offset: number, bytes: Uint8Array): Op<void> {
  const view = yield* dmabuf.vmap()
  let start = 0
  for (const segment of view.segments) {
    const from = Math.max(offset, start)
    const to = Math.min(offset + bytes.length, start + segment.length)
    if (from < to) segment.set(bytes.subarray(from - offset, to - offset), from - start)
    start += segment.length
  }
  dmabuf.vunmap()
}

describe('nvme host on the controller of this package', () => {
  it.each([
    ['strict', true],
    ['strict', false],
    ['lazy', true],
    ['passthrough', false],
  ] as const)('writers and readers while buffers move: %s, coherent %s', (iommuMode, coherent) => {
    let moves = 0
    let mapsMade = 0
    for (let seed = 1; seed <= 12; seed++) {
      const stack = makeStack({ seed, iommuMode, coherent })
      const disk = diskOf(stack)
      const tasks = [0, 1, 2].map((id) =>
        stack.scheduler.spawn(`worker ${id}`, worker(stack, disk, id)),
      )
      stack.scheduler.runSync('join', joinAll(stack.scheduler, tasks))
      moves += stack.heap.stats.moves
      mapsMade += stack.tokens.stats.mapsMade
      close(stack)
    }
    expect(moves).toBeGreaterThan(100)
    expect(mapsMade).toBeGreaterThan(100)
  })

  it('R-MQ-7 H15: resets while writers and readers are at it, and buffers move', () => {
    let resets = 0
    let cancelled = 0
    for (let seed = 1; seed <= 30; seed++) {
      const stack = makeStack({
        seed,
        iommuMode: 'strict',
        coherent: seed % 2 === 0,
        slowStore: true,
        host: { maxRetries: 255, ioTimeoutNs: 1e9 },
      })
      const disk = diskOf(stack)
      const tasks = [0, 1, 2].map((id) =>
        stack.scheduler.spawn(`worker ${id}`, worker(stack, disk, id)),
      )
      const working = { on: true }
      const resetter = function* (): Op<void> {
        const prng = createPrng(seed)
        while (working.on) {
          for (let i = prng.below(40); i > 0; i--) yield* yieldNow(stack.scheduler)
          yield* stack.host.reset()
        }
      }
      const resetting = stack.scheduler.spawn('resetter', resetter())
      stack.scheduler.runSync('join', joinAll(stack.scheduler, tasks))
      working.on = false
      stack.scheduler.runSync('join', joinAll(stack.scheduler, [resetting]))
      const { stats } = stack.host
      expect(stats.requests).toBe(stats.completions + stats.cancelled)
      resets += stats.resets
      cancelled += stats.cancelled
      close(stack)
    }
    expect(resets).toBeGreaterThan(50)
    expect(cancelled).toBeGreaterThan(10)
  })

  it('H15: removal with buffers registered, and the store at work', () => {
    for (let seed = 1; seed <= 8; seed++) {
      const stack = makeStack({ seed, iommuMode: 'strict', coherent: true, slowStore: true })
      const disk = diskOf(stack)
      const dmabuf = stack.heap.allocate(32_768)
      const registrar = disk.dmabuf
      if (registrar === null) throw new Error('no registrar')
      const race = function* (): Op<void> {
        const token = yield* registrar.createDmabufToken(dmabuf, DmaDirection.BIDIRECTIONAL)
        const map = yield* token.getMap()
        const ios = [0, 1, 2].map((i) =>
          dmabufIo(stack, map, i * 8192, 8192, { op: ReqOp.READ, sector: i * 16 }),
        )
        for (const io of ios) yield* disk.submitBioWait(io.bio, null)
        for (let i = seed * 3; i > 0; i--) yield* yieldNow(stack.scheduler)
        map.put()
        yield* stack.host.remove()
        for (const io of ios) {
          expect(io.ends).toBe(1)
          expect([BlkStatus.OK, BlkStatus.IOERR]).toContain(io.bio.biStatus)
        }
        expect(stack.tokens.stats.mapsLive).toBe(0)
        yield* token.release()
      }
      stack.scheduler.runSync('race', race())
      dmabuf.put()
      close(stack)
    }
  })

  it('ordinary requests by PRP entries alone', () => {
    const stack = makeStack({ seed: 1, iommuMode: 'strict', coherent: false, sgl: false })
    const disk = diskOf(stack)
    const frame = stack.memory.allocContiguous(40)
    const runs = [{ addr: frame * 4096 + 512, length: 150_016 }]
    const bytes = pattern(150_016, 2)
    const both = function* (): Op<void> {
      stack.memory.write(runs[0]?.addr ?? 0, bytes)
      expect(yield* submit(disk, vecIo(stack, runs, { op: ReqOp.WRITE, sector: 9 }))).toBe(0)
      stack.memory.write(runs[0]?.addr ?? 0, new Uint8Array(bytes.length))
      expect(yield* submit(disk, vecIo(stack, runs, { op: ReqOp.READ, sector: 9 }))).toBe(0)
    }
    stack.scheduler.runSync('both', both())
    const got = new Uint8Array(bytes.length)
    stack.memory.read(runs[0]?.addr ?? 0, got)
    expectSameBytes(got, bytes)
    expect(stack.host.stats.sglDescriptors).toBe(0)
    stack.memory.freeContiguous(frame, 40)
    close(stack)
  })

  it('past the end is the status of the controller, translated', () => {
    const stack = makeStack({ seed: 1, iommuMode: 'strict', coherent: true })
    const disk = diskOf(stack)
    disk.setCapacity(disk.capacitySectors + 64)
    const frame = stack.memory.allocPages(0)
    const run = [{ addr: frame * 4096, length: 4096 }]
    const io = vecIo(stack, run, { op: ReqOp.READ, sector: 2048 })
    expect(stack.scheduler.runSync('I/O', submit(disk, io))).toBe(BlkStatus.TARGET)
    stack.memory.freePages(frame, 0)
    close(stack)
  })

  it('same seed, same trace', () => {
    const run = (): string => {
      const stack = makeStack({ seed: 7, iommuMode: 'lazy', coherent: true })
      const events: string[] = []
      stack.kernel.tracer.subscribe(
        () => true,
        ({ timeNs, point, values }) => events.push(`${timeNs} ${point} ${values.join(' ')}`),
      )
      const disk = diskOf(stack)
      const tasks = [0, 1].map((id) => stack.scheduler.spawn('w', worker(stack, disk, id)))
      stack.scheduler.runSync('join', joinAll(stack.scheduler, tasks))
      close(stack)
      return events.join('\n')
    }
    expect(run()).toBe(run())
  })
})
