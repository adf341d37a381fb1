// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// How a generation of device addresses dies. This file holds the whole of the fencing logic.
//
//            getMap                invalidateMappings, release,         last `active` put
//                                  detachDevice
//   (none) ---------> PUBLISHED ------------------------------> KILLED ------------------> DRAINED
//                     lookups find it;                          lookups find nothing;      no DMA is left;
//                     `active` can be taken                     `active` is refused        fence signalled
//                                                                                              |
//                                              reclaim work queue, reservation lock held      |
//                     FREED <------------------------ UNMAPPED <--------------------------------+
//                     last `refs` put and an          the exporter may
//                     RCU grace period                reuse the old backing
//
// The rules, and what each of them prevents:
//
// 1. Publishing and killing happen under the reservation lock of the buffer. An exporter that holds it therefore sees
//    either no generation at all or one that it can kill; never one that appears after it looked.
// 2. Order under `fence`: reserve the slot, initialise the fence, add it, kill `active`. Between reserving and adding nothing
//    can fail, so an invalidation never ends with DMA in flight and no fence that says so. The fence was allocated with the
//    map: once it is visible, memory reclaim may be waiting for it, so nothing on the way to its signal may allocate.
// 3. The fence signals from whoever drops the last `active` reference, in the completion path. No work queue slot, lock or
//    user task stands between the end of the last DMA and the signal. Unmapping needs the reservation lock, so it cannot be
//    part of that: it follows from the reclaim work queue, which always has a worker to spare.
// 4. Every generation has a fence context of its own. dma_resv keeps one fence per context, and a shared context would let the
//    fence of generation N+1 replace that of N while N still had DMA in flight.
// 5. The fence is BOOKKEEP: only those who move or free memory wait for it, not every reader and writer of the buffer.
// 6. A slot that cannot be reserved (ENOMEM) falls back to `drain`: kill, then wait for the last `active` in place. Slower, never
//    less safe. The stale generation is in no case left usable.
// 7. `drain` keeps the lock until the last DMA is over, whoever kills: the exporter, a release or a removal. Whoever takes the lock
//    next never meets a generation that has DMA in flight and no fence that says so.
// 8. A device that goes away first makes no more maps (`deviceRemoved`), then ends its DMA, then detaches (`detachDevice`), which kills as
//    a release does. To wait for `active` before the driver has ended its requests would be to wait for oneself.
// 9. Whoever holds `active` takes no reservation lock, allocates nothing that reclaim would have to find, and waits for nobody: checked
//    mode reports it where drivers prepare and complete requests. No request with `active` is left to a task that polls.
//
// `refs` plays no part: it says that software holds a pointer, and nobody waits for it. What ends DMA is `active` alone.

import type { DmabufInvalidationPolicy } from '@iolayers/block-core'
import { DmaResvUsage } from '@iolayers/dma-buf'
import { KernelError, type Op } from '@iolayers/kernel'
import type { MapGeneration } from './map-generation.ts'
import type { DmabufTokenStats } from './stats.ts'

/** `fence` returns at once and leaves a fence; `drain` returns when the last DMA is over. */
export type InvalidationPolicyName = DmabufInvalidationPolicy

/** What an invalidation works on: the token's generations that may still have DMA in flight, and the reservation object. */
export interface InvalidationContext {
  readonly undrained: ReadonlySet<MapGeneration>
  readonly stats: DmabufTokenStats
}

/** How a token ends the DMA of a generation that it takes away. */
export interface InvalidationPolicy {
  /**
   * Kills one generation. Called with the reservation lock held and the generation already unpublished.
   *
   * @see drivers/dma-buf/dma-buf.c dma_buf_invalidate_mappings, which calls the importer like this
   */
  invalidate(map: MapGeneration, context: InvalidationContext): Op<void>
}

/** Kill and wait for the hardware, uninterruptibly: the exporter's call returns when no DMA is left. */
export class DrainPolicy implements InvalidationPolicy {
  *invalidate(map: MapGeneration, context: InvalidationContext): Op<void> {
    map.killActive()
    yield* this.waitForHardware(context)
  }

  /** Of this generation and of those that were killed before it. Never for `refs`, which may wait for the exporter (D1); and not for less (D5). */
  protected *waitForHardware({ undrained }: InvalidationContext): Op<void> {
    for (const generation of [...undrained]) yield* generation.drained.wait()
  }
}

/** Reserve, initialise, add, kill; see the head of this file. */
export class FencePolicy implements InvalidationPolicy {
  /** Whom the fence holds up: only those who move or free memory (F7, F10). */
  protected readonly usage: DmaResvUsage = DmaResvUsage.BOOKKEEP
  protected readonly whenFull: InvalidationPolicy

  constructor(whenFull: InvalidationPolicy) {
    this.whenFull = whenFull
  }

  *invalidate(map: MapGeneration, context: InvalidationContext): Op<void> {
    if (!this.tryReserveSlot(map)) {
      context.stats.drainFallbacks++
      yield* this.fallBack(map, context)
      return
    }
    this.addFence(map)
    context.stats.drainFences++
    map.killActive()
  }

  /** False: no memory for one. Before anything is changed, so that a failure leaves a generation that can be drained (F12). */
  protected tryReserveSlot({ resv }: MapGeneration): boolean {
    try {
      resv.reserveFences(1)
      return true
    } catch (error) {
      if (error instanceof KernelError && error.code === 'ENOMEM') return false
      throw error
    }
  }

  /** Nothing between the reserved slot and the added fence can fail (F1). Before the kill, so that no DMA is in flight that nothing speaks for. */
  protected addFence(map: MapGeneration): void {
    map.initFence()
    map.resv.addFence(map.fence, this.usage)
    map.fenceAdded()
  }

  /** No slot: the exporter waits in its call instead (F12). */
  protected *fallBack(map: MapGeneration, context: InvalidationContext): Op<void> {
    yield* this.whenFull.invalidate(map, context)
  }
}

export type InvalidationPolicies = Readonly<Record<InvalidationPolicyName, InvalidationPolicy>>

export function createInvalidationPolicies(): InvalidationPolicies {
  const drain = new DrainPolicy()
  return { drain, fence: new FencePolicy(drain) }
}
