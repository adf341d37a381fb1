// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Whether bytes arrived, asked on another way than the one that they came: a device that reports success proves nothing.

import { DmaDirection } from '@iolayers/dma-mapping'
import { assert, KernelError, type Op } from '@iolayers/kernel'
import type { DmaBuf } from '../buf/contracts.ts'

export interface VerifyInit {
  /** Where `expected` begins in the buffer; 0 by default. */
  readonly offsetBytes?: number
  /**
   * Brackets the CPU's looks with begin and end, which devices that do not snoop need. An exporter may move the buffer to system memory for that, so that a peer-to-peer transfer is not
   * what is tested then: false leaves them out. True by default.
   */
  readonly cpuAccess?: boolean
}

/**
 * A device writes `expected` to the buffer, by `transfer`. Before that the CPU fills the range with the complement, so that no byte is right by chance, and afterwards compares every byte. Throws EIO when one is
 * wrong, with the place of the first, how many there are, and how many of them nobody wrote; and what `transfer` throws.
 */
export function* verifyDeviceWrite(
  dmabuf: DmaBuf,
  expected: Uint8Array,
  transfer: () => Op<void>,
  init: VerifyInit = {},
): Op<void> {
  yield* fill(dmabuf, complement(expected), init)
  yield* transfer()
  const found = new Uint8Array(expected.length)
  yield* visit(dmabuf, DmaDirection.FROM_DEVICE, found.length, init, (view, at) => {
    found.set(view, at)
  })
  compare(found, expected, `a device's write to dma-buf ${dmabuf.inode}`)
}

/** A device reads the buffer, by `transfer`, which gives what it read. The CPU fills the range with `expected` before that. Throws EIO as `verifyDeviceWrite` does. */
export function* verifyDeviceRead(
  dmabuf: DmaBuf,
  expected: Uint8Array,
  transfer: () => Op<Uint8Array>,
  init: VerifyInit = {},
): Op<void> {
  yield* fill(dmabuf, expected, init)
  const found = yield* transfer()
  compare(found, expected, `a device's read from dma-buf ${dmabuf.inode}`)
}

/** Throws EIO unless the bytes are the same. */
function compare(found: Uint8Array, expected: Uint8Array, what: string): void {
  assert(found.length === expected.length, 'bytes of another length are compared')
  let wrong = 0
  let untouched = 0
  let first = -1
  for (let i = 0; i < expected.length; i++) {
    const want = expected[i] ?? 0
    if (found[i] === want) continue
    if (first < 0) first = i
    wrong++
    if (found[i] === (want ^ 0xff)) untouched++
  }
  if (wrong === 0) return
  throw new KernelError('EIO', `${what} did not arrive: ${wrong} of ${expected.length} bytes`, {
    value: `the first at ${first}; ${untouched} are as they were before`,
    accepted: 'every byte',
  })
}

function complement(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => byte ^ 0xff)
}

function* fill(dmabuf: DmaBuf, bytes: Uint8Array, init: VerifyInit): Op<void> {
  yield* visit(dmabuf, DmaDirection.BIDIRECTIONAL, bytes.length, init, (view, at) => {
    view.set(bytes.subarray(at, at + view.length))
  })
}

/** The pieces of the range, each with the place of its first byte in the range. */
function* visit(
  dmabuf: DmaBuf,
  direction: DmaDirection,
  length: number,
  init: VerifyInit,
  body: (view: Uint8Array, at: number) => void,
): Op<void> {
  const { offsetBytes = 0, cpuAccess = true } = init
  assert(offsetBytes + length <= dmabuf.sizeBytes, 'a range beyond the end of the buffer')
  if (cpuAccess) yield* dmabuf.beginCpuAccess(direction)
  try {
    const { segments } = yield* dmabuf.vmap()
    try {
      let at = -offsetBytes
      for (const segment of segments) {
        const start = Math.max(0, -at)
        const view = segment.subarray(start, Math.max(start, Math.min(segment.length, length - at)))
        if (view.length > 0) body(view, at + start)
        at += segment.length
      }
    } finally {
      dmabuf.vunmap()
    }
  } finally {
    if (cpuAccess) yield* dmabuf.endCpuAccess(direction)
  }
}
