// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaDirection } from '@iolayers/dma-mapping'
import { joinAll, type Op } from '@iolayers/kernel'
import type { TokenParts } from '../src/index.ts'
import { RevocableExporter } from './revocable-exporter.ts'
import { expectNothingLeft, makeWorld } from './world.ts'

const EVICTIONS = 2

/** One token, looked up by one task and mapped by another, while the exporter evicts: what takes an exact moment is met more often than in a crowd. */
export function runNarrowLife(seed: number, parts: TokenParts): void {
  const world = makeWorld({ seed }, { policy: seed % 2 === 0 ? 'fence' : 'drain' }, {}, parts)
  const { scheduler, tokens, device } = world
  const exporter = new RevocableExporter(world)
  const token = scheduler.runSync(
    'register',
    tokens.create(device, exporter.dmabuf, DmaDirection.BIDIRECTIONAL),
  )
  scheduler.runSync('map', token.getMap()).put()
  function* look(): Op<void> {
    for (let i = 0; i < EVICTIONS; i++) token.tryGetMap()?.put()
  }
  function* map(): Op<void> {
    for (let i = 0; i < EVICTIONS; i++) (yield* token.getMap()).put()
  }
  function* evict(): Op<void> {
    for (let i = 0; i < EVICTIONS; i++) yield* exporter.evict(() => undefined)
  }
  const tasks = [
    scheduler.spawn('look', look()),
    scheduler.spawn('map', map()),
    scheduler.spawn('evict', evict()),
  ]
  scheduler.runSync('all', joinAll(scheduler, tasks))
  scheduler.runSync('release', token.release())
  exporter.dmabuf.put()
  device.destroy()
  expectNothingLeft(world)
}
