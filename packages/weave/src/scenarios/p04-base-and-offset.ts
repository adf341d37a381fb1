// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Request } from '@iolayers/block-core'
import type { DmaSegmentTable } from '@iolayers/dma-mapping'
import { AllocResult, DmabufData, type NvmeIod, setCommandSgl } from '@iolayers/nvme/parts'
import { SglType } from '@iolayers/nvme/spec'
import type { Scenario } from '../run/scenario.ts'
import { readsOverPages } from './common.ts'

/** Takes the buffer for one run of device addresses. */
class BaseAndOffset extends DmabufData {
  protected override describe(rq: Request<NvmeIod>, table: DmaSegmentTable): AllocResult {
    const addr = table.addressAt(0) + rq.dmabufOffsetBytes
    setCommandSgl(rq.pdu, addr, rq.dataBytes, SglType.DATA_BLOCK)
    return AllocResult.OK
  }
}

export const p04: Scenario = {
  id: 'P4',
  hazards: ['P4'],
  title: 'a buffer of many segments is addressed as if it were one',
  happenedIn: 'users of early exporters',
  step: 'the first device address and an offset, instead of the segment at the offset',
  survives:
    'the segment at an offset is looked up, and every segment that a request touches gets a descriptor',
  mutantPolicy: 'fence',
  mutant: { dmabufData: BaseAndOffset },
  *setup(weave) {
    return yield* readsOverPages(weave, 1)
  },
}
