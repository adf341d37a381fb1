// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Op, type Scheduler, yieldNow } from '@iolayers/kernel'

/** The two bytes after each offset: so no eight bytes are zero, and a part that was never written shows. */
const MARK = 0x6f69
const PATTERN_BYTES = 8
/** Between two looks at what else has to be done. */
const TURN_BYTES = 16 * 1024 * 1024

/**
 * Fills a medium with the known pattern of a `mem:SIZE` source: each eight bytes hold their own offset, little-endian in six bytes, and
 * then the letters `io`. A block that ends up in the wrong place changes the digest, and a hex dump shows where it comes from.
 *
 * @param segments the bytes of the medium in order; each a multiple of eight long
 */
export function* fillPattern(scheduler: Scheduler, segments: readonly Uint8Array[]): Op<void> {
  let offsetBytes = 0
  for (const segment of segments) {
    for (let done = 0; done < segment.length; done += TURN_BYTES) {
      const part = segment.subarray(done, done + TURN_BYTES)
      writePattern(part, offsetBytes + done)
      yield* yieldNow(scheduler)
    }
    offsetBytes += segment.length
  }
}

/** The pattern of the range that begins at `offsetBytes`, a multiple of eight. */
export function writePattern(target: Uint8Array, offsetBytes: number): void {
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength)
  for (let at = 0; at < target.byteLength; at += PATTERN_BYTES) {
    const value = offsetBytes + at
    view.setUint32(at, value % 2 ** 32, true)
    view.setUint32(at + 4, Math.floor(value / 2 ** 32) + MARK * 2 ** 16, true)
  }
}
