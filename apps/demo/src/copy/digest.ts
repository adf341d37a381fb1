// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createHash, type Hash } from 'node:crypto'
import type { DmaBuf } from '@iolayers/dma-buf'
import type { Op } from '@iolayers/kernel'

/** SHA-256 over blocks that lie in dma-bufs, read by the CPU in place: nothing is copied to be hashed. */
export class BufferDigest {
  readonly #hash: Hash

  constructor(hash: Hash = createHash('sha256')) {
    this.#hash = hash
  }

  /** One of its own, which has seen the same so far. */
  copy(): BufferDigest {
    return new BufferDigest(this.#hash.copy())
  }

  /**
   * Hashes bytes of a buffer of which the I/O is over. The driver's sync for the CPU has given exactly these bytes to the CPU;
   * begin and end of CPU access would sync the whole buffer, under the I/O of its other blocks.
   */
  *update(buffer: DmaBuf, offsetBytes: number, lengthBytes: number): Op<void> {
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
  }

  /** The digest in hexadecimal. To be called once. */
  finish(): string {
    return this.#hash.digest('hex')
  }
}
