// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import {
  type CancellableStore,
  isCancellable,
  type NamespaceInit,
  type NamespaceStore,
} from '../contracts.ts'

/** What the command handlers see of a namespace. */
export interface Namespace {
  readonly store: NamespaceStore
  /** The store again, if it can let go of an I/O. */
  readonly cancellable: CancellableStore | null
  readonly blockBytes: number
  readonly blockShift: number
  readonly blocks: number
}

/** Throws EINVAL for a block size other than 512 and 4096, and for a store smaller than a block. */
export function makeNamespace(init: NamespaceInit): Namespace {
  const blockBytes = init.logicalBlockBytes ?? 512
  if (blockBytes !== 512 && blockBytes !== 4096) {
    throw new KernelError('EINVAL', 'logicalBlockBytes', {
      value: blockBytes,
      accepted: '512 or 4096',
    })
  }
  const blocks = Math.floor(init.store.sizeBytes / blockBytes)
  if (blocks === 0) {
    throw new KernelError('EINVAL', 'size of the store', {
      value: init.store.sizeBytes,
      accepted: `at least ${blockBytes}`,
    })
  }
  const { store } = init
  const cancellable = isCancellable(store) ? store : null
  return { store, cancellable, blockBytes, blockShift: Math.log2(blockBytes), blocks }
}
