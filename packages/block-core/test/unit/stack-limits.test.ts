// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  blkSetStackingLimits,
  blkStackLimits,
  type QueueLimitsInit,
  queueLimitAlignmentOffset,
  queueLimitDiscardAlignment,
  type StackingLimits,
  validateLimits,
} from '../../src/index.ts'

type Lower = readonly [init: QueueLimitsInit, start?: number]

function stack(lowers: readonly Lower[], own: Partial<StackingLimits> = {}) {
  const top = Object.assign(blkSetStackingLimits(), own)
  const aligned = lowers.map(([init, start]) =>
    blkStackLimits(top, validateLimits(init), start ?? 0),
  )
  return { top, aligned }
}

describe('stacking of limits', () => {
  it('nothing stacked is a device without bounds, discard and atomic writes', () => {
    const { top } = stack([])
    expect(validateLimits(top)).toMatchObject({
      logicalBlockSizeBytes: 512,
      maxHwSectors: 0xffff_ffff,
      maxSectors: 8192,
      maxSegments: 65_535,
      maxSegmentSizeBytes: 0xffff_ffff,
      maxDiscardSectors: 0,
      discardGranularityBytes: 0,
      maxWriteZeroesSectors: 0xffff_ffff,
      atomicWriteMaxSectors: 0,
    })
  })

  it('takes the smaller bound, the larger block, the common chunk and what any device needs', () => {
    const { top, aligned } = stack([
      [
        {
          physicalBlockSizeBytes: 4096,
          maxHwSectors: 100,
          maxUserSectors: 80,
          maxSegments: 7,
          maxSegmentSizeBytes: 8192,
          segBoundaryMask: 0xffff,
          virtBoundaryMask: 4095,
          dmaAlignmentMask: 3,
          chunkSectors: 48,
          ioOptBytes: 8192,
          maxWriteZeroesSectors: 64,
          maxHwWzeroesUnmapSectors: 64,
          rotational: true,
        },
      ],
      [
        {
          logicalBlockSizeBytes: 1024,
          maxHwSectors: 205,
          maxDevSectors: 90,
          chunkSectors: 32,
          ioOptBytes: 12_288,
          dmaAlignmentMask: 511,
          maxDiscardSegments: 3,
          maxSecureEraseSectors: 16,
          maxWriteZeroesSectors: 32,
          writeCache: true,
          fua: true,
          stableWrites: true,
        },
      ],
    ])
    expect(aligned).toEqual([true, true])
    expect(top).toMatchObject({
      logicalBlockSizeBytes: 1024,
      physicalBlockSizeBytes: 4096,
      ioMinBytes: 4096,
      ioOptBytes: 24_576,
      maxHwSectors: 100,
      maxDevSectors: 90,
      maxUserSectors: 80,
      maxSegments: 7,
      maxSegmentSizeBytes: 8192,
      segBoundaryMask: 0xffff,
      virtBoundaryMask: 4095,
      dmaAlignmentMask: 511,
      chunkSectors: 16,
      maxDiscardSegments: 1,
      maxSecureEraseSectors: 16,
      maxWriteZeroesSectors: 32,
      maxHwWzeroesUnmapSectors: 0,
      writeCache: true,
      fua: true,
      rotational: true,
      stableWrites: true,
      misaligned: false,
    })
    expect(validateLimits(top)).toMatchObject({ maxSectors: 80, maxWzeroesUnmapSectors: 0 })
  })

  it('rounds sectors down to the largest logical block, but never below a page', () => {
    const four = { logicalBlockSizeBytes: 4096, maxHwSectors: 100 }
    expect(stack([[{ maxHwSectors: 30 }], [four]]).top.maxHwSectors).toBe(24)
    const large = { logicalBlockSizeBytes: 65_536, maxHwSectors: 128 }
    const { top } = stack([[{ maxHwSectors: 10 }], [large]])
    expect(top.maxHwSectors).toBe(8)
    expect(() => validateLimits(top)).toThrow(/maxHwSectors is 8.*from 128/)
  })

  it('data that begin inside a physical block are an alignment offset of what is above', () => {
    const lower = { physicalBlockSizeBytes: 4096 }
    const one = stack([[lower, 7]])
    expect([one.aligned, one.top.alignmentOffsetBytes]).toEqual([[true], 512])
    const both = stack([
      [lower, 7],
      [lower, 15],
    ])
    expect([both.aligned, both.top.alignmentOffsetBytes]).toEqual([[true, true], 512])
    const apart = stack([
      [lower, 7],
      [lower, 6],
    ])
    expect([apart.aligned, apart.top.misaligned]).toEqual([[true, false], true])
    expect(queueLimitAlignmentOffset(validateLimits(lower), 3)).toBe(5 * 512)
    const shifted = validateLimits({ ...lower, alignmentOffsetBytes: 3584 })
    expect(queueLimitAlignmentOffset(shifted, 7)).toBe(0)
  })

  const misaligned: [string, readonly Lower[], Partial<StackingLimits>, Partial<StackingLimits>][] =
    [
      [
        'an offset off the logical block',
        [[{ physicalBlockSizeBytes: 4096 }, 7], [{ logicalBlockSizeBytes: 4096 }]],
        {},
        {},
      ],
      [
        'a least I/O that is no multiple of the physical block',
        [[{ ioMinBytes: 12_288 }], [{ physicalBlockSizeBytes: 8192 }]],
        {},
        { ioMinBytes: 8192 },
      ],
      [
        'a best I/O that is no multiple of the physical block',
        [[{ physicalBlockSizeBytes: 4096 }]],
        { ioOptBytes: 2048 * 3, ioMinBytes: 4096 },
        { ioOptBytes: 0 },
      ],
      [
        'a chunk that is no multiple of the physical block',
        [[{ chunkSectors: 12 }], [{ physicalBlockSizeBytes: 8192 }]],
        {},
        { chunkSectors: 0 },
      ],
      ['a device that is misaligned itself', [[{ misaligned: true }]], {}, {}],
    ]
  it.each(misaligned)('flags %s', (what, lowers, own, wanted) => {
    const { top, aligned } = stack(lowers, own)
    const isOwn = what.includes('itself')
    expect([top.misaligned, aligned.every(Boolean)]).toEqual([true, isOwn])
    expect(top).toMatchObject(wanted)
  })

  it('a best I/O of no common multiple is dropped', () => {
    const { top, aligned } = stack([[{ ioOptBytes: 512 * 65_537 }], [{ ioOptBytes: 512 * 65_539 }]])
    expect([top.ioOptBytes, aligned]).toEqual([0, [true, false]])
  })

  it('discards go with the smaller bound, the larger granule and the common begin of granules', () => {
    const a = { maxHwDiscardSectors: 100, discardGranularityBytes: 4096 }
    const b = { maxHwDiscardSectors: 64, discardGranularityBytes: 8192 }
    const { top } = stack([[a, 4], [b, 4], [{}]])
    expect(top).toMatchObject({
      maxHwDiscardSectors: 64,
      discardGranularityBytes: 8192,
      discardAlignmentBytes: 6144,
    })
    expect(validateLimits(top).maxDiscardSectors).toBe(64)
    const limits = validateLimits({ ...a, discardAlignmentBytes: 1024 })
    expect(queueLimitDiscardAlignment(limits, 0)).toBe(1024)
    expect(queueLimitDiscardAlignment(limits, 3)).toBe(7 * 512)
    expect(queueLimitDiscardAlignment(limits, 2)).toBe(0)
    expect(queueLimitDiscardAlignment(validateLimits({}), 3)).toBe(0)
  })
})

describe('stacking of atomic writes', () => {
  const a = { atomicWriteHwMaxBytes: 65_536, atomicWriteHwUnitMinBytes: 1024 }
  const b = { atomicWriteHwMaxBytes: 16_384, atomicWriteHwUnitMinBytes: 4096 }

  function atomic(lowers: readonly Lower[], own: Partial<StackingLimits> = {}) {
    const { top } = stack(lowers, own)
    const { atomicWriteUnitMinBytes, atomicWriteUnitMaxBytes, atomicWriteMaxSectors } =
      validateLimits(top)
    return [atomicWriteUnitMinBytes, atomicWriteUnitMaxBytes, atomicWriteMaxSectors]
  }
  const none = [0, 0, 0]
  const wide = { maxHwSectors: 2048 }

  it('are what all devices do whole', () => {
    expect(atomic([[{ ...a, ...wide }]])).toEqual([1024, 65_536, 128])
    const both: Lower[] = [[{ ...a, ...wide }], [{ ...b, ...wide }]]
    expect(atomic(both)).toEqual([4096, 16_384, 32])
    expect(atomic(both.toReversed())).toEqual([4096, 16_384, 32])
  })

  it('fit the chunk, whose largest power of two bounds the unit', () => {
    expect(atomic([[{ ...a, ...wide }]], { chunkSectors: 48 })).toEqual([1024, 8192, 48])
    expect(atomic([[{ ...a, ...wide }]], { chunkSectors: 1 })).toEqual([512, 512, 1])
    const huge = { chunkSectors: 2 ** 23 }
    expect(atomic([[{ ...a, ...wide }]], huge)).toEqual([1024, 65_536, 128])
  })

  const boundary = { ...b, ...wide, atomicWriteHwBoundaryBytes: 32_768 }
  const off: [string, readonly Lower[], Partial<StackingLimits>][] = [
    ['one device has none', [[{ ...a, ...wide }], [wide]], {}],
    ['and stay off', [[wide], [{ ...a, ...wide }]], {}],
    ['data begin off the units', [[{ ...a, ...wide }, 1]], {}],
    ['data begin off the boundary', [[boundary, 32]], {}],
    ['units do not meet', [[{ ...a, ...wide }], [{ ...wide, atomicWriteHwMaxBytes: 512 }]], {}],
    ['nor the other way', [[{ ...wide, atomicWriteHwMaxBytes: 512 }], [{ ...a, ...wide }]], {}],
    ['boundaries differ', [[boundary], [{ ...b, ...wide }]], {}],
    ['chunk and boundary do not fit', [[boundary]], { chunkSectors: 96 }],
  ]
  it.each(off)('are off where %s', (_what, lowers, own) => {
    expect(atomic(lowers, own)).toEqual(none)
  })

  it('keep a boundary that all have', () => {
    const { top } = stack([[boundary], [boundary, 64]])
    expect(validateLimits(top).atomicWriteBoundarySectors).toBe(64)
  })
})
