// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SglList } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, oneBuffer } from './common.ts'

const PAGES = 257

/** Writes on where the link to the next page of descriptors has to stand. */
class NeverLinks extends SglList {
  protected override link(): void {}
}

export const s01: Scenario = {
  id: 'S1',
  hazards: ['S1'],
  title: 'a list of more descriptors than a page holds',
  happenedIn: 'v4',
  step: 'the descriptors of a list go on past the end of their page, without a link',
  survives:
    'in every page but the last the 256th place is the link to the next; a command that can never be described is refused',
  mutantPolicy: 'fence',
  mutant: { sglList: NeverLinks },
  *setup(weave) {
    const world = yield* oneBuffer(
      weave,
      {
        pages: 2 * PAGES,
        blocks: 8 * PAGES,
        pageDescriptors: 2,
        limits: { maxSegments: PAGES, maxHwSectors: 8 * PAGES },
      },
      { pages: PAGES, scattered: true },
    )
    const { user } = world
    return {
      actors: {
        submitter: (function* () {
          yield* user.io({ op: 'read', lba: 0, blocks: 8 * PAGES })
        })(),
      },
      finish: () => giveBack(world),
    }
  },
}
