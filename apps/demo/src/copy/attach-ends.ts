// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { LinkEvent } from '@iolayers/nvme/tcp'
import type { FabricOptions } from '../remote/fabric-options.ts'
import { attachNvme, attachRemote, type NvmeSide, type Stack } from '../stack/stack.ts'
import type { SourceEnd, TargetEnd } from './ends.ts'
import { openSourceStore, openTargetStore } from './stores.ts'

/** How an end is driven. */
export interface AttachInit {
  readonly name: string
  readonly queueDepth: number
  readonly fabric: FabricOptions
  /** What becomes of a connection. */
  readonly onLink: (event: LinkEvent) => void
}

/** A file or memory gets a controller here; a remote namespace has one. */
export function* attachSource(stack: Stack, source: SourceEnd, init: AttachInit): Op<NvmeSide> {
  const { name, queueDepth, fabric, onLink } = init
  if (source.kind === 'remote') {
    const { address } = source
    return yield* attachRemote(stack, { name, address, fabric, queueDepth, onEvent: onLink })
  }
  const store = yield* openSourceStore(stack, source)
  return yield* attachNvme(stack, { name, store, queueDepth })
}

/** The same for what is written. */
export function* attachTarget(stack: Stack, target: TargetEnd, init: AttachInit): Op<NvmeSide> {
  const { name, queueDepth, fabric, onLink } = init
  const { address } = target
  if (address !== null) {
    return yield* attachRemote(stack, { name, address, fabric, queueDepth, onEvent: onLink })
  }
  return yield* attachNvme(stack, { name, store: openTargetStore(stack, target), queueDepth })
}
