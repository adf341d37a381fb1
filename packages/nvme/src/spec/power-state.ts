// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * Latencies are in microseconds, powers in the unit that their scale (MXPS, IPS, APS) says.
 * @see NVMe Base 2.1, figure 313
 */
export const PowerStateLayout = {
  name: 'Power State Descriptor',
  size: 32,
  fields: {
    MP: { at: 0, bits: 16 },
    MXPS: { at: 3, bits: 1 },
    NOPS: { at: 3, shift: 1, bits: 1 },
    ENLAT: { at: 4, bits: 32 },
    EXLAT: { at: 8, bits: 32 },
    RRT: { at: 12, bits: 5 },
    RRL: { at: 13, bits: 5 },
    RWT: { at: 14, bits: 5 },
    RWL: { at: 15, bits: 5 },
    IDLP: { at: 16, bits: 16 },
    IPS: { at: 18, shift: 6, bits: 2 },
    ACTP: { at: 20, bits: 16 },
    APW: { at: 22, bits: 3 },
    APS: { at: 22, shift: 6, bits: 2 },
    EPFRT: { at: 23, bits: 8 },
    FQVT: { at: 24, bits: 8 },
    EPFVT: { at: 25, bits: 8 },
    EPFRTS: { at: 26, bits: 4 },
    FQVTS: { at: 26, shift: 4, bits: 4 },
    EPFVTS: { at: 27, bits: 4 },
  },
} as const
