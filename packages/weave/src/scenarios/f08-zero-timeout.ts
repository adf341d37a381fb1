// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Token } from '@iolayers/blk-mq-token/parts'
import { DmaResvUsage } from '@iolayers/dma-buf'
import { KernelError, type Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer, readBlocks } from './common.ts'

/** Looks once, under the lock, and takes "not yet" for "well". */
class LooksOnce extends Token {
  protected override *waitForExporter(): Op<void> {
    const left = yield* this.dmabuf.resv.waitTimeout(DmaResvUsage.KERNEL, true, 0)
    if (left < 0) throw new KernelError('ERESTARTSYS', 'interrupted')
  }
}

export const f08: Scenario = {
  id: 'F8',
  hazards: ['F8'],
  title: 'a buffer is mapped while its exporter still copies it',
  happenedIn: 'v5',
  step: 'under the lock the fences of the exporter are only looked at, and a wait of no length that ran out counts as success',
  survives: 'the fences are waited for under the lock, and a wait that ran out is ETIME',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: LooksOnce } },
  *setup(weave) {
    const world = yield* oneBuffer(weave, {}, { asyncCopy: true })
    const { user, exporter } = world
    return {
      actors: { submitter: readBlocks(user), exporter: exporter.move() },
      finish: () => giveBack(world),
    }
  },
}
