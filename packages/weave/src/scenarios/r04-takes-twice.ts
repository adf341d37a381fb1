// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, type Request } from '@iolayers/block-core'
import { AllocResult, DmabufData, type NvmeIod } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { readsOverPages } from './common.ts'

/** Goes back for want of descriptors with what it took, and forgets that it has it. */
class TakesTwice extends DmabufData {
  protected override rollBack(rq: Request<NvmeIod>, result: AllocResult): BlkStatus {
    rq.dmaSegments = null
    return result === AllocResult.TOO_MANY ? BlkStatus.IOERR : BlkStatus.RESOURCE
  }
}

export const r04: Scenario = {
  id: 'R4',
  hazards: ['R4'],
  title: 'a request without descriptors comes back and takes its map a second time',
  happenedIn: 'drafts of two references',
  step: 'a preparation that fails keeps the reference that it took; the next one takes another',
  survives: 'a preparation that fails holds nothing: what was taken is dropped there',
  mutantPolicy: 'fence',
  mutant: { dmabufData: TakesTwice },
  *setup(weave) {
    return yield* readsOverPages(weave, 2, { smallDescriptors: 1 })
  },
}
