// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DrainPolicy, FencePolicy } from '@iolayers/blk-mq-token/parts'
import { DmaResvUsage } from '@iolayers/dma-buf'
import { createDevice, DmaDirection, IommuMode } from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { giveBack, invalidate, oneBuffer, readBlocks } from './common.ts'

/** A minute: longer than anybody waits. */
const HUNG_NS = 60e9

/** A fence that everybody who maps the buffer waits for. */
class KernelClass extends FencePolicy {
  protected override readonly usage: DmaResvUsage = DmaResvUsage.KERNEL
}

export const f10: Scenario = {
  id: 'F10',
  hazards: ['F10'],
  title: 'another importer cannot map the buffer while one device hangs',
  happenedIn: 'RFC v2 to v5',
  step: 'the drain fence is of class KERNEL, which all who map the buffer wait for',
  survives: 'the fence is BOOKKEEP: only who moves or frees the memory waits for it',
  mutantPolicy: 'fence',
  freshWorld: true,
  mutant: { tokens: { policies: { fence: new KernelClass(new DrainPolicy()) } } },
  *setup(weave) {
    const world = yield* oneBuffer(weave)
    const { user, exporter, stack } = world
    const device = createDevice(
      { kernel: weave.kernel, memory: stack.memory, iommu: null },
      { name: 'another device', iommuMode: IommuMode.PASSTHROUGH },
    )
    const other = yield* stack.tokens.create(device, exporter.dmabuf, DmaDirection.BIDIRECTIONAL)
    stack.hardware.hangs = (_opcode, lba) => lba === 0
    function* map(): Op<void> {
      const imported = yield* other.getMap()
      imported.put()
    }
    function* wakeUp(): Op<void> {
      yield* weave.sleep(HUNG_NS)
      stack.hardware.resumeHung()
    }
    return {
      actors: {
        submitter: readBlocks(user),
        exporter: invalidate(exporter),
        'other importer': map(),
        'device wakes': wakeUp(),
      },
      *finish() {
        yield* other.release()
        device.destroy()
        yield* giveBack(world)
      },
    }
  },
}
