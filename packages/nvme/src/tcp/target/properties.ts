// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Cc, Reg, STATUS_DNR, Status } from '../../spec/index.ts'
import type { Association } from './association.ts'

const INVALID = Status.INVALID_FIELD | STATUS_DNR
const EIGHT_BYTES = 1
const SIZE_MASK = 7
const ATTRIB = 40
const OFFSET = 44
const VALUE = 48
const MQES_MASK = 0xffffn

/** Registers that a host of a fabric can read, and their sizes. @see NVMe Base 2.1, figure 33 */
const SIZES: ReadonlyMap<number, 4 | 8> = new Map([
  [Reg.CAP, 8],
  [Reg.VS, 4],
  [Reg.CC, 4],
  [Reg.CSTS, 4],
  [Reg.CRTO, 4],
])

export interface PropertyValue {
  readonly status: number
  readonly low: number
  readonly high: number
}

/** @see NVMe Base 2.1, 6.6 */
export function propertyGet(association: Association, entry: DataView): PropertyValue {
  const offset = entry.getUint32(OFFSET, true)
  const size = SIZES.get(offset)
  const asked = (entry.getUint8(ATTRIB) & SIZE_MASK) === EIGHT_BYTES ? 8 : 4
  if (size === undefined || size !== asked) return { status: INVALID, low: 0, high: 0 }
  const { bar } = association.controller
  if (size === 4) return { status: 0, low: bar.read32(offset), high: 0 }
  let value = bar.read64(offset)
  if (offset === Reg.CAP) {
    // The rings have room for more than the host may use.
    const entries = BigInt(association.queueEntries - 1)
    value = (value & ~MQES_MASK) | entries
  }
  return { status: 0, low: Number(value & 0xffff_ffffn), high: Number(value >> 32n) }
}

/** Only CC can be written. @see NVMe Base 2.1, 6.7 */
export function propertySet(association: Association, entry: DataView): number {
  const offset = entry.getUint32(OFFSET, true)
  const isFourBytes = (entry.getUint8(ATTRIB) & SIZE_MASK) === 0
  if (offset !== Reg.CC || !isFourBytes) return INVALID
  const { bar } = association.controller
  const wasEnabled = (bar.read32(Reg.CC) & Cc.EN) !== 0
  const value = entry.getUint32(VALUE, true)
  bar.write32(Reg.CC, value)
  if (wasEnabled && (value & Cc.EN) === 0) association.disabled()
  return Status.SUCCESS
}
