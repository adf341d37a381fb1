// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Attempts } from '@iolayers/io-uring/parts'
import type { Scenario } from '../run/scenario.ts'
import { ringReadAndMove } from './common.ts'

/** Does not care what a driver was given already. */
class SendsAllAgain extends Attempts {
  protected override handedOver(): boolean {
    return false
  }
}

export const r02: Scenario = {
  id: 'R2',
  hazards: ['R2'],
  title: 'the first half of a read is done when its map dies under the second',
  happenedIn: 'v3 to v7: direct I/O reports the first error only',
  step: 'a map that dies under any part of an I/O makes the ring send all of it again',
  survives:
    'once a driver was given anything of an I/O, ESTALE is its end, and who issued it decides',
  mutantPolicy: 'fence',
  mutant: { ring: { attempts: SendsAllAgain } },
  *setup(weave) {
    return yield* ringReadAndMove(weave, {
      blocks: 16,
      pages: 2,
      stack: { limits: { maxHwSectors: 8 } },
    })
  },
}
