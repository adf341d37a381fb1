// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { DmaBuf } from '../../src/index.ts'
import { createRig, expectNothingOutstanding, RecordingExporter } from '../support.ts'

const command = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('export') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('put'), at: fc.nat(30) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('step') }) },
)

it('R-ITER-1 R-ITER-4 R-ITER-5 a walk among exports and puts sees what a naive model says', () => {
  fc.assert(
    fc.property(fc.nat(8), fc.array(command, { maxLength: 60 }), (initial, commands) => {
      const rig = createRig({ ramBytes: 1024 * 1024 })
      const owned: DmaBuf[] = []
      const ops = new RecordingExporter()
      const exportOne = (): void => {
        owned.push(rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' }))
      }
      for (let i = 0; i < initial; i++) exportOne()
      let current = rig.core.begin()
      let calls = 1
      const seen: number[] = current === null ? [] : [current.inode]
      const expectedAfter = (inode: number): number | undefined =>
        owned
          .map((one) => one.inode)
          .filter((other) => other < inode)
          .sort((a, b) => b - a)[0]
      for (const step of commands) {
        if (step.kind === 'export') exportOne()
        else if (step.kind === 'put') owned.splice(step.at % Math.max(1, owned.length), 1)[0]?.put()
        else if (current !== null) {
          const expected = expectedAfter(current.inode)
          current = rig.core.next(current)
          calls++
          expect(current?.inode).toBe(expected)
          if (current !== null) seen.push(current.inode)
        }
        for (const one of owned) expect(one.references).toBe(one === current ? 2 : 1)
      }
      expect(calls).toBeLessThanOrEqual(seen.length + 1)
      if (current !== null) rig.core.put(current)
      for (const one of owned) one.put()
      expectNothingOutstanding(rig)
    }),
    { numRuns: 200 },
  )
})
