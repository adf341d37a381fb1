// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What a device can take in one request. Sectors are of 512 bytes; masks are one less than a power of two. A limit with `Hw` in
 * its name is the device's, one with `User` an administrator's, and the one without is what both allow.
 *
 * Left out of the kernel's, because nothing here has them: zones, write streams, integrity, the padding of passthrough data, and
 * the features that say how a queue works and not what it takes (polling, NOWAIT, peer to peer).
 * @see include/linux/blkdev.h struct queue_limits
 */
export interface QueueLimits {
  readonly logicalBlockSizeBytes: number
  readonly physicalBlockSizeBytes: number
  /** Preferred least size of an I/O; at least the physical block. */
  readonly ioMinBytes: number
  /** Preferred size of an I/O, a multiple of the physical block; 0: none. */
  readonly ioOptBytes: number
  /** How far sector 0 lies behind the begin of a physical block. */
  readonly alignmentOffsetBytes: number
  /** The blocks of stacked devices do not lie on each other: `alignmentOffsetBytes` says nothing. */
  readonly misaligned: boolean
  readonly maxHwSectors: number
  /** A bound of what lies between controller and medium; 0: none. */
  readonly maxDevSectors: number
  /** 0: none. */
  readonly maxUserSectors: number
  /** What splitting goes by; derived from the above. */
  readonly maxSectors: number
  readonly maxSegments: number
  readonly maxSegmentSizeBytes: number
  /** A run that ends so far behind the begin of its page is one segment; derived. */
  readonly maxFastSegmentSizeBytes: number
  /** A segment does not cross a multiple of mask + 1. */
  readonly segBoundaryMask: number
  /** Inside a request, segments begin and end at multiples of mask + 1, but for the first's begin and last's end; 0: no rule. */
  readonly virtBoundaryMask: number
  /** Begin and length of memory, and offset in a dmabuf, are multiples of mask + 1. */
  readonly dmaAlignmentMask: number
  /** A request does not cross a multiple of this; 0: no rule. */
  readonly chunkSectors: number
  readonly maxHwDiscardSectors: number
  readonly maxUserDiscardSectors: number
  /** 0: discard is not supported; the same for the operations below. Derived. */
  readonly maxDiscardSectors: number
  /** Ranges of one discard; with more than one, discards gather wherever they lie. */
  readonly maxDiscardSegments: number
  /** 0 where discard is not supported. */
  readonly discardGranularityBytes: number
  /** Where the first granule that lies whole on the device begins. */
  readonly discardAlignmentBytes: number
  readonly maxSecureEraseSectors: number
  readonly maxWriteZeroesSectors: number
  /** Zeroing that also frees the space: 0, or the same as `maxWriteZeroesSectors`. */
  readonly maxHwWzeroesUnmapSectors: number
  readonly maxUserWzeroesUnmapSectors: number
  /** Derived. */
  readonly maxWzeroesUnmapSectors: number
  /** Largest write, or merged writes, that the device does whole or not at all; 0: none. */
  readonly atomicWriteHwMaxBytes: number
  /** A write across a multiple of this may tear; 0: no rule. */
  readonly atomicWriteHwBoundaryBytes: number
  readonly atomicWriteHwUnitMinBytes: number
  readonly atomicWriteHwUnitMaxBytes: number
  /** Derived: for merging. */
  readonly atomicWriteMaxSectors: number
  /** Derived. */
  readonly atomicWriteBoundarySectors: number
  /** Derived: an atomic write is a multiple of the one and no larger than the other, which any memory fits into one bio. */
  readonly atomicWriteUnitMinBytes: number
  readonly atomicWriteUnitMaxBytes: number
  /** The device has a volatile write cache: data is durable only after a flush. */
  readonly writeCache: boolean
  /** The device obeys FUA; without a write cache it is meaningless and reads false. */
  readonly fua: boolean
  /** Seeking costs. Only shown, for who wants to know. */
  readonly rotational: boolean
  /** Memory may not change while it is written. Only shown: here nobody writes behind an I/O's back. */
  readonly stableWrites: boolean
}

/** Limits that are being put together out of those of several devices. See blkSetStackingLimits. */
export type StackingLimits = { -readonly [K in keyof QueueLimits]: QueueLimits[K] }
