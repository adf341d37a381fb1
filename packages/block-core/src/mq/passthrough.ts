// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op } from '@iolayers/kernel'
import { StatGroup } from '../disk/io-stats.ts'
import { ReqFlags } from '../req-flags.ts'
import type { HctxTable } from './hctx-table.ts'
import type { HwQueue } from './hw-queue.ts'
import type { QueueGate } from './queue-gate.ts'
import { MqRqState, type Request } from './request.ts'

export interface PassthroughInit {
  /** The submitter's CPU; 0 by default. */
  readonly cpu?: number
  /** Takes one of the tags that are set aside. */
  readonly reserved?: boolean
  /** How long the driver may take, at least 1; left out, as long as its tag set says. */
  readonly timeoutNs?: number
}

/**
 * Requests that no bio was submitted for: commands of a driver or of its users, whose operation is DRV_IN or DRV_OUT. Nothing splits,
 * merges, sorts or counts them, and the limits of the disk are for whoever makes them to keep.
 * @see block/blk-mq.c blk_mq_alloc_request
 */
export class Passthrough {
  readonly #name: string
  readonly #gate: QueueGate
  readonly #table: HctxTable

  constructor(name: string, gate: QueueGate, table: HctxTable) {
    this.#name = name
    this.#gate = gate
    this.#table = table
  }

  /** Null where it would have to sleep: no tag, or a frozen queue. Throws KernelError ENODEV for a dying disk, EINVAL for a time out of range. */
  tryAllocRequest(opf: number, init: PassthroughInit = {}): Request | null {
    checkInit(init)
    const wanted = this.#polledWhereItCan(opf)
    const hctx = this.#table.mapQueue(init.cpu ?? 0, wanted)
    const rq = hctx.tryGetRequest(init.reserved ?? false)
    if (rq !== null) return prepare(rq, wanted, init)
    this.#refuseIfDying(hctx)
    return null
  }

  /**
   * A request of the caller's, which goes back by `blkMqFreeRequest`, or by its `endIo`. Waits for a tag, and while the queue is frozen. Throws
   * KernelError ENODEV when the disk is dying, EINVAL for a time out of range.
   */
  *allocRequest(opf: number, init: PassthroughInit = {}): Op<Request> {
    checkInit(init)
    const cpu = init.cpu ?? 0
    const reserved = init.reserved ?? false
    for (;;) {
      const wanted = this.#polledWhereItCan(opf)
      const hctx = this.#table.mapQueue(cpu, wanted)
      const rq = hctx.tryGetRequest(reserved)
      if (rq !== null) return prepare(rq, wanted, init)
      this.#refuseIfDying(hctx)
      if (this.#gate.frozen) {
        hctx.tags.passWake()
        yield* this.#gate.waitOpen()
        continue
      }
      yield* hctx.waitTag(reserved)
      // Woken for a tag of a queue that it does not go to any more.
      if (this.#table.mapQueue(cpu, wanted) !== hctx) hctx.tags.passWake()
    }
  }

  /** What nobody could poll ends by itself. */
  #polledWhereItCan(opf: number): number {
    return this.#table.canPoll ? opf : opf & ~ReqFlags.POLLED
  }

  #refuseIfDying(hctx: HwQueue): void {
    if (!this.#gate.dying) return
    hctx.tags.passWake()
    throw new KernelError('ENODEV', `${this.#name}: no request for a disk that is gone`)
  }
}

function checkInit({ timeoutNs }: PassthroughInit): void {
  if (timeoutNs === undefined || (Number.isSafeInteger(timeoutNs) && timeoutNs >= 1)) return
  throw new KernelError('EINVAL', 'passthrough request: timeoutNs', {
    value: timeoutNs,
    accepted: 'an integer of at least 1',
  })
}

function prepare(rq: Request, opf: number, init: PassthroughInit): Request {
  rq.bio = null
  rq.bioTail = null
  rq.nrPhysSegments = 0
  rq.cmdFlags = opf
  rq.sector = 0
  rq.dataBytes = 0
  rq.dmabufMap = null
  rq.dmabufOffsetBytes = 0
  rq.flushSteps = 0
  rq.statGroup = StatGroup.NONE
  rq.endIo = null
  rq.state = MqRqState.IDLE
  rq.timeoutNs = init.timeoutNs ?? 0
  return rq
}
