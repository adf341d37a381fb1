// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Lists that Identify returns, and the data of commands that take such lists.

/**
 * CNS 12h and 13h, and the data of Namespace Attachment; ascending.
 * @see NVMe Base 2.1, figure 137
 */
export const ControllerListLayout = {
  name: 'Controller List',
  size: 4096,
  fields: {
    NUMID: { at: 0, bits: 16 },
    CNTLID: { at: 2, count: 2047, each: 16 },
  },
} as const

/**
 * CNS 02h, 07h, 10h and 1Ah; ascending, ended by a zero when it is not full.
 * @see NVMe Base 2.1, figure 138
 */
export const NamespaceListLayout = {
  name: 'Namespace List',
  size: 4096,
  fields: {
    NSID: { at: 0, count: 1024, each: 32 },
  },
} as const

/**
 * The head of a descriptor of CNS 03h; NIDL bytes of identifier follow. A NIDL of 0 ends the list.
 * @see NVMe Base 2.1, figure 315
 */
export const NamespaceDescriptorLayout = {
  name: 'Namespace Identification Descriptor',
  size: 4,
  fields: {
    NIDT: { at: 0, bits: 8 },
    NIDL: { at: 1, bits: 8 },
  },
} as const

/** A bit for each command set identifier. @see NVMe Base 2.1, figure 328 */
export const IoCommandSetVectorLayout = {
  name: 'I/O Command Set Vector',
  size: 8,
  fields: {
    NVM: { at: 0, bits: 1 },
    KV: { at: 0, shift: 1, bits: 1 },
    ZNS: { at: 0, shift: 2, bits: 1 },
    SLM: { at: 0, shift: 3, bits: 1 },
    CPN: { at: 0, shift: 4, bits: 1 },
  },
} as const

/** The combinations that can be enabled at once, CNS 1Ch. @see NVMe Base 2.1, figure 327 */
export const IoCommandSetsLayout = {
  name: 'Identify I/O Command Set',
  size: 4096,
  fields: {
    IOCSC: { at: 0, count: 512, of: IoCommandSetVectorLayout as typeof IoCommandSetVectorLayout },
  },
} as const

/** In bytes, not in blocks. @see NVM Command Set 1.1, figure 124 */
export const NamespaceGranularityLayout = {
  name: 'Namespace Granularity Descriptor',
  size: 16,
  fields: {
    NSG: { at: 0, big: 64 },
    NCG: { at: 8, big: 64 },
  },
} as const

/**
 * CNS 16h; ND is 0's based. Only 16 descriptors before NVM Command Set 1.0.
 * @see NVM Command Set 1.1, figure 123
 */
export const NamespaceGranularityListLayout = {
  name: 'Namespace Granularity List',
  size: 4096,
  fields: {
    /** Granularity Descriptor Mapping: each LBA format has a descriptor of its own. */
    GDM: { at: 0, bits: 1 },
    ND: { at: 4, bits: 8 },
    NGD: { at: 32, count: 64, of: NamespaceGranularityLayout as typeof NamespaceGranularityLayout },
  },
} as const

/** @see NVMe Base 2.1, figure 321 */
export const UuidEntryLayout = {
  name: 'UUID List Entry',
  size: 32,
  fields: {
    IDASS: { at: 0, bits: 2 },
    UUID: { at: 16, bytes: 16 },
  },
} as const

/** CNS 17h; ended by a UUID of zeros when it is not full. @see NVMe Base 2.1, figure 320 */
export const UuidListLayout = {
  name: 'UUID List',
  size: 4096,
  fields: {
    UUID: { at: 32, count: 127, of: UuidEntryLayout as typeof UuidEntryLayout },
  },
} as const

/** CNS 14h. @see NVMe Base 2.1, figure 330 */
export const PrimaryControllerLayout = {
  name: 'Primary Controller Capabilities',
  size: 4096,
  fields: {
    CNTLID: { at: 0, bits: 16 },
    PORTID: { at: 2, bits: 16 },
    VQRT: { at: 4, bits: 1 },
    VIRT: { at: 4, shift: 1, bits: 1 },
    VQFRT: { at: 32, bits: 32 },
    VQRFA: { at: 36, bits: 32 },
    VQRFAP: { at: 40, bits: 16 },
    VQPRT: { at: 42, bits: 16 },
    VQFRSM: { at: 44, bits: 16 },
    VQGRAN: { at: 46, bits: 16 },
    VIFRT: { at: 64, bits: 32 },
    VIRFA: { at: 68, bits: 32 },
    VIRFAP: { at: 72, bits: 16 },
    VIPRT: { at: 74, bits: 16 },
    VIFRSM: { at: 76, bits: 16 },
    VIGRAN: { at: 78, bits: 16 },
  },
} as const

/** @see NVMe Base 2.1, figure 332 */
export const SecondaryControllerLayout = {
  name: 'Secondary Controller Entry',
  size: 32,
  fields: {
    SCID: { at: 0, bits: 16 },
    PCID: { at: 2, bits: 16 },
    SCS: { at: 4, bits: 1 },
    VFN: { at: 8, bits: 16 },
    NVQ: { at: 10, bits: 16 },
    NVI: { at: 12, bits: 16 },
  },
} as const

/** CNS 15h. @see NVMe Base 2.1, figure 331 */
export const SecondaryControllerListLayout = {
  name: 'Secondary Controller List',
  size: 4096,
  fields: {
    NUMID: { at: 0, bits: 8 },
    SC: { at: 32, count: 127, of: SecondaryControllerLayout as typeof SecondaryControllerLayout },
  },
} as const
