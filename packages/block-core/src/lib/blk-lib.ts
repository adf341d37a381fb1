// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { assert, errnoName, type Kernel, KernelError, type Op } from '@iolayers/kernel'
import { BIO_MAX_VECS } from '../bio/bio-build.ts'
import { BlkStatus, blkStatusToErrno } from '../blk-status.ts'
import type { Disk } from '../disk/disk.ts'
import { ReqFlags, ReqOp, SECTOR_SIZE } from '../req-flags.ts'
import { BioBatch } from './bio-batch.ts'

/** How zeroes are written. @see include/linux/blkdev.h BLKDEV_ZERO_* */
export const BlkdevZero = {
  /** The space stays allocated. */
  NOUNMAP: 0x1,
  /** EOPNOTSUPP rather than writing pages of zeroes. */
  NOFALLBACK: 0x2,
} as const

const ZEROES_NOUNMAP = ReqOp.WRITE_ZEROES | ReqFlags.NOUNMAP
const UINT_MAX = 0xffff_ffff

/** What the helpers work with. */
export interface BlkLibComponents {
  readonly kernel: Kernel
  readonly disk: Disk
  /**
   * A page of zeroes that nobody writes, the caller's: what is written to devices that cannot zero by themselves. Left out, those answer
   * EOPNOTSUPP.
   */
  readonly zeroFrame?: number
}

/**
 * Tells the device that it may forget sectors; what they hold then is its own business. A device that has no discard is no error.
 * Waits for the end. Throws KernelError with the error of the device.
 * @see block/blk-lib.c blkdev_issue_discard
 */
export function* blkdevIssueDiscard(
  components: BlkLibComponents,
  sector: number,
  nrSects: number,
): Op<void> {
  const { disk } = components
  const limit = (at: number): number => discardLimit(disk, at)
  const status = yield* issueRange(components, ReqOp.DISCARD, sector, nrSects, limit)
  if (status !== BlkStatus.NOTSUPP) check(disk, 'discard', status)
}

/**
 * Has the device erase sectors so that nobody can recover them. Waits for the end. Throws KernelError: EOPNOTSUPP where the device
 * cannot, EINVAL off the logical blocks, EPERM for a read-only disk, or the error of the device.
 * @see block/blk-lib.c blkdev_issue_secure_erase
 */
export function* blkdevIssueSecureErase(
  components: BlkLibComponents,
  sector: number,
  nrSects: number,
): Op<void> {
  const { disk } = components
  const limit = largestRange(disk, disk.limits.maxSecureEraseSectors)
  if (limit === 0) throw new KernelError('EOPNOTSUPP', `${disk.name}: the device cannot erase`)
  requireBlocks(disk, 'erasing', sector, nrSects)
  if (disk.readOnly) throw new KernelError('EPERM', `${disk.name}: erasing a read-only disk`)
  const range = issueRange(components, ReqOp.SECURE_ERASE, sector, nrSects, () => limit)
  check(disk, 'secure erase', yield* range)
}

/**
 * Makes sectors read as zeroes: by the device where it can, else by writing pages of zeroes. Waits for the end. `flags` are
 * BlkdevZero. Throws KernelError: EINVAL off the logical blocks, EPERM for a read-only disk, EOPNOTSUPP where the device cannot and
 * nothing may or can be written instead, or the error of the device.
 * @see block/blk-lib.c blkdev_issue_zeroout
 */
export function* blkdevIssueZeroout(
  components: BlkLibComponents,
  sector: number,
  nrSects: number,
  flags = 0,
): Op<void> {
  const { disk, zeroFrame } = components
  requireBlocks(disk, 'zeroing', sector, nrSects)
  if (disk.readOnly) throw new KernelError('EPERM', `${disk.name}: zeroing a read-only disk`)
  if (disk.limits.maxWriteZeroesSectors > 0) {
    const opf = (flags & BlkdevZero.NOUNMAP) !== 0 ? ZEROES_NOUNMAP : ReqOp.WRITE_ZEROES
    const limit = largestRange(disk, disk.limits.maxWriteZeroesSectors)
    const status = yield* issueRange(components, opf, sector, nrSects, () => limit)
    if (status !== BlkStatus.NOTSUPP) {
      check(disk, 'write zeroes', status)
      return
    }
  }
  if ((flags & BlkdevZero.NOFALLBACK) !== 0 || zeroFrame === undefined) {
    throw new KernelError('EOPNOTSUPP', `${disk.name}: the device cannot zero by itself`)
  }
  check(disk, 'zeroing', yield* issueZeroPages(components, zeroFrame, sector, nrSects))
}

/** Makes what the device has written durable. Throws KernelError with its error. @see block/blk-flush.c blkdev_issue_flush */
export function* blkdevIssueFlush(components: BlkLibComponents): Op<void> {
  const { kernel, disk } = components
  const batch = new BioBatch(kernel, disk)
  yield* batch.submit(yield* batch.next(ReqOp.WRITE | ReqFlags.PREFLUSH, 0))
  check(disk, 'flush', yield* batch.finish())
}

/** Bios without payload over a range, none longer than `limit` says for where it begins. */
function* issueRange(
  components: BlkLibComponents,
  opf: number,
  sector: number,
  nrSects: number,
  limit: (sector: number) => number,
): Op<BlkStatus> {
  const batch = new BioBatch(components.kernel, components.disk)
  let at = sector
  let left = nrSects
  while (left > 0 && batch.status === BlkStatus.OK) {
    const bio = yield* batch.next(opf, at)
    const sectors = Math.min(left, limit(at))
    bio.biIter.biSize = sectors * SECTOR_SIZE
    yield* batch.submit(bio)
    at += sectors
    left -= sectors
  }
  return yield* batch.finish()
}

function* issueZeroPages(
  components: BlkLibComponents,
  zeroFrame: number,
  sector: number,
  nrSects: number,
): Op<BlkStatus> {
  const { kernel, disk } = components
  const batch = new BioBatch(kernel, disk)
  const page = { frame: zeroFrame, offsetBytes: 0, lengthBytes: PAGE_SIZE }
  const pages = Array.from({ length: BIO_MAX_VECS }, () => page)
  let at = sector
  let left = nrSects
  while (left > 0 && batch.status === BlkStatus.OK) {
    const bio = yield* batch.next(ReqOp.WRITE, at)
    const size = Math.min(left * SECTOR_SIZE, BIO_MAX_VECS * PAGE_SIZE)
    bio.biIoVec = pages
    bio.biVcnt = Math.ceil(size / PAGE_SIZE)
    bio.biIter.biSize = size
    yield* batch.submit(bio)
    at += size / SECTOR_SIZE
    left -= size / SECTOR_SIZE
  }
  return yield* batch.finish()
}

/** The first bio ends at a multiple of the granularity, so that the rest lies on it. @see block/blk-lib.c bio_discard_limit */
function discardLimit(disk: Disk, sector: number): number {
  const granularity = Math.max(1, disk.limits.discardGranularityBytes / SECTOR_SIZE)
  const beyond = sector % granularity
  if (beyond !== 0) return granularity - beyond
  return granularity * Math.floor(UINT_MAX / SECTOR_SIZE / granularity)
}

/** Sectors of the largest bio in whole logical blocks. @see block/blk-lib.c bio_write_zeroes_limit */
function largestRange(disk: Disk, maxSectors: number): number {
  const blockSectors = disk.limits.logicalBlockSizeBytes / SECTOR_SIZE
  const sectors = Math.min(maxSectors, Math.floor(UINT_MAX / SECTOR_SIZE))
  return sectors - (sectors % blockSectors)
}

function requireBlocks(disk: Disk, what: string, sector: number, nrSects: number): void {
  const blockSectors = disk.limits.logicalBlockSizeBytes / SECTOR_SIZE
  if (sector % blockSectors === 0 && nrSects % blockSectors === 0) return
  throw new KernelError(
    'EINVAL',
    `${disk.name}: ${what} ${nrSects} sectors at ${sector}, but a logical block has ${blockSectors}`,
  )
}

function check(disk: Disk, what: string, status: BlkStatus): void {
  if (status === BlkStatus.OK) return
  const code = errnoName(blkStatusToErrno(status))
  assert(code !== undefined, 'a block status whose errno has no name')
  throw new KernelError(code, `${disk.name}: ${what} failed`)
}
