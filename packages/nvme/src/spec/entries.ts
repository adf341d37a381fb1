// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Byte offsets in a submission queue entry. @see NVMe Base 2.1, figure 92 */
export const SqeOffset = {
  OPC: 0,
  FLAGS: 1,
  CID: 2,
  NSID: 4,
  CDW2: 8,
  CDW3: 12,
  MPTR: 16,
  DPTR: 24,
  PRP1: 24,
  PRP2: 32,
  CDW10: 40,
  CDW11: 44,
  CDW12: 48,
  CDW13: 52,
  CDW14: 56,
  CDW15: 60,
} as const

/** Fused operation, bits 1:0 of the flags byte. @see NVMe Base 2.1, 3.4.2 */
export const Fuse = { NORMAL: 0, FIRST: 1, SECOND: 2 } as const
export const FUSE_MASK = 3

/** PRP or SGL for Data Transfer, bits 7:6 of the flags byte. */
export const Psdt = { PRP: 0, SGL_MPTR_CONTIGUOUS: 1, SGL_MPTR_SGL: 2 } as const
export const PSDT_SHIFT = 6

/** Byte offsets in a completion queue entry. @see NVMe Base 2.1, figure 96 */
export const CqeOffset = { DW0: 0, DW1: 4, SQHD: 8, SQID: 10, CID: 12, STATUS: 14 } as const

const TWO_32 = 0x1_0000_0000

/** A 64-bit little-endian value as a number; exact below 2^53. */
export function getUint64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * TWO_32
}

/** Writes a whole number below 2^53. */
export function setUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true)
  view.setUint32(offset + 4, Math.floor(value / TWO_32), true)
}
