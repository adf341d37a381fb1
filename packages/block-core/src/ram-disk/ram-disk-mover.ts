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

const PAGE_SIZE = 4096

/** Moves the bytes of a request between memory and an array of sectors. */
export class RamDiskMover {
  readonly #memory: PhysicalMemory
  readonly #device: Device | null
  readonly #sectors: Uint8Array
  readonly #iterator: ReqIterator
  readonly #run: BioVec
  readonly #range: BusRange

  constructor(memory: PhysicalMemory, device: Device | null, sectors: Uint8Array) {
    this.#memory = memory
    this.#device = device
    this.#sectors = sectors
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
        const start = rq.sector * SECTOR_SIZE
        this.#sectors.fill(0, start, start + rq.dataBytes)
        return BlkStatus.OK
      }
      default:
        return BlkStatus.OK
    }
  }

  #moveRuns(rq: Request): BlkStatus {
    const run = this.#run
    let at = rq.sector * SECTOR_SIZE
    this.#iterator.init(rq)
    while (this.#iterator.next(rq.dataBytes, run) > 0) {
      const bytes = this.#sectors.subarray(at, at + run.lengthBytes)
      const addr = run.frame * PAGE_SIZE + run.offsetBytes
      if (reqOp(rq.cmdFlags) === ReqOp.WRITE) this.#memory.read(addr, bytes)
      else this.#memory.write(addr, bytes)
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
    const at = rq.sector * SECTOR_SIZE + done
    const { bytes, offset } = this.#range
    if (isWrite) this.#sectors.set(bytes.subarray(offset, offset + moved), at)
    else bytes.set(this.#sectors.subarray(at, at + moved), offset)
    dma.syncSingleForCpu(busAddr, length, direction)
    return moved
  }
}
