// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Attempts } from '@iolayers/io-uring/parts'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { invalidate, ringWithMap } from './common.ts'

type Request = Parameters<Attempts['ioComplete']>[0]

/** Imports afresh for as long as maps die. */
class NoBound extends Attempts {
  protected override reimport(req: Request, nowait: boolean): void {
    req.staleImports = 0
    super.reimport(req, nowait)
  }
}

/** More than anybody is allowed to try. */
const EVICTIONS = 80

export const r07: Scenario = {
  id: 'R7',
  hazards: ['R7'],
  title: 'the buffer is evicted as often as it is mapped',
  happenedIn: 'feared since v4: an exporter that moves the buffer every millisecond',
  step: 'fresh imports of one I/O are not counted',
  survives: 'after eight fresh imports the I/O ends with ESTALE, and its issuer decides',
  mutantPolicy: 'fence',
  mutant: { ring: { attempts: NoBound } },
  *setup(weave) {
    const { user, exporter, finish } = yield* ringWithMap(weave)
    let over = false
    function* read(): Op<void> {
      try {
        yield* user.io({ op: 'read', lba: 0, blocks: 1 })
      } finally {
        over = true
        exporter.mapped.wakeUpAll()
      }
    }
    function* evictions(): Op<void> {
      for (let evicted = 0; !over && evicted < EVICTIONS; evicted++) {
        const { maps } = exporter
        yield* invalidate(exporter)
        yield* exporter.mapped.waitEvent(() => over || exporter.maps > maps)
      }
    }
    return { actors: { submitter: read(), exporter: evictions() }, finish }
  },
}
