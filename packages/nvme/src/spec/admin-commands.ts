// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What admin commands say in their own dwords; SqeLayout has what all commands say. Commands that
// are not here (Keep Alive, Asynchronous Event Request) have no dwords of their own.

/** @see NVMe Base 2.1, figure 143 */
export const AbortCommandLayout = {
  name: 'Abort command',
  size: 64,
  fields: {
    SQID: { at: 40, bits: 16 },
    CID: { at: 42, bits: 16 },
  },
} as const

/** @see NVMe Base 2.1, figures 307 to 309 */
export const IdentifyCommandLayout = {
  name: 'Identify command',
  size: 64,
  fields: {
    CNS: { at: 40, bits: 8 },
    CNTID: { at: 42, bits: 16 },
    CNSSID: { at: 44, bits: 16 },
    CSI: { at: 47, bits: 8 },
    UIDX: { at: 56, bits: 7 },
  },
} as const

/** CDW11 belongs to the feature. @see NVMe Base 2.1, figures 192 and 193 */
export const GetFeaturesCommandLayout = {
  name: 'Get Features command',
  size: 64,
  fields: {
    FID: { at: 40, bits: 8 },
    SEL: { at: 40, shift: 8, bits: 3 },
    CDW11: { at: 44, bits: 32 },
    UIDX: { at: 56, bits: 7 },
  },
} as const

/** CDW11 to CDW13 and CDW15 belong to the feature. @see NVMe Base 2.1, figures 383 and 384 */
export const SetFeaturesCommandLayout = {
  name: 'Set Features command',
  size: 64,
  fields: {
    FID: { at: 40, bits: 8 },
    SV: { at: 40, shift: 31, bits: 1 },
    CDW11: { at: 44, bits: 32 },
    CDW12: { at: 48, bits: 32 },
    CDW13: { at: 52, bits: 32 },
    UIDX: { at: 56, bits: 7 },
    CDW15: { at: 60, bits: 32 },
  },
} as const

/**
 * The number of dwords is 0's based; the offset is in bytes, or an index when OT is set.
 * @see NVMe Base 2.1, figures 197 to 201
 */
export const GetLogPageCommandLayout = {
  name: 'Get Log Page command',
  size: 64,
  fields: {
    LID: { at: 40, bits: 8 },
    LSP: { at: 40, shift: 8, bits: 7 },
    RAE: { at: 40, shift: 15, bits: 1 },
    NUMDL: { at: 42, bits: 16 },
    NUMDU: { at: 44, bits: 16 },
    LSI: { at: 46, bits: 16 },
    LPOL: { at: 48, bits: 32 },
    LPOU: { at: 52, bits: 32 },
    UIDX: { at: 56, bits: 7 },
    OT: { at: 56, shift: 23, bits: 1 },
    CSI: { at: 59, bits: 8 },
  },
} as const

/** QSIZE is 0's based. @see NVMe Base 2.1, figures 473 to 475 */
export const CreateIoCqCommandLayout = {
  name: 'Create I/O Completion Queue command',
  size: 64,
  fields: {
    PRP1: { at: 24, big: 64 },
    QID: { at: 40, bits: 16 },
    QSIZE: { at: 42, bits: 16 },
    PC: { at: 44, bits: 1 },
    IEN: { at: 44, shift: 1, bits: 1 },
    IV: { at: 46, bits: 16 },
  },
} as const

/** QSIZE is 0's based; QPRIO 0 is urgent, 3 low. @see NVMe Base 2.1, figures 477 to 480 */
export const CreateIoSqCommandLayout = {
  name: 'Create I/O Submission Queue command',
  size: 64,
  fields: {
    PRP1: { at: 24, big: 64 },
    QID: { at: 40, bits: 16 },
    QSIZE: { at: 42, bits: 16 },
    PC: { at: 44, bits: 1 },
    QPRIO: { at: 44, shift: 1, bits: 2 },
    CQID: { at: 46, bits: 16 },
    NVMSETID: { at: 48, bits: 16 },
  },
} as const

/** @see NVMe Base 2.1, 5.2.3 and 5.2.4 */
export const DeleteIoQueueCommandLayout = {
  name: 'Delete I/O Completion Queue and Delete I/O Submission Queue command',
  size: 64,
  fields: {
    QID: { at: 40, bits: 16 },
  },
} as const

/**
 * The index of the format is LBAFU * 16 + LBAFL. Bits 4 to 8 are the NVM command set's.
 * @see NVMe Base 2.1, figure 189
 */
export const FormatNvmCommandLayout = {
  name: 'Format NVM command',
  size: 64,
  fields: {
    LBAFL: { at: 40, bits: 4 },
    MSET: { at: 40, shift: 4, bits: 1 },
    PI: { at: 40, shift: 5, bits: 3 },
    PIL: { at: 40, shift: 8, bits: 1 },
    SES: { at: 40, shift: 9, bits: 3 },
    LBAFU: { at: 40, shift: 12, bits: 2 },
  },
} as const

/** SEL 0 creates, 1 deletes. @see NVMe Base 2.1, figures 367 and 368 */
export const NamespaceManagementCommandLayout = {
  name: 'Namespace Management command',
  size: 64,
  fields: {
    SEL: { at: 40, bits: 4 },
    CSI: { at: 47, bits: 8 },
  },
} as const

/**
 * The fields of Identify Namespace that the host chooses, for the NVM command set.
 * @see NVMe Base 2.1, figure 369; NVM Command Set 1.1, figure 125
 */
export const NamespaceCreateLayout = {
  name: 'Namespace Management data structure for Create',
  size: 4096,
  fields: {
    NSZE: { at: 0, big: 64 },
    NCAP: { at: 8, big: 64 },
    FLBAS: { at: 26, bits: 8 },
    DPS: { at: 29, bits: 8 },
    NMIC: { at: 30, bits: 8 },
    ANAGRPID: { at: 92, bits: 32 },
    NVMSETID: { at: 100, bits: 16 },
    ENDGID: { at: 102, bits: 16 },
    LBSTM: { at: 384, big: 64 },
    NPHNDLS: { at: 392, bits: 16 },
    PHNDL: { at: 512, count: 128, each: 16 },
  },
} as const

/** SEL 0 attaches, 1 detaches. @see NVMe Base 2.1, figure 364 */
export const NamespaceAttachmentCommandLayout = {
  name: 'Namespace Attachment command',
  size: 64,
  fields: {
    SEL: { at: 40, bits: 4 },
  },
} as const

/**
 * MNDW is 0's based. ATYPE 02h: allocated blocks; 10h and 11h: those that may not be readable.
 * @see NVM Command Set 1.1, figures 128 to 130
 */
export const GetLbaStatusCommandLayout = {
  name: 'Get LBA Status command',
  size: 64,
  fields: {
    SLBA: { at: 40, big: 64 },
    MNDW: { at: 48, bits: 32 },
    RL: { at: 52, bits: 16 },
    ATYPE: { at: 55, bits: 8 },
  },
} as const

/** PRP1: shadow doorbells; PRP2: event indexes. @see NVMe Base 2.1, figures 487 and 488 */
export const DoorbellBufferConfigCommandLayout = {
  name: 'Doorbell Buffer Config command',
  size: 64,
  fields: {
    PRP1: { at: 24, big: 64 },
    PRP2: { at: 32, big: 64 },
  },
} as const

/** @see NVMe Base 2.1, figures 171 and 172 */
export const DeviceSelfTestCommandLayout = {
  name: 'Device Self-test command',
  size: 64,
  fields: {
    STC: { at: 40, bits: 4 },
    DSTP: { at: 60, bits: 16 },
  },
} as const

/** @see NVMe Base 2.1, figure 181 */
export const FirmwareCommitCommandLayout = {
  name: 'Firmware Commit command',
  size: 64,
  fields: {
    FS: { at: 40, bits: 3 },
    CA: { at: 40, shift: 3, bits: 3 },
    BPID: { at: 40, shift: 31, bits: 1 },
  },
} as const

/** In dwords; NUMD is 0's based. @see NVMe Base 2.1, figures 185 and 186 */
export const FirmwareImageDownloadCommandLayout = {
  name: 'Firmware Image Download command',
  size: 64,
  fields: {
    NUMD: { at: 40, bits: 32 },
    OFST: { at: 44, bits: 32 },
  },
} as const

/** EMVS is new in NVMe Base 2.1. @see NVMe Base 2.1, figures 372 and 373 */
export const SanitizeCommandLayout = {
  name: 'Sanitize command',
  size: 64,
  fields: {
    SANACT: { at: 40, bits: 3 },
    AUSE: { at: 40, shift: 3, bits: 1 },
    OWPASS: { at: 40, shift: 4, bits: 4 },
    OIPBP: { at: 40, shift: 8, bits: 1 },
    NDAS: { at: 40, shift: 9, bits: 1 },
    EMVS: { at: 40, shift: 10, bits: 1 },
    OVRPAT: { at: 44, bits: 32 },
  },
} as const
