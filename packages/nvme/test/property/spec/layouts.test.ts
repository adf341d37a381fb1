// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  asyncEventResult,
  CQE_BYTES,
  CqeOffset,
  getUint64,
  keyedSglLength,
  SGL_DESCRIPTOR_BYTES,
  SglSubType,
  SglType,
  SQE_BYTES,
  SqeOffset,
  STATUS_CODE_MASK,
  STATUS_CRD_MASK,
  STATUS_DNR,
  STATUS_MORE,
  setUint64,
  sglAddress,
  sglKey,
  sglLength,
  sglSubType,
  sglType,
  statusField,
  statusOf,
  writeKeyedSglDescriptor,
  writeSglDescriptor,
} from '../../../src/spec/index.ts'

const address = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const GUARD = 0xa5

/** Runs `write` in the middle of guarded bytes and checks that it wrote exactly `size` of them. */
function guarded(size: number, write: (view: DataView, offset: number) => void): DataView {
  const bytes = new Uint8Array(size + 32).fill(GUARD)
  write(new DataView(bytes.buffer), 16)
  expect(bytes.subarray(0, 16).every((byte) => byte === GUARD)).toBe(true)
  expect(bytes.subarray(16 + size).every((byte) => byte === GUARD)).toBe(true)
  return new DataView(bytes.buffer, 16, size)
}

describe('64-bit values', () => {
  it('round trip below 2^53 and touch 8 bytes, as BigInt reads them', () => {
    fc.assert(
      fc.property(address, (value) => {
        const view = guarded(8, (target, offset) => setUint64(target, offset, value))
        expect(getUint64(view, 0)).toBe(value)
        expect(view.getBigUint64(0, true)).toBe(BigInt(value))
      }),
    )
  })

  it('from 2^53 on stay too large for any bound that is exact', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n << 53n, max: (1n << 64n) - 1n }), (value) => {
        const view = new DataView(new ArrayBuffer(8))
        view.setBigUint64(0, value, true)
        expect(getUint64(view, 0)).toBeGreaterThan(Number.MAX_SAFE_INTEGER)
      }),
    )
  })
})

describe('SGL descriptors', () => {
  it('of every type round trip in 16 bytes; reserved bytes are 0', () => {
    const types = [SglType.DATA_BLOCK, SglType.BIT_BUCKET, SglType.SEGMENT, SglType.LAST_SEGMENT]
    fc.assert(
      fc.property(fc.constantFrom(...types), address, u32, (type, at, length) => {
        const view = guarded(SGL_DESCRIPTOR_BYTES, (target, offset) =>
          writeSglDescriptor(target, offset, type, at, length),
        )
        expect([sglType(view, 0), sglSubType(view, 0)]).toEqual([type, SglSubType.ADDRESS])
        expect([sglAddress(view, 0), sglLength(view, 0)]).toEqual([at, length])
        expect([view.getUint8(12), view.getUint8(13), view.getUint8(14)]).toEqual([0, 0, 0])
      }),
    )
  })

  it('with a key keep length, key, type and sub type apart', () => {
    const length = fc.integer({ min: 0, max: 0xff_ffff })
    const subType = fc.constantFrom(SglSubType.ADDRESS, SglSubType.OFFSET)
    fc.assert(
      fc.property(subType, address, length, u32, (sub, at, bytes, key) => {
        const view = guarded(SGL_DESCRIPTOR_BYTES, (target, offset) =>
          writeKeyedSglDescriptor(target, offset, sub, at, bytes, key),
        )
        expect([sglType(view, 0), sglSubType(view, 0)]).toEqual([SglType.KEYED_DATA_BLOCK, sub])
        expect([sglAddress(view, 0), keyedSglLength(view, 0), sglKey(view, 0)]).toEqual([
          at,
          bytes,
          key,
        ])
      }),
    )
  })
})

describe('status', () => {
  it('keeps 15 bits and the phase apart', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fff }), fc.constantFrom(0, 1), (status, phase) => {
        const field = statusField(status, phase)
        expect(field).toBeLessThanOrEqual(0xffff)
        expect([statusOf(field), field & 1]).toEqual([status, phase])
      }),
    )
  })

  it('has flags that overlap neither each other nor type and code', () => {
    const parts = [STATUS_CODE_MASK, STATUS_CRD_MASK, STATUS_MORE, STATUS_DNR]
    expect(parts.reduce((sum, part) => sum + part, 0)).toBe(0x7fff)
    expect(parts.reduce((all, part) => all | part, 0)).toBe(0x7fff)
  })
})

describe('entries', () => {
  it('have the offsets and sizes of the specification', () => {
    expect([SQE_BYTES, CQE_BYTES]).toEqual([64, 16])
    expect(Object.values(SqeOffset)).toEqual([
      0, 1, 2, 4, 8, 12, 16, 24, 24, 32, 40, 44, 48, 52, 56, 60,
    ])
    expect(Object.values(CqeOffset)).toEqual([0, 4, 8, 10, 12, 14])
  })

  it('an event says its type, information and log page', () => {
    expect(asyncEventResult(2, 3, 4)).toBe(0x0004_0302)
  })
})
