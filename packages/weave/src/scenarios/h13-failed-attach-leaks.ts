// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Token } from '@iolayers/blk-mq-token/parts'
import type { DmaBufAttachment } from '@iolayers/dma-buf'
import { KernelError, type Op } from '@iolayers/kernel'
import type { Scenario } from '../run/scenario.ts'
import { BioUser } from '../stack/bio-user.ts'

/** Takes its reference before it knows whether the exporter takes the device. */
class PinsFirst extends Token {
  protected override attachBuffer(): DmaBufAttachment {
    this.dmabuf.get()
    const attachment = super.attachBuffer()
    this.dmabuf.put()
    return attachment
  }
}

function* refused(register: Op<unknown>): Op<void> {
  try {
    yield* register
  } catch (error) {
    if (!(error instanceof KernelError && error.code === 'EOPNOTSUPP')) throw error
  }
}

export const h13: Scenario = {
  id: 'H13',
  hazards: ['H13'],
  title: 'an exporter refuses the device',
  happenedIn: 'v3',
  step: 'the reference on the buffer is taken before the attachment, and not dropped when that fails',
  survives: 'the attachment comes first, and nothing that it could leave behind',
  mutantPolicy: 'fence',
  mutant: { tokens: { token: PinsFirst } },
  *setup(weave) {
    const stack = weave.stack()
    const exporter = stack.exporter({ pages: 1, refusesDevices: true })
    return {
      actors: { 'user task': refused(BioUser.register(stack, exporter)) },
      *finish() {
        exporter.dmabuf.put()
      },
    }
  },
}
