// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type MapGeneration, Token } from '@iolayers/blk-mq-token/parts'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { mapAndRemove } from './common.ts'

/** Lets go of the lock on the way that goes well, and on no other. */
class KeepsTheLock extends Token {
  protected override *makeMap(): Op<MapGeneration> {
    const { resv } = this.dmabuf
    yield* resv.lock(null)
    const raced = this.takeRaced()
    if (raced === null) yield* this.waitForExporter()
    const map = raced ?? (yield* this.mapBuffer())
    if (raced === null) {
      map.get()
      this.publish(map)
    }
    resv.unlock()
    return map
  }
}

export const h04: Scenario = {
  id: 'H4',
  hazards: ['H4'],
  title: 'an error between lock and unlock',
  happenedIn: 'v5',
  step: 'a map that fails returns with the reservation lock held',
  survives: 'the lock is let go in a finally: on every way out',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: KeepsTheLock } },
  setup: mapAndRemove,
}
