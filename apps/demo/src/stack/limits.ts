// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** The logical block of every namespace that the command line makes. */
export const LOGICAL_BLOCK_BYTES = 512

/** The largest logical block that there is: namespaces of the command line have whole ones. */
export const WHOLE_BLOCK_BYTES = 4096

/** Largest transfer of one command: the controllers' MDTS, and so the most that one request of a copy carries. */
export const MDTS_BYTES = 1_048_576

/** Bounds of one I/O of a copy; the least is a logical block. */
export const BLOCK_SIZE = { default: '1M', max: 67_108_864 } as const

/** The ring has entries for this many I/Os. */
export const QUEUE_DEPTH = { min: 1, max: 1024, default: 8 } as const

/** Bounds of the number of dma-bufs that a copy uses. */
export const BUFFERS = { min: 1, max: 1024, default: 4 } as const

/** Submission queue entries of a ring, unless somebody asks for another number. */
export const RING_ENTRIES = 1024

/** Descriptors of one command: a transfer of MDTS in scattered pages, and one more for an offset in the first. */
export const SEGMENTS_MAX = 257
