// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { SgTable } from '../../../src/index.ts'

describe('SgTable', () => {
  it('keeps pieces in order and grows', () => {
    const table = new SgTable(1)
    for (let i = 0; i < 100; i++) table.append(i * 2, i, 4096 + i)
    expect(table.origNents).toBe(100)
    expect(table.nents).toBe(0)
    expect(table.totalBytes).toBe(100 * 4096 + 4950)
    expect([table.frameAt(99), table.offsetAt(99), table.lengthAt(99)]).toEqual([198, 99, 4195])
    expect(table.physAddrAt(99)).toBe(198 * 4096 + 99)
    expect(table.dmaAddressAt(0)).toBe(-1)
    expect(table.dmaLengthAt(0)).toBe(0)
  })

  it('asserts what a piece must be', () => {
    const table = new SgTable()
    expect(() => table.append(0, 0, 0)).toThrow('positive')
    expect(() => table.append(0, 4096, 1)).toThrow('offset')
    expect(() => table.append(-1, 0, 1)).toThrow('frame')
    expect(() => table.extendDma(1)).toThrow('extend')
  })

  it('takes no pieces while it is mapped, and forgets its DMA side with the mapping', () => {
    const table = new SgTable()
    table.append(1, 0, 4096)
    for (let i = 0; i < 9; i++) table.appendDma(4096 * 3 * i, 4096)
    table.extendDma(5)
    expect([table.nents, table.dmaAddressAt(8), table.dmaLengthAt(8)]).toEqual([9, 98304, 4101])
    const limits = { maxSegmentSizeBytes: 4096, segBoundaryMask: 4095 }
    table.setMapping({ owner: {}, direction: 0, ...limits, iovaPfn: 0, iovaPages: 0 })
    expect(() => table.append(2, 0, 1)).toThrow('mapped')
    table.setMapping(null)
    expect(table.nents).toBe(0)
    table.append(2, 0, 1)
  })
})
