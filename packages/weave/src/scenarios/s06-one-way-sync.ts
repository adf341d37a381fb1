// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { opIsWrite, type Request } from '@iolayers/block-core'
import type { DmaSegmentTable } from '@iolayers/dma-mapping'
import { DmabufData, type NvmeIod } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer, readBlock } from './common.ts'

/** Syncs for the device before writes, and for the CPU after reads, and nothing else. */
class OneWay extends DmabufData {
  protected override sync(rq: Request<NvmeIod>, table: DmaSegmentTable, forDevice: boolean): void {
    if (forDevice === opIsWrite(rq.cmdFlags)) super.sync(rq, table, forDevice)
  }
}

export const s06: Scenario = {
  id: 'S6',
  hazards: ['S6'],
  title: 'a read whose bytes were never given to the device',
  happenedIn: 'RFC v1 and v2',
  step: 'reads are not synced for the device before, nor writes for the CPU after',
  survives: 'every I/O is synced both ways, whatever its direction',
  mutantPolicy: 'fence',
  mutant: { dmabufData: OneWay },
  *setup(weave) {
    const world = yield* oneBuffer(weave, { coherent: false })
    return { actors: { submitter: readBlock(world.user, 0) }, finish: () => giveBack(world) }
  },
}
