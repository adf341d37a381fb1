// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { BufferDigest } from './digest.ts'
import { EXTENT_BYTES } from './journal.ts'

/** Reads a range and shows its blocks in order. */
export type ReadRange = (
  startBytes: number,
  endBytes: number,
  onBlock: (slot: number, lengthBytes: number) => Op<void>,
) => Op<unknown>

/** Of what is kept, as much as is proven. */
export interface Proven {
  readonly extents: number
  /** The digest of all of it, to go on with. */
  readonly digest: BufferDigest
}

/** Reads extents from the start, as long as each has the digest that was noted. What comes after the first that has not is in doubt, and not read. */
export function* proveKept(
  read: ReadRange,
  update: (digest: BufferDigest, slot: number, lengthBytes: number) => Op<void>,
  noted: readonly string[],
  sizeBytes: number,
): Op<Proven> {
  let digest = new BufferDigest()
  for (const [extents, expected] of noted.entries()) {
    const startBytes = extents * EXTENT_BYTES
    if (startBytes >= sizeBytes) return { extents, digest }
    const whole = digest.copy()
    const one = new BufferDigest()
    yield* read(
      startBytes,
      Math.min(startBytes + EXTENT_BYTES, sizeBytes),
      function* (slot, lengthBytes) {
        yield* update(one, slot, lengthBytes)
        yield* update(whole, slot, lengthBytes)
      },
    )
    if (one.finish() !== expected) return { extents, digest }
    digest = whole
  }
  return { extents: noted.length, digest }
}
