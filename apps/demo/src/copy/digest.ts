// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createHash, type Hash } from 'node:crypto'
import type { DmaBuf } from '@iolayers/dma-buf'
import { DmaDirection } from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'

/** SHA-256 over blocks that lie in dma-bufs, read by the CPU in place: nothing is copied to be hashed. */
export class BufferDigest {
  readonly #hash: Hash = createHash('sha256')

  /** Hashes bytes of a buffer between begin and end of CPU access, so that what a device wrote is seen. */
  *update(buffer: DmaBuf, offsetBytes: number, lengthBytes: number): Op<void> {
    yield* buffer.beginCpuAccess(DmaDirection.FROM_DEVICE)
    const view = yield* buffer.vmap()
    // No wait between taking the view and the last byte: the exporter cannot move the buffer in between.
    let skip = offsetBytes
    let left = lengthBytes
    for (const segment of view.segments) {
      if (left === 0) break
      if (skip >= segment.length) {
        skip -= segment.length
        continue
      }
      const part = segment.subarray(skip, Math.min(segment.length, skip + left))
      this.#hash.update(part)
      left -= part.length
      skip = 0
    }
    buffer.vunmap()
    yield* buffer.endCpuAccess(DmaDirection.FROM_DEVICE)
  }

  /** The digest in hexadecimal. To be called once. */
  finish(): string {
    return this.#hash.digest('hex')
  }
}
