// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DeferredCall, type Scheduler } from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'
import { BlkStatus } from '../blk-status.ts'
import { blkMqCompleteRequest, blkMqEndRequest } from '../mq/blk-mq.ts'
import { ReqIterator } from '../mq/req-iterator.ts'
import type { Request } from '../mq/request.ts'
import { RqList } from '../mq/rq-list.ts'
import { opIsWrite, ReqFlags, ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import { Badblocks, type BadRange } from './badblocks.ts'
import { type NullBlkConfig, NullIrqMode } from './null-blk-init.ts'
import type { NullBlkStorage } from './null-blk-storage.ts'
import type { NullCmd } from './null-queue.ts'
import type { NullThrottle } from './null-throttle.ts'

const PAGE_SIZE = 4096

/** A request, or a bio as one. */
export type NullIo = Pick<Request, 'cmdFlags' | 'sector' | 'dataBytes' | 'bio'>

/** What a device does with a request that was handed over. @see drivers/block/null_blk/main.c null_handle_cmd */
export class NullDevice {
  readonly config: NullBlkConfig
  readonly badblocks: Badblocks
  readonly storage: NullBlkStorage | null
  throttle: NullThrottle | null
  readonly #scheduler: Scheduler
  readonly #done: RqList<NullCmd>
  readonly #softirq: DeferredCall
  readonly #iterator: ReqIterator
  readonly #run: BioVec

  constructor(scheduler: Scheduler, config: NullBlkConfig, storage: NullBlkStorage | null) {
    this.config = config
    this.badblocks = new Badblocks()
    this.storage = storage
    this.throttle = null
    this.#scheduler = scheduler
    this.#done = new RqList()
    this.#softirq = new DeferredCall(`${config.name} softirq`, () => this.#endDone())
    this.#iterator = new ReqIterator()
    this.#run = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  }

  handle(rq: Request<NullCmd>): void {
    const cmd = rq.pdu
    cmd.error = this.process(rq)
    const { irqMode, completionNs } = this.config
    if (irqMode === NullIrqMode.SOFTIRQ) blkMqCompleteRequest(rq, cmd.error)
    else if (irqMode === NullIrqMode.NONE) blkMqEndRequest(rq, cmd.error)
    else cmd.timer.arm(completionNs)
  }

  /** Moves the data; how it went. @see drivers/block/null_blk/main.c null_process_cmd */
  process(rq: NullIo): BlkStatus {
    if (reqOp(rq.cmdFlags) === ReqOp.FLUSH) {
      this.storage?.flush()
      return BlkStatus.OK
    }
    const sectors = rq.dataBytes / SECTOR_SIZE
    const bad = this.badblocks.check(rq.sector, sectors)
    if (bad === null) {
      this.#move(rq, rq.dataBytes)
      return BlkStatus.OK
    }
    this.#move(rq, this.#bytesBefore(bad, rq))
    return BlkStatus.IOERR
  }

  /** A request is done and ends in a call of its own. @see drivers/block/null_blk/main.c null_complete_rq */
  complete(rq: Request<NullCmd>): void {
    if (this.config.irqMode !== NullIrqMode.SOFTIRQ) {
      blkMqEndRequest(rq, rq.pdu.error)
      return
    }
    this.#done.addTail(rq)
    this.#scheduler.queue(this.#softirq)
  }

  #endDone(): void {
    for (let rq = this.#done.pop(); rq !== null; rq = this.#done.pop()) {
      blkMqEndRequest(rq, rq.pdu.error)
    }
  }

  /** @see drivers/block/null_blk/main.c null_handle_badblocks */
  #bytesBefore(bad: BadRange, rq: NullIo): number {
    if (this.config.badblocksOnce) this.badblocks.clear(bad.start, bad.sectors)
    if (!this.config.badblocksPartialIo) return 0
    const blockSectors = this.config.blockSizeBytes / SECTOR_SIZE
    const firstBad = bad.start - (bad.start % blockSectors)
    return Math.max(0, firstBad - rq.sector) * SECTOR_SIZE
  }

  #move(rq: NullIo, maxBytes: number): void {
    const { storage } = this
    if (storage === null || maxBytes === 0) return
    let position = rq.sector * SECTOR_SIZE
    if (reqOp(rq.cmdFlags) === ReqOp.DISCARD) {
      storage.discard(position, maxBytes)
      return
    }
    const run = this.#run
    const isWrite = opIsWrite(rq.cmdFlags)
    const fua = (rq.cmdFlags & ReqFlags.FUA) !== 0
    let left = maxBytes
    this.#iterator.init(rq)
    while (left > 0 && this.#iterator.next(left, run) > 0) {
      const addr = run.frame * PAGE_SIZE + run.offsetBytes
      if (isWrite) storage.write(position, addr, run.lengthBytes, fua)
      else storage.read(position, addr, run.lengthBytes)
      position += run.lengthBytes
      left -= run.lengthBytes
    }
  }
}
