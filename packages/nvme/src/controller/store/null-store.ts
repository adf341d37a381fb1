// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op } from '@iolayers/kernel'
import { Status } from '../../spec/index.ts'
import { type NamespaceStore, type StoreIo, StoreOp } from '../contracts.ts'

/**
 * A medium that keeps nothing: what is written is gone, and what is read is zeros. For measuring what the rest costs. Any size up to 2^53 bytes; it takes no
 * memory. Throws EINVAL.
 */
export function createNullStore(init: { readonly sizeBytes: number }): NamespaceStore {
  const { sizeBytes } = init
  if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0) return new NullStore(sizeBytes)
  throw new KernelError('EINVAL', 'size of a null store', {
    value: sizeBytes,
    accepted: 'more than 0 bytes',
  })
}

class NullStore implements NamespaceStore {
  readonly sizeBytes: number
  readonly lastError: KernelError | null = null

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes
  }

  supports(): boolean {
    return true
  }

  submit(io: StoreIo): void {
    if (io.op === StoreOp.READ) {
      for (let i = 0; i < io.count; i++) {
        const at = io.offsets[i] ?? 0
        io.sides[i]?.bytes.fill(0, at, at + (io.lengths[i] ?? 0))
      }
    }
    io.completion.storeDone(io, Status.SUCCESS)
  }

  *close(): Op<void> {}
}
