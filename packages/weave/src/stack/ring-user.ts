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

export interface RingUserInit {
  /** SetupFlags of the ring; 0 by default. */
  readonly flags?: number
  /** How often the buffer is registered; 1 by default. */
  readonly registrations?: number
  /** What the ring is given in the place of the disk's file; takes its reference over. */
  readonly wrapFile?: (file: File) => File
}

export interface RingIo extends BioIo {
  /** Which registration; the first by default. */
  readonly registration?: number
}

/** A ring with one file and one buffer, registered with it: the whole way from a submission queue entry to the device. */
export class RingUser {
  readonly ring: IoUring
  readonly #file: File
  readonly #stack: Stack
  readonly #exporter: MigratingExporter
  readonly #userData: Int32Array = new Int32Array(ENTRIES)
  readonly #results: Int32Array = new Int32Array(ENTRIES)

  constructor(stack: Stack, exporter: MigratingExporter, init: RingUserInit = {}) {
    const { kernel, disk, parts } = stack
    this.#stack = stack
    this.#exporter = exporter
    const file = createBlockDeviceFile(
      { kernel, disk },
      { flags: OpenFlags.O_RDWR | OpenFlags.O_DIRECT },
    )
    this.#file = init.wrapFile?.(file) ?? file
    this.ring = createIoUring(
      { kernel, ...(parts.ring && { parts: parts.ring }) },
      { entries: ENTRIES, workers: WORKERS, flags: init.flags ?? 0 },
    )
  }

  static *register(
    stack: Stack,
    exporter: MigratingExporter,
    init: RingUserInit = {},
  ): Op<RingUser> {
    const user = new RingUser(stack, exporter, init)
    user.ring.registerFiles([user.#file])
    const buffer = {
      dmabuf: exporter.dmabuf,
      fileIndex: 0,
      barrier: stack.parts.barrier ?? true,
    }
    yield* user.ring.registerBuffers(Array.from({ length: init.registrations ?? 1 }, () => buffer))
    return user
  }

  /** One I/O from entry to completion. Its result: bytes, or -ESTALE when maps died too often, or under a part of it. Any other error is a fault. */
  *io(io: RingIo): Op<number> {
    const [result = 0] = yield* this.all([io])
    return result
  }

  /** Several, submitted together; as `io`, each. Nobody else may have any under way. */
  *all(ios: readonly RingIo[]): Op<readonly number[]> {
    const lostBefore = this.submit(ios)
    return yield* this.finish(ios, lostBefore)
  }

  /** The first half of `all`: what is to be told to `finish`. */
  submit(ios: readonly RingIo[]): number {
    const lostBefore = this.#stack.tokens.stats.mapsLost
    for (const [at, io] of ios.entries()) this.#prepare(io, at)
    this.ring.submit()
    return lostBefore
  }

  *finish(ios: readonly RingIo[], lostBefore: number): Op<readonly number[]> {
    const { ring } = this
    yield* ring.waitCqes(ios.length)
    const reaped = ring.reap(this.#userData, this.#results, ENTRIES)
    const results: number[] = []
    for (let i = 0; i < reaped; i++) results[this.#userData[i] ?? 0] = this.#results[i] ?? 0
    for (const [at, io] of ios.entries()) yield* this.#look(io, results[at] ?? 0, lostBefore)
    return results
  }

  *close(): Op<void> {
    yield* this.ring.close()
    this.#file.put()
  }

  #prepare(io: RingIo, userData: number): void {
    const { ring } = this
    const length = io.blocks * BLOCK_BYTES
    const position = io.lba * BLOCK_BYTES
    const offset = io.bufferOffsetBytes ?? position
    const registration = io.registration ?? 0
    this.#stack.transfers.submitted(io.lba, io.blocks)
    const sqe = ring.getSqe()
    if (io.op === 'read') {
      ring.prepReadFixed(sqe, 0, position, registration, offset, length, userData)
    } else ring.prepWriteFixed(sqe, 0, position, registration, offset, length, userData)
  }

  *#look(io: RingIo, result: number, lostBefore: number): Op<void> {
    const length = io.blocks * BLOCK_BYTES
    if (result === length) yield* compareWithMedium(this.#stack, this.#exporter, io)
    else if (result === -Errno.ESTALE) this.#checkStale(io, lostBefore)
    else {
      const text = result < 0 ? (errnoName(result) ?? `${result}`) : `${result} bytes`
      const { op } = io
      throw new FoundFault('status', `${op} of ${length} bytes that may wait ended with ${text}`)
    }
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
}
