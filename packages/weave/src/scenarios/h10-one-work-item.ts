// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { MapGeneration, Token } from '@iolayers/blk-mq-token/parts'
import { type Op, WorkItem } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer, readBlocks } from './common.ts'

/** One work item, which is set up anew for each job. */
class OneWorkItem extends Token {
  job: () => Op<void> = function* () {}
  readonly work: WorkItem = new WorkItem('dmabuf map unmap', () => this.job())
}

class SharesWork extends MapGeneration {
  protected override queueUnmap(): void {
    const { owner } = this
    if (!(owner instanceof OneWorkItem)) return
    owner.job = () => this.unmap()
    owner.kernel.reclaimWq.queue(owner.work)
  }
}

export const h10: Scenario = {
  id: 'H10',
  hazards: ['H10'],
  title: 'a work item is set up for another job while it waits for a worker',
  happenedIn: 'v3 to v5',
  step: 'all maps of a registration unmap from one work item',
  survives: 'every map has a work item of its own',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: OneWorkItem, generation: SharesWork } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter } = world
    const { dmabuf } = exporter
    function* toldTwice(): Op<void> {
      for (let n = 0; n < 2; n++) {
        yield* dmabuf.resv.lock(null)
        yield* dmabuf.invalidateMappings()
        dmabuf.resv.unlock()
      }
    }
    return {
      actors: {
        submitter: readBlocks(user),
        'io worker': readBlocks(user, 1),
        exporter: toldTwice(),
      },
      finish: () => giveBack(world),
    }
  },
}
