// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// How a generation of device addresses dies. This file holds the whole of the fencing logic.
//
//            getMap                invalidateMappings, release           last `active` put
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
// 7. `drain` waits for every generation that still has DMA in flight, also those killed by a release that came before: they
//    have no fence in the reservation object that would speak for them.
//
// `refs` plays no part: it says that software holds a pointer, and nobody waits for it. What ends DMA is `active` alone.

import { DmaResvUsage } from '@iolayers/dma-buf'
import { KernelError, type Op } from '@iolayers/kernel'
import type { MapGeneration } from './map-generation.ts'
import type { DmabufTokenStats } from './stats.ts'

/** `fence` returns at once and leaves a fence; `drain` returns when the last DMA is over. */
export type InvalidationPolicyName = 'fence' | 'drain'

/** What an invalidation works on: the token's generations that may still have DMA in flight, and the reservation object. */
export interface InvalidationContext {
  readonly undrained: ReadonlySet<MapGeneration>
  readonly stats: DmabufTokenStats
}

/**
 * Kills one generation. Called with the reservation lock held and the generation already unpublished.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_invalidate_mappings, which calls the importer like this
 */
export type InvalidationPolicy = (map: MapGeneration, context: InvalidationContext) => Op<void>

/** Kill and wait for the hardware, uninterruptibly: the exporter's call returns when no DMA is left. */
export function* drainInPlace(map: MapGeneration, context: InvalidationContext): Op<void> {
  map.killActive()
  for (const generation of [...context.undrained]) yield* generation.drained.wait()
}

/** Reserve, initialise, add, kill; see the head of this file. */
export function* fenceOff(map: MapGeneration, context: InvalidationContext): Op<void> {
  if (!tryReserveSlot(map)) {
    context.stats.drainFallbacks++
    yield* drainInPlace(map, context)
    return
  }
  map.initFence()
  map.resv.addFence(map.fence, DmaResvUsage.BOOKKEEP)
  context.stats.drainFences++
  map.killActive()
}

function tryReserveSlot(map: MapGeneration): boolean {
  try {
    map.resv.reserveFences(1)
    return true
  } catch (error) {
    if (error instanceof KernelError && error.code === 'ENOMEM') return false
    throw error
  }
}

export function invalidationPolicy(name: InvalidationPolicyName): InvalidationPolicy {
  return name === 'fence' ? fenceOff : drainInPlace
}
