// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, type Request } from '@iolayers/block-core'
import { NvmeIo, type NvmeIod } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { readAndMove } from './common.ts'

/** Says of every failure that there was no room. */
class AlwaysAgain extends NvmeIo {
  protected override prepareData(rq: Request<NvmeIod>): BlkStatus {
    const status = super.prepareData(rq)
    return status === BlkStatus.OK ? status : BlkStatus.RESOURCE
  }
}

export const r03: Scenario = {
  id: 'R3',
  hazards: ['R3'],
  title: 'a request whose map is dead goes back for ever',
  happenedIn: 'drafts of the batched submission',
  step: 'the driver says RESOURCE whatever the reason, so that a lost map is tried again',
  survives: 'a preparation returns what happened: RESOURCE comes again, STALE ends the request',
  mutantPolicy: 'fence',
  mutant: { io: AlwaysAgain },
  setup: readAndMove,
}
