// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createBlockDeviceFile } from '@iolayers/block-core'
import { createIoUring, type IoUring } from '@iolayers/io-uring'
import { MAX_STALE_IMPORTS } from '@iolayers/io-uring/parts'
import { Errno, errnoName, type File, type Op, OpenFlags } from '@iolayers/kernel'
import { type BioIo, compareWithMedium } from './bio-user.ts'
import { BLOCK_BYTES } from './block-bytes.ts'
import { FoundFault } from './found-fault.ts'
import type { MigratingExporter } from './migrating-exporter.ts'
import type { Stack } from './stack.ts'

const ENTRIES = 4
const WORKERS = 1

/** A ring with one file and one registered buffer: the whole way from a submission queue entry to the device. */
export class RingUser {
  readonly ring: IoUring
  readonly #file: File
  readonly #stack: Stack
  readonly #exporter: MigratingExporter
  readonly #userData: Int32Array = new Int32Array(ENTRIES)
  readonly #results: Int32Array = new Int32Array(ENTRIES)

  constructor(stack: Stack, exporter: MigratingExporter) {
    const { kernel, disk, parts } = stack
    this.#stack = stack
    this.#exporter = exporter
    this.#file = createBlockDeviceFile(
      { kernel, disk },
      { flags: OpenFlags.O_RDWR | OpenFlags.O_DIRECT },
    )
    this.ring = createIoUring(
      { kernel, ...(parts.ring && { parts: parts.ring }) },
      { entries: ENTRIES, workers: WORKERS },
    )
  }

  static *register(stack: Stack, exporter: MigratingExporter): Op<RingUser> {
    const user = new RingUser(stack, exporter)
    user.ring.registerFiles([user.#file])
    yield* user.ring.registerBuffers([
      { dmabuf: exporter.dmabuf, fileIndex: 0, barrier: stack.parts.barrier ?? true },
    ])
    return user
  }

  /** One I/O from entry to completion. Its result: bytes, or -ESTALE when maps died too often, or under a part of it. Any other error is a fault. */
  *io(io: BioIo): Op<number> {
    const { ring } = this
    const length = io.blocks * BLOCK_BYTES
    const position = io.lba * BLOCK_BYTES
    const offset = io.bufferOffsetBytes ?? position
    this.#stack.transfers.submitted(io.lba, io.blocks)
    const sqe = ring.getSqe()
    if (io.op === 'read') ring.prepReadFixed(sqe, 0, position, 0, offset, length, 1)
    else ring.prepWriteFixed(sqe, 0, position, 0, offset, length, 1)
    const lostBefore = this.#stack.tokens.stats.mapsLost
    yield* ring.submitAndWait(1)
    ring.reap(this.#userData, this.#results, ENTRIES)
    const result = this.#results[0] ?? 0
    if (result === length) yield* compareWithMedium(this.#stack, this.#exporter, io)
    else if (result === -Errno.ESTALE) this.#checkStale(io, lostBefore)
    else {
      const text = result < 0 ? (errnoName(result) ?? `${result}`) : `${result} bytes`
      throw new FoundFault('status', `${io.op} of ${length} bytes that may wait ended with ${text}`)
    }
    return result
  }

  /** ESTALE is for an I/O of which something went out, or whose maps died as often as the ring imports afresh. */
  #checkStale({ op, lba, blocks }: BioIo, lostBefore: number): void {
    const { transfers, tokens } = this.#stack
    const lost = tokens.stats.mapsLost - lostBefore
    if (transfers.movedIn(lba, blocks) > 0 || lost > MAX_STALE_IMPORTS) return
    throw new FoundFault(
      'status',
      `${op} ended with ESTALE, though nothing of it had gone out and only ${lost} of its maps died`,
    )
  }

  *close(): Op<void> {
    yield* this.ring.close()
    this.#file.put()
  }
}
