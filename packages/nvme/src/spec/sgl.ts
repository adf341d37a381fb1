// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getUint64, setUint64 } from './entries.ts'

/** Descriptor types, bits 7:4 of the last byte. @see NVMe Base 2.1, 4.3.2 (figure 124) */
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
