// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, Errno, errnoName } from '@iolayers/kernel'

/**
 * How a bio or a request ended. STALE is ours: a dmabuf map generation died under an I/O that cannot be sent
 * again safely below its issuer.
 * @see include/linux/blk_types.h BLK_STS_*
 */
export const BlkStatus = {
  OK: 0,
  NOTSUPP: 1,
  TIMEOUT: 2,
  NOSPC: 3,
  TRANSPORT: 4,
  TARGET: 5,
  RESV_CONFLICT: 6,
  MEDIUM: 7,
  PROTECTION: 8,
  RESOURCE: 9,
  IOERR: 10,
  DM_REQUEUE: 11,
  AGAIN: 12,
  DEV_RESOURCE: 13,
  ZONE_OPEN_RESOURCE: 14,
  ZONE_ACTIVE_RESOURCE: 15,
  OFFLINE: 16,
  DURATION_LIMIT: 17,
  INVAL: 19,
  STALE: 64,
} as const
export type BlkStatus = (typeof BlkStatus)[keyof typeof BlkStatus]

const ERRNO_OF_STATUS: readonly (readonly [BlkStatus, number])[] = [
  [BlkStatus.OK, 0],
  [BlkStatus.NOTSUPP, Errno.EOPNOTSUPP],
  [BlkStatus.TIMEOUT, Errno.ETIMEDOUT],
  [BlkStatus.NOSPC, Errno.ENOSPC],
  [BlkStatus.TRANSPORT, Errno.ENOLINK],
  [BlkStatus.TARGET, Errno.EREMOTEIO],
  [BlkStatus.RESV_CONFLICT, Errno.EBADE],
  [BlkStatus.MEDIUM, Errno.ENODATA],
  [BlkStatus.PROTECTION, Errno.EILSEQ],
  [BlkStatus.RESOURCE, Errno.ENOMEM],
  [BlkStatus.IOERR, Errno.EIO],
  [BlkStatus.DM_REQUEUE, Errno.EREMCHG],
  [BlkStatus.AGAIN, Errno.EAGAIN],
  [BlkStatus.DEV_RESOURCE, Errno.EBUSY],
  [BlkStatus.ZONE_OPEN_RESOURCE, Errno.ETOOMANYREFS],
  [BlkStatus.ZONE_ACTIVE_RESOURCE, Errno.EOVERFLOW],
  [BlkStatus.OFFLINE, Errno.ENODEV],
  [BlkStatus.DURATION_LIMIT, Errno.ETIME],
  [BlkStatus.INVAL, Errno.EINVAL],
  [BlkStatus.STALE, Errno.ESTALE],
]

/**
 * The negative errno of a status; 0 for OK.
 * @see block/blk-core.c blk_status_to_errno
 */
export function blkStatusToErrno(status: BlkStatus): number {
  if (status === BlkStatus.OK) return 0
  for (const [candidate, errno] of ERRNO_OF_STATUS) if (candidate === status) return -errno
  assert(false, 'not a block status')
}

/**
 * The status of an errno, of either sign; an errno that no status stands for becomes IOERR, as in the kernel.
 * @see block/blk-core.c errno_to_blk_status
 */
export function errnoToBlkStatus(errno: number): BlkStatus {
  const positive = Math.abs(errno)
  for (const [status, candidate] of ERRNO_OF_STATUS) if (candidate === positive) return status
  return BlkStatus.IOERR
}

/** "STALE (ESTALE)": for messages and traces. */
export function blkStatusText(status: BlkStatus): string {
  for (const [name, value] of Object.entries(BlkStatus)) {
    if (value === status) return `${name} (${errnoName(blkStatusToErrno(status)) ?? 'success'})`
  }
  return String(status)
}
