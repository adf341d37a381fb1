// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { Removal } from '@iolayers/nvme/parts'
import type { Scenario } from '../run/scenario.ts'
import { unless } from './common.ts'

/** Takes the registrations down before the requests that use them. */
class DetachesFirst extends Removal {
  override *run(): Op<void> {
    this.killDisks()
    this.tellRegistrations()
    yield* this.detachRegistrations()
    yield* super.run()
  }
}

export const h15: Scenario = {
  id: 'H15',
  hazards: ['H15'],
  title: 'a controller goes away with a buffer registered and I/O in flight',
  happenedIn: 'v6; fixed in v7',
  step: 'the registrations are detached before the requests that the controller has are cancelled',
  survives:
    'disks die and registrations are told; the controller is stopped, its requests are cancelled, which drops `active`, and only then the registrations detach',
  mutantPolicy: 'fence',
  freshWorld: true,
  mutant: { host: { removal: DetachesFirst } },
  *setup(weave) {
    const stack = weave.controllerStack()
    const { host, store } = stack
    yield* host.probe()
    const exporter = stack.exporter({ pages: 1, timeoutNs: 1e12 })
    const token = yield* stack.register(exporter)
    store.hold()
    function* submitter(): Op<void> {
      yield* unless('ENODEV', drop(stack.read(token)))
    }
    return {
      actors: { submitter: submitter(), removal: host.remove() },
      *finish() {
        yield* token.release()
        exporter.dmabuf.put()
        yield* host.remove()
      },
    }
  },
}

function* drop(io: Op<unknown>): Op<void> {
  yield* io
}
