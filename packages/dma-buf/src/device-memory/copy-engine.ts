// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { copyBetween, PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import { assert, type Kernel, Timer } from '@iolayers/kernel'
import type { DmaBufCore } from '../buf/core-contract.ts'
import { DmaFence, type DmaFenceOps } from '../fence/dma-fence.ts'
import type { PageBacking } from '../heap/page-backing.ts'

export interface CopyEngineInit {
  /** Time for each copy, whatever its length; 2 µs by default. */
  readonly setupNs?: number
  /** 16,000 by default: about what PCIe 4.0 with 8 lanes carries. A model, not a measurement. */
  readonly bytesPerUs?: number
}

interface CopyJob {
  readonly target: PageBacking
  readonly source: PageBacking
  readonly fence: DmaFence
  readonly debugIds: readonly number[]
  readonly done: () => void
}

/**
 * Copies buffers, one after the other, in virtual time; the fence of a copy signals when its last byte is there. Not the CPU's copies: they do not count as such.
 *
 * @see drivers/gpu/drm/amd/amdgpu/amdgpu_ttm.c amdgpu_copy_buffer
 */
export class CopyEngine {
  readonly #kernel: Kernel
  readonly #memory: PhysicalMemory
  readonly #name: string
  /** Of its fences. */
  readonly context: number
  readonly #setupNs: number
  readonly #bytesPerUs: number
  readonly #fenceOps: DmaFenceOps
  readonly #jobs: CopyJob[]
  readonly #timer: Timer
  #seqno: number

  constructor(
    components: { kernel: Kernel; memory: PhysicalMemory; core: DmaBufCore },
    name: string,
    init: CopyEngineInit,
  ) {
    this.#kernel = components.kernel
    this.#memory = components.memory
    this.#name = name
    this.context = components.core.fenceContextAlloc(1)
    this.#setupNs = init.setupNs ?? 2000
    this.#bytesPerUs = init.bytesPerUs ?? 16_000
    this.#fenceOps = { getDriverName: () => name, getTimelineName: () => 'copy' }
    this.#jobs = []
    this.#timer = new Timer(components.kernel.scheduler, `${name} copy engine`, () =>
      this.#finish(),
    )
    this.#seqno = 0
  }

  /** Starts a copy. The fence is the engine's, until it has signalled; `done` is called then, in atomic context. */
  copy(target: PageBacking, source: PageBacking, done: () => void): DmaFence {
    const fence = new DmaFence(this.#kernel, this.#fenceOps)
    this.#seqno++
    fence.init(this.context, this.#seqno)
    this.#jobs.push({ target, source, fence, debugIds: this.#announce(target), done })
    if (this.#jobs.length === 1) this.#start()
    return fence
  }

  #start(): void {
    const job = this.#jobs[0]
    if (job === undefined) return
    const copyNs = Math.ceil((job.target.sizeBytes * 1000) / this.#bytesPerUs)
    this.#timer.arm(this.#setupNs + copyNs)
  }

  #finish(): void {
    const job = this.#jobs.shift()
    assert(job !== undefined, 'a copy engine finished without a copy')
    const section = this.#kernel.signalling.begin('copy engine')
    try {
      job.target.copyFrom(job.source, (to, from, length) => this.#move(to, from, length))
      for (const id of job.debugIds) this.#memory.debug?.copyEnds(id)
      job.fence.signal()
    } finally {
      this.#kernel.signalling.end(section)
    }
    job.fence.put()
    job.done()
    this.#start()
  }

  /** In checked mode: until the copy is over, whoever looks at the target has not waited for the fence. */
  #announce(target: PageBacking): number[] {
    const { debug } = this.#memory
    if (debug === null) return []
    const name = `the copy engine of ${this.#name}`
    return target.blocks.map(({ frame, pages }) =>
      debug.copyBegins(name, frame * PAGE_SIZE, pages * PAGE_SIZE),
    )
  }

  #move(targetAddr: number, sourceAddr: number, length: number): void {
    const target = this.#memory.regionAt(targetAddr)
    const source = this.#memory.regionAt(sourceAddr)
    assert(target !== null && source !== null, 'a copy engine was given addresses without memory')
    const to = targetAddr - target.baseAddr
    copyBetween(target, to, source, sourceAddr - source.baseAddr, length)
  }
}
