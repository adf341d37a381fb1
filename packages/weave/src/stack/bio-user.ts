// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  Bio,
  BlkStatus,
  blkStatusText,
  type DmabufIoMap,
  type DmabufToken,
  ReqFlags,
  ReqOp,
} from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import { DmaDirection } from '@iolayers/dma-mapping'
import { Completion, type Op } from '@iolayers/kernel'
import { BLOCK_BYTES } from './block-bytes.ts'
import { FoundFault } from './found-fault.ts'
import type { Stack } from './stack.ts'

/** Times that a user imports anew when the map died before anything went out, as the ring does. */
const IMPORTS_MAX = 8

export interface BioIo {
  readonly op: 'read' | 'write'
  readonly lba: number
  readonly blocks: number
  /** In the buffer; `lba` in bytes by default. */
  readonly bufferOffsetBytes?: number
}

/** A buffer, as its users see it. */
export interface WovenBuffer {
  readonly dmabuf: DmaBuf
  /** What the CPU sees; left out, nobody compares what arrived. */
  read?(offsetBytes: number, lengthBytes: number): Op<Uint8Array>
}

/**
 * One registration of one buffer, used by bios: the shortest way from an import through the block layer to the device. Each I/O imports the map once
 * and keeps the reference until it has ended.
 */
export class BioUser {
  readonly token: DmabufToken
  readonly #stack: Stack
  readonly #exporter: WovenBuffer

  constructor(stack: Stack, exporter: WovenBuffer, token: DmabufToken) {
    this.#stack = stack
    this.#exporter = exporter
    this.token = token
  }

  static *register(stack: Stack, exporter: WovenBuffer): Op<BioUser> {
    const registrar = stack.disk.dmabuf
    if (registrar === null) throw new Error('a disk that takes no registrations')
    const token = yield* registrar.createDmabufToken(exporter.dmabuf, DmaDirection.BIDIRECTIONAL)
    return new BioUser(stack, exporter, token)
  }

  /** Imports, submits, waits, and compares what arrived. Ends with the status of the I/O: OK, or STALE when maps died again and again. */
  *io(io: BioIo): Op<BlkStatus> {
    this.#stack.transfers.submitted(io.lba, io.blocks)
    for (let imports = 0; imports < IMPORTS_MAX; imports++) {
      const map = yield* this.token.getMap()
      let status: BlkStatus
      try {
        status = yield* this.submit(map, io)
      } finally {
        map.put()
      }
      if (status === BlkStatus.STALE) continue
      if (status === BlkStatus.OK) yield* compareWithMedium(this.#stack, this.#exporter, io)
      return status
    }
    return BlkStatus.STALE
  }

  /** One bio over a map that the caller holds. */
  *submit(map: DmabufIoMap, io: BioIo): Op<BlkStatus> {
    const done = new Completion(this.#stack.kernel.scheduler, 'the end of a bio')
    const bio = new Bio()
    const op = io.op === 'read' ? ReqOp.READ : ReqOp.WRITE
    bio.init(op | ReqFlags.DMABUF | ReqFlags.NOMERGE, io.lba, { bioEndIo: () => done.complete() })
    bio.biDmabufMap = map
    bio.biIter.biBvecDone = offsetOf(io)
    bio.biIter.biSize = io.blocks * BLOCK_BYTES
    yield* this.#stack.disk.submitBioWait(bio, null)
    yield* done.wait()
    if (bio.biStatus === BlkStatus.AGAIN) {
      throw new FoundFault(
        'status',
        `a ${io.op} that may wait ended with ${blkStatusText(BlkStatus.AGAIN)}`,
      )
    }
    return bio.biStatus
  }

  *release(): Op<void> {
    yield* this.token.release()
  }
}

/** Every byte of the range is the same on both sides. */
export function* compareWithMedium(stack: Stack, exporter: WovenBuffer, io: BioIo): Op<void> {
  const length = io.blocks * BLOCK_BYTES
  if (exporter.read === undefined) return
  const buffer = yield* exporter.read(offsetOf(io), length)
  const start = io.lba * BLOCK_BYTES
  const medium = stack.hardware.medium.subarray(start, start + length)
  let wrong = 0
  while (wrong < length && buffer[wrong] === medium[wrong]) wrong++
  if (wrong === length) return
  throw new FoundFault(
    'data',
    `${io.op} of ${length} bytes ended well, but byte ${wrong} is 0x${hex(buffer[wrong])} in the buffer and 0x${hex(medium[wrong])} on the medium`,
  )
}

function offsetOf(io: BioIo): number {
  return io.bufferOffsetBytes ?? io.lba * BLOCK_BYTES
}

function hex(byte: number | undefined): string {
  return (byte ?? 0).toString(16).padStart(2, '0')
}
