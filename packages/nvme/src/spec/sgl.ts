// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getUint64, setUint64 } from './entries.ts'

/** Descriptor types, bits 7:4 of the last byte. @see NVMe Base 2.1, figure 115 */
export const SglType = {
  DATA_BLOCK: 0x0,
  BIT_BUCKET: 0x1,
  SEGMENT: 0x2,
  LAST_SEGMENT: 0x3,
  KEYED_DATA_BLOCK: 0x4,
  TRANSPORT_DATA_BLOCK: 0x5,
} as const

/** Sub types, bits 3:0 of the last byte. */
export const SglSubType = { ADDRESS: 0x0, OFFSET: 0x1, TRANSPORT: 0xa } as const

/** Bits of SGLS in Identify Controller. @see NVMe Base 2.1, figure 312, SGLS */
export const Sgls = {
  /** 1: supported at any alignment; 2: in dwords. */
  SUPPORT_MASK: 3,
  KEYED: 0x4,
  THRESHOLD_SHIFT: 8,
  BIT_BUCKET: 0x1_0000,
  /** The SGL may describe more than the command moves. */
  OVERSIZE: 0x4_0000,
  OFFSET: 0x10_0000,
  TRANSPORT: 0x20_0000,
} as const

export const SGL_DESCRIPTOR_BYTES = 16
const LENGTH = 8
const IDENTIFIER = 15

/** Writes a descriptor with an address; reserved bytes become 0. */
export function writeSglDescriptor(
  view: DataView,
  offset: number,
  type: number,
  address: number,
  length: number,
): void {
  setUint64(view, offset, address)
  view.setUint32(offset + LENGTH, length, true)
  view.setUint32(offset + 12, (type << 28) >>> 0, true)
}

export function sglAddress(view: DataView, offset: number): number {
  return getUint64(view, offset)
}

export function sglLength(view: DataView, offset: number): number {
  return view.getUint32(offset + LENGTH, true)
}

export function sglType(view: DataView, offset: number): number {
  return view.getUint8(offset + IDENTIFIER) >>> 4
}

export function sglSubType(view: DataView, offset: number): number {
  return view.getUint8(offset + IDENTIFIER) & 0xf
}

const KEY = 11
const KEYED_LENGTH_MASK = 0xff_ffff

/**
 * Writes a keyed data block: `length` is below 2^24.
 * @see NVMe Base 2.1, 4.3.2 (Keyed SGL Data Block descriptor)
 */
export function writeKeyedSglDescriptor(
  view: DataView,
  offset: number,
  subType: number,
  address: number,
  length: number,
  key: number,
): void {
  setUint64(view, offset, address)
  view.setUint32(offset + LENGTH, length & KEYED_LENGTH_MASK, true)
  view.setUint32(offset + KEY, key, true)
  view.setUint8(offset + IDENTIFIER, (SglType.KEYED_DATA_BLOCK << 4) | subType)
}

export function keyedSglLength(view: DataView, offset: number): number {
  return view.getUint32(offset + LENGTH, true) & KEYED_LENGTH_MASK
}

export function sglKey(view: DataView, offset: number): number {
  return view.getUint32(offset + KEY, true)
}
