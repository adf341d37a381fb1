// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What Get Log Page returns. Lists whose length the log itself says have a head and an entry.

/** LIDSP belongs to the log page. @see NVMe Base 2.1, figure 204 */
export const LidEffectsLayout = {
  name: 'LID Supported and Effects',
  size: 4,
  fields: {
    LSUPP: { at: 0, bits: 1 },
    IOS: { at: 0, shift: 1, bits: 1 },
    LIDSP: { at: 2, bits: 16 },
  },
} as const

/** Log 00h: an entry for each identifier. @see NVMe Base 2.1, figure 203 */
export const SupportedLogsLayout = {
  name: 'Supported Log Pages',
  size: 1024,
  fields: {
    LIDS: { at: 0, count: 256, of: LidEffectsLayout as typeof LidEffectsLayout },
  },
} as const

/**
 * Log 01h. PELBY and PELBI: first byte and bit of the parameter that was wrong. CSI and OPC are
 * valid when LPVER is 1.
 * @see NVMe Base 2.1, figure 205
 */
export const ErrorLogEntryLayout = {
  name: 'Error Information Log Entry',
  size: 64,
  fields: {
    ECNT: { at: 0, big: 64 },
    SQID: { at: 8, bits: 16 },
    CID: { at: 10, bits: 16 },
    P: { at: 12, bits: 1 },
    STATUS: { at: 12, shift: 1, bits: 15 },
    PELBY: { at: 14, bits: 8 },
    PELBI: { at: 14, shift: 8, bits: 3 },
    LBA: { at: 16, big: 64 },
    NSID: { at: 24, bits: 32 },
    VSIA: { at: 28, bits: 8 },
    TRTYPE: { at: 29, bits: 8 },
    CSI: { at: 30, bits: 8 },
    OPC: { at: 31, bits: 8 },
    CSINFO: { at: 32, big: 64 },
    TTSI: { at: 40, bits: 16 },
    LPVER: { at: 63, bits: 8 },
  },
} as const

/**
 * Log 02h. Temperatures are in kelvin; DUR and DUW in thousands of 512 bytes, rounded up.
 * @see NVMe Base 2.1, figure 206
 */
export const SmartLogLayout = {
  name: 'SMART / Health Information',
  size: 512,
  fields: {
    CW: { at: 0, bits: 8 },
    CTEMP: { at: 1, bits: 16 },
    AVSP: { at: 3, bits: 8 },
    AVSPT: { at: 4, bits: 8 },
    PUSED: { at: 5, bits: 8 },
    EGCWS: { at: 6, bits: 8 },
    DUR: { at: 32, big: 128 },
    DUW: { at: 48, big: 128 },
    HRC: { at: 64, big: 128 },
    HWC: { at: 80, big: 128 },
    CBT: { at: 96, big: 128 },
    PWRC: { at: 112, big: 128 },
    POH: { at: 128, big: 128 },
    /** Unexpected Power Losses; Unsafe Shutdowns before NVMe Base 2.0 and in Linux tools. */
    UPL: { at: 144, big: 128 },
    MDIE: { at: 160, big: 128 },
    NEILE: { at: 176, big: 128 },
    WCTT: { at: 192, bits: 32 },
    CCTT: { at: 196, bits: 32 },
    TSEN: { at: 200, count: 8, each: 16 },
    TMT1TC: { at: 216, bits: 32 },
    TMT2TC: { at: 220, bits: 32 },
    TTTMT1: { at: 224, bits: 32 },
    TTTMT2: { at: 228, bits: 32 },
  },
} as const

/**
 * CW of the SMART log, and the same bits in Asynchronous Event Configuration.
 * @see NVMe Base 2.1, figure 206
 */
export const CriticalWarningLayout = {
  name: 'Critical Warning',
  size: 1,
  fields: {
    ASCBT: { at: 0, bits: 1 },
    TTC: { at: 0, shift: 1, bits: 1 },
    NDR: { at: 0, shift: 2, bits: 1 },
    AMRO: { at: 0, shift: 3, bits: 1 },
    VMBF: { at: 0, shift: 4, bits: 1 },
    PMRRO: { at: 0, shift: 5, bits: 1 },
  },
} as const

/** Log 03h. @see NVMe Base 2.1, figure 208 */
export const FirmwareLogLayout = {
  name: 'Firmware Slot Information',
  size: 512,
  fields: {
    CAFSN: { at: 0, bits: 3 },
    NRAFSN: { at: 0, shift: 4, bits: 3 },
    FRS1: { at: 8, ascii: 8 },
    FRS2: { at: 16, ascii: 8 },
    FRS3: { at: 24, ascii: 8 },
    FRS4: { at: 32, ascii: 8 },
    FRS5: { at: 40, ascii: 8 },
    FRS6: { at: 48, ascii: 8 },
    FRS7: { at: 56, ascii: 8 },
  },
} as const

/**
 * CSE 1: no other command for the namespace at once, 2: for any namespace.
 * @see NVMe Base 2.1, figure 210
 */
export const CommandEffectsLayout = {
  name: 'Commands Supported and Effects',
  size: 4,
  fields: {
    CSUPP: { at: 0, bits: 1 },
    /** LBCC before NVMe Base 2.1 and in Linux. */
    UDCC: { at: 0, shift: 1, bits: 1 },
    NCC: { at: 0, shift: 2, bits: 1 },
    NIC: { at: 0, shift: 3, bits: 1 },
    CCC: { at: 0, shift: 4, bits: 1 },
    CSER: { at: 0, shift: 14, bits: 2 },
    CSE: { at: 0, shift: 16, bits: 3 },
    USS: { at: 0, shift: 19, bits: 1 },
    CSP: { at: 0, shift: 20, bits: 12 },
  },
} as const

/** Log 05h: an entry for each opcode, admin and I/O. @see NVMe Base 2.1, figure 209 */
export const CommandEffectsLogLayout = {
  name: 'Commands Supported and Effects Log',
  size: 4096,
  fields: {
    ACS: { at: 0, count: 256, of: CommandEffectsLayout as typeof CommandEffectsLayout },
    IOCS: { at: 1024, count: 256, of: CommandEffectsLayout as typeof CommandEffectsLayout },
  },
} as const

/** DSTR Fh: the entry is not used. @see NVMe Base 2.1, figure 212 */
export const SelfTestResultLayout = {
  name: 'Self-test Result',
  size: 28,
  fields: {
    DSTR: { at: 0, bits: 4 },
    STC: { at: 0, shift: 4, bits: 4 },
    SEGN: { at: 1, bits: 8 },
    NSIDV: { at: 2, bits: 1 },
    FLBAV: { at: 2, shift: 1, bits: 1 },
    SCTV: { at: 2, shift: 2, bits: 1 },
    SCV: { at: 2, shift: 3, bits: 1 },
    POH: { at: 4, big: 64 },
    NSID: { at: 12, bits: 32 },
    FLBA: { at: 16, big: 64 },
    SCT: { at: 24, bits: 3 },
    SC: { at: 25, bits: 8 },
    VS: { at: 26, bytes: 2 },
  },
} as const

/** Log 06h; the newest result is first. @see NVMe Base 2.1, figure 211 */
export const SelfTestLogLayout = {
  name: 'Device Self-test',
  size: 564,
  fields: {
    CDSTO: { at: 0, bits: 4 },
    CDSTC: { at: 1, bits: 7 },
    RES: { at: 4, count: 20, of: SelfTestResultLayout as typeof SelfTestResultLayout },
  },
} as const

/** The head of log 0Eh; NLSLNE elements follow. @see NVM Command Set 1.1, figure 109 */
export const LbaStatusLogLayout = {
  name: 'LBA Status Information',
  size: 16,
  fields: {
    LSLPLEN: { at: 0, bits: 32 },
    NLSLNE: { at: 4, bits: 32 },
    ESTULB: { at: 8, bits: 32 },
    LSGC: { at: 14, bits: 16 },
  },
} as const

/** The head of an element; NLRD ranges follow. @see NVM Command Set 1.1, figure 110 */
export const LbaStatusElementLayout = {
  name: 'LBA Status Log Namespace Element',
  size: 16,
  fields: {
    NEID: { at: 0, bits: 32 },
    NLRD: { at: 4, bits: 32 },
    RATYPE: { at: 8, bits: 8 },
  },
} as const

/** RNLB is 0's based. @see NVM Command Set 1.1, figure 111 */
export const LbaRangeLayout = {
  name: 'LBA Range Descriptor',
  size: 16,
  fields: {
    RSLBA: { at: 0, big: 64 },
    RNLB: { at: 8, bits: 32 },
  },
} as const

/**
 * The head of what Get LBA Status returns; NLSD descriptors follow.
 * @see NVM Command Set 1.1, figure 131
 */
export const LbaStatusListLayout = {
  name: 'LBA Status Descriptor List',
  size: 8,
  fields: {
    NLSD: { at: 0, bits: 32 },
    CMPC: { at: 4, bits: 8 },
  },
} as const

/**
 * NLB is 0's based. LBARS 0: may be unreadable, 1: is, 2: some are allocated, 3: made unreadable by
 * a Write Uncorrectable.
 * @see NVM Command Set 1.1, figure 132
 */
export const LbaStatusDescriptorLayout = {
  name: 'LBA Status Descriptor',
  size: 16,
  fields: {
    DSLBA: { at: 0, big: 64 },
    NLB: { at: 8, bits: 32 },
    LBARS: { at: 13, bits: 3 },
  },
} as const

/** @see NVMe Base 2.1, figure 262 */
export const FeatureEffectsLayout = {
  name: 'FID Supported and Effects',
  size: 4,
  fields: {
    FSUPP: { at: 0, bits: 1 },
    UDCC: { at: 0, shift: 1, bits: 1 },
    NCC: { at: 0, shift: 2, bits: 1 },
    NIC: { at: 0, shift: 3, bits: 1 },
    CCC: { at: 0, shift: 4, bits: 1 },
    USS: { at: 0, shift: 19, bits: 1 },
    FSP: { at: 0, shift: 20, bits: 12 },
  },
} as const

/** Log 12h: an entry for each identifier. @see NVMe Base 2.1, figure 261 */
export const FeatureEffectsLogLayout = {
  name: 'Feature Identifiers Supported and Effects',
  size: 1024,
  fields: {
    FIS: { at: 0, count: 256, of: FeatureEffectsLayout as typeof FeatureEffectsLayout },
  },
} as const

/** @see NVMe Base 2.1, figure 264 */
export const MiCommandEffectsLayout = {
  name: 'NVMe-MI Commands Supported and Effects',
  size: 4,
  fields: {
    CSUPP: { at: 0, bits: 1 },
    UDCC: { at: 0, shift: 1, bits: 1 },
    NCC: { at: 0, shift: 2, bits: 1 },
    NIC: { at: 0, shift: 3, bits: 1 },
    CCC: { at: 0, shift: 4, bits: 1 },
    CSP: { at: 0, shift: 20, bits: 12 },
  },
} as const

/** Log 13h. @see NVMe Base 2.1, figure 263 */
export const MiCommandEffectsLogLayout = {
  name: 'NVMe-MI Commands Supported and Effects Log',
  size: 4096,
  fields: {
    MICS: { at: 0, count: 256, of: MiCommandEffectsLayout as typeof MiCommandEffectsLayout },
  },
} as const

/** @see NVMe Base 2.1, figure 147 */
export const AsyncEventLayout = {
  name: 'Asynchronous Event Request completion dword 0',
  size: 4,
  fields: {
    AET: { at: 0, bits: 3 },
    AEI: { at: 1, bits: 8 },
    LID: { at: 2, bits: 8 },
  },
} as const
