// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * LBADS is a power of two of bytes; 0 means that the format is not there.
 * @see NVM Command Set 1.1, figure 116
 */
export const LbaFormatLayout = {
  name: 'LBA Format',
  size: 4,
  fields: {
    MS: { at: 0, bits: 16 },
    LBADS: { at: 0, shift: 16, bits: 8 },
    RP: { at: 0, shift: 24, bits: 2 },
  },
} as const

/**
 * Identify Namespace of the NVM command set, CNS 00h; sizes are in logical blocks. NLBAF, the
 * atomic and preferred sizes and MSRC are 0's based.
 * @see NVM Command Set 1.1, figure 114
 */
export const IdNsLayout = {
  name: 'Identify Namespace',
  size: 4096,
  fields: {
    NSZE: { at: 0, big: 64 },
    NCAP: { at: 8, big: 64 },
    NUSE: { at: 16, big: 64 },
    NSFEAT: { at: 24, bits: 8 },
    NLBAF: { at: 25, bits: 8 },
    FLBAS: { at: 26, bits: 8 },
    MC: { at: 27, bits: 8 },
    DPC: { at: 28, bits: 8 },
    DPS: { at: 29, bits: 8 },
    NMIC: { at: 30, bits: 8 },
    RESCAP: { at: 31, bits: 8 },
    FPI: { at: 32, bits: 8 },
    DLFEAT: { at: 33, bits: 8 },
    NAWUN: { at: 34, bits: 16 },
    NAWUPF: { at: 36, bits: 16 },
    NACWU: { at: 38, bits: 16 },
    NABSN: { at: 40, bits: 16 },
    NABO: { at: 42, bits: 16 },
    NABSPF: { at: 44, bits: 16 },
    NOIOB: { at: 46, bits: 16 },
    NVMCAP: { at: 48, big: 128 },
    NPWG: { at: 64, bits: 16 },
    NPWA: { at: 66, bits: 16 },
    NPDG: { at: 68, bits: 16 },
    NPDA: { at: 70, bits: 16 },
    NOWS: { at: 72, bits: 16 },
    MSSRL: { at: 74, bits: 16 },
    MCL: { at: 76, bits: 32 },
    MSRC: { at: 80, bits: 8 },
    KPIOS: { at: 81, bits: 8 },
    NULBAF: { at: 82, bits: 8 },
    KPIODAAG: { at: 84, bits: 32 },
    ANAGRPID: { at: 92, bits: 32 },
    NSATTR: { at: 99, bits: 8 },
    NVMSETID: { at: 100, bits: 16 },
    ENDGID: { at: 102, bits: 16 },
    NGUID: { at: 104, bytes: 16 },
    EUI64: { at: 120, bytes: 8 },
    LBAF: { at: 128, count: 64, of: LbaFormatLayout as typeof LbaFormatLayout },
    VS: { at: 384, bytes: 3712 },
  },
} as const

/**
 * OPTPERF was one bit before NVM Command Set 1.1; Linux calls DAE DULBE.
 * @see NVM Command Set 1.1, figure 114
 */
export const NsfeatLayout = {
  name: 'NSFEAT',
  size: 1,
  fields: {
    THINP: { at: 0, bits: 1 },
    NSABP: { at: 0, shift: 1, bits: 1 },
    DAE: { at: 0, shift: 2, bits: 1 },
    UIDREUSE: { at: 0, shift: 3, bits: 1 },
    OPTPERF: { at: 0, shift: 4, bits: 2 },
    MAM: { at: 0, shift: 6, bits: 1 },
    OPTRPERF: { at: 0, shift: 7, bits: 1 },
  },
} as const

/** The index of the format is FIDXU * 16 + FIDXL. @see NVM Command Set 1.1, figure 114 */
export const FlbasLayout = {
  name: 'FLBAS',
  size: 1,
  fields: {
    FIDXL: { at: 0, bits: 4 },
    MTELBA: { at: 0, shift: 4, bits: 1 },
    FIDXU: { at: 0, shift: 5, bits: 2 },
  },
} as const

/** @see NVM Command Set 1.1, figure 114 */
export const McLayout = {
  name: 'MC',
  size: 1,
  fields: {
    MTELBAS: { at: 0, bits: 1 },
    MTSBS: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** @see NVM Command Set 1.1, figure 114 */
export const DpcLayout = {
  name: 'DPC',
  size: 1,
  fields: {
    PIT1S: { at: 0, bits: 1 },
    PIT2S: { at: 0, shift: 1, bits: 1 },
    PIT3S: { at: 0, shift: 2, bits: 1 },
    PIIFB: { at: 0, shift: 3, bits: 1 },
    PIILB: { at: 0, shift: 4, bits: 1 },
  },
} as const

/** @see NVM Command Set 1.1, figure 114 */
export const DpsLayout = {
  name: 'DPS',
  size: 1,
  fields: {
    PIT: { at: 0, bits: 3 },
    PIP: { at: 0, shift: 3, bits: 1 },
  },
} as const

/** @see NVM Command Set 1.1, figure 114 */
export const NmicLayout = {
  name: 'NMIC',
  size: 1,
  fields: {
    SHRNS: { at: 0, bits: 1 },
    DISNS: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** @see NVM Command Set 1.1, figure 114 */
export const RescapLayout = {
  name: 'RESCAP',
  size: 1,
  fields: {
    PTPLS: { at: 0, bits: 1 },
    WES: { at: 0, shift: 1, bits: 1 },
    EAS: { at: 0, shift: 2, bits: 1 },
    WEROS: { at: 0, shift: 3, bits: 1 },
    EAROS: { at: 0, shift: 4, bits: 1 },
    WEARS: { at: 0, shift: 5, bits: 1 },
    EAARS: { at: 0, shift: 6, bits: 1 },
    IEKM: { at: 0, shift: 7, bits: 1 },
  },
} as const

/** @see NVM Command Set 1.1, figure 114 */
export const FpiLayout = {
  name: 'FPI',
  size: 1,
  fields: {
    FPII: { at: 0, bits: 7 },
    FPIS: { at: 0, shift: 7, bits: 1 },
  },
} as const

/**
 * What deallocated blocks read as: 0 not said, 1 zeros, 2 all bits set.
 * @see NVM Command Set 1.1, figure 114
 */
export const DlfeatLayout = {
  name: 'DLFEAT',
  size: 1,
  fields: {
    DRB: { at: 0, bits: 3 },
    WZDS: { at: 0, shift: 3, bits: 1 },
    GDS: { at: 0, shift: 4, bits: 1 },
  },
} as const

/** @see NVM Command Set 1.1, figure 114 */
export const NsattrLayout = {
  name: 'NSATTR',
  size: 1,
  fields: {
    CWP: { at: 0, bits: 1 },
  },
} as const

/** @see NVM Command Set 1.1, figure 118 */
export const ExtendedLbaFormatLayout = {
  name: 'Extended LBA Format',
  size: 4,
  fields: {
    STS: { at: 0, bits: 7 },
    PIF: { at: 0, shift: 7, bits: 2 },
    QPIF: { at: 0, shift: 9, bits: 4 },
  },
} as const

/**
 * Identify Namespace that only the NVM command set has, CNS 05h and CSI 0.
 * @see NVM Command Set 1.1, figure 118
 */
export const IdNsNvmLayout = {
  name: 'Identify Namespace, NVM Command Set',
  size: 4096,
  fields: {
    LBSTM: { at: 0, big: 64 },
    PIC: { at: 8, bits: 8 },
    PIFA: { at: 9, bits: 8 },
    ELBAF: { at: 12, count: 64, of: ExtendedLbaFormatLayout as typeof ExtendedLbaFormatLayout },
    NPDGL: { at: 268, bits: 32 },
    NPRG: { at: 272, bits: 32 },
    NPRA: { at: 276, bits: 32 },
    NORS: { at: 280, bits: 32 },
    NPDAL: { at: 284, bits: 32 },
    LBAPSS: { at: 288, bits: 32 },
    TLBAAG: { at: 292, bits: 32 },
  },
} as const

/** @see NVM Command Set 1.1, figure 118 */
export const PicLayout = {
  name: 'PIC',
  size: 1,
  fields: {
    PISTS16B: { at: 0, bits: 1 },
    PISTM16B: { at: 0, shift: 1, bits: 1 },
    STCRS: { at: 0, shift: 2, bits: 1 },
    QPIFS: { at: 0, shift: 3, bits: 1 },
  },
} as const

/**
 * STMLA says how finely the mask of the storage tag can be chosen.
 * @see NVM Command Set 1.1, figure 118
 */
export const PifaLayout = {
  name: 'PIFA',
  size: 1,
  fields: {
    STMLA: { at: 0, bits: 3 },
  },
} as const

/** @see NVM Command Set 1.1, figure 114 */
export const KpiosLayout = {
  name: 'KPIOS',
  size: 1,
  fields: {
    KPIOENS: { at: 0, bits: 1 },
    KPIOSNS: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** Identify Namespace of any command set, CNS 08h. @see NVMe Base 2.1, figure 319 */
export const IdNsIndependentLayout = {
  name: 'Identify Namespace, I/O Command Set Independent',
  size: 4096,
  fields: {
    NSFEAT: { at: 0, bits: 8 },
    NMIC: { at: 1, bits: 8 },
    RESCAP: { at: 2, bits: 8 },
    FPI: { at: 3, bits: 8 },
    ANAGRPID: { at: 4, bits: 32 },
    NSATTR: { at: 8, bits: 8 },
    NVMSETID: { at: 10, bits: 16 },
    ENDGID: { at: 12, bits: 16 },
    NSTAT: { at: 14, bits: 8 },
    KPIOS: { at: 15, bits: 8 },
    MAXKT: { at: 16, bits: 16 },
    RGRPID: { at: 20, bits: 32 },
  },
} as const

/** @see NVMe Base 2.1, figure 319 */
export const IndependentNsfeatLayout = {
  name: 'NSFEAT, I/O Command Set Independent',
  size: 1,
  fields: {
    UIDREUSE: { at: 0, shift: 3, bits: 1 },
    RMEDIA: { at: 0, shift: 4, bits: 1 },
    VWCNP: { at: 0, shift: 5, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 319 */
export const NstatLayout = {
  name: 'NSTAT',
  size: 1,
  fields: {
    NRDY: { at: 0, bits: 1 },
    /** I/O Impacted, 2: not degraded, 3: degraded. */
    IOI: { at: 0, shift: 1, bits: 2 },
  },
} as const
