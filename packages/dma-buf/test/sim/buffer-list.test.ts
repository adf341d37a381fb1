// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { type Op, yieldNow } from '@iolayers/kernel'
import { expect, it } from 'vitest'
import type { DmaBuf } from '../../src/index.ts'
import { createRig, expectNothingOutstanding, RecordingExporter } from '../support.ts'

const SEEDS = 300

it(`R-ITER-1 R-ITER-5 ${SEEDS} seeds of walks among exports and last puts, also within a release`, () => {
  let walkedInRelease = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const rig = createRig({ seed, ramBytes: 64 * 1024 })
    const { core, scheduler } = rig
    let releasing = 0
    const exportOne = (): DmaBuf => {
      const ops = new RecordingExporter()
      const dmabuf = core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
      const release = dmabuf.file.ops.release.bind(dmabuf.file.ops)
      dmabuf.file.ops.release = (file) => {
        releasing++
        release(file)
        releasing--
      }
      return dmabuf
    }
    const lasting = [exportOne(), exportOne(), exportOne()]
    const churn = function* (): Op<void> {
      for (let i = 0; i < 5; i++) {
        const dmabuf = exportOne()
        yield* yieldNow(scheduler)
        dmabuf.put()
      }
    }
    const walker = function* (): Op<void> {
      for (let round = 0; round < 3; round++) {
        const newest = core.stats.exported
        const seen: number[] = []
        for (let item = core.begin(); item !== null; item = core.next(item)) {
          if (releasing > 0) walkedInRelease++
          expect(item.references).toBeGreaterThan(0)
          seen.push(item.inode)
          yield* yieldNow(scheduler)
        }
        expect(seen).toEqual([...new Set(seen)].sort((a, b) => b - a))
        expect(seen.filter((inode) => inode <= 3)).toEqual([3, 2, 1])
        expect(seen[0]).toBeLessThanOrEqual(newest)
      }
    }
    for (const op of [churn(), churn(), walker(), walker()]) scheduler.spawn('actor', op)
    scheduler.runUntilIdle()
    expect(lasting.map((dmabuf) => dmabuf.references)).toEqual([1, 1, 1])
    for (const dmabuf of lasting) dmabuf.put()
    expectNothingOutstanding(rig)
  }
  expect(walkedInRelease).toBeGreaterThan(0)
})
