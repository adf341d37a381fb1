// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  AqaLayout,
  bitsOf,
  CapLayout,
  CcLayout,
  type Decoded,
  decode,
  encode,
  IdCtrlLayout,
  LbaFormatLayout,
  NamespaceListLayout,
  readField,
  SqeLayout,
  VsLayout,
  withBits,
  writeField,
} from '../../../src/spec/index.ts'

function refusal(attempt: () => unknown): KernelError {
  try {
    attempt()
  } catch (error) {
    if (error instanceof KernelError) return error
    throw error
  }
  throw new Error('was not refused')
}

describe('fields', () => {
  it('lie at a base in a larger view: an entry of a queue', () => {
    const queue = new DataView(new ArrayBuffer(3 * SqeLayout.size))
    writeField(queue, SqeLayout.fields.CID, 0x1234, 'CID', 2 * SqeLayout.size)
    expect(queue.getUint16(2 * 64 + 2, true)).toBe(0x1234)
    expect(readField(queue, SqeLayout.fields.CID, 2 * SqeLayout.size)).toBe(0x1234)
    expect(readField(queue, SqeLayout.fields.CID)).toBe(0)
  })

  it('lie in a view that starts inside its buffer', () => {
    const bytes = new Uint8Array(16)
    writeField(new DataView(bytes.buffer, 4, 8), { at: 2, bytes: 2 }, new Uint8Array([7, 8]))
    expect([...bytes.subarray(4, 10)]).toEqual([0, 0, 7, 8, 0, 0])
  })

  it('cross bytes and words', () => {
    const view = new DataView(new ArrayBuffer(8))
    writeField(view, { at: 0, shift: 12, bits: 52 }, 2 ** 52 - 1)
    expect(view.getBigUint64(0, true)).toBe(0xffff_ffff_ffff_f000n)
    writeField(view, { at: 0, shift: 37, bits: 8 }, 0)
    expect(view.getBigUint64(0, true)).toBe(0xffff_e01f_ffff_f000n)
  })

  it('hold text with its padding', () => {
    const bytes = encode(IdCtrlLayout, { SN: 'S1', SUBNQN: 'nqn.é' })
    expect([...bytes.subarray(4, 8)]).toEqual([0x53, 0x31, 0x20, 0x20])
    expect(bytes[23]).toBe(0x20)
    expect([...bytes.subarray(768, 775)]).toEqual([0x6e, 0x71, 0x6e, 0x2e, 0xc3, 0xa9, 0])
    const { SN, SUBNQN, MN } = decode(IdCtrlLayout, bytes)
    expect([SN, SUBNQN, MN]).toEqual(['S1', 'nqn.é', '\0'.repeat(40)])
  })

  it('have the types of their kinds', () => {
    type Identity = Decoded<typeof IdCtrlLayout>
    expectTypeOf<Identity['MDTS']>().toEqualTypeOf<number>()
    expectTypeOf<Identity['TNVMCAP']>().toEqualTypeOf<bigint>()
    expectTypeOf<Identity['SN']>().toEqualTypeOf<string>()
    expectTypeOf<Identity['FGUID']>().toEqualTypeOf<Uint8Array>()
    expectTypeOf<Identity['PSD'][number]['MP']>().toEqualTypeOf<number>()
    expectTypeOf<Decoded<typeof NamespaceListLayout>['NSID']>().toEqualTypeOf<readonly number[]>()
  })
})

describe('structures', () => {
  it('decode from the first of more bytes, not from fewer', () => {
    const bytes = new Uint8Array([0, 1, 2, 0, 9])
    expect(decode(VsLayout, bytes)).toEqual({ TER: 0, MNR: 1, MJR: 2 })
    const error = refusal(() => decode(VsLayout, bytes.subarray(0, 3)))
    expect(error.code).toBe('EINVAL')
    expect(error.message).toBe('VS: bytes: got 3, accepted at least 4')
  })

  it('encode what is named; the rest is zero', () => {
    expect([...encode(LbaFormatLayout, { LBADS: 9 })]).toEqual([0, 0, 9, 0])
    expect([...encode(LbaFormatLayout, {})]).toEqual([0, 0, 0, 0])
    const list = encode(NamespaceListLayout, { NSID: [1, 0xffff_fffe] })
    expect([...list.subarray(0, 12)]).toEqual([1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0])
  })

  it('refuse names that they do not have, inherited ones too', () => {
    expect(refusal(() => encode(LbaFormatLayout, Object({ NAME: 1 }))).message).toBe(
      'LBA Format has no such field: got NAME',
    )
    const inherited = { toString: 1 }
    expect(refusal(() => encode(VsLayout, Object(inherited))).code).toBe('EINVAL')
  })

  it('say which element of which list does not fit', () => {
    const error = refusal(() => encode(IdCtrlLayout, { PSD: [{}, Object({ RRT: 32 })] }))
    expect(error.message).toBe(
      'Identify Controller PSD[1] RRT does not fit: got 32, accepted 0 to 31',
    )
    expect(refusal(() => encode(NamespaceListLayout, { NSID: [0, -1] })).message).toContain(
      'NSID[1]',
    )
  })

  it('a list with a wrong number leaves all of it unwritten', () => {
    const view = new DataView(new ArrayBuffer(4096))
    refusal(() => writeField(view, NamespaceListLayout.fields.NSID, [5, 2 ** 32]))
    expect(view.getUint32(0, true)).toBe(0)
  })
})

describe('words held as numbers', () => {
  it('give and take fields, to the highest bit and without a sign', () => {
    const cc = withBits(0, CcLayout.fields.IOCQES, 4)
    expect(cc).toBe(4 << 20)
    expect(bitsOf(cc, CcLayout.fields.IOCQES)).toBe(4)
    expect(withBits(cc, CcLayout.fields.IOCQES, 0)).toBe(0)
    expect(withBits(0, { at: 0, shift: 31, bits: 1 }, 1)).toBe(0x8000_0000)
    expect(bitsOf(0xffff_ffff, AqaLayout.fields.ACQS)).toBe(0xfff)
  })

  it('see a register as two words as they are read by 32 bits', () => {
    const cap = encode(CapLayout, { MQES: 1023, DSTRD: 2, MPSMAX: 4 })
    const high = new DataView(cap.buffer).getUint32(4, true)
    expect(high & 0xf).toBe(2)
    expect((high >>> 20) & 0xf).toBe(4)
  })

  it('refuse what does not fit', () => {
    const error = refusal(() => withBits(0, CcLayout.fields.MPS, 16, 'MPS'))
    expect(error.message).toBe('MPS does not fit: got 16, accepted 0 to 15')
    expect(error.code).toBe('EINVAL')
  })
})
