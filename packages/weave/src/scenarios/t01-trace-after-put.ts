// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaBufObject } from '@iolayers/dma-buf/parts'
import type { Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { listenToAll } from './common.ts'

/** Traces when it has put. */
class TracesAfterwards extends DmaBufObject {
  override put(): void {
    this.file.put()
    this.tracePut()
  }
}

export const t01: Scenario = {
  id: 'T1',
  hazards: ['T1'],
  title: 'the trace of the last put reads a buffer that is gone',
  happenedIn: 'drivers/dma-buf, 2026',
  step: 'a put is traced after it was made',
  survives: 'a put is traced before the reference is dropped',
  mutantPolicy: 'fence',
  freshWorld: true,
  mutant: { dmaBuf: { buffer: TracesAfterwards } },
  *setup(weave) {
    listenToAll(weave)
    const { dmabuf } = weave.stack().exporter({ pages: 1 })
    function* put(): Op<void> {
      dmabuf.put()
    }
    return { actors: { 'user task': put() } }
  },
}
