// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// For stores that stand before another one.

import { type StoreCompletion, StoreIo } from '../controller/contracts.ts'

/** An I/O for the store behind, on behalf of `io`: at the same place, and it may touch memory as long as that one may. Without ranges. */
export function innerIo(io: StoreIo, done: (status: number) => void): StoreIo {
  const completion: StoreCompletion = { storeDone: (_, status) => done(status) }
  const gate = {
    get enabled() {
      return io.reachable
    },
  }
  const inner = new StoreIo(io.index, completion, gate)
  inner.op = io.op
  inner.offsetBytes = io.offsetBytes
  inner.lengthBytes = io.lengthBytes
  return inner
}

/** Gives `inner` the memory of `io`, as far as its length goes. */
export function addSameRanges(inner: StoreIo, io: StoreIo): void {
  let left = inner.lengthBytes
  for (let i = 0; i < io.count && left > 0; i++) {
    const side = io.sides[i]
    if (side === undefined) continue
    const length = Math.min(left, io.lengths[i] ?? 0)
    inner.addRange(side, io.offsets[i] ?? 0, length)
    left -= length
  }
}

/** The first bytes of the memory of an I/O, in order: which it is, and where it lies. */
export function eachByte(
  io: StoreIo,
  lengthBytes: number,
  visit: (offset: number, bytes: Uint8Array, at: number) => void,
): void {
  let offset = 0
  for (let i = 0; i < io.count; i++) {
    const bytes = io.sides[i]?.bytes
    const length = io.lengths[i] ?? 0
    const from = io.offsets[i] ?? 0
    for (let at = from; at < from + length && offset < lengthBytes; at++, offset++) {
      if (bytes !== undefined) visit(offset, bytes, at)
    }
  }
}
