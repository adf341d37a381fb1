// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { opIsWrite, type Request } from '@iolayers/block-core'
import { DmaDirection, type DmaSegmentTable } from '@iolayers/dma-mapping'
import { DmabufData, type NvmeIod } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer, readBlock } from './common.ts'

const PAGE_SIZE = 4096

/** Syncs every page that a request touches, whole. */
class WholePages extends DmabufData {
  protected override sync(rq: Request<NvmeIod>, table: DmaSegmentTable, forDevice: boolean): void {
    const { dma } = this.device
    const start = Math.floor(rq.dmabufOffsetBytes / PAGE_SIZE) * PAGE_SIZE
    const end = rq.dmabufOffsetBytes + rq.dataBytes
    const direction = opIsWrite(rq.cmdFlags) ? DmaDirection.TO_DEVICE : DmaDirection.FROM_DEVICE
    for (let at = start; at < end; at += PAGE_SIZE) {
      const index = table.find(at)
      const addr = table.addressAt(index) + at - table.startAt(index)
      if (forDevice) dma.syncSingleForDevice(addr, PAGE_SIZE, direction)
      else dma.syncSingleForCpu(addr, PAGE_SIZE, direction)
    }
  }
}

export const s05: Scenario = {
  id: 'S5',
  hazards: ['S5'],
  title: 'the sync of one read takes the page from the device that writes the other half',
  happenedIn: 'v2 to v6; v7 syncs the whole table',
  step: 'whole pages are synced, and not the bytes of the request',
  survives:
    'the bytes of a request are synced and no others, on a device that does not snoop the CPU',
  mutantPolicy: 'fence',
  mutant: { dmabufData: WholePages },
  *setup(weave) {
    const world = yield* oneBuffer(weave, { coherent: false })
    const { user } = world
    return {
      actors: {
        submitter: readBlock(user, 0),
        'io worker': readBlock(user, 1),
      },
      finish: () => giveBack(world),
    }
  },
}
