// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBufAttachment } from '@iolayers/dma-buf'
import type { Scenario } from '../run/scenario.ts'
import { MigratingExporter } from '../stack/migrating-exporter.ts'
import { giveBack, oneBuffer, readBlocks } from './common.ts'

/** Gives devices a copy in other memory, and never brings back what they write there. */
class MapsACopy extends MigratingExporter {
  protected override framesFor(attachment: DmaBufAttachment): readonly number[] {
    return super.framesFor(attachment).length === 0 ? [] : this.takePages()
  }
}

export const p01: Scenario = {
  id: 'P1',
  hazards: ['P1', 'P2'],
  title: 'a read ends well, and nothing arrived in the buffer',
  happenedIn: 'exporters of VRAM, with and without a dynamic attachment',
  step: 'the exporter maps other memory than the buffer for the device, and says that all is well',
  survives:
    'an importer cannot see it: whoever needs the bytes compares them. Exporters here map the pages of the buffer, or refuse',
  mutantPolicy: 'fence',
  mutant: { exporter: MapsACopy },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    return { actors: { submitter: readBlocks(world.user) }, finish: () => giveBack(world) }
  },
}
