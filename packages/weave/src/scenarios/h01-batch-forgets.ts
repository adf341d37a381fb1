// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Request } from '@iolayers/block-core'
import { DmabufData, type NvmeIod } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { readAndMove } from './common.ts'

/** Ends requests as a batch that skips what each of them would give back. */
class ForgetsInBatch extends DmabufData {
  #ending = false

  override end(rq: Request<NvmeIod>): void {
    this.#ending = true
    super.end(rq)
    this.#ending = false
  }

  protected override deactivate(rq: Request<NvmeIod>): void {
    if (this.#ending) rq.dmaSegments = null
    else super.deactivate(rq)
  }
}

export const h01: Scenario = {
  id: 'H1',
  hazards: ['H1'],
  title: 'a batch of completions does not drop the map',
  happenedIn: 'RFC v2',
  step: 'requests that end in a batch skip the drop of their reference on the map',
  survives:
    'the end of the data of a request is one function, called for every completion before it is known whether the request goes into a batch',
  mutantPolicy: 'fence',
  mutant: { dmabufData: ForgetsInBatch },
  setup: readAndMove,
}
