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
  ]
  it.each(refused)('refuses %o, naming value and bound', (init, message) => {
    expect(() => validateLimits(init)).toThrow(message)
  })
})
