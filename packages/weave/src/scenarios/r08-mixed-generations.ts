// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { MapGeneration, Token } from '@iolayers/blk-mq-token/parts'
import { BlkStatus, type DmabufIoMap, type Request } from '@iolayers/block-core'
import type { Op } from '@iolayers/kernel'
import { DmabufData, type NvmeIod } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, invalidate, oneBuffer } from './common.ts'

/** Knows which map is the live one. */
class KnowsTheLiveOne extends MapGeneration {
  get live(): DmabufIoMap | null {
    return this.owner instanceof Token ? this.owner.tryGetMap() : null
  }
}

/** Takes the live map for a request whose own is dead. */
class ImportsAfresh extends DmabufData {
  protected override activate(rq: Request<NvmeIod>): BlkStatus {
    const status = super.activate(rq)
    const dead = rq.dmabufMap
    if (status === BlkStatus.OK || !(dead instanceof KnowsTheLiveOne)) return status
    const { live } = dead
    if (live === null) return status
    rq.dmabufMap = live
    dead.put()
    return super.activate(rq)
  }
}

export const r08: Scenario = {
  id: 'R8',
  hazards: ['R8'],
  title: 'fragments of one read use different maps',
  happenedIn: 'no version: what a driver might do that means well',
  step: 'the driver imports the live map for a fragment whose own is dead',
  survives:
    'the map is imported once for an I/O, above the block layer, and a fragment whose map is dead ends with STALE',
  mutantPolicy: 'fence',
  mutant: {
    tokens: { generation: KnowsTheLiveOne },
    dmabufData: ImportsAfresh,
  },
  *setup(weave) {
    const limits = { maxHwSectors: 8 }
    const world = yield* oneBuffer(weave, { limits }, { pages: 3 })
    const { user, exporter, stack } = world
    stack.transfers.submitted(0, 16)
    function* submitter(): Op<void> {
      const map = yield* user.token.getMap()
      yield* user.submit(map, { op: 'read', lba: 0, blocks: 16 })
      map.put()
    }
    function* worker(): Op<void> {
      yield* user.io({ op: 'read', lba: 20, blocks: 1, bufferOffsetBytes: 8192 })
    }
    return {
      actors: {
        submitter: submitter(),
        'io worker': worker(),
        exporter: invalidate(exporter),
      },
      finish: () => giveBack(world),
    }
  },
}
