// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Designs of the published versions, put back one step at a time.

import { type Op, WorkItem, yieldNow } from '@iolayers/kernel'
import {
  DrainPolicy,
  FencePolicy,
  type GenerationOwner,
  MapGeneration,
  Token,
  type TokenParts,
} from '../src/parts.ts'

/** H2: publishes after the lock was let go. */
class PublishesLate extends Token {
  protected override *makeMap(): Op<MapGeneration> {
    const { resv } = this.dmabuf
    yield* resv.lock(null)
    let map: MapGeneration
    try {
      const raced = this.takeRaced()
      if (raced !== null) return raced
      yield* this.waitForExporter()
      map = yield* this.mapBuffer()
      map.get()
    } finally {
      resv.unlock()
    }
    yield* yieldNow(this.kernel.scheduler)
    this.publish(map)
    return map
  }
}

/** H5: frees at the last put. */
class FreesAtOnce extends MapGeneration {
  protected override freeAfterGrace(): void {
    this.free()
  }
}

/** H6: ends the count when the map is unmapped, and not when it is freed. */
class ExitsEarly extends MapGeneration {
  protected override unmapDone(): void {
    this.activeRef.exit()
    super.unmapDone()
  }
}

/** H8: looks, then increments. */
class LooksThenCounts extends MapGeneration {
  override tryGet(): boolean {
    if (this.refCount.read() === 0) return false
    this.owner.kernel.scheduler.choicePoint('seen, not counted')
    this.refCount.inc()
    return true
  }
}

/** H9: is released when the last DMA is over, whatever the work that unmaps still needs. */
class WaitsForDrain extends Token {
  protected override *waitForMaps(): Op<void> {
    for (const map of [...this.mapped]) yield* map.drained.wait()
  }
}

/** H10: one work item for all generations of a token. */
const shared = new WeakMap<GenerationOwner, SharedWork>()
class SharesWork extends MapGeneration {
  protected override queueUnmap(): void {
    const { kernel } = this.owner
    const work = shared.get(this.owner) ?? new SharedWork()
    shared.set(this.owner, work)
    work.next = () => this.unmap()
    kernel.reclaimWq.queue(work.item)
  }
}

class SharedWork {
  next: () => Op<void> = function* () {}
  readonly item: WorkItem = new WorkItem('shared', () => this.next())
}

/** H12: leaves by a short cut when something unlikely is the case. */
class LeavesEarly extends Token {
  protected override detach(): void {
    if (this.generations > 1) return
    super.detach()
  }
}

/** H14: nothing says that the token closes. */
class NeverCloses extends Token {
  protected override refuseIfClosing(): void {}
}

/** F1: the fence is initialised with the map. */
class InitsEarly extends MapGeneration {
  protected override readonly fenceVisible: boolean = true

  constructor(...args: ConstructorParameters<typeof MapGeneration>) {
    super(...args)
    this.fence.init(this.fencePoint.context, this.fencePoint.seqno)
  }

  override initFence(): void {}
}

/** F12: without a slot the map is left as it is. */
class LeavesTheMap extends FencePolicy {
  protected override *fallBack(): Op<void> {}
}

/** D5 at its worst: the call returns while the hardware goes on. */
class WaitsForNothing extends DrainPolicy {
  protected override *waitForHardware(): Op<void> {}
}

/** R6: does not look again under the lock. */
class MakesItsOwn extends Token {
  protected override takeRaced(): MapGeneration | null {
    return null
  }
}

export interface Mutant {
  readonly id: string
  readonly parts: TokenParts
  /** Found where fence slots run out only. */
  readonly full?: true
  /** Found where little else happens. */
  readonly narrow?: true
}

export function mutants(): Mutant[] {
  return [
    { id: 'H2', parts: { token: PublishesLate } },
    { id: 'H5', parts: { generation: FreesAtOnce }, narrow: true },
    { id: 'H6', parts: { generation: ExitsEarly } },
    { id: 'H8', parts: { generation: LooksThenCounts }, narrow: true },
    { id: 'H9', parts: { token: WaitsForDrain } },
    { id: 'H10', parts: { generation: SharesWork }, narrow: true },
    { id: 'H12', parts: { token: LeavesEarly } },
    { id: 'H14', parts: { token: NeverCloses } },
    { id: 'F1', parts: { generation: InitsEarly } },
    { id: 'F12', parts: { policies: { fence: new LeavesTheMap(new DrainPolicy()) } }, full: true },
    { id: 'D5', parts: { policies: { drain: new WaitsForNothing() } } },
    { id: 'R6', parts: { token: MakesItsOwn } },
  ]
}
