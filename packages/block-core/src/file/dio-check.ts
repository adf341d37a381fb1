// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { IocbFlags, type IovIter, type Kiocb, MAX_RW_COUNT } from '@iolayers/uio'
import type { Disk } from '../disk/disk.ts'
import type { DmabufIoMap } from '../dmabuf/contracts.ts'
import { ReqFlags, ReqOp, SECTOR_SIZE } from '../req-flags.ts'

/**
 * How many bytes of an I/O a disk would do: fewer than asked at its end, 0 for nothing to do, or a negative errno.
 *
 * -EINVAL: not direct I/O; or position or count no multiple of the logical block; or memory, for a dmabuf the offset in it, no
 * multiple of the DMA alignment; or an atomic write that would be short. -ENOSPC: a write at or beyond the end. -EPERM: a write to a
 * read-only disk.
 * @see block/fops.c blkdev_read_iter, blkdev_write_iter, blkdev_dio_invalid
 */
export function dioBytes(
  disk: Disk,
  kiocb: Kiocb,
  iter: IovIter<DmabufIoMap>,
  isWrite: boolean,
): number {
  if ((kiocb.flags & IocbFlags.DIRECT) === 0) return -Errno.EINVAL
  if (isWrite && disk.readOnly) return -Errno.EPERM
  if (iter.countBytes === 0) return 0
  const left = disk.capacitySectors * SECTOR_SIZE - kiocb.posBytes
  if (left <= 0) return isWrite ? -Errno.ENOSPC : 0
  const bytes = Math.min(iter.countBytes, left, MAX_RW_COUNT)
  if (misaligned(disk, kiocb.posBytes, bytes, iter)) return -Errno.EINVAL
  const isAtomic = (kiocb.flags & IocbFlags.ATOMIC) !== 0
  if (isAtomic && bytes < iter.countBytes) return -Errno.EINVAL
  return bytes
}

function misaligned(disk: Disk, pos: number, bytes: number, iter: IovIter<DmabufIoMap>): boolean {
  const blockMask = disk.limits.logicalBlockSizeBytes - 1
  if (pos < 0 || ((pos | bytes) & blockMask) !== 0) return true
  return (iter.alignment() & disk.limits.dmaAlignmentMask) !== 0
}

/** @see block/fops.c dio_bio_write_op */
export function dioOpf(kiocb: Kiocb, isWrite: boolean): number {
  let opf: number = ReqOp.READ
  if (isWrite) {
    opf = ReqOp.WRITE | ReqFlags.SYNC | ReqFlags.IDLE
    if ((kiocb.flags & IocbFlags.DSYNC) !== 0) opf |= ReqFlags.FUA
    if ((kiocb.flags & IocbFlags.ATOMIC) !== 0) opf |= ReqFlags.ATOMIC
  }
  if ((kiocb.flags & IocbFlags.NOWAIT) !== 0) opf |= ReqFlags.NOWAIT
  if ((kiocb.flags & IocbFlags.HIPRI) !== 0) opf |= ReqFlags.POLLED
  return opf
}
