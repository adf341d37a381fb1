// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertRef } from '@iolayers/kernel'
import { BlkStatus } from '../blk-status.ts'
import type { Request } from './request.ts'

/**
 * Takes `active` of the request's map, and with it the device addresses, `dmaSegments`. A driver calls it in its preparation, just
 * before it first looks at them. OK, or STALE when the generation is dead: the driver returns that from `queueRq`.
 * Until it is dropped the driver may neither sleep nor allocate with reclaim.
 */
export function blkRqActivateDmabuf(rq: Request): BlkStatus {
  assert(rq.dmabufMap !== null, 'activate: not a dmabuf request')
  assertRef(rq.dmaSegments === null, 'activate: the request is active')
  rq.dmaSegments = rq.dmabufMap.tryGetActive()
  return rq.dmaSegments === null ? BlkStatus.STALE : BlkStatus.OK
}

/**
 * Drops `active`: at rollback before the doorbell, or when the device is done with the command. Ending or requeueing a request
 * does it too where the driver has not.
 */
export function blkRqDeactivateDmabuf(rq: Request): void {
  assertRef(
    rq.dmabufMap !== null && rq.dmaSegments !== null,
    'deactivate: the request is not active',
  )
  rq.dmaSegments = null
  rq.dmabufMap.putActive()
}
