// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaSegmentTable } from '@iolayers/dma-mapping'
import type { Bio } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'
import { StatGroup } from '../disk/io-stats.ts'
import type { DmabufIoMap } from '../dmabuf/contracts.ts'
import type { ElvRq } from '../elevator/elv-rq.ts'
import type { HwQueue } from './hw-queue.ts'
import type { RqEndIo } from './rq-end-io.ts'

/** @see include/linux/blk-mq.h enum mq_rq_state */
export const MqRqState = { IDLE: 0, IN_FLIGHT: 1, COMPLETE: 2 } as const
export type MqRqState = (typeof MqRqState)[keyof typeof MqRqState]

/**
 * What a driver is given: one command's worth of I/O. Made with its tag set, one for each tag, together with the driver's own
 * data `pdu`. A driver reads all of it and writes none of it but `pdu`.
 * @see include/linux/blk-mq.h struct request
 */
export class Request<P = unknown> {
  readonly tag: number
  readonly pdu: P
  /** The hardware queue that it was allocated on; null while it is free. */
  mqHctx: HwQueue | null
  /** Operation and flags, as of a bio. */
  cmdFlags: number
  sector: number
  dataBytes: number
  /** First of the bios; they are linked by `biNext`. A flush carries no data of it. */
  bio: Bio | null
  /** Last of the bios; null where there is none. */
  bioTail: Bio | null
  /** Physical segments of its data, as the limits count them, for a discard its ranges; 0 for a dmabuf and for nothing. */
  nrPhysSegments: number
  dmabufMap: DmabufIoMap | null
  /** Byte offset in the buffer, for a dmabuf request. */
  dmabufOffsetBytes: number
  /** Device addresses; non-null exactly while the request holds `active` of its map. */
  dmaSegments: DmaSegmentTable | null
  state: MqRqState
  /** Status handed to `blkMqCompleteRequest`. */
  status: BlkStatus
  /** What the disk's scheduler keeps for it; null while it never had one. */
  elv: ElvRq | null
  /** Next in the list that holds it. */
  queueNext: Request<P> | null
  /** Counts uses of the tag: tells a request from the next one with its tag. */
  generation: number
  /** Steps of a flush sequence that are still to do. */
  flushSteps: number
  /** What it is counted as from its submission on. @see include/linux/blk-mq.h RQF_IO_STAT */
  statGroup: StatGroup
  /** How long the driver may take; 0: as long as the tag set says. */
  timeoutNs: number
  /** Its time was over, and the driver has it in hand. @see include/linux/blk-mq.h RQF_TIMED_OUT */
  timedOut: boolean
  /** For a command of somebody's own: who hears of its end. */
  endIo: RqEndIo<P> | null

  constructor(tag: number, pdu: P) {
    this.tag = tag
    this.pdu = pdu
    this.mqHctx = null
    this.cmdFlags = 0
    this.sector = 0
    this.dataBytes = 0
    this.bio = null
    this.bioTail = null
    this.nrPhysSegments = 0
    this.dmabufMap = null
    this.dmabufOffsetBytes = 0
    this.dmaSegments = null
    this.state = MqRqState.IDLE
    this.status = BlkStatus.OK
    this.elv = null
    this.queueNext = null
    this.generation = 0
    this.flushSteps = 0
    this.statGroup = StatGroup.NONE
    this.timeoutNs = 0
    this.timedOut = false
    this.endIo = null
  }
}
