// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  type CheckReport,
  createKernel,
  createVirtualScheduler,
  fifoStrategy,
  type Kernel,
  type Op,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { expect } from 'vitest'
import {
  DmaFence,
  DmaFenceArray,
  DmaFenceChain,
  type DmaFenceComponents,
  type DmaFenceOps,
  dmaFenceUnwrapForEach,
} from '../../src/index.ts'

/** Fences without buffers, each counted from its making to its release. */
export interface FenceRig extends DmaFenceComponents {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly found: CheckReport[]
  /** Fences made by `fence` that were not released yet. */
  live(): number
  /** In a context of its own unless one is given. */
  fence(init?: { context?: number; seqno?: number; ops?: Partial<DmaFenceOps> }): DmaFence
  /** Takes over the references. */
  array(fences: readonly DmaFence[], signalOnAny?: boolean): DmaFenceArray
  /** Takes over the references. */
  chain(prev: DmaFence | null, fence: DmaFence, seqno?: number): DmaFenceChain
  run<T>(op: Op<T>): T
}

export function createFenceRig(scheduler?: VirtualScheduler): FenceRig {
  const virtual = scheduler ?? createVirtualScheduler({ strategy: fifoStrategy() })
  const found: CheckReport[] = []
  const kernel = createKernel(
    { scheduler: virtual },
    { checked: true, onReport: (report) => found.push(report) },
  )
  let contexts = 1
  let live = 0
  const allocate = (count: number): number => {
    contexts += count
    return contexts - count
  }
  const components = { kernel, contexts: { fenceContextAlloc: allocate } }
  return {
    ...components,
    scheduler: virtual,
    found,
    live: () => live,
    fence: ({ context = allocate(1), seqno = 1, ops = {} } = {}) => {
      live++
      const fence = new DmaFence(kernel, {
        getDriverName: () => 'driver',
        getTimelineName: () => 'timeline',
        release: () => void live--,
        ...ops,
      })
      fence.init(context, seqno)
      return fence
    },
    array: (fences, signalOnAny = false) =>
      new DmaFenceArray(kernel, fences, { context: allocate(1), seqno: 1, signalOnAny }),
    chain: (prev, fence, seqno = 1) => new DmaFenceChain(components, prev, fence, seqno),
    run: (op) => virtual.runSync('test', op),
  }
}

/** A chain of `count` links, oldest first, with references on each link and each fence. */
export class FenceChains {
  readonly fences: DmaFence[] = []
  readonly chains: DmaFenceChain[] = []
  readonly #rig: FenceRig

  constructor(rig: FenceRig, count: number, seqnoOf: (index: number) => number = (i) => i + 1) {
    this.#rig = rig
    for (let i = 0; i < count; i++) {
      const fence = rig.fence()
      const prev = this.chains.at(-1) ?? null
      fence.get()
      prev?.get()
      this.fences.push(fence)
      this.chains.push(rig.chain(prev, fence, seqnoOf(i)))
    }
  }

  get tail(): DmaFenceChain {
    return this.link(this.chains.length - 1)
  }

  link(index: number): DmaFenceChain {
    const chain = this.chains[index]
    if (chain === undefined) throw new RangeError(`no link ${index}`)
    return chain
  }

  signal(index: number): void {
    this.fences[index]?.signal()
  }

  /** Signals everything and lets go of it: nothing is left. */
  end(): void {
    for (const fence of this.fences) {
      fence.signal()
      fence.put()
    }
    for (const chain of this.chains) chain.put()
    expectAllReleased(this.#rig)
  }
}

export function expectAllReleased(rig: FenceRig): void {
  rig.scheduler.runUntilIdle()
  expect(rig.live()).toBe(0)
  expect(rig.found).toEqual([])
  expect(rig.scheduler.outstanding()).toEqual([])
}

export function unwrapped(head: DmaFence | null): DmaFence[] {
  const seen: DmaFence[] = []
  dmaFenceUnwrapForEach(head, (fence) => seen.push(fence))
  return seen
}
