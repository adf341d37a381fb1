// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import { BlkStatus } from '../blk-status.ts'
import type { QueueLimits } from '../limits/queue-limits.ts'
import { opIsWrite, ReqFlags, ReqOp, reqOp, SECTOR_SHIFT, SECTOR_SIZE } from '../req-flags.ts'
import type { Disk } from './disk.ts'

/**
 * Whether a disk can do a bio at all: NOTSUPP for an operation that it has not, IOERR beyond its end, on a read-only
 * disk or off its logical blocks, INVAL for an atomic write that is no multiple of the least or larger than the largest unit.
 * @see block/blk-core.c submit_bio_noacct, bio_check_eod, bio_check_ro, blk_validate_atomic_write_op_size
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
  return isAtomic && !isAtomicSize(limits, biSize) ? BlkStatus.INVAL : BlkStatus.OK
}

function isAtomicSize(limits: QueueLimits, sizeBytes: number): boolean {
  const { atomicWriteUnitMinBytes, atomicWriteUnitMaxBytes } = limits
  return sizeBytes <= atomicWriteUnitMaxBytes && sizeBytes % atomicWriteUnitMinBytes === 0
}

function supports(limits: QueueLimits, opf: number): boolean {
  switch (reqOp(opf)) {
    case ReqOp.READ:
    case ReqOp.WRITE:
      return true
    case ReqOp.DISCARD:
      return limits.maxDiscardSectors > 0
    case ReqOp.SECURE_ERASE:
      return limits.maxSecureEraseSectors > 0
    case ReqOp.WRITE_ZEROES:
      return limits.maxWriteZeroesSectors > 0
    default:
      return false
  }
}
