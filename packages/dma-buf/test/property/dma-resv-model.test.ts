// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { DmaFence, DmaResvUsage } from '../../src/index.ts'
import { createRig, fenceOps } from '../support.ts'

const usages = Object.values(DmaResvUsage)
const context = fc.integer({ min: 1, max: 3 })
const command = fc.oneof(
  { weight: 3, arbitrary: fc.record({ usage: fc.constantFrom(...usages), context }) },
  // Signals the oldest pending fence of a context: fences of one context end in their order.
  { weight: 1, arbitrary: fc.record({ usage: fc.constant(null), context }) },
)

it('dma_resv waits for every class exactly as long as a list of all fences ever added would', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
      const rig = createRig({ ramBytes: 1024 * 1024 })
      const resv = rig.core.createResv()
      const all: { readonly fence: DmaFence; readonly usage: DmaResvUsage }[] = []
      const step = ({ usage, context: at }: (typeof commands)[number], seqno: number): void => {
        if (usage === null) {
          all.find(({ fence }) => fence.context === at && !fence.isSignaled())?.fence.signal()
          return
        }
        const fence = new DmaFence(rig.kernel, fenceOps)
        fence.init(at, seqno)
        resv.reserveFences(1)
        resv.addFence(fence, usage)
        all.push({ fence, usage })
      }
      const body = function* (): Op<void> {
        for (const [i, one] of commands.entries()) {
          yield* resv.lock(null)
          step(one, i + 1)
          for (const asked of usages) {
            const pending = all.filter(({ fence, usage }) => usage <= asked && !fence.isSignaled())
            const seen: DmaFence[] = []
            resv.forEachFence(asked, (fence) => seen.push(fence))
            // A fence may have been replaced only by a later one of its context that the same wait sees.
            for (const { fence } of pending) {
              expect(
                seen.some((by) => by.context === fence.context && by.isLaterOrSame(fence)),
              ).toBe(true)
            }
            const known = new Set(pending.map(({ fence }) => fence))
            expect(seen.every((fence) => fence.isSignaled() || known.has(fence))).toBe(true)
            expect(resv.testSignaled(asked)).toBe(pending.length === 0)
            expect((yield* resv.waitTimeout(asked, false, 0)) > 0).toBe(pending.length === 0)
          }
          resv.unlock()
        }
      }
      rig.run(body())
    }),
    { numRuns: 200 },
  )
})
