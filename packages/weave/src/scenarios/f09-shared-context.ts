// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type FencePoint, Token } from '@iolayers/blk-mq-token/parts'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer, readBlocks } from './common.ts'

/** One timeline for all generations, which number its points. */
class OneTimeline extends Token {
  #context = 0

  protected override fencePointFor(generation: number): FencePoint {
    this.#context ||= super.fencePointFor(generation).context
    return { context: this.#context, seqno: generation }
  }
}

export const f09: Scenario = {
  id: 'F9',
  hazards: ['F9'],
  title: 'the fence of a new map takes the place of that of the old one, which has DMA in flight',
  happenedIn: 'v2 to v5',
  step: 'the drain fences of all generations are points of one timeline: one context, numbered by generation',
  survives: 'every generation has a fence context of its own, so that none replaces another',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: OneTimeline } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter } = world
    const { dmabuf } = exporter
    function* toldTwice(): Op<void> {
      yield* dmabuf.resv.lock(null)
      yield* dmabuf.invalidateMappings()
      dmabuf.resv.unlock()
      yield* exporter.move()
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
