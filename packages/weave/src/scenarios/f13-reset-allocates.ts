// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { DevDisable } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'

/** Needs memory to take requests back. */
class AllocatesInReset extends DevDisable {
  protected override cancelInFlight(): void {
    const { dma } = this.target.device
    dma.freeCoherent(dma.allocCoherent(64))
    super.cancelInFlight()
  }
}

export const f13: Scenario = {
  id: 'F13',
  hazards: ['F13'],
  title: 'a reset that a drain waits for waits for memory',
  happenedIn: 'feared of v3 to v7',
  step: 'the reset allocates memory before it takes back the requests that drain fences wait for',
  survives:
    'a reset allocates nothing: rings, pools and pages are those of before; and it runs from a queue with a rescuer',
  mutantPolicy: 'fence',
  freshWorld: true,
  mutant: { host: { disable: AllocatesInReset } },
  *setup(weave) {
    const stack = weave.controllerStack()
    const { host, store } = stack
    yield* host.probe()
    const exporter = stack.exporter({ pages: 1, timeoutNs: 1e12 })
    const token = yield* stack.register(exporter)
    store.hold(() => true)
    function* submitter(): Op<void> {
      yield* stack.read(token)
    }
    function* reset(): Op<void> {
      store.releaseHeld()
      yield* host.reset()
    }
    return {
      actors: { submitter: submitter(), reset: reset(), exporter: exporter.move() },
      *finish() {
        yield* token.release()
        exporter.dmabuf.put()
        yield* host.remove()
      },
    }
  },
}
