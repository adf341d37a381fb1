// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Queue entries: what all commands and all completions have in common. SqeOffset and CqeOffset hold
// the same offsets as plain numbers, for code that runs for every command.

/** @see NVMe Base 2.1, figures 91 and 92 */
export const SqeLayout = {
  name: 'Common Command Format',
  size: 64,
  fields: {
    OPC: { at: 0, bits: 8 },
    FUSE: { at: 1, bits: 2 },
    PSDT: { at: 1, shift: 6, bits: 2 },
    CID: { at: 2, bits: 16 },
    NSID: { at: 4, bits: 32 },
    CDW2: { at: 8, bits: 32 },
    CDW3: { at: 12, bits: 32 },
    MPTR: { at: 16, big: 64 },
    PRP1: { at: 24, big: 64 },
    PRP2: { at: 32, big: 64 },
    CDW10: { at: 40, bits: 32 },
    CDW11: { at: 44, bits: 32 },
    CDW12: { at: 48, bits: 32 },
    CDW13: { at: 52, bits: 32 },
    CDW14: { at: 56, bits: 32 },
    CDW15: { at: 60, bits: 32 },
  },
} as const

/**
 * The data pointer of a command whose PSDT is not 0: one SGL descriptor.
 * @see NVMe Base 2.1, figure 92 (DPTR)
 */
export const SqeSglLayout = {
  name: 'Data Pointer',
  size: 64,
  fields: { SGL1: { at: 24, bytes: 16 } },
} as const

/** @see NVMe Base 2.1, figures 96 to 98 */
export const CqeLayout = {
  name: 'Common Completion Queue Entry',
  size: 16,
  fields: {
    DW0: { at: 0, bits: 32 },
    DW1: { at: 4, bits: 32 },
    SQHD: { at: 8, bits: 16 },
    SQID: { at: 10, bits: 16 },
    CID: { at: 12, bits: 16 },
    P: { at: 14, bits: 1 },
    STATUS: { at: 14, shift: 1, bits: 15 },
  },
} as const

/** The last word of a completion, with the phase below the status. @see NVMe Base 2.1, 4.2.3 */
export const StatusFieldLayout = {
  name: 'Status Field',
  size: 2,
  fields: {
    P: { at: 0, bits: 1 },
    SC: { at: 0, shift: 1, bits: 8 },
    SCT: { at: 0, shift: 9, bits: 3 },
    CRD: { at: 0, shift: 12, bits: 2 },
    M: { at: 0, shift: 14, bits: 1 },
    DNR: { at: 0, shift: 15, bits: 1 },
  },
} as const

/** An address; its offset within the page is bits MPS + 11 to 0. @see NVMe Base 2.1, 4.3.1 */
export const PrpLayout = {
  name: 'PRP Entry',
  size: 8,
  fields: { PBAO: { at: 0, big: 64 } },
} as const
