// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What the commands of the NVM command set say in their own dwords. NLB, NR and the like are 0's
// based. The tags of protection information (LBTU, LBTL, LBAT, LBATM; with E what is expected) are
// described, not used.

/** @see NVM Command Set 1.1, figures 51 to 57 */
export const ReadCommandLayout = {
  name: 'Read command',
  size: 64,
  fields: {
    ELBTU: { at: 8, bits: 48 },
    SLBA: { at: 40, big: 64 },
    NLB: { at: 48, bits: 16 },
    CETYPE: { at: 48, shift: 16, bits: 4 },
    STC: { at: 48, shift: 24, bits: 1 },
    PRINFO: { at: 48, shift: 26, bits: 4 },
    FUA: { at: 48, shift: 30, bits: 1 },
    LR: { at: 48, shift: 31, bits: 1 },
    DSM: { at: 52, bits: 8 },
    ELBTL: { at: 56, bits: 32 },
    ELBAT: { at: 60, bits: 16 },
    ELBATM: { at: 62, bits: 16 },
  },
} as const

/** @see NVM Command Set 1.1, figures 68 to 74 */
export const WriteCommandLayout = {
  name: 'Write command',
  size: 64,
  fields: {
    LBTU: { at: 8, bits: 48 },
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

/** @see NVM Command Set 1.1, figures 24 to 29 */
export const CompareCommandLayout = {
  name: 'Compare command',
  size: 64,
  fields: {
    ELBTU: { at: 8, bits: 48 },
    SLBA: { at: 40, big: 64 },
    NLB: { at: 48, bits: 16 },
    CETYPE: { at: 48, shift: 16, bits: 4 },
    STC: { at: 48, shift: 24, bits: 1 },
    PRINFO: { at: 48, shift: 26, bits: 4 },
    FUA: { at: 48, shift: 30, bits: 1 },
    LR: { at: 48, shift: 31, bits: 1 },
    CEV: { at: 52, bits: 16 },
    ELBTL: { at: 56, bits: 32 },
    ELBAT: { at: 60, bits: 16 },
    ELBATM: { at: 62, bits: 16 },
  },
} as const

/** @see NVM Command Set 1.1, figures 59 to 64 */
export const VerifyCommandLayout = {
  name: 'Verify command',
  size: 64,
  fields: {
    ELBTU: { at: 8, bits: 48 },
    SLBA: { at: 40, big: 64 },
    NLB: { at: 48, bits: 16 },
    CETYPE: { at: 48, shift: 16, bits: 4 },
    STC: { at: 48, shift: 24, bits: 1 },
    PRINFO: { at: 48, shift: 26, bits: 4 },
    FUA: { at: 48, shift: 30, bits: 1 },
    LR: { at: 48, shift: 31, bits: 1 },
    CEV: { at: 52, bits: 16 },
    ELBTL: { at: 56, bits: 32 },
    ELBAT: { at: 60, bits: 16 },
    ELBATM: { at: 62, bits: 16 },
  },
} as const

/** @see NVM Command Set 1.1, figures 76 to 78 */
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
 * @see NVM Command Set 1.1, figures 80 to 86
 */
export const WriteZeroesCommandLayout = {
  name: 'Write Zeroes command',
  size: 64,
  fields: {
    LBTU: { at: 8, bits: 48 },
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
    CEV: { at: 52, bits: 16 },
    DSPEC: { at: 54, bits: 16 },
    LBTL: { at: 56, bits: 32 },
    LBAT: { at: 60, bits: 16 },
    LBATM: { at: 62, bits: 16 },
  },
} as const

/** LBACZ: all blocks of the namespace were cleared. @see NVM Command Set 1.1, figure 87 */
export const WriteZeroesResultLayout = {
  name: 'Write Zeroes completion dword 0',
  size: 4,
  fields: {
    LBACZ: { at: 0, bits: 1 },
  },
} as const

/** AD deallocates. @see NVM Command Set 1.1, figures 44 and 45 */
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

/** DSM of Read and Write. @see NVM Command Set 1.1, figure 54 */
export const AccessAttributesLayout = {
  name: 'Dataset Management field',
  size: 1,
  fields: {
    AF: { at: 0, bits: 4 },
    AL: { at: 0, shift: 4, bits: 2 },
    SEQREQ: { at: 0, shift: 6, bits: 1 },
    INCPRS: { at: 0, shift: 7, bits: 1 },
  },
} as const

/**
 * Dword 13 when CETYPE is not 0; DSPEC is not for Read.
 * @see NVM Command Set 1.1, figures 55 and 72
 */
export const ExtendedIoCommandLayout = {
  name: 'Read or Write with a command extension command',
  size: 64,
  fields: {
    CEV: { at: 52, bits: 16 },
    DSPEC: { at: 54, bits: 16 },
  },
} as const

/**
 * LLB is a count of blocks, not 0's based. AF to CASZE are the context attributes.
 * @see NVM Command Set 1.1, figures 46 and 47
 */
export const DsmRangeLayout = {
  name: 'Dataset Management Range',
  size: 16,
  fields: {
    AF: { at: 0, bits: 4 },
    AL: { at: 0, shift: 4, bits: 2 },
    SRR: { at: 0, shift: 8, bits: 1 },
    SWR: { at: 0, shift: 9, bits: 1 },
    WPREP: { at: 0, shift: 10, bits: 1 },
    CASZE: { at: 3, bits: 8 },
    LLB: { at: 4, bits: 32 },
    SLBA: { at: 8, big: 64 },
  },
} as const

/** @see NVM Command Set 1.1, figures 32 to 37 */
export const CopyCommandLayout = {
  name: 'Copy command',
  size: 64,
  fields: {
    LBTU: { at: 8, bits: 48 },
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
 * @see NVM Command Set 1.1, figure 39
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

/** As format 0h, with a tag of 80 bits. @see NVM Command Set 1.1, figure 40 */
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
 * @see NVM Command Set 1.1, figure 39
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

/**
 * As format 1h, with the namespace of the source and SOPT.
 * @see NVM Command Set 1.1, figure 40
 */
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
