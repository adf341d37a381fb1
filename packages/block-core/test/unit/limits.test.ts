// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { type QueueLimitsInit, validateLimits } from '../../src/index.ts'

describe('queue limits', () => {
  it('fills in the defaults of the kernel', () => {
    expect(validateLimits({})).toMatchObject({
      logicalBlockSizeBytes: 512,
      physicalBlockSizeBytes: 512,
      ioMinBytes: 512,
      maxHwSectors: 255,
      maxSectors: 255,
      maxSegments: 128,
      maxSegmentSizeBytes: 65_536,
      segBoundaryMask: 0xffff_ffff,
      dmaAlignmentMask: 511,
      writeCache: false,
    })
  })

  it('derives maxSectors from the hardware, the administrator, io_opt and the cap', () => {
    expect(validateLimits({ maxHwSectors: 100_000 }).maxSectors).toBe(8192)
    expect(validateLimits({ maxHwSectors: 100_000, maxUserSectors: 20_000 }).maxSectors).toBe(
      20_000,
    )
    expect(validateLimits({ maxHwSectors: 64, maxUserSectors: 20_000 }).maxSectors).toBe(64)
    expect(validateLimits({ maxHwSectors: 100_000, ioOptBytes: 1 << 20 }).maxSectors).toBe(8192)
    expect(validateLimits({ maxHwSectors: 100_000, ioOptBytes: 6 << 20 }).maxSectors).toBe(12_288)
    expect(validateLimits({ maxHwSectors: 100_000, maxDevSectors: 100 }).maxSectors).toBe(100)
    expect(validateLimits({ maxHwSectors: 100_000, ioMinBytes: 8 << 20 }).maxSectors).toBe(16_384)
    expect(validateLimits({ logicalBlockSizeBytes: 4096, maxHwSectors: 255 }).maxSectors).toBe(248)
  })

  it('a virtual boundary lifts the segment size, FUA needs a write cache, discard a granularity', () => {
    expect(validateLimits({ virtBoundaryMask: 4095 }).maxSegmentSizeBytes).toBe(0xffff_ffff)
    expect(validateLimits({ fua: true }).fua).toBe(false)
    expect(validateLimits({ fua: true, writeCache: true }).fua).toBe(true)
    expect(validateLimits({ maxHwDiscardSectors: 64 }).discardGranularityBytes).toBe(512)
  })

  it('raises a physical block below the logical one, and keeps offsets inside it', () => {
    expect(
      validateLimits({ logicalBlockSizeBytes: 4096, physicalBlockSizeBytes: 512 }),
    ).toMatchObject({ physicalBlockSizeBytes: 4096, ioMinBytes: 4096 })
    const shifted = validateLimits({ alignmentOffsetBytes: 7680, physicalBlockSizeBytes: 4096 })
    expect(shifted.alignmentOffsetBytes).toBe(3584)
    expect(validateLimits({ misaligned: true }).misaligned).toBe(true)
    expect(validateLimits({ misaligned: true, alignmentOffsetBytes: 512 }).misaligned).toBe(false)
  })

  it('what both device and administrator allow; no granule without discard', () => {
    const discard = { maxHwDiscardSectors: 100, discardGranularityBytes: 8192 }
    expect(validateLimits(discard)).toMatchObject({
      maxDiscardSectors: 100,
      discardGranularityBytes: 8192,
    })
    expect(validateLimits({ ...discard, maxUserDiscardSectors: 40 }).maxDiscardSectors).toBe(40)
    const off = validateLimits({ ...discard, maxUserDiscardSectors: 0 })
    expect([off.maxDiscardSectors, off.discardGranularityBytes]).toEqual([0, 0])
    const zero = { maxWriteZeroesSectors: 64, maxHwWzeroesUnmapSectors: 64 }
    expect(validateLimits(zero).maxWzeroesUnmapSectors).toBe(64)
    expect(validateLimits({ ...zero, maxUserWzeroesUnmapSectors: 8 }).maxWzeroesUnmapSectors).toBe(
      8,
    )
    const large = { logicalBlockSizeBytes: 4096, maxSecureEraseSectors: 15 }
    expect(validateLimits(large).maxSecureEraseSectors).toBe(8)
  })

  it('segments beside a virtual boundary, and how much of a page is one for sure', () => {
    const both = validateLimits({ virtBoundaryMask: 4095, maxSegmentSizeBytes: 8192 })
    expect([both.maxSegmentSizeBytes, both.maxFastSegmentSizeBytes]).toEqual([8192, 4096])
  })

  it('units of atomic writes are those of the device, as far as any memory fits one bio', () => {
    const units = (init: QueueLimitsInit): number[] => {
      const limits = validateLimits({ maxHwSectors: 4096, ...init })
      const { atomicWriteUnitMinBytes, atomicWriteUnitMaxBytes, atomicWriteMaxSectors } = limits
      return [atomicWriteUnitMinBytes, atomicWriteUnitMaxBytes, atomicWriteMaxSectors]
    }
    expect(units({})).toEqual([0, 0, 0])
    expect(units({ atomicWriteHwMaxBytes: 12_288 })).toEqual([512, 8192, 24])
    const four = { logicalBlockSizeBytes: 4096, atomicWriteHwMaxBytes: 12_288 }
    expect(units(four)).toEqual([4096, 8192, 24])
    const large = { atomicWriteHwMaxBytes: 1 << 20 }
    expect(units({ ...large, maxSegments: 1 })).toEqual([512, 512, 2048])
    expect(units({ ...large, maxSegments: 3 })).toEqual([512, 4096, 2048])
    expect(units({ ...large, maxSegments: 128 })).toEqual([512, 262_144, 2048])
    expect(units({ ...large, maxHwSectors: 100 })).toEqual([512, 32_768, 100])
    const bounded = { atomicWriteHwMaxBytes: 8192, atomicWriteHwBoundaryBytes: 32_768 }
    expect(validateLimits({ ...bounded, chunkSectors: 128 }).atomicWriteBoundarySectors).toBe(64)
    expect(validateLimits({ ...bounded, chunkSectors: 32 }).atomicWriteBoundarySectors).toBe(64)
  })

  const refused: [QueueLimitsInit, RegExp][] = [
    [{ logicalBlockSizeBytes: 500 }, /logicalBlockSizeBytes is 500.*power of two/],
    [{ logicalBlockSizeBytes: 131_072 }, /logicalBlockSizeBytes is 131072/],
    [{ physicalBlockSizeBytes: 5000 }, /physicalBlockSizeBytes is 5000.*a power of two/],
    [{ maxHwSectors: 7 }, /maxHwSectors is 7.*from 8/],
    [{ maxUserSectors: 3 }, /maxUserSectors is 3/],
    [{ logicalBlockSizeBytes: 4096, chunkSectors: 12 }, /chunkSectors is 12/],
    [{ maxSegments: 0 }, /maxSegments is 0/],
    [{ maxSegmentSizeBytes: 2048 }, /maxSegmentSizeBytes is 2048.*from 4096/],
    [{ maxSegmentSizeBytes: 2048, virtBoundaryMask: 4095 }, /maxSegmentSizeBytes is 2048/],
    [{ segBoundaryMask: 511 }, /segBoundaryMask is 511/],
    [{ virtBoundaryMask: 4094 }, /virtBoundaryMask is 4094.*power of two/],
    [{ dmaAlignmentMask: 8191 }, /dmaAlignmentMask is 8191.*4095/],
    [{ logicalBlockSizeBytes: 65_536, maxHwSectors: 64 }, /maxHwSectors is 64.*from 128/],
    [
      { logicalBlockSizeBytes: 65_536, maxUserSectors: 64 },
      /maxSectors is 0.*logical block of 65536/,
    ],
    [{ chunkSectors: -1 }, /chunkSectors is -1/],
    [{ ioMinBytes: -1 }, /ioMinBytes is -1/],
    [{ ioOptBytes: 0.5 }, /ioOptBytes is 0.5.*an integer/],
    [{ alignmentOffsetBytes: -512 }, /alignmentOffsetBytes is -512/],
    [{ maxDevSectors: -1 }, /maxDevSectors is -1/],
    [{ maxSegments: 65_536 }, /maxSegments is 65536.*to 65535/],
    [{ maxHwDiscardSectors: 2 ** 32 }, /maxHwDiscardSectors is 4294967296/],
    [{ maxUserDiscardSectors: -1 }, /maxUserDiscardSectors is -1/],
    [{ maxDiscardSegments: 0 }, /maxDiscardSegments is 0.*from 1/],
    [{ discardGranularityBytes: -1 }, /discardGranularityBytes is -1/],
    [{ discardAlignmentBytes: -1 }, /discardAlignmentBytes is -1/],
    [{ maxSecureEraseSectors: -1 }, /maxSecureEraseSectors is -1/],
    [{ maxWriteZeroesSectors: -1 }, /maxWriteZeroesSectors is -1/],
    [
      { maxWriteZeroesSectors: 64, maxHwWzeroesUnmapSectors: 32 },
      /maxHwWzeroesUnmapSectors is 32.*0 or maxWriteZeroesSectors, 64/,
    ],
    [{ maxUserWzeroesUnmapSectors: -1 }, /maxUserWzeroesUnmapSectors is -1/],
    [{ atomicWriteHwMaxBytes: 100 }, /atomicWriteHwMaxBytes is 100.*from 512/],
    [
      { atomicWriteHwMaxBytes: 8192, atomicWriteHwUnitMaxBytes: 3000 },
      /atomicWriteHwUnitMaxBytes is 3000.*a power of two from 512 to 8192/,
    ],
    [
      { atomicWriteHwMaxBytes: 8192, atomicWriteHwUnitMaxBytes: 16_384 },
      /atomicWriteHwUnitMaxBytes is 16384/,
    ],
    [
      {
        atomicWriteHwMaxBytes: 8192,
        atomicWriteHwUnitMinBytes: 4096,
        atomicWriteHwUnitMaxBytes: 2048,
      },
      /atomicWriteHwUnitMinBytes is 4096.*from 512 to 2048/,
    ],
    [
      { atomicWriteHwMaxBytes: 16_384, chunkSectors: 24 },
      /atomicWriteHwMaxBytes is 16384.*at most the chunk of 12288/,
    ],
    [
      { atomicWriteHwMaxBytes: 16_384, atomicWriteHwBoundaryBytes: 8192 },
      /atomicWriteHwBoundaryBytes is 8192.*at least the 16384 written whole/,
    ],
    [
      { atomicWriteHwMaxBytes: 8192, atomicWriteHwBoundaryBytes: 12_288 },
      /atomicWriteHwBoundaryBytes is 12288.*a power of two/,
    ],
    [
      { atomicWriteHwMaxBytes: 8192, atomicWriteHwBoundaryBytes: 16_384, chunkSectors: 48 },
      /atomicWriteHwBoundaryBytes is 16384.*multiple of the chunk of 24576/,
    ],
  ]
  it.each(refused)('refuses %o, naming value and bound', (init, message) => {
    expect(() => validateLimits(init)).toThrow(message)
  })
})
