// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What the commands of the NVM command set say in their own dwords. NLB, NR and the like are 0's based. The
// tags of protection information (LBTU, LBTL, LBAT, LBATM; with E what is expected) are described, not used.

/** @see NVM Command Set 1.1, 3.3.4, figure 53 */
export const ReadCommandLayout = {
  name: 'Read command',
  size: 64,
  fields: {
    ELBTU2: { at: 8, bits: 32 },
    ELBTU3: { at: 12, bits: 16 },
    SLBA: { at: 40, big: 64 },
    NLB: { at: 48, bits: 16 },
    CETYPE: { at: 48, shift: 16, bits: 4 },
    STC: { at: 48, shift: 24, bits: 1 },
    PRINFO: { at: 48, shift: 26, bits: 4 },
    FUA: { at: 48, shift: 30, bits: 1 },
    LR: { at: 48, shift: 31, bits: 1 },
    DSM: { at: 52, bits: 8 },
    CEV: { at: 54, bits: 16 },
    ELBTL: { at: 56, bits: 32 },
    ELBAT: { at: 60, bits: 16 },
    ELBATM: { at: 62, bits: 16 },
  },
} as const

/**
 * DSPEC holds the value of CETYPE (CEV) when DTYPE is 0.
 * @see NVM Command Set 1.1, 3.3.6, figure 70
 */
export const WriteCommandLayout = {
  name: 'Write command',
  size: 64,
  fields: {
    LBTU2: { at: 8, bits: 32 },
    LBTU3: { at: 12, bits: 16 },
    SLBA: { at: 40, big: 64 },
    NLB: { at: 48, bits: 16 },
    CETYPE: { at: 48, shift: 16, bits: 4 },
    DTYPE: { at: 48, shift: 20, bits: 4 },
    STC: { at: 48, shift: 24, bits: 1 },
    PRINFO: { at: 48, shift: 26, bits: 4 },
    FUA: { at: 48, shift: 30, bits: 1 },
    LR: { at: 48, shift: 31, bits: 1 },
    DSM: { at: 52, bits: 8 },
    DSPEC: { at: 54, bits: 16 },
    LBTL: { at: 56, bits: 32 },
    LBAT: { at: 60, bits: 16 },
    LBATM: { at: 62, bits: 16 },
  },
} as const

/** @see NVM Command Set 1.1, 3.3.1 */
export const CompareCommandLayout = {
  name: 'Compare command',
  size: 64,
  fields: {
    ELBTU2: { at: 8, bits: 32 },
    ELBTU3: { at: 12, bits: 16 },
    SLBA: { at: 40, big: 64 },
    NLB: { at: 48, bits: 16 },
    CETYPE: { at: 48, shift: 16, bits: 4 },
    STC: { at: 48, shift: 24, bits: 1 },
    PRINFO: { at: 48, shift: 26, bits: 4 },
    FUA: { at: 48, shift: 30, bits: 1 },
    LR: { at: 48, shift: 31, bits: 1 },
    CEV: { at: 54, bits: 16 },
    ELBTL: { at: 56, bits: 32 },
    ELBAT: { at: 60, bits: 16 },
    ELBATM: { at: 62, bits: 16 },
  },
} as const

/** @see NVM Command Set 1.1, 3.3.5 */
export const VerifyCommandLayout = {
  name: 'Verify command',
  size: 64,
  fields: {
    ELBTU2: { at: 8, bits: 32 },
    ELBTU3: { at: 12, bits: 16 },
    SLBA: { at: 40, big: 64 },
    NLB: { at: 48, bits: 16 },
    CETYPE: { at: 48, shift: 16, bits: 4 },
    STC: { at: 48, shift: 24, bits: 1 },
    PRINFO: { at: 48, shift: 26, bits: 4 },
    FUA: { at: 48, shift: 30, bits: 1 },
    LR: { at: 48, shift: 31, bits: 1 },
    CEV: { at: 54, bits: 16 },
    ELBTL: { at: 56, bits: 32 },
    ELBAT: { at: 60, bits: 16 },
    ELBATM: { at: 62, bits: 16 },
  },
} as const

/** @see NVM Command Set 1.1, 3.3.7 */
export const WriteUncorrectableCommandLayout = {
  name: 'Write Uncorrectable command',
  size: 64,
  fields: {
    SLBA: { at: 40, big: 64 },
    NLB: { at: 48, bits: 16 },
    DTYPE: { at: 48, shift: 20, bits: 4 },
    DSPEC: { at: 54, bits: 16 },
  },
} as const

/**
 * NSZ is new in NVM Command Set 1.1: all blocks of the namespace; DTYPE is three bits here.
 * @see NVM Command Set 1.1, 3.3.8
 */
export const WriteZeroesCommandLayout = {
  name: 'Write Zeroes command',
  size: 64,
  fields: {
    LBTU2: { at: 8, bits: 32 },
    LBTU3: { at: 12, bits: 16 },
    SLBA: { at: 40, big: 64 },
    NLB: { at: 48, bits: 16 },
    CETYPE: { at: 48, shift: 16, bits: 4 },
    DTYPE: { at: 48, shift: 20, bits: 3 },
    NSZ: { at: 48, shift: 23, bits: 1 },
    STC: { at: 48, shift: 24, bits: 1 },
    DEAC: { at: 48, shift: 25, bits: 1 },
    PRINFO: { at: 48, shift: 26, bits: 4 },
    FUA: { at: 48, shift: 30, bits: 1 },
    LR: { at: 48, shift: 31, bits: 1 },
    DSPEC: { at: 54, bits: 16 },
    LBTL: { at: 56, bits: 32 },
    LBAT: { at: 60, bits: 16 },
    LBATM: { at: 62, bits: 16 },
  },
} as const

/** AD deallocates. @see NVM Command Set 1.1, 3.3.3 */
export const DatasetManagementCommandLayout = {
  name: 'Dataset Management command',
  size: 64,
  fields: {
    NR: { at: 40, bits: 8 },
    IDR: { at: 44, bits: 1 },
    IDW: { at: 44, shift: 1, bits: 1 },
    AD: { at: 44, shift: 2, bits: 1 },
  },
} as const

/**
 * LLB is a count of blocks, not 0's based. AF to CAS are the context attributes.
 * @see NVM Command Set 1.1, 3.3.3
 */
export const DsmRangeLayout = {
  name: 'Dataset Management Range',
  size: 16,
  fields: {
    AF: { at: 0, bits: 4 },
    AL: { at: 0, shift: 4, bits: 2 },
    SR: { at: 0, shift: 8, bits: 1 },
    SW: { at: 0, shift: 9, bits: 1 },
    WP: { at: 0, shift: 10, bits: 1 },
    CAS: { at: 3, bits: 8 },
    LLB: { at: 4, bits: 32 },
    SLBA: { at: 8, big: 64 },
  },
} as const

/** @see NVM Command Set 1.1, 3.3.2 */
export const CopyCommandLayout = {
  name: 'Copy command',
  size: 64,
  fields: {
    LBTU2: { at: 8, bits: 32 },
    LBTU3: { at: 12, bits: 16 },
    SDLBA: { at: 40, big: 64 },
    NR: { at: 48, bits: 8 },
    DESFMT: { at: 48, shift: 8, bits: 4 },
    PRINFOR: { at: 48, shift: 12, bits: 4 },
    CETYPE: { at: 48, shift: 16, bits: 4 },
    DTYPE: { at: 48, shift: 20, bits: 4 },
    STCW: { at: 48, shift: 24, bits: 1 },
    STCR: { at: 48, shift: 25, bits: 1 },
    PRINFOW: { at: 48, shift: 26, bits: 4 },
    FUA: { at: 48, shift: 30, bits: 1 },
    LR: { at: 48, shift: 31, bits: 1 },
    CEV: { at: 52, bits: 16 },
    DSPEC: { at: 54, bits: 16 },
    LBTL: { at: 56, bits: 32 },
    LBAT: { at: 60, bits: 16 },
    LBATM: { at: 62, bits: 16 },
  },
} as const

/**
 * The tags are little-endian as in QEMU; libnvme has them big-endian.
 * @see NVM Command Set 1.1, 3.3.2
 */
export const CopyRange0Layout = {
  name: 'Copy Source Range Entry, format 0h',
  size: 32,
  fields: {
    SLBA: { at: 8, big: 64 },
    NLB: { at: 16, bits: 16 },
    CETYPE: { at: 18, bits: 4 },
    CEV: { at: 20, bits: 16 },
    ELBT: { at: 24, bits: 32 },
    ELBAT: { at: 28, bits: 16 },
    ELBATM: { at: 30, bits: 16 },
  },
} as const

/** As format 0h, with a tag of 80 bits. @see NVM Command Set 1.1, 3.3.2 */
export const CopyRange1Layout = {
  name: 'Copy Source Range Entry, format 1h',
  size: 40,
  fields: {
    SLBA: { at: 8, big: 64 },
    NLB: { at: 16, bits: 16 },
    CETYPE: { at: 18, bits: 4 },
    CEV: { at: 20, bits: 16 },
    ELBT: { at: 26, bytes: 10 },
    ELBAT: { at: 36, bits: 16 },
    ELBATM: { at: 38, bits: 16 },
  },
} as const

/**
 * As format 0h, with the namespace of the source; bit 15 of SOPT asks for fast copies only.
 * @see NVM Command Set 1.1, 3.3.2
 */
export const CopyRange2Layout = {
  name: 'Copy Source Range Entry, format 2h',
  size: 32,
  fields: {
    SNSID: { at: 0, bits: 32 },
    SLBA: { at: 8, big: 64 },
    NLB: { at: 16, bits: 16 },
    CETYPE: { at: 18, bits: 4 },
    CEV: { at: 20, bits: 16 },
    SOPT: { at: 22, bits: 16 },
    ELBT: { at: 24, bits: 32 },
    ELBAT: { at: 28, bits: 16 },
    ELBATM: { at: 30, bits: 16 },
  },
} as const

/** As format 1h, with the namespace of the source and SOPT. @see NVM Command Set 1.1, 3.3.2 */
export const CopyRange3Layout = {
  name: 'Copy Source Range Entry, format 3h',
  size: 40,
  fields: {
    SNSID: { at: 0, bits: 32 },
    SLBA: { at: 8, big: 64 },
    NLB: { at: 16, bits: 16 },
    CETYPE: { at: 18, bits: 4 },
    CEV: { at: 20, bits: 16 },
    SOPT: { at: 22, bits: 16 },
    ELBT: { at: 26, bytes: 10 },
    ELBAT: { at: 36, bits: 16 },
    ELBATM: { at: 38, bits: 16 },
  },
} as const
