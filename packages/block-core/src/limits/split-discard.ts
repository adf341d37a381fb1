// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import { BIO_MAX_SIZE } from '../bio/bio-vecs.ts'
import { SECTOR_SIZE } from '../req-flags.ts'
import type { QueueLimits } from './queue-limits.ts'

/** Most sectors of a bio, whole logical blocks. @see block/blk-merge.c bio_allowed_max_sectors */
export function bioAllowedMaxSectors(limits: QueueLimits): number {
  return (BIO_MAX_SIZE - (BIO_MAX_SIZE % limits.logicalBlockSizeBytes)) / SECTOR_SIZE
}

/**
 * How many bytes of a discard or secure erase fit one request of at most `maxSectors`: 0 when all do. A cut lies at the end of a
 * granule, as the device counts them, where there is one. Whole where not one granule fits the limit.
 * @see block/blk-merge.c __bio_split_discard
 */
export function splitDiscardBytes(bio: Bio, limits: QueueLimits, maxSectors: number): number {
  bio.biNrSegments = 1
  const granularity = Math.max(1, Math.floor(limits.discardGranularityBytes / SECTOR_SIZE))
  const allowed = Math.min(maxSectors, bioAllowedMaxSectors(limits))
  const most = allowed - (allowed % granularity)
  if (most === 0 || bio.biIter.biSize <= most * SECTOR_SIZE) return 0
  const alignment = Math.floor(limits.discardAlignmentBytes / SECTOR_SIZE) % granularity
  const beyond = (bio.biIter.biSector + most + granularity - alignment) % granularity
  return (most > beyond ? most - beyond : most) * SECTOR_SIZE
}
