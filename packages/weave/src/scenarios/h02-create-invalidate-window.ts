// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type MapGeneration, Token } from '@iolayers/blk-mq-token/parts'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { oneBuffer } from './common.ts'

/** Publishes when the lock is gone: an exporter that took it in between found nothing to kill. */
class PublishesLate extends Token {
  #late: MapGeneration | null = null

  protected override publish(map: MapGeneration): void {
    this.#late = map
  }

  protected override *makeMap(): Op<MapGeneration> {
    const map = yield* super.makeMap()
    const { scheduler } = this.kernel
    if (scheduler.exploring) scheduler.choicePoint('dmabuf map: unlocked, not yet published')
    if (this.#late !== null) super.publish(this.#late)
    this.#late = null
    return map
  }
}

export const h02: Scenario = {
  id: 'H2',
  hazards: ['H2'],
  title: 'an invalidation between making a map and publishing it',
  happenedIn: 'RFC v2; v7 counts under the lock',
  step: 'the map is published after the reservation lock was let go, instead of before',
  survives:
    'the map is counted and published before the lock is let go: whoever takes it next finds the map and kills it',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: PublishesLate } },
  *setup(weave) {
    const { exporter, user } = yield* oneBuffer(weave)
    return {
      actors: {
        submitter: (function* () {
          yield* user.io({ op: 'read', lba: 0, blocks: 2 })
        })(),
        exporter: exporter.move(),
      },
      *finish() {
        yield* user.release()
        exporter.dmabuf.put()
      },
    }
  },
}
