// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The descriptors of a scatter gather list, 16 bytes each; the type says which layout it has.

/** What all descriptors have: the identifier byte. @see NVMe Base 2.1, figure 114 */
export const SglLayout = {
  name: 'SGL Descriptor',
  size: 16,
  fields: {
    SUBTYPE: { at: 15, bits: 4 },
    TYPE: { at: 15, shift: 4, bits: 4 },
  },
} as const

/** @see NVMe Base 2.1, figure 117 */
export const SglDataBlockLayout = {
  name: 'SGL Data Block descriptor',
  size: 16,
  fields: {
    ADDR: { at: 0, big: 64 },
    LEN: { at: 8, bits: 32 },
    SUBTYPE: { at: 15, bits: 4 },
    TYPE: { at: 15, shift: 4, bits: 4 },
  },
} as const

/** Bytes that a read drops; no address. @see NVMe Base 2.1, figure 118 */
export const SglBitBucketLayout = {
  name: 'SGL Bit Bucket descriptor',
  size: 16,
  fields: {
    LEN: { at: 8, bits: 32 },
    SUBTYPE: { at: 15, bits: 4 },
    TYPE: { at: 15, shift: 4, bits: 4 },
  },
} as const

/**
 * The next segment, and (with the other type) the last one.
 * @see NVMe Base 2.1, figures 119 and 120
 */
export const SglSegmentLayout = {
  name: 'SGL Segment descriptor',
  size: 16,
  fields: {
    ADDR: { at: 0, big: 64 },
    LEN: { at: 8, bits: 32 },
    SUBTYPE: { at: 15, bits: 4 },
    TYPE: { at: 15, shift: 4, bits: 4 },
  },
} as const

/** @see NVMe Base 2.1, figure 121 */
export const SglKeyedDataBlockLayout = {
  name: 'Keyed SGL Data Block descriptor',
  size: 16,
  fields: {
    ADDR: { at: 0, big: 64 },
    LEN: { at: 8, bits: 24 },
    KEY: { at: 11, bits: 32 },
    SUBTYPE: { at: 15, bits: 4 },
    TYPE: { at: 15, shift: 4, bits: 4 },
  },
} as const

/** Data whose place the transport knows. @see NVMe Base 2.1, figure 122 */
export const SglTransportDataBlockLayout = {
  name: 'Transport SGL Data Block descriptor',
  size: 16,
  fields: {
    LEN: { at: 8, bits: 32 },
    SUBTYPE: { at: 15, bits: 4 },
    TYPE: { at: 15, shift: 4, bits: 4 },
  },
} as const
