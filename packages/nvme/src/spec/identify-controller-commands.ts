// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The words of bits in Identify Controller that say which commands, logs and list formats there
// are.

/** @see NVMe Base 2.1, figure 312 */
export const OacsLayout = {
  name: 'OACS',
  size: 2,
  fields: {
    SSRS: { at: 0, bits: 1 },
    FNVMS: { at: 0, shift: 1, bits: 1 },
    FWDS: { at: 0, shift: 2, bits: 1 },
    NMS: { at: 0, shift: 3, bits: 1 },
    DSTS: { at: 0, shift: 4, bits: 1 },
    DIRS: { at: 0, shift: 5, bits: 1 },
    NSRS: { at: 0, shift: 6, bits: 1 },
    VMS: { at: 0, shift: 7, bits: 1 },
    DBCS: { at: 0, shift: 8, bits: 1 },
    GLSS: { at: 0, shift: 9, bits: 1 },
    CFLS: { at: 0, shift: 10, bits: 1 },
    HMLMS: { at: 0, shift: 11, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const FrmwLayout = {
  name: 'FRMW',
  size: 1,
  fields: {
    FFSRO: { at: 0, bits: 1 },
    NOFS: { at: 0, shift: 1, bits: 3 },
    FAWR: { at: 0, shift: 4, bits: 1 },
    SMUD: { at: 0, shift: 5, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const LpaLayout = {
  name: 'LPA',
  size: 1,
  fields: {
    SMARTS: { at: 0, bits: 1 },
    CSES: { at: 0, shift: 1, bits: 1 },
    LPEDS: { at: 0, shift: 2, bits: 1 },
    TS: { at: 0, shift: 3, bits: 1 },
    PES: { at: 0, shift: 4, bits: 1 },
    MLPS: { at: 0, shift: 5, bits: 1 },
    DA4S: { at: 0, shift: 6, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const AvsccLayout = {
  name: 'AVSCC',
  size: 1,
  fields: {
    AVSCF: { at: 0, bits: 1 },
  },
} as const

/** Powers of two, of SQES and of CQES alike. @see NVMe Base 2.1, figure 312 */
export const EntrySizesLayout = {
  name: 'SQES and CQES',
  size: 1,
  fields: {
    MIN: { at: 0, bits: 4 },
    MAX: { at: 0, shift: 4, bits: 4 },
  },
} as const

/**
 * Optional commands of the I/O command sets, and saving of features (SSFS).
 * @see NVMe Base 2.1, figure 312
 */
export const OncsLayout = {
  name: 'ONCS',
  size: 2,
  fields: {
    NVMCMPS: { at: 0, bits: 1 },
    NVMWUSV: { at: 0, shift: 1, bits: 1 },
    NVMDSMSV: { at: 0, shift: 2, bits: 1 },
    NVMWZSV: { at: 0, shift: 3, bits: 1 },
    SSFS: { at: 0, shift: 4, bits: 1 },
    RESERVS: { at: 0, shift: 5, bits: 1 },
    TSS: { at: 0, shift: 6, bits: 1 },
    NVMVFYS: { at: 0, shift: 7, bits: 1 },
    NVMCPYS: { at: 0, shift: 8, bits: 1 },
    NVMCSA: { at: 0, shift: 9, bits: 1 },
    NVMAFC: { at: 0, shift: 10, bits: 1 },
    MAXWZD: { at: 0, shift: 11, bits: 1 },
    NSZS: { at: 0, shift: 12, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const FusesLayout = {
  name: 'FUSES',
  size: 2,
  fields: {
    FCWS: { at: 0, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const FnaLayout = {
  name: 'FNA',
  size: 1,
  fields: {
    FNS: { at: 0, bits: 1 },
    SENS: { at: 0, shift: 1, bits: 1 },
    CRYES: { at: 0, shift: 2, bits: 1 },
    FNVMBS: { at: 0, shift: 3, bits: 1 },
  },
} as const

/**
 * FB: what a Flush of all namespaces does (2 not supported, 3 supported).
 * @see NVMe Base 2.1, figure 312
 */
export const VwcLayout = {
  name: 'VWC',
  size: 1,
  fields: {
    VWCP: { at: 0, bits: 1 },
    FB: { at: 0, shift: 1, bits: 2 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const IcsvsccLayout = {
  name: 'ICSVSCC',
  size: 1,
  fields: {
    ICSVSCF: { at: 0, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const NwpcLayout = {
  name: 'NWPC',
  size: 1,
  fields: {
    NWPWPS: { at: 0, bits: 1 },
    WPUPCS: { at: 0, shift: 1, bits: 1 },
    PWPS: { at: 0, shift: 2, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const CdfsLayout = {
  name: 'CDFS',
  size: 2,
  fields: {
    CDF0S: { at: 0, bits: 1 },
    CDF1S: { at: 0, shift: 1, bits: 1 },
    CDF2S: { at: 0, shift: 2, bits: 1 },
    CDF3S: { at: 0, shift: 3, bits: 1 },
    CDF4S: { at: 0, shift: 4, bits: 1 },
  },
} as const

/**
 * SGLSS 1: any alignment, 2: dwords. SLLTDS: an SGL may be longer than the data. The specification
 * has long names for most of these bits; Sgls holds the same bits as masks.
 * @see NVMe Base 2.1, figure 312
 */
export const SglsLayout = {
  name: 'SGLS',
  size: 4,
  fields: {
    SGLSS: { at: 0, bits: 2 },
    KSDBDS: { at: 0, shift: 2, bits: 1 },
    SDT: { at: 0, shift: 8, bits: 8 },
    SBBDS: { at: 0, shift: 16, bits: 1 },
    MBACMD: { at: 0, shift: 17, bits: 1 },
    SLLTDS: { at: 0, shift: 18, bits: 1 },
    MPTRSGLS: { at: 0, shift: 19, bits: 1 },
    AOFFS: { at: 0, shift: 20, bits: 1 },
    TSDBDS: { at: 0, shift: 21, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const OfcsLayout = {
  name: 'OFCS',
  size: 2,
  fields: {
    DCS: { at: 0, bits: 1 },
  },
} as const

/** KPIOCAP of the NVM command set. @see NVM Command Set 1.1, figure 120 */
export const KpiocapLayout = {
  name: 'KPIOCAP',
  size: 1,
  fields: {
    KPIOS: { at: 0, bits: 1 },
    KPIOSC: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** RALBAS: Get LBA Status can list allocated blocks. @see NVM Command Set 1.1, figure 120 */
export const AocsLayout = {
  name: 'AOCS',
  size: 2,
  fields: {
    RALBAS: { at: 0, bits: 1 },
  },
} as const
