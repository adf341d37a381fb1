// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import { ReqOp, reqOp } from '../req-flags.ts'
import { maxIoSizeBytes } from './max-io-size.ts'
import type { QueueLimits } from './queue-limits.ts'
import { splitDiscardBytes } from './split-discard.ts'
import { splitDmabufBytes } from './split-dmabuf.ts'
import { splitVecBytes } from './split-vec.ts'

/**
 * How many bytes of a bio fit one request: 0 when all do, else where to cut, or a negative errno. `biNrSegments` is left as the
 * segments of what fits. A read or write that has to be cut is not polled any more: a poller would see one of its parts only.
 * @see block/blk.h __bio_split_to_limits
 */
export function bioSplitToLimits(bio: Bio, limits: QueueLimits): number {
  switch (reqOp(bio.biOpf)) {
    case ReqOp.READ:
    case ReqOp.WRITE:
      return splitRwBytes(bio, limits)
    case ReqOp.DISCARD:
      return splitDiscardBytes(bio, limits, limits.maxDiscardSectors)
    case ReqOp.SECURE_ERASE:
      return splitDiscardBytes(bio, limits, limits.maxSecureEraseSectors)
    case ReqOp.WRITE_ZEROES:
      return splitWriteZeroesBytes(bio, limits)
    default:
      bio.biNrSegments = 0
      return 0
  }
}

/** @see block/blk-merge.c bio_split_rw */
function splitRwBytes(bio: Bio, limits: QueueLimits): number {
  if (bio.biIter.biSize === 0) {
    bio.biNrSegments = 0
    return 0
  }
  const maxBytes = maxIoSizeBytes(bio, limits)
  if (bio.isDmabuf) return splitDmabufBytes(bio, limits, maxBytes)
  return splitVecBytes(bio, limits, maxBytes)
}

/** Whole where the device says no limit. @see block/blk-merge.c bio_split_write_zeroes */
function splitWriteZeroesBytes(bio: Bio, limits: QueueLimits): number {
  bio.biNrSegments = 0
  const maxBytes = maxIoSizeBytes(bio, limits)
  return maxBytes === 0 || bio.biIter.biSize <= maxBytes ? 0 : maxBytes
}
