// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { IocbFlags, type IovIter, IterType, type Kiocb, MAX_RW_COUNT } from '@iolayers/uio'
import type { Disk } from '../disk/disk.ts'
import type { DmabufIoMap } from '../dmabuf/contracts.ts'
import { ReqFlags, ReqOp, SECTOR_SIZE } from '../req-flags.ts'

/**
 * How many bytes of an I/O a disk would do: fewer than asked at its end, 0 for nothing to do, or a negative errno.
 *
 * -EINVAL: not direct I/O, or with metadata; a negative position; position or count no multiple of the logical block; or memory, for
 * a dmabuf the offset in it, no multiple of the DMA alignment; or an atomic write that is no power of two, off its own size, or would be
 * short. -EOPNOTSUPP: an atomic write to a disk that has none, and an atomic read. -ENOSPC: a write at or beyond the end. -EPERM: a
 * write to a read-only disk. -EFAULT: an iterator without memory.
 * @see block/fops.c blkdev_read_iter, blkdev_write_iter, blkdev_dio_invalid
 */
export function dioBytes(
  disk: Disk,
  kiocb: Kiocb,
  iter: IovIter<DmabufIoMap>,
  isWrite: boolean,
): number {
  const { flags, posBytes } = kiocb
  if ((flags & DIRECT_OR_METADATA) !== IocbFlags.DIRECT || posBytes < 0) return -Errno.EINVAL
  if (isWrite && disk.readOnly) return -Errno.EPERM
  const asked = iter.countBytes
  if (asked === 0) return 0
  const left = disk.capacitySectors * SECTOR_SIZE - posBytes
  if (left <= 0) return isWrite ? -Errno.ENOSPC : 0
  if ((flags & IocbFlags.ATOMIC) !== 0) {
    const error = isWrite ? atomicWriteValid(disk, posBytes, iter) : -Errno.EOPNOTSUPP
    if (error !== 0) return error
    if (asked > left) return -Errno.EINVAL
  }
  return alignedBytes(disk, posBytes, iter, Math.min(asked, left, MAX_RW_COUNT))
}

const DIRECT_OR_METADATA = IocbFlags.DIRECT | IocbFlags.HAS_METADATA

function alignedBytes(
  disk: Disk,
  posBytes: number,
  iter: IovIter<DmabufIoMap>,
  bytes: number,
): number {
  if (iter.iterType === IterType.DISCARD) return -Errno.EFAULT
  if (((posBytes | bytes) & (disk.limits.logicalBlockSizeBytes - 1)) !== 0) return -Errno.EINVAL
  const bits = bytes === iter.countBytes ? iter.alignment() : alignmentOfFirst(iter, bytes)
  return (bits & disk.limits.dmaAlignmentMask) === 0 ? bytes : -Errno.EINVAL
}

/** What lies behind the end of the disk is not looked at. */
function alignmentOfFirst(iter: IovIter<DmabufIoMap>, bytes: number): number {
  const asked = iter.countBytes
  iter.truncate(bytes)
  const bits = iter.alignment()
  iter.reexpand(asked)
  return bits
}

/**
 * The kernel takes one range of user memory and nothing else; a registered buffer is one range too, of memory or of a dma-buf.
 * @see fs/read_write.c generic_atomic_write_valid
 */
function atomicWriteValid(disk: Disk, posBytes: number, iter: IovIter<DmabufIoMap>): number {
  if (disk.limits.atomicWriteUnitMaxBytes === 0) return -Errno.EOPNOTSUPP
  if (iter.iterType === IterType.IOVEC) return -Errno.EINVAL
  const size = iter.countBytes
  const isPowerOfTwo = size <= MAX_RW_COUNT && (size & (size - 1)) === 0
  return isPowerOfTwo && posBytes % size === 0 ? 0 : -Errno.EINVAL
}

/**
 * The operation word of a direct I/O. Only an I/O that goes on without its caller is polled.
 * @see block/fops.c dio_bio_write_op
 */
export function dioOpf(kiocb: Kiocb, isWrite: boolean): number {
  let opf: number = ReqOp.READ
  if (isWrite) {
    opf = ReqOp.WRITE | ReqFlags.SYNC | ReqFlags.IDLE
    if ((kiocb.flags & IocbFlags.DSYNC) !== 0) opf |= ReqFlags.FUA
    if ((kiocb.flags & IocbFlags.ATOMIC) !== 0) opf |= ReqFlags.ATOMIC
  }
  if ((kiocb.flags & IocbFlags.NOWAIT) !== 0) opf |= ReqFlags.NOWAIT
  if ((kiocb.flags & IocbFlags.HIPRI) !== 0 && !kiocb.isSync) opf |= ReqFlags.POLLED
  return opf
}
