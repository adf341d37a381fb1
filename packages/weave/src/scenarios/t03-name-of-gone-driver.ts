// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaFence, type DmaFenceOps } from '@iolayers/dma-buf'
import { assertLive, type Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'

/** Asks for names as if they could not go away. */
class AsksUnprotected extends DmaFence {
  protected override ask(question: (ops: DmaFenceOps) => string, gone: string): string {
    return this.askPending(question, gone)
  }
}

export const t03: Scenario = {
  id: 'T3',
  hazards: ['T3'],
  title: 'a reader asks a fence for the name of a driver that goes away',
  happenedIn: 'drivers/dma-buf, 2026',
  step: 'names are asked for outside of an RCU section',
  survives:
    'names are asked for in an RCU section and while the fence is pending; a driver that goes away signals its fences and waits for a grace period',
  mutantPolicy: 'fence',
  mutant: { fence: AsksUnprotected },
  *setup(weave) {
    const { kernel, parts } = weave
    let gone = false
    const name = (): string => {
      assertLive(!gone, 'the name of a driver that is gone')
      return 'gpu'
    }
    const fence = new (parts.fence ?? DmaFence)(kernel, {
      getDriverName: name,
      getTimelineName: name,
    })
    fence.init(1, 1)
    function* read(): Op<void> {
      fence.describe()
    }
    function* unload(): Op<void> {
      fence.signal()
      yield* kernel.rcu.synchronize()
      gone = true
    }
    return {
      actors: { reader: read(), driver: unload() },
      *finish() {
        fence.put()
      },
    }
  },
}
