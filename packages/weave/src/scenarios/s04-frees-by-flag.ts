// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Request } from '@iolayers/block-core'
import { DmabufData, type NvmeIod } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { readsOverPages } from './common.ts'

const PAGE_SIZE = 4096

/** Takes a page of data for one segment, which has no descriptors to free. */
class FreesByFlag extends DmabufData {
  override end(rq: Request<NvmeIod>): void {
    if (rq.dataBytes <= PAGE_SIZE) {
      rq.pdu.nrDescriptors = 0
      rq.pdu.pool = null
    }
    super.end(rq)
  }
}

export const s04: Scenario = {
  id: 'S4',
  hazards: ['S4'],
  title: 'descriptors of a short request over two pages are never freed',
  happenedIn: 'v5, where stale ones are freed; v6 goes by their number',
  step: 'whether there are descriptors to free is told from the kind of request, and not from their number',
  survives: 'a request counts the blocks that it took, and frees that many where they came from',
  mutantPolicy: 'fence',
  mutant: { dmabufData: FreesByFlag },
  *setup(weave) {
    return yield* readsOverPages(weave, 1)
  },
}
