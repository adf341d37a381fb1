// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import { ReqOp, reqOp, SECTOR_SIZE } from '../req-flags.ts'
import { maxIoSizeBytes } from './max-io-size.ts'
import type { QueueLimits } from './queue-limits.ts'
import { splitDmabufBytes } from './split-dmabuf.ts'
import { splitVecBytes } from './split-vec.ts'

/**
 * How many bytes of a bio fit one request: 0 when all do, else where to cut, or a negative errno.
 * @see block/blk.h __bio_split_to_limits
 */
export function bioSplitToLimits(bio: Bio, limits: QueueLimits): number {
  switch (reqOp(bio.biOpf)) {
    case ReqOp.READ:
    case ReqOp.WRITE:
      return splitRwBytes(bio, limits)
    case ReqOp.DISCARD:
      return splitDiscardBytes(bio, limits)
    case ReqOp.WRITE_ZEROES:
      return splitAtSectors(bio, limits.maxWriteZeroesSectors)
    default:
      return 0
  }
}

function splitRwBytes(bio: Bio, limits: QueueLimits): number {
  if (bio.biIter.biSize === 0) return 0
  const maxBytes = maxIoSizeBytes(limits, bio.biIter.biSector)
  if (bio.isDmabuf) return splitDmabufBytes(bio, limits, maxBytes)
  return splitVecBytes(bio, limits, maxBytes)
}

function splitAtSectors(bio: Bio, maxSectors: number): number {
  const maxBytes = maxSectors * SECTOR_SIZE
  return maxBytes === 0 || bio.biIter.biSize <= maxBytes ? 0 : maxBytes
}

/** The cut lies at a multiple of the granularity, where one fits. @see block/blk-merge.c bio_split_discard */
function splitDiscardBytes(bio: Bio, limits: QueueLimits): number {
  const granularity = Math.max(1, Math.floor(limits.discardGranularityBytes / SECTOR_SIZE))
  const maxSectors = limits.maxDiscardSectors - (limits.maxDiscardSectors % granularity)
  const cut = splitAtSectors(bio, maxSectors)
  if (cut === 0) return 0
  const beyond = (bio.biIter.biSector + maxSectors) % granularity
  return maxSectors > beyond ? (maxSectors - beyond) * SECTOR_SIZE : cut
}
