// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkEhTimerReturn } from '@iolayers/block-core'
import type { Op } from '@iolayers/kernel'
import { NvmeIo } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'

/** Gives a command that took too long as much time again, and again. */
class WaitsOn extends NvmeIo {
  protected override expired(): BlkEhTimerReturn {
    return BlkEhTimerReturn.RESET_TIMER
  }
}

export const d03: Scenario = {
  id: 'D3',
  hazards: ['D3'],
  title: 'a command is lost, and whoever moves the buffer waits for it',
  happenedIn: 'v6 and v7: for as long as the driver takes',
  step: 'a command that takes too long is only given more time',
  survives:
    'a command that takes too long is aborted, and where that does not help the controller is reset: then it can do no DMA, and the drain ends',
  mutantPolicy: 'fence',
  freshWorld: true,
  mutant: { host: { io: WaitsOn } },
  *setup(weave) {
    const stack = weave.controllerStack({ ioTimeoutNs: 30e9 })
    const { host, store } = stack
    yield* host.probe()
    const exporter = stack.exporter({ pages: 1, timeoutNs: 1e12 })
    const token = yield* stack.register(exporter)
    let lost = 0
    store.hold(() => lost++ === 0)
    function* submitter(): Op<void> {
      yield* stack.read(token)
    }
    return {
      actors: { submitter: submitter(), exporter: exporter.move() },
      *finish() {
        yield* token.release()
        exporter.dmabuf.put()
        yield* host.remove()
      },
    }
  },
}
