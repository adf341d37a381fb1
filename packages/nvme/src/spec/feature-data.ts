// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The data structures of features that have more to say than a dword.

/** ITPT is in milliseconds. @see NVMe Base 2.1, figure 393 */
export const ApstEntryLayout = {
  name: 'Autonomous Power State Transition Entry',
  size: 8,
  fields: {
    ITPS: { at: 0, shift: 3, bits: 5 },
    ITPT: { at: 1, bits: 24 },
  },
} as const

/** An entry for each power state. @see NVMe Base 2.1, figure 393 */
export const ApstTableLayout = {
  name: 'Autonomous Power State Transition Table',
  size: 256,
  fields: {
    APST: { at: 0, count: 32, of: ApstEntryLayout as typeof ApstEntryLayout },
  },
} as const

/**
 * Milliseconds since 1970. SYNCH and TO (the origin) are what Get Features adds.
 * @see NVMe Base 2.1, figure 396
 */
export const TimestampLayout = {
  name: 'Timestamp',
  size: 8,
  fields: {
    TSTMP: { at: 0, bits: 48 },
    SYNCH: { at: 6, bits: 1 },
    TO: { at: 6, shift: 1, bits: 3 },
  },
} as const

/**
 * Each is 0 or 1. CDF2E to CDF4E let the Copy command have formats 2h to 4h.
 * @see NVMe Base 2.1, figure 407
 */
export const HostBehaviorLayout = {
  name: 'Host Behavior Support',
  size: 512,
  fields: {
    ACRE: { at: 0, bits: 8 },
    ETDAS: { at: 1, bits: 8 },
    LBAFEE: { at: 2, bits: 8 },
    HDISNS: { at: 3, bits: 8 },
    CDF2E: { at: 4, shift: 2, bits: 1 },
    CDF3E: { at: 4, shift: 3, bits: 1 },
    CDF4E: { at: 4, shift: 4, bits: 1 },
  },
} as const

/** @see NVMe Base 2.1, figure 438 */
export const HostIdentifierDataLayout = {
  name: 'Host Identifier, 64 bits',
  size: 8,
  fields: {
    HOSTID: { at: 0, bytes: 8 },
  },
} as const

/** @see NVMe Base 2.1, figure 438 */
export const ExtendedHostIdentifierDataLayout = {
  name: 'Host Identifier, 128 bits',
  size: 16,
  fields: {
    HOSTID: { at: 0, bytes: 16 },
  },
} as const

/** BSIZE is in pages of CC.MPS. @see NVMe Base 2.1, figure 453 */
export const HostMemoryDescriptorLayout = {
  name: 'Host Memory Buffer Descriptor Entry',
  size: 16,
  fields: {
    BADD: { at: 0, big: 64 },
    BSIZE: { at: 8, bits: 32 },
  },
} as const

/** What Get Features returns. @see NVMe Base 2.1, figure 455 */
export const HostMemoryAttributesLayout = {
  name: 'Host Memory Buffer Attributes',
  size: 4096,
  fields: {
    HSIZE: { at: 0, bits: 32 },
    HMDLAL: { at: 4, bits: 32 },
    HMDLAU: { at: 8, bits: 32 },
    HMDLEC: { at: 12, bits: 32 },
  },
} as const

/** NLB is 0's based. @see NVM Command Set 1.1, figure 95 */
export const LbaRangeTypeLayout = {
  name: 'LBA Range Type Entry',
  size: 64,
  fields: {
    TYPE: { at: 0, bits: 8 },
    LBARO: { at: 1, bits: 1 },
    HLBAR: { at: 1, shift: 1, bits: 1 },
    SLBA: { at: 16, big: 64 },
    NLB: { at: 24, big: 64 },
    GUID: { at: 32, bytes: 16 },
  },
} as const
