// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The registers of the controller memory buffer and of the persistent memory region.

/** @see NVMe Base 2.1, figure 47 */
export const CmblocLayout = {
  name: 'CMBLOC',
  size: 4,
  fields: {
    BIR: { at: 0, bits: 3 },
    CQMMS: { at: 0, shift: 3, bits: 1 },
    CQPDS: { at: 0, shift: 4, bits: 1 },
    /** CDPLMS in libnvme. */
    CDPMLS: { at: 0, shift: 5, bits: 1 },
    CDPCILS: { at: 0, shift: 6, bits: 1 },
    CDMMMS: { at: 0, shift: 7, bits: 1 },
    CQDA: { at: 0, shift: 8, bits: 1 },
    OFST: { at: 0, shift: 12, bits: 20 },
  },
} as const

/** @see NVMe Base 2.1, figure 48 */
export const CmbszLayout = {
  name: 'CMBSZ',
  size: 4,
  fields: {
    SQS: { at: 0, bits: 1 },
    CQS: { at: 0, shift: 1, bits: 1 },
    LISTS: { at: 0, shift: 2, bits: 1 },
    RDS: { at: 0, shift: 3, bits: 1 },
    WDS: { at: 0, shift: 4, bits: 1 },
    SZU: { at: 0, shift: 8, bits: 4 },
    SZ: { at: 0, shift: 12, bits: 20 },
  },
} as const

/** @see NVMe Base 2.1, figure 52 */
export const CmbmscLayout = {
  name: 'CMBMSC',
  size: 8,
  fields: {
    CRE: { at: 0, bits: 1 },
    CMSE: { at: 0, shift: 1, bits: 1 },
    CBA: { at: 0, shift: 12, bits: 52 },
  },
} as const

/** @see NVMe Base 2.1, figure 53 */
export const CmbstsLayout = {
  name: 'CMBSTS',
  size: 4,
  fields: { CBAI: { at: 0, bits: 1 } },
} as const

/** @see NVMe Base 2.1, figure 54 */
export const CmbebsLayout = {
  name: 'CMBEBS',
  size: 4,
  fields: {
    CMBSZU: { at: 0, bits: 4 },
    CMBRBB: { at: 0, shift: 4, bits: 1 },
    CMBWBZ: { at: 0, shift: 8, bits: 24 },
  },
} as const

/** @see NVMe Base 2.1, figure 55 */
export const CmbswtpLayout = {
  name: 'CMBSWTP',
  size: 4,
  fields: { CMBSWTU: { at: 0, bits: 4 }, CMBSWTV: { at: 0, shift: 8, bits: 24 } },
} as const

/** @see NVMe Base 2.1, figure 58 */
export const PmrcapLayout = {
  name: 'PMRCAP',
  size: 4,
  fields: {
    RDS: { at: 0, shift: 3, bits: 1 },
    WDS: { at: 0, shift: 4, bits: 1 },
    BIR: { at: 0, shift: 5, bits: 3 },
    PMRTU: { at: 0, shift: 8, bits: 2 },
    PMRWBM: { at: 0, shift: 10, bits: 4 },
    PMRTO: { at: 0, shift: 16, bits: 8 },
    CMSS: { at: 0, shift: 24, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 59 */
export const PmrctlLayout = {
  name: 'PMRCTL',
  size: 4,
  fields: { EN: { at: 0, bits: 1 } },
} as const

/** @see NVMe Base 2.1, figure 60 */
export const PmrstsLayout = {
  name: 'PMRSTS',
  size: 4,
  fields: {
    ERR: { at: 0, bits: 8 },
    NRDY: { at: 0, shift: 8, bits: 1 },
    HSTS: { at: 0, shift: 9, bits: 3 },
    CBAI: { at: 0, shift: 12, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 61 */
export const PmrebsLayout = {
  name: 'PMREBS',
  size: 4,
  fields: {
    PMRSZU: { at: 0, bits: 4 },
    PMRRBB: { at: 0, shift: 4, bits: 1 },
    PMRWBZ: { at: 0, shift: 8, bits: 24 },
  },
} as const

/** @see NVMe Base 2.1, figure 62 */
export const PmrswtpLayout = {
  name: 'PMRSWTP',
  size: 4,
  fields: { PMRSWTU: { at: 0, bits: 4 }, PMRSWTV: { at: 0, shift: 8, bits: 24 } },
} as const

/** @see NVMe Base 2.1, figure 63 */
export const PmrmsclLayout = {
  name: 'PMRMSCL',
  size: 4,
  fields: { CMSE: { at: 0, shift: 1, bits: 1 }, CBA: { at: 0, shift: 12, bits: 20 } },
} as const

/** @see NVMe Base 2.1, figure 64 */
export const PmrmscuLayout = {
  name: 'PMRMSCU',
  size: 4,
  fields: { CBA: { at: 0, bits: 32 } },
} as const
