// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The words of bits in Identify Controller that say what the controller and the subsystem are. Use
// them with bitsOf and withBits; identify-controller-commands.ts has those about commands.

/** FT: the controller is an SR-IOV virtual function. @see NVMe Base 2.1, figure 312 */
export const CmicLayout = {
  name: 'CMIC',
  size: 1,
  fields: {
    MPORTS: { at: 0, bits: 1 },
    MCTRS: { at: 0, shift: 1, bits: 1 },
    FT: { at: 0, shift: 2, bits: 1 },
    ANARS: { at: 0, shift: 3, bits: 1 },
  },
} as const

/**
 * Events that the controller can send; Asynchronous Event Configuration has the same bits.
 * @see NVMe Base 2.1, figure 312
 */
export const OaesLayout = {
  name: 'OAES',
  size: 4,
  fields: {
    NSAN: { at: 0, shift: 8, bits: 1 },
    FAN: { at: 0, shift: 9, bits: 1 },
    ANACN: { at: 0, shift: 11, bits: 1 },
    PLEAN: { at: 0, shift: 12, bits: 1 },
    LSIAN: { at: 0, shift: 13, bits: 1 },
    EGEAN: { at: 0, shift: 14, bits: 1 },
    NNSS: { at: 0, shift: 15, bits: 1 },
    TTHR: { at: 0, shift: 16, bits: 1 },
    RGCNS: { at: 0, shift: 17, bits: 1 },
    ANSAN: { at: 0, shift: 19, bits: 1 },
    ZDCN: { at: 0, shift: 27, bits: 1 },
    DLPCN: { at: 0, shift: 31, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const CtrattLayout = {
  name: 'CTRATT',
  size: 4,
  fields: {
    HIDS: { at: 0, bits: 1 },
    NOPSPM: { at: 0, shift: 1, bits: 1 },
    NSETS: { at: 0, shift: 2, bits: 1 },
    RRLVLS: { at: 0, shift: 3, bits: 1 },
    EGS: { at: 0, shift: 4, bits: 1 },
    PLM: { at: 0, shift: 5, bits: 1 },
    TBKAS: { at: 0, shift: 6, bits: 1 },
    NG: { at: 0, shift: 7, bits: 1 },
    SQA: { at: 0, shift: 8, bits: 1 },
    ULIST: { at: 0, shift: 9, bits: 1 },
    MDS: { at: 0, shift: 10, bits: 1 },
    FCM: { at: 0, shift: 11, bits: 1 },
    VCM: { at: 0, shift: 12, bits: 1 },
    DEG: { at: 0, shift: 13, bits: 1 },
    DNVMS: { at: 0, shift: 14, bits: 1 },
    ELBAS: { at: 0, shift: 15, bits: 1 },
    MEM: { at: 0, shift: 16, bits: 1 },
    HMBR: { at: 0, shift: 17, bits: 1 },
    RHII: { at: 0, shift: 18, bits: 1 },
    FDPS: { at: 0, shift: 19, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const BpcapLayout = {
  name: 'BPCAP',
  size: 1,
  fields: {
    RPMBBPWPS: { at: 0, bits: 2 },
    SFBPWPS: { at: 0, shift: 2, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const PlsiLayout = {
  name: 'PLSI',
  size: 1,
  fields: {
    PLSEPF: { at: 0, bits: 1 },
    PLSFQ: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const CrcapLayout = {
  name: 'CRCAP',
  size: 1,
  fields: {
    RRSUP: { at: 0, bits: 1 },
    RGIDC: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const NvmsrLayout = {
  name: 'NVMSR',
  size: 1,
  fields: {
    NVMESD: { at: 0, bits: 1 },
    NVMEE: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const VwciLayout = {
  name: 'VWCI',
  size: 1,
  fields: {
    VWCR: { at: 0, bits: 7 },
    VWCRV: { at: 0, shift: 7, bits: 1 },
  },
} as const

/** TWPME was SMBUSME before NVMe Base 2.1, and is in Linux tools. @see NVMe Base 2.1, figure 312 */
export const MecLayout = {
  name: 'MEC',
  size: 1,
  fields: {
    TWPME: { at: 0, bits: 1 },
    PCIEME: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const ApstaLayout = {
  name: 'APSTA',
  size: 1,
  fields: {
    APSTS: { at: 0, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const RpmbsLayout = {
  name: 'RPMBS',
  size: 4,
  fields: {
    NRPMBU: { at: 0, bits: 3 },
    AM: { at: 0, shift: 3, bits: 3 },
    TSZ: { at: 0, shift: 16, bits: 8 },
    ASZ: { at: 0, shift: 24, bits: 8 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const DstoLayout = {
  name: 'DSTO',
  size: 1,
  fields: {
    SDSO: { at: 0, bits: 1 },
    HIRS: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const HctmaLayout = {
  name: 'HCTMA',
  size: 2,
  fields: {
    HCTM: { at: 0, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const SanicapLayout = {
  name: 'SANICAP',
  size: 4,
  fields: {
    CES: { at: 0, bits: 1 },
    BES: { at: 0, shift: 1, bits: 1 },
    OWS: { at: 0, shift: 2, bits: 1 },
    VERS: { at: 0, shift: 3, bits: 1 },
    NDI: { at: 0, shift: 29, bits: 1 },
    NODMMAS: { at: 0, shift: 30, bits: 2 },
  },
} as const

/**
 * ANA states that can be reported, then how group identifiers behave.
 * @see NVMe Base 2.1, figure 312
 */
export const AnacapLayout = {
  name: 'ANACAP',
  size: 1,
  fields: {
    ROS: { at: 0, bits: 1 },
    RNOS: { at: 0, shift: 1, bits: 1 },
    RIS: { at: 0, shift: 2, bits: 1 },
    RPLS: { at: 0, shift: 3, bits: 1 },
    RCS: { at: 0, shift: 4, bits: 1 },
    AGIDNC: { at: 0, shift: 6, bits: 1 },
    ANSMS: { at: 0, shift: 7, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const KpiocLayout = {
  name: 'KPIOC',
  size: 1,
  fields: {
    KPIOS: { at: 0, bits: 1 },
    KPIOSC: { at: 0, shift: 1, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const TmpthhaLayout = {
  name: 'TMPTHHA',
  size: 1,
  fields: {
    TMPTHMH: { at: 0, bits: 3 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const TrattrLayout = {
  name: 'TRATTR',
  size: 1,
  fields: {
    THMCS: { at: 0, bits: 1 },
    TUDCS: { at: 0, shift: 1, bits: 1 },
    MRTLL: { at: 0, shift: 2, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 312 */
export const FcattLayout = {
  name: 'FCATT',
  size: 1,
  fields: {
    CNTRLM: { at: 0, bits: 1 },
  },
} as const
