// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  type IdentifyController,
  parseIdentifyController,
  parseIdentifyNamespace,
} from '../../../src/host/ctrl/identify.ts'
import {
  commandBounds,
  iodBounds,
  sglSupported,
  unusableNamespace,
} from '../../../src/host/ctrl/limits.ts'

const blank: IdentifyController = parseIdentifyController(new Uint8Array(4096))
const host = { maxBytes: 8 << 20, maxSegments: 128 }

describe('limits of a controller', () => {
  it("R-NVME-5 MDTS bounds the bytes, 0 means the host's bound", () => {
    expect(commandBounds(blank, host).maxBytes).toBe(8 << 20)
    expect(commandBounds({ ...blank, mdts: 5 }, host).maxBytes).toBe(131_072)
    expect(commandBounds({ ...blank, mdts: 255 }, host).maxBytes).toBe(8 << 20)
  })

  it('R-NVME-5 SGLS: support, and the threshold only with it', () => {
    expect([0, 1, 2, 3].map((sgls) => sglSupported({ ...blank, sgls }))).toEqual([
      false,
      true,
      true,
      false,
    ])
    expect(commandBounds({ ...blank, sgls: 0x1001 }, host).maxSegments).toBe(16)
    expect(commandBounds({ ...blank, sgls: 0x1000 }, host).maxSegments).toBe(128)
    expect(commandBounds({ ...blank, sgls: 0xff01 }, host).maxSegments).toBe(128)
  })

  it('a request has room for the largest command', () => {
    expect(iodBounds(host)).toEqual({ descriptors: 5, mappings: 128 })
    expect(iodBounds({ maxBytes: 4096, maxSegments: 1 })).toEqual({ descriptors: 1, mappings: 1 })
    expect(iodBounds({ maxBytes: 4096, maxSegments: 513 }).descriptors).toBe(3)
  })

  it('reads the format in use, with more than 16 of them too', () => {
    const data = new Uint8Array(4096)
    const view = new DataView(data.buffer)
    view.setUint32(0, 5, true)
    view.setUint32(4, 1, true)
    view.setUint32(8, 4, true)
    view.setUint8(25, 63)
    data.set([0xab, 0xcd], 104)
    data[127] = 0xef
    view.setUint8(26, 0x43)
    view.setUint32(128 + 35 * 4, (12 << 16) | 16, true)
    view.setUint32(128 + 3 * 4, 9 << 16, true)
    expect(parseIdentifyNamespace(2, data)).toEqual({
      nsid: 2,
      nsze: 2 ** 32 + 5,
      ncap: 4,
      identity: `abcd${'00'.repeat(21)}ef`,
      lbaShift: 12,
      metadataSizeBytes: 16,
      deallocatesZeroes: false,
      writeProtected: false,
    })
    view.setUint8(25, 15)
    expect(parseIdentifyNamespace(2, data).lbaShift).toBe(9)
    expect(unusableNamespace(parseIdentifyNamespace(2, data))).toBeNull()
  })
})
