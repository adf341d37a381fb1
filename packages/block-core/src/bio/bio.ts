// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BioVec } from '@iolayers/uio'
import { BlkStatus } from '../blk-status.ts'
import type { DmabufIoMap } from '../dmabuf/contracts.ts'
import { ReqFlags } from '../req-flags.ts'
import type { BioSet } from './bio-set.ts'
import { BvecIter } from './bvec-iter.ts'

/** Receives the end of a bio, exactly once. Completion context: it may not sleep. `biStatus` says how it ended. */
export interface BioEndIo {
  bioEndIo(bio: Bio): void
}

/** A bio whose end nobody waits for. */
export const NO_END_IO: BioEndIo = { bioEndIo() {} }
const NO_VECS: readonly BioVec[] = []

/**
 * One I/O to a disk: an operation, a range of sectors, and one payload, which is a vector of physically contiguous runs or a
 * range of a dmabuf map. Plain data: made once, initialised for each I/O. While it is submitted it belongs to the block layer.
 *
 * The map's reference is held by whoever imported it until the bio ended; the bio does not count.
 *
 * Integrity (protection information beside the data), encryption, control groups and zones are left out: a bio has no fields for
 * them, and no way of cloning or splitting carries any.
 * @see include/linux/blk_types.h struct bio
 */
export class Bio {
  biOpf: number
  biFlags: number
  biStatus: BlkStatus
  /** I/O priority, class in bits 13 and up; 0: none given, which a scheduler takes for best effort. @see include/uapi/linux/ioprio.h */
  biIoprio: number
  /** When a disk without requests got it. @see block/blk-core.c bio_start_io_acct */
  readonly biStartNs: Float64Array
  readonly biIter: BvecIter
  /** The vector; clones share it. Empty for a dmabuf bio. */
  biIoVec: readonly BioVec[]
  /** Entries of `biIoVec` that are in use. */
  biVcnt: number
  biDmabufMap: DmabufIoMap | null
  /** Physical segments of what fits one request, as splitting counted them; 0 for a dmabuf and for nothing. */
  biNrSegments: number
  biEndIo: BioEndIo
  /** For whoever set `biEndIo`. */
  biPrivate: unknown
  /** Chained bios that have to end before this one can. */
  biRemaining: number
  /** For a chained bio: the bio that ends after it. */
  biParent: Bio | null
  /** For a fragment: the bio that was submitted. Null for that bio itself. */
  biOrigin: Bio | null
  /** Next bio of the same request. */
  biNext: Bio | null
  /** Where it goes back to when a chain is done with it. */
  readonly biPool: BioSet<unknown> | null
  /** Its number in the pool. */
  readonly biSlot: number
  /** It lies in the pool: nobody may use it. */
  biInPool: boolean
  /** Vector storage of its own, grown once and kept. */
  readonly biInlineVecs: BioVec[]
  /** What pages are added to: the inline vector or one of the caller's. It stays through `init`, and counts while it is `biIoVec`. */
  biVecTable: BioVec[]
  /** Entries that may be used of it. */
  biMaxVecs: number

  constructor(pool: BioSet<unknown> | null = null, slot = 0) {
    this.biOpf = 0
    this.biFlags = 0
    this.biStatus = BlkStatus.OK
    this.biIoprio = 0
    this.biStartNs = new Float64Array(1)
    this.biIter = new BvecIter()
    this.biIoVec = NO_VECS
    this.biVcnt = 0
    this.biDmabufMap = null
    this.biNrSegments = 0
    this.biEndIo = NO_END_IO
    this.biPrivate = null
    this.biRemaining = 1
    this.biParent = null
    this.biOrigin = null
    this.biNext = null
    this.biPool = pool
    this.biSlot = slot
    this.biInPool = pool !== null
    this.biInlineVecs = []
    this.biVecTable = this.biInlineVecs
    this.biMaxVecs = 0
  }

  /** Makes it ready for a new I/O without payload. @see block/bio.c bio_init */
  init(opf: number, sector: number, endIo: BioEndIo): void {
    this.biOpf = opf
    this.biFlags = 0
    this.biStatus = BlkStatus.OK
    this.biIoprio = 0
    this.biIter.biSector = sector
    this.biIter.biSize = 0
    this.biIter.biIdx = 0
    this.biIter.biBvecDone = 0
    this.biIoVec = NO_VECS
    this.biVcnt = 0
    this.biDmabufMap = null
    this.biNrSegments = 0
    this.biEndIo = endIo
    this.biPrivate = null
    this.biRemaining = 1
    this.biParent = null
    this.biOrigin = null
    this.biNext = null
  }

  get isDmabuf(): boolean {
    return (this.biOpf & ReqFlags.DMABUF) !== 0
  }
}
