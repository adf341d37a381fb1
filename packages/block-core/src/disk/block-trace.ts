// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Tracepoint, Tracer } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import type { Request } from '../mq/request.ts'
import { reqOp, SECTOR_SIZE } from '../req-flags.ts'

const BIO_FIELDS = ['dev', 'op', 'sector', 'nr_sector']
const RQ_FIELDS = ['dev', 'op', 'sector', 'nr_sector', 'tag', 'bytes']
const RQ_END_FIELDS = ['dev', 'op', 'sector', 'nr_sector', 'tag', 'error']

/** The tracepoints of a disk. @see include/trace/events/block.h */
export class BlockTrace {
  readonly bioQueue: Tracepoint
  readonly bioComplete: Tracepoint
  readonly split: Tracepoint
  readonly bioBackmerge: Tracepoint
  readonly bioFrontmerge: Tracepoint
  readonly getRq: Tracepoint
  readonly rqIssue: Tracepoint
  readonly rqMerge: Tracepoint
  readonly rqRequeue: Tracepoint
  readonly rqComplete: Tracepoint
  readonly #dev: string

  constructor(tracer: Tracer, dev: string) {
    this.#dev = dev
    this.bioQueue = tracer.point('block_bio_queue', BIO_FIELDS)
    this.bioComplete = tracer.point('block_bio_complete', ['dev', 'sector', 'nr_sector', 'error'])
    this.bioBackmerge = tracer.point('block_bio_backmerge', BIO_FIELDS)
    this.bioFrontmerge = tracer.point('block_bio_frontmerge', BIO_FIELDS)
    this.split = tracer.point('block_split', ['dev', 'sector', 'new_sector'])
    this.getRq = tracer.point('block_getrq', RQ_FIELDS)
    this.rqIssue = tracer.point('block_rq_issue', RQ_FIELDS)
    this.rqMerge = tracer.point('block_rq_merge', RQ_FIELDS)
    this.rqRequeue = tracer.point('block_rq_requeue', RQ_FIELDS)
    this.rqComplete = tracer.point('block_rq_complete', RQ_END_FIELDS)
  }

  bio(point: Tracepoint, bio: Bio): void {
    const { biSector, biSize } = bio.biIter
    point.emit(this.#dev, reqOp(bio.biOpf), biSector, biSize / SECTOR_SIZE)
  }

  rq(point: Tracepoint, rq: Request, bytes: number): void {
    point.emit(this.#dev, reqOp(rq.cmdFlags), rq.sector, bytes / SECTOR_SIZE, rq.tag, bytes)
  }

  rqEnd(point: Tracepoint, rq: Request, error: number): void {
    const sectors = rq.dataBytes / SECTOR_SIZE
    point.emit(this.#dev, reqOp(rq.cmdFlags), rq.sector, sectors, rq.tag, error)
  }
}
