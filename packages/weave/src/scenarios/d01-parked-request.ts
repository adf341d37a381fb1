// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import type { RingIo } from '../stack/ring-user.ts'
import { invalidate, ringWithMap } from './common.ts'
import { OneReference } from './designs.ts'

/** The first has the only tag; the second needs a map, and with it the worker; the third has a map, and waits for the worker. */
const READS: readonly RingIo[] = [
  { op: 'read', lba: 0, blocks: 1 },
  { op: 'read', lba: 1, blocks: 1, registration: 1 },
  { op: 'read', lba: 2, blocks: 1 },
]

export const d01: Scenario = {
  id: 'D1',
  hazards: ['D1'],
  title: 'the drain waits for a parked request, behind one whose worker waits for the lock',
  happenedIn: 'v6 and v7',
  step: 'a drain in place waits for whoever holds a pointer to the map',
  survives: 'a drain waits for `active` alone, which no request holds while it waits',
  mutantPolicy: 'drain',
  mutant: { tokens: { generation: OneReference } },
  *setup(weave) {
    const { user, exporter, finish } = yield* ringWithMap(weave, {
      registrations: 2,
      stack: { queueDepth: 1 },
    })
    function* read(): Op<void> {
      yield* user.all(READS)
    }
    return { actors: { submitter: read(), exporter: invalidate(exporter) }, finish }
  },
}
