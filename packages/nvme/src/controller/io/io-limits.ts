// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// How much one command may ask for, as Identify says it.

/** Ranges of a Copy (MSRC, there 0's based), blocks of each (MSSRL), and of all together (MCL). @see NVM Command Set 1.1, figure 114 */
export const COPY_LIMITS: {
  readonly ranges: number
  readonly rangeBlocks: number
  readonly blocks: number
} = { ranges: 128, rangeBlocks: 65_535, blocks: 1 << 20 }

/** Blocks that a fused Compare and Write takes (ACWU, there 0's based). @see NVMe Base 2.1, figure 312 */
export const FUSED_BLOCKS_MAX = 128
