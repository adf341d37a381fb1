// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  BusAccess,
  BusRange,
  type Device,
  DmaDirection,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import type { BioVec } from '@iolayers/uio'
import { BlkStatus } from '../blk-status.ts'
import { ReqIterator } from '../mq/req-iterator.ts'
import type { Request } from '../mq/request.ts'
import { ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import type { SectorStore } from './sector-store.ts'

const PAGE_SIZE = 4096

/** Moves the bytes of a request between memory and the disk's pages. */
export class RamDiskMover {
  readonly #memory: PhysicalMemory
  readonly #device: Device | null
  readonly #store: SectorStore
  readonly #iterator: ReqIterator
  readonly #run: BioVec
  readonly #range: BusRange

  constructor(memory: PhysicalMemory, device: Device | null, store: SectorStore) {
    this.#memory = memory
    this.#device = device
    this.#store = store
    this.#iterator = new ReqIterator()
    this.#run = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
    this.#range = new BusRange()
  }

  move(rq: Request): BlkStatus {
    switch (reqOp(rq.cmdFlags)) {
      case ReqOp.READ:
      case ReqOp.WRITE:
        return rq.dmaSegments === null ? this.#moveRuns(rq) : this.#moveSegments(rq)
      case ReqOp.DISCARD:
      case ReqOp.WRITE_ZEROES: {
        // Discards that were merged need not be neighbours.
        for (let bio = rq.bio; bio !== null; bio = bio.biNext) {
          this.#store.discard(bio.biIter.biSector * SECTOR_SIZE, bio.biIter.biSize)
        }
        return BlkStatus.OK
      }
      default:
        return BlkStatus.OK
    }
  }

  #moveRuns(rq: Request): BlkStatus {
    const run = this.#run
    const isWrite = reqOp(rq.cmdFlags) === ReqOp.WRITE
    let at = rq.sector * SECTOR_SIZE
    this.#iterator.init(rq)
    while (this.#iterator.next(rq.dataBytes, run) > 0) {
      const addr = run.frame * PAGE_SIZE + run.offsetBytes
      if (isWrite) this.#store.writeFrom(at, this.#memory, addr, run.lengthBytes)
      else this.#store.readTo(at, this.#memory, addr, run.lengthBytes)
      at += run.lengthBytes
    }
    return BlkStatus.OK
  }

  #moveSegments(rq: Request): BlkStatus {
    const segments = rq.dmaSegments
    if (segments === null || this.#device === null) return BlkStatus.IOERR
    let done = 0
    while (done < rq.dataBytes) {
      const offset = rq.dmabufOffsetBytes + done
      const index = segments.find(offset)
      const skip = offset - segments.startAt(index)
      const wanted = Math.min(segments.lengthAt(index) - skip, rq.dataBytes - done)
      const moved = this.#moveBus(rq, segments.addressAt(index) + skip, done, wanted)
      if (moved === 0) return BlkStatus.IOERR
      done += moved
    }
    return BlkStatus.OK
  }

  #moveBus(rq: Request, busAddr: number, done: number, length: number): number {
    if (this.#device === null) return 0
    const { bus, dma } = this.#device
    const isWrite = reqOp(rq.cmdFlags) === ReqOp.WRITE
    const direction = isWrite ? DmaDirection.TO_DEVICE : DmaDirection.FROM_DEVICE
    // A driver syncs the bytes of a registered buffer before and after, whichever way they go.
    dma.syncSingleForDevice(busAddr, length, direction)
    const access = isWrite ? BusAccess.READ : BusAccess.WRITE
    const moved = bus.translate(busAddr, length, access, this.#range)
    this.#copy(isWrite, rq.sector * SECTOR_SIZE + done, moved)
    dma.syncSingleForCpu(busAddr, length, direction)
    return moved
  }

  /** Between the disk and what the bus led to. */
  #copy(isWrite: boolean, position: number, length: number): void {
    const { bytes, offset } = this.#range
    for (let done = 0; done < length; ) {
      const at = position + done
      const from = offset + done
      const page = isWrite
        ? this.#store.viewToWrite(at, length - done)
        : this.#store.view(at, length - done)
      if (isWrite) page.set(bytes.subarray(from, from + page.length))
      else bytes.set(page, from)
      done += page.length
    }
  }
}
