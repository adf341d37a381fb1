// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The controller's registers ("properties" since NVMe Base 2.0): where each lies, and its bits.

/**
 * All registers below the doorbells.
 * @see NVMe Base 2.1, figure 33
 */
export const RegistersLayout = {
  name: 'Controller Properties',
  size: 4096,
  fields: {
    CAP: { at: 0x00, big: 64 },
    VS: { at: 0x08, bits: 32 },
    INTMS: { at: 0x0c, bits: 32 },
    INTMC: { at: 0x10, bits: 32 },
    CC: { at: 0x14, bits: 32 },
    CSTS: { at: 0x1c, bits: 32 },
    NSSR: { at: 0x20, bits: 32 },
    AQA: { at: 0x24, bits: 32 },
    ASQ: { at: 0x28, big: 64 },
    ACQ: { at: 0x30, big: 64 },
    CMBLOC: { at: 0x38, bits: 32 },
    CMBSZ: { at: 0x3c, bits: 32 },
    BPINFO: { at: 0x40, bits: 32 },
    BPRSEL: { at: 0x44, bits: 32 },
    BPMBL: { at: 0x48, big: 64 },
    CMBMSC: { at: 0x50, big: 64 },
    CMBSTS: { at: 0x58, bits: 32 },
    CMBEBS: { at: 0x5c, bits: 32 },
    CMBSWTP: { at: 0x60, bits: 32 },
    NSSD: { at: 0x64, bits: 32 },
    CRTO: { at: 0x68, bits: 32 },
    PMRCAP: { at: 0xe00, bits: 32 },
    PMRCTL: { at: 0xe04, bits: 32 },
    PMRSTS: { at: 0xe08, bits: 32 },
    PMREBS: { at: 0xe0c, bits: 32 },
    PMRSWTP: { at: 0xe10, bits: 32 },
    PMRMSCL: { at: 0xe14, bits: 32 },
    PMRMSCU: { at: 0xe18, bits: 32 },
  },
} as const

/** @see NVMe Base 2.1, figure 36 */
export const CapLayout = {
  name: 'CAP',
  size: 8,
  fields: {
    MQES: { at: 0, bits: 16 },
    CQR: { at: 0, shift: 16, bits: 1 },
    AMS: { at: 0, shift: 17, bits: 2 },
    TO: { at: 0, shift: 24, bits: 8 },
    DSTRD: { at: 0, shift: 32, bits: 4 },
    NSSRS: { at: 0, shift: 36, bits: 1 },
    CSS: { at: 0, shift: 37, bits: 8 },
    BPS: { at: 0, shift: 45, bits: 1 },
    CPS: { at: 0, shift: 46, bits: 2 },
    MPSMIN: { at: 0, shift: 48, bits: 4 },
    MPSMAX: { at: 0, shift: 52, bits: 4 },
    PMRS: { at: 0, shift: 56, bits: 1 },
    CMBS: { at: 0, shift: 57, bits: 1 },
    NSSS: { at: 0, shift: 58, bits: 1 },
    /** The two bits of CRMS. */
    CRWMS: { at: 0, shift: 59, bits: 1 },
    CRIMS: { at: 0, shift: 60, bits: 1 },
    NSSES: { at: 0, shift: 61, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 37 */
export const VsLayout = {
  name: 'VS',
  size: 4,
  fields: {
    TER: { at: 0, bits: 8 },
    MNR: { at: 1, bits: 8 },
    MJR: { at: 2, bits: 16 },
  },
} as const

/** @see NVMe Base 2.1, figure 41 */
export const CcLayout = {
  name: 'CC',
  size: 4,
  fields: {
    EN: { at: 0, bits: 1 },
    CSS: { at: 0, shift: 4, bits: 3 },
    MPS: { at: 0, shift: 7, bits: 4 },
    AMS: { at: 0, shift: 11, bits: 3 },
    SHN: { at: 0, shift: 14, bits: 2 },
    IOSQES: { at: 0, shift: 16, bits: 4 },
    IOCQES: { at: 0, shift: 20, bits: 4 },
    CRIME: { at: 0, shift: 24, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 42 */
export const CstsLayout = {
  name: 'CSTS',
  size: 4,
  fields: {
    RDY: { at: 0, bits: 1 },
    CFS: { at: 0, shift: 1, bits: 1 },
    SHST: { at: 0, shift: 2, bits: 2 },
    NSSRO: { at: 0, shift: 4, bits: 1 },
    PP: { at: 0, shift: 5, bits: 1 },
    ST: { at: 0, shift: 6, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 44 */
export const AqaLayout = {
  name: 'AQA',
  size: 4,
  fields: { ASQS: { at: 0, bits: 12 }, ACQS: { at: 0, shift: 16, bits: 12 } },
} as const

/** The base is in pages of 4 KiB. @see NVMe Base 2.1, figure 45 */
export const AsqLayout = {
  name: 'ASQ',
  size: 8,
  fields: { ASQB: { at: 0, shift: 12, bits: 52 } },
} as const

/** The base is in pages of 4 KiB. @see NVMe Base 2.1, figure 46 */
export const AcqLayout = {
  name: 'ACQ',
  size: 8,
  fields: { ACQB: { at: 0, shift: 12, bits: 52 } },
} as const

/** @see NVMe Base 2.1, figure 57 */
export const CrtoLayout = {
  name: 'CRTO',
  size: 4,
  fields: { CRWMT: { at: 0, bits: 16 }, CRIMT: { at: 2, bits: 16 } },
} as const

/** @see NVMe Base 2.1, figure 49 */
export const BpinfoLayout = {
  name: 'BPINFO',
  size: 4,
  fields: {
    BPSZ: { at: 0, bits: 15 },
    BRS: { at: 0, shift: 24, bits: 2 },
    ABPID: { at: 0, shift: 31, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 50 */
export const BprselLayout = {
  name: 'BPRSEL',
  size: 4,
  fields: {
    BPRSZ: { at: 0, bits: 10 },
    BPROF: { at: 0, shift: 10, bits: 20 },
    BPID: { at: 0, shift: 31, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 51 */
export const BpmblLayout = {
  name: 'BPMBL',
  size: 8,
  fields: { BMBBA: { at: 0, shift: 12, bits: 52 } },
} as const
