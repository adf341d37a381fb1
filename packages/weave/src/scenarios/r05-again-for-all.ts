// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, type Request } from '@iolayers/block-core'
import { DmabufData, type NvmeIod } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { readAndMove } from './common.ts'

/** Says "try again" of a dead map, to whoever asks. */
class SaysAgain extends DmabufData {
  protected override activate(rq: Request<NvmeIod>): BlkStatus {
    const status = super.activate(rq)
    return status === BlkStatus.STALE ? BlkStatus.AGAIN : status
  }
}

export const r05: Scenario = {
  id: 'R5',
  hazards: ['R5'],
  title: 'an I/O that may wait is told to try again',
  happenedIn: 'v2 to v5',
  step: 'the death of a map is BLK_STS_AGAIN, which is for NOWAIT requests',
  survives: 'a dead map is STALE, a status of its own, all the way up',
  mutantPolicy: 'fence',
  mutant: { dmabufData: SaysAgain },
  *setup(weave) {
    return yield* readAndMove(weave)
  },
}
