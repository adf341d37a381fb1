// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildDmaSegmentTable, DmaSegmentTable, SgTable } from '../../src/index.ts'

function mapped(
  ranges: readonly { gap: number; length: number }[],
  maxSegmentSizeBytes: number,
  segBoundaryMask: number,
): SgTable {
  const table = new SgTable()
  let at = 4096
  for (const { gap, length } of ranges) {
    at += gap
    table.appendDma(at, length)
    at += length
  }
  const owner = {}
  table.setMapping({
    owner,
    direction: 0,
    maxSegmentSizeBytes,
    segBoundaryMask,
    iovaPfn: 0,
    iovaPages: 0,
  })
  return table
}

function build(lengths: readonly number[]): DmaSegmentTable {
  const starts = new Float64Array(lengths.length + 1)
  lengths.forEach((length, i) => {
    starts[i + 1] = (starts[i] ?? 0) + length
  })
  return new DmaSegmentTable(new Float64Array(lengths.length), starts)
}

describe('DmaSegmentTable', () => {
  it('R-NVME-1 R-NVME-2: merges neighbours, finds every byte as a walk from the start does', () => {
    const range = fc.record({
      gap: fc.constantFrom(0, 0, 512, 4096),
      length: fc.integer({ min: 1, max: 16 }).map((n) => n * 512),
    })
    fc.assert(
      fc.property(
        fc.array(range, { minLength: 1, maxLength: 30 }),
        fc.constantFrom(8192, 16384, 2 ** 32 - 1),
        fc.constantFrom(65535, 2 ** 32 - 1),
        (ranges, max, boundary) => {
          const table = mapped(ranges, max, boundary)
          const segments = buildDmaSegmentTable(table)
          // Byte by byte (each 512): the address must be the one that the unmerged list says.
          let offset = 0
          for (let i = 0; i < table.nents; i++) {
            for (let at = 0; at < table.dmaLengthAt(i); at += 512) {
              const found = segments.find(offset + at + 511)
              const start = segments.startAt(found)
              expect(start).toBeLessThanOrEqual(offset + at)
              expect(segments.addressAt(found) + (offset + at - start)).toBe(
                table.dmaAddressAt(i) + at,
              )
            }
            offset += table.dmaLengthAt(i)
          }
          expect(segments.totalBytes).toBe(offset)
          for (let i = 0; i < segments.count; i++) {
            const [address, length] = [segments.addressAt(i), segments.lengthAt(i)]
            expect(length).toBeGreaterThan(0)
            expect(length % 2 ** segments.granuleShift).toBe(0)
            const contiguous =
              i > 0 && segments.addressAt(i - 1) + segments.lengthAt(i - 1) === address
            if (contiguous) {
              const first = table.dmaLengthAt(indexOf(table, address))
              const tooLong = segments.lengthAt(i - 1) + first > max
              expect(tooLong || address % (boundary + 1) === 0).toBe(true)
            }
          }
        },
      ),
      { numRuns: 300, seed: 5 },
    )
  })

  it('has the largest granule that every segment length is a multiple of, at most 2^30', () => {
    expect(build([4096]).granuleShift).toBe(12)
    expect(build([4096, 512, 8192]).granuleShift).toBe(9)
    expect(build([4096, 1]).granuleShift).toBe(0)
    expect(build([2 ** 30]).granuleShift).toBe(30)
    expect(build([2 ** 32]).granuleShift).toBe(30)
    expect(build([2 ** 32 + 4096]).granuleShift).toBe(12)
    expect(build([2 ** 31, 2 ** 21]).granuleShift).toBe(21)
    expect(build([]).granuleShift).toBe(30)
  })

  it('finds nothing outside, and takes a lower limit than the mapping had', () => {
    const segments = build([4096, 4096, 100])
    expect(segments.find(-1)).toBe(-1)
    expect(segments.find(8292)).toBe(-1)
    expect(segments.find(Number.NaN)).toBe(-1)
    expect(segments.find(8291)).toBe(2)
    expect(build([]).find(0)).toBe(-1)
    expect(segments.addressAt(3)).toBe(-1)
    const table = mapped(
      [
        { gap: 0, length: 4096 },
        { gap: 0, length: 4096 },
      ],
      2 ** 32 - 1,
      2 ** 32 - 1,
    )
    expect(buildDmaSegmentTable(table).count).toBe(1)
    expect(buildDmaSegmentTable(table, 4096).count).toBe(2)
    expect(() => buildDmaSegmentTable(new SgTable())).toThrow('not mapped')
    expect(() => new DmaSegmentTable(new Float64Array(1), new Float64Array(1))).toThrow('one entry')
  })
})

function indexOf(table: SgTable, address: number): number {
  for (let i = 0; i < table.nents; i++) if (table.dmaAddressAt(i) === address) return i
  return -1
}
