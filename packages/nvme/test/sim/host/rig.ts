// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  Bio,
  type BlkStatus,
  type Disk,
  type DmabufIoMap,
  type DmabufTokenFactory,
  type Plug,
  ReqFlags,
  type ReqOp,
} from '@iolayers/block-core'
import {
  buildDmaSegmentTable,
  createDevice,
  createIommu,
  createPhysicalMemory,
  type Device,
  DmaAttrs,
  DmaDirection,
  type DmaSegmentTable,
  IommuMode,
  type PhysicalMemory,
  SgTable,
} from '@iolayers/dma-mapping'
import {
  Completion,
  createKernel,
  createVirtualScheduler,
  type Kernel,
  type Op,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { expect } from 'vitest'
import type { NvmeHostInit } from '../../../src/host/host-init.ts'
import type { HostParts } from '../../../src/host/host-parts.ts'
import { createNvmeHost, type NvmeHost } from '../../../src/host/index.ts'
import { ControllerTwin, type TwinInit } from './controller-twin.ts'

export interface RigInit {
  readonly seed?: number
  readonly iommuMode?: IommuMode
  readonly coherent?: boolean
  readonly ramBytes?: number
  readonly twin?: TwinInit
  readonly host?: NvmeHostInit
  readonly maxSegmentSizeBytes?: number
  readonly tokens?: (kernel: Kernel) => DmabufTokenFactory
  readonly parts?: HostParts
}

export interface Rig {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly device: Device
  readonly twin: ControllerTwin
  readonly host: NvmeHost
}

export function makeRig(init: RigInit = {}): Rig {
  const scheduler = createVirtualScheduler({ seed: init.seed ?? 1 })
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory(
    { kernel },
    { ramBytes: init.ramBytes ?? 16 << 20, backing: 'plain' },
  )
  const iommu = createIommu({ kernel })
  const device = createDevice(
    { kernel, memory, iommu },
    {
      name: 'nvme0',
      iommuMode: init.iommuMode ?? IommuMode.STRICT,
      coherent: init.coherent ?? true,
      ...(init.maxSegmentSizeBytes === undefined
        ? {}
        : { maxSegmentSizeBytes: init.maxSegmentSizeBytes }),
    },
  )
  const twin = new ControllerTwin(scheduler, device.bus, init.twin ?? {})
  const host = createNvmeHost(
    {
      kernel,
      device,
      bar: twin,
      interrupts: (sink) => {
        twin.sink = sink
      },
      ...(init.tokens === undefined ? {} : { tokens: init.tokens(kernel) }),
      ...(init.parts && { parts: init.parts }),
    },
    { queueDepth: 32, ...init.host },
  )
  return { scheduler, kernel, memory, device, twin, host }
}

export function probed(init: RigInit = {}): Rig & { readonly disk: Disk } {
  const rig = makeRig(init)
  rig.scheduler.runSync('probe', rig.host.probe())
  const [disk] = rig.host.disks
  if (disk === undefined) throw new Error('no disk')
  return { ...rig, disk }
}

/** Shuts down and checks that nothing is outstanding. */
export function finish(rig: Rig): void {
  rig.scheduler.runSync('shutdown', rig.host.shutdown())
  expectNothingLeft(rig)
}

export function expectNothingLeft(rig: Rig): void {
  rig.scheduler.runUntilIdle()
  expect(rig.scheduler.outstanding()).toEqual([])
  expect(rig.device.dma.stats.coherentAllocs).toBe(rig.device.dma.stats.coherentFrees)
  expect(rig.device.dma.stats.maps).toBe(rig.device.dma.stats.unmaps)
  expect(rig.device.bus.enabled).toBe(false)
  expect(rig.twin.faults).toBe(0)
  rig.device.destroy()
  expect(rig.kernel.reports).toEqual([])
}

/** A registered buffer without its token: pages of its own, one segment each unless they are neighbours. */
export class TestMap implements DmabufIoMap {
  readonly granuleShift: number
  readonly segments: DmaSegmentTable
  readonly pages: readonly { addr: number; length: number }[]
  dead = false
  active = 0
  activations = 0
  /** Called when `active` is dropped. */
  onPut: () => void = () => {}
  readonly #device: Device
  readonly #table: SgTable
  readonly #free: () => void

  constructor(rig: Rig, pages: readonly { addr: number; length: number }[], free: () => void) {
    this.#device = rig.device
    this.#free = free
    this.pages = pages
    this.#table = new SgTable()
    for (const { addr, length } of pages) this.#table.append(addr / 4096, 0, length)
    rig.device.dma.mapSgtable(this.#table, DmaDirection.BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    this.segments = buildDmaSegmentTable(this.#table)
    this.granuleShift = this.segments.granuleShift
  }

  get sizeBytes(): number {
    return this.segments.totalBytes
  }

  get(): void {}
  put(): void {}

  tryGetActive(): DmaSegmentTable | null {
    if (this.dead) return null
    this.active++
    this.activations++
    return this.segments
  }

  putActive(): void {
    if (this.active === 0) throw new Error('active dropped more often than taken')
    this.active--
    this.onPut()
  }

  /** Every page that `offset` and `length` touch, clipped. */
  runs(offset: number, length: number): { addr: number; length: number }[] {
    const found: { addr: number; length: number }[] = []
    let start = 0
    for (const page of this.pages) {
      const from = Math.max(offset, start)
      const to = Math.min(offset + length, start + page.length)
      if (from < to) found.push({ addr: page.addr + from - start, length: to - from })
      start += page.length
    }
    return found
  }

  destroy(): void {
    expect(this.active).toBe(0)
    this.#device.dma.unmapSgtable(this.#table, DmaDirection.BIDIRECTIONAL, DmaAttrs.SKIP_CPU_SYNC)
    this.#free()
  }
}

/** `count` pages of which no two are neighbours. */
export function scatteredMap(rig: Rig, count: number): TestMap {
  const frame = rig.memory.allocContiguous(count * 2)
  if (frame < 0) throw new Error('no memory')
  const pages = Array.from({ length: count }, (_, i) => ({
    addr: (frame + i * 2) * 4096,
    length: 4096,
  }))
  return new TestMap(rig, pages, () => rig.memory.freeContiguous(frame, count * 2))
}

export function contiguousMap(rig: Rig, count: number): TestMap {
  const frame = rig.memory.allocContiguous(count)
  if (frame < 0) throw new Error('no memory')
  const pages = [{ addr: frame * 4096, length: count * 4096 }]
  return new TestMap(rig, pages, () => rig.memory.freeContiguous(frame, count))
}

export interface IoSpec {
  readonly op: ReqOp
  readonly flags?: number
  readonly sector?: number
  readonly plug?: Plug
}

/** One I/O of a test, and its end. */
export class TestIo {
  readonly bio: Bio
  readonly done: Completion
  ends = 0

  constructor(rig: Pick<Rig, 'scheduler'>, spec: IoSpec) {
    this.bio = new Bio()
    this.done = new Completion(rig.scheduler, 'test I/O')
    this.bio.init(spec.op | (spec.flags ?? 0), spec.sector ?? 0, this)
  }

  bioEndIo(): void {
    this.ends++
    if (this.ends > 1) throw new Error('a bio ended twice')
    this.done.complete()
  }

  *wait(): Op<BlkStatus> {
    yield* this.done.wait()
    return this.bio.biStatus
  }
}

export function dmabufIo(
  rig: Pick<Rig, 'scheduler'>,
  map: DmabufIoMap,
  offset: number,
  length: number,
  spec: IoSpec,
): TestIo {
  const io = new TestIo(rig, spec)
  io.bio.biOpf |= ReqFlags.DMABUF | ReqFlags.NOMERGE
  io.bio.biDmabufMap = map
  io.bio.biIter.biBvecDone = offset
  io.bio.biIter.biSize = length
  return io
}

export function vecIo(
  rig: Pick<Rig, 'scheduler'>,
  vecs: readonly { addr: number; length: number }[],
  spec: IoSpec,
): TestIo {
  const io = new TestIo(rig, spec)
  io.bio.biIoVec = vecs.map(({ addr, length }) => ({
    frame: Math.floor(addr / 4096),
    offsetBytes: addr % 4096,
    lengthBytes: length,
  }))
  io.bio.biVcnt = vecs.length
  io.bio.biIter.biSize = vecs.reduce((sum, { length }) => sum + length, 0)
  return io
}

/** Submits, and waits for the end. */
export function* submit(disk: Disk, io: TestIo): Op<BlkStatus> {
  yield* disk.submitBioWait(io.bio, null)
  return yield* io.wait()
}

export function runIo(rig: Rig, disk: Disk, io: TestIo): BlkStatus {
  return rig.scheduler.runSync('I/O', submit(disk, io))
}

/** Bytes that tell where they belong. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++)
    bytes[i] = (i * 7 + (i >>> 8) * 13 + seed * 31 + (i >>> 16)) & 0xff
  return bytes
}

/** CPU access to what physical memory holds, in order. */
export function readRuns(rig: Rig, runs: readonly { addr: number; length: number }[]): Uint8Array {
  const total = runs.reduce((sum, { length }) => sum + length, 0)
  const out = new Uint8Array(total)
  let at = 0
  for (const { addr, length } of runs) {
    rig.memory.read(addr, out.subarray(at, at + length))
    at += length
  }
  return out
}

export function writeRuns(
  rig: Rig,
  runs: readonly { addr: number; length: number }[],
  bytes: Uint8Array,
): void {
  let at = 0
  for (const { addr, length } of runs) {
    rig.memory.write(addr, bytes.subarray(at, at + length))
    at += length
  }
}

/** As toEqual, for many bytes: tells the first place where they differ. */
export function expectSameBytes(got: Uint8Array, expected: Uint8Array): void {
  expect(got.length).toBe(expected.length)
  for (let i = 0; i < got.length; i++) {
    if (got[i] !== expected[i]) throw new Error(`byte ${i} is ${got[i]}, expected ${expected[i]}`)
  }
}
