// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaFence, DmaResvUsage } from '@iolayers/dma-buf'
import { DeferredCall, type Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { RingUser } from '../stack/ring-user.ts'

const gpuFenceOps = {
  getDriverName: (): string => 'gpu',
  getTimelineName: (): string => 'gpu job',
}

export const f11: Scenario = {
  id: 'F11',
  hazards: ['F11'],
  title: 'half of what the GPU writes reaches the disk',
  happenedIn: 'all versions: an open objection',
  step: 'I/O waits for no fence of those who write the buffer',
  survives:
    "contents are the user's to order; a registration that asks for it makes its I/O wait for them, and memory is safe in either case",
  mutantPolicy: 'fence',
  mutant: { barrier: false },
  *setup(weave) {
    const stack = weave.stack()
    const exporter = stack.exporter({ pages: 1 })
    const user = yield* RingUser.register(stack, exporter)
    const { resv } = exporter.dmabuf
    const fence = new DmaFence(weave.kernel, gpuFenceOps)
    // A job of the GPU that writes the buffer is under way.
    yield* resv.lock(null)
    resv.reserveFences(1)
    fence.init(stack.core.fenceContextAlloc(1), 1)
    resv.addFence(fence, DmaResvUsage.WRITE)
    resv.unlock()
    const job = new DeferredCall('gpu job', () => {
      exporter.page(0).fill(0x5a, 0, 512)
      fence.signal()
      fence.put()
    })
    function* write(): Op<void> {
      yield* user.io({ op: 'write', lba: 0, blocks: 1 })
    }
    function* gpu(): Op<void> {
      weave.scheduler.queue(job)
    }
    return {
      actors: { submitter: write(), gpu: gpu() },
      *finish() {
        yield* user.close()
        exporter.dmabuf.put()
      },
    }
  },
}
