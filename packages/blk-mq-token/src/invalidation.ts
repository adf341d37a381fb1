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
