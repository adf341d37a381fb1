// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import { opIsWrite, ReqFlags, ReqOp, reqOp, SECTOR_SHIFT, SECTOR_SIZE } from '../req-flags.ts'
import type { Disk } from './disk.ts'

/**
 * Whether a disk can do a bio at all: NOTSUPP for an operation that it has not, IOERR beyond its end, on a read-only
 * disk or off its logical blocks, INVAL for an atomic write larger than the device does whole.
 * @see block/blk-core.c submit_bio_noacct, bio_check_eod, bio_check_ro
 */
export function checkBio(bio: Bio, disk: Disk): BlkStatus {
  const { limits } = disk
  if (!supports(limits, bio.biOpf)) return BlkStatus.NOTSUPP
  const { biSector, biSize } = bio.biIter
  const blockMask = limits.logicalBlockSizeBytes - 1
  if ((biSize & blockMask) !== 0) return BlkStatus.IOERR
  if (biSize > 0 && (biSector & (blockMask >> SECTOR_SHIFT)) !== 0) return BlkStatus.IOERR
  if (biSector < 0 || biSize > (disk.capacitySectors - biSector) * SECTOR_SIZE) {
    return BlkStatus.IOERR
  }
  if (!opIsWrite(bio.biOpf)) return BlkStatus.OK
  if (disk.readOnly && biSize > 0) return BlkStatus.IOERR
  const isAtomic = (bio.biOpf & ReqFlags.ATOMIC) !== 0
  if (isAtomic && biSize > limits.atomicWriteMaxSectors * SECTOR_SIZE) return BlkStatus.INVAL
  return BlkStatus.OK
}

function supports(limits: QueueLimits, opf: number): boolean {
  switch (reqOp(opf)) {
    case ReqOp.READ:
    case ReqOp.WRITE:
      return true
    case ReqOp.DISCARD:
      return limits.maxDiscardSectors > 0
    case ReqOp.WRITE_ZEROES:
      return limits.maxWriteZeroesSectors > 0
    default:
      return false
  }
}
