// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What a device can take in one request. Sectors are of 512 bytes; masks are one less than a power of two.
 * @see include/linux/blkdev.h struct queue_limits
 */
export interface QueueLimits {
  readonly logicalBlockSizeBytes: number
  readonly physicalBlockSizeBytes: number
  readonly ioMinBytes: number
  readonly ioOptBytes: number
  /** The hardware's own bound. */
  readonly maxHwSectors: number
  /** An administrator's bound; 0: none. */
  readonly maxUserSectors: number
  /** What splitting goes by; derived from the above. */
  readonly maxSectors: number
  readonly maxSegments: number
  readonly maxSegmentSizeBytes: number
  /** A segment does not cross a multiple of mask + 1. */
  readonly segBoundaryMask: number
  /** Inside a request, segments begin and end at multiples of mask + 1, but for the first's begin and last's end; 0: no rule. */
  readonly virtBoundaryMask: number
  /** Begin of memory, and offset in a dmabuf, are multiples of mask + 1. */
  readonly dmaAlignmentMask: number
  /** A request does not cross a multiple of this; 0: no rule. */
  readonly chunkSectors: number
  /** 0: discard is not supported; the same for the next. */
  readonly maxDiscardSectors: number
  /** Ranges of one discard; with more than one, discards gather wherever they lie. */
  readonly maxDiscardSegments: number
  readonly discardGranularityBytes: number
  readonly maxWriteZeroesSectors: number
  /** Largest write that the device does whole or not at all; 0: none. */
  readonly atomicWriteMaxSectors: number
  /** The device has a volatile write cache: data is durable only after a flush. */
  readonly writeCache: boolean
  /** The device obeys FUA; without a write cache it is meaningless and reads false. */
  readonly fua: boolean
}
