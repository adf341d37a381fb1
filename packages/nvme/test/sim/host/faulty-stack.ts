// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A host on a controller that goes wrong, and work for it.

import { BlkStatus, type Disk, ReqFlags, ReqOp } from '@iolayers/block-core'
import {
  createDevice,
  createPhysicalMemory,
  type Device,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import {
  createKernel,
  createVirtualScheduler,
  type Kernel,
  type Op,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { expect } from 'vitest'
import {
  createNvmeController,
  createSimulatedStore,
  type NvmeController,
  type SimulatedStore,
} from '../../../src/controller/index.ts'
import {
  createFaults,
  createVolatileStore,
  type FaultPlan,
  type FaultRuleData,
  type Faults,
  type VolatileStore,
} from '../../../src/faults/index.ts'
import { createNvmeHost, type NvmeHost, type NvmeHostInit } from '../../../src/host/index.ts'
import { pattern, submit, TestIo, vecIo } from './rig.ts'

export const BLOCK_BYTES = 4096
export const BLOCKS = 8
const SECTORS = BLOCK_BYTES / 512

export interface FaultyInit {
  readonly seed?: number
  /** There from the start, before the host has seen the controller. */
  readonly plan?: Omit<FaultPlan, 'version'>
  /** Added when the host is ready. */
  readonly rules?: readonly FaultRuleData[]
  readonly host?: NvmeHostInit
}

export class FaultyStack {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly device: Device
  readonly medium: SimulatedStore
  readonly store: VolatileStore
  readonly faults: Faults
  readonly controller: NvmeController
  readonly host: NvmeHost
  readonly disk: Disk
  readonly hits: () => readonly number[]
  readonly #frame: number

  constructor(init: FaultyInit = {}) {
    this.scheduler = createVirtualScheduler({ seed: init.seed ?? 1 })
    this.kernel = createKernel({ scheduler: this.scheduler }, { checked: true })
    const { kernel } = this
    this.memory = createPhysicalMemory({ kernel }, { ramBytes: 8 << 20, backing: 'plain' })
    const { memory } = this
    const device = { name: 'nvme0', iommuMode: 'passthrough' } as const
    this.device = createDevice({ kernel, memory, iommu: null }, device)
    this.medium = createSimulatedStore({ kernel }, { sizeBytes: 1 << 18 })
    this.store = createVolatileStore({ store: this.medium, seed: init.seed ?? 1 })
    this.faults = createFaults({ kernel }, { seed: init.seed ?? 1 })
    const planned = this.faults.load({ version: 1, ...init.plan })
    this.controller = createNvmeController(
      { kernel, bus: this.device.bus, faults: this.faults },
      { mdtsBytes: 65_536 },
    )
    this.controller.addNamespace(1, { store: this.store })
    const { controller } = this
    this.host = createNvmeHost(
      {
        kernel,
        device: this.device,
        bar: controller.bar,
        interrupts: (sink) => controller.connectInterrupts(sink),
      },
      { ioQueues: 2, queueDepth: 16, ioTimeoutNs: 1e9, adminTimeoutNs: 2e9, ...init.host },
    )
    this.#frame = memory.allocContiguous(BLOCKS)
    this.run(this.host.probe())
    const [disk] = this.host.disks
    if (disk === undefined) throw new Error('no disk')
    this.disk = disk
    const added = (init.rules ?? []).map((rule) => this.faults.add(rule))
    const rules = [...planned, ...added]
    this.hits = () => rules.map((rule) => rule.hits)
  }

  run<T>(op: Op<T>): T {
    return this.scheduler.runSync('test', op)
  }

  /** All blocks at once, each a command; how each ended. */
  write(generation = 1): BlkStatus[] {
    for (let i = 0; i < BLOCKS; i++) this.memory.write(this.#addr(i), expected(i, generation))
    return this.#all(ReqOp.WRITE)
  }

  /** How each ended, and which of those that ended well were not as they were written. */
  read(generation = 1): { statuses: BlkStatus[]; wrong: number[] } {
    this.memory.write(this.#addr(0), new Uint8Array(BLOCKS * BLOCK_BYTES))
    const statuses = this.#all(ReqOp.READ)
    const wrong = statuses.flatMap((status, i) =>
      status === BlkStatus.OK && !this.sameInMemory(i, generation) ? [i] : [],
    )
    return { statuses, wrong }
  }

  sameInMemory(block: number, generation = 1): boolean {
    return this.sectors(block, generation).every((same) => same)
  }

  /** Which sectors of a block, as it was read, are of a generation. */
  sectors(block: number, generation: number): boolean[] {
    const found = new Uint8Array(BLOCK_BYTES)
    this.memory.read(this.#addr(block), found)
    const wanted = expected(block, generation)
    return Array.from({ length: SECTORS }, (_, sector) => {
      const [from, to] = [sector * 512, (sector + 1) * 512]
      return found.subarray(from, to).every((byte, i) => byte === wanted[from + i])
    })
  }

  flush(): BlkStatus {
    const io = new TestIo(this, { op: ReqOp.WRITE, flags: ReqFlags.PREFLUSH })
    return this.run(submit(this.disk, io))
  }

  /** Nothing is lost, nothing is left. */
  close(): void {
    const { stats } = this.host
    this.run(this.host.shutdown())
    this.controller.destroy()
    this.run(this.store.close())
    this.scheduler.runUntilIdle()
    this.memory.freeContiguous(this.#frame, BLOCKS)
    expect(this.scheduler.outstanding()).toEqual([])
    this.device.destroy()
    expect(this.kernel.reports).toEqual([])
    expect(this.memory.stats.pagesAllocated).toBe(0)
    expect(stats.requests).toBe(stats.completions + stats.cancelled)
  }

  #addr(block: number): number {
    return (this.#frame + block) * BLOCK_BYTES
  }

  #all(op: ReqOp): BlkStatus[] {
    const ios = Array.from({ length: BLOCKS }, (_, i) => {
      const run = [{ addr: this.#addr(i), length: BLOCK_BYTES }]
      return vecIo(this, run, { op, sector: i * SECTORS, flags: ReqFlags.NOMERGE })
    })
    const { disk } = this
    const work = function* (): Op<BlkStatus[]> {
      for (const io of ios) yield* disk.submitBioWait(io.bio, null)
      const statuses: BlkStatus[] = []
      for (const io of ios) statuses.push(yield* io.wait())
      return statuses
    }
    const statuses = this.run(work())
    // The scheduler goes on until nothing is due: an end that comes twice would throw.
    this.scheduler.runUntilIdle()
    expect(ios.map(({ ends }) => ends)).toEqual(ios.map(() => 1))
    return statuses
  }
}

function expected(block: number, generation: number): Uint8Array {
  return pattern(BLOCK_BYTES, block * 10 + generation)
}

/** `count` times OK, but for some. */
export function allOk(but: Readonly<Record<number, BlkStatus>> = {}): BlkStatus[] {
  return Array.from({ length: BLOCKS }, (_, i) => but[i] ?? BlkStatus.OK)
}
