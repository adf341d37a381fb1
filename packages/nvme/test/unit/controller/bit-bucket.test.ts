// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  NvmOpcode,
  PSDT_SHIFT,
  Psdt,
  SGL_DESCRIPTOR_BYTES,
  SglType,
  STATUS_DNR,
  Status,
  setUint64,
} from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

/** A last segment with these descriptors, and the data pointer that names it. */
function world(descriptors: readonly (readonly [type: number, at: number, length: number])[]) {
  const { driver, store } = RawDriver.ready({ sizeBytes: 1 << 20 })
  const medium = store.segments[0]!
  medium.forEach((_, i) => {
    medium[i] = (i * 13) & 0xff
  })
  const list = driver.alloc(4096)
  const data = driver.alloc(4096)
  const put = (at: number, type: number, addr: number, length: number) => {
    setUint64(driver.view, at, addr)
    driver.view.setUint32(at + 8, length, true)
    driver.view.setUint32(at + 12, (type << 28) >>> 0, true)
  }
  descriptors.forEach(([type, at, length], i) => {
    const bucket = type === SglType.BIT_BUCKET
    put(list + i * SGL_DESCRIPTOR_BYTES, type, bucket ? 0 : driver.base + data + at, length)
  })
  const lengthBytes = descriptors.length * SGL_DESCRIPTOR_BYTES
  const command = {
    nsid: 1,
    flags: Psdt.SGL_MPTR_CONTIGUOUS << PSDT_SHIFT,
    cdw10: 4,
    dptr: (_: DataView, at: number) =>
      put(at, SglType.LAST_SEGMENT, driver.base + list, lengthBytes),
  }
  return { driver, medium, data, command }
}

const { BIT_BUCKET, DATA_BLOCK } = SglType

describe('a bit bucket', () => {
  it('takes what a read does not want', () => {
    const { driver, medium, data, command } = world([
      [BIT_BUCKET, 0, 700],
      [DATA_BLOCK, 0, 100],
      [BIT_BUCKET, 0, 100_000],
      [DATA_BLOCK, 100, 576],
    ])
    const blocks = (700 + 100 + 100_000 + 576) / 512
    const read = { ...command, opcode: NvmOpcode.READ, cdw12: blocks - 1 }
    expect(driver.exec(1, read).status).toBe(0)
    const from = 4 * 512
    const expected = Buffer.concat([
      medium.subarray(from + 700, from + 800),
      medium.subarray(from + 100_800, from + 101_376),
    ])
    expect(Buffer.compare(driver.bytes.subarray(data, data + 676), expected)).toBe(0)
    expect(driver.bytes[data + 676]).toBe(0)
    driver.expectQuiet()
  })

  it('of a write is nothing, and of too many bytes an error', () => {
    const { driver, medium, data, command } = world([
      [BIT_BUCKET, 0, 5000],
      [DATA_BLOCK, 0, 512],
    ])
    driver.bytes.fill(0x77, data, data + 512)
    expect(driver.exec(1, { ...command, opcode: NvmOpcode.WRITE }).status).toBe(0)
    expect(medium.subarray(2048, 2560).every((byte) => byte === 0x77)).toBe(true)
    const read = { ...command, opcode: NvmOpcode.READ }
    expect(driver.exec(1, read).status).toBe(Status.SGL_DATA_LENGTH_INVALID | STATUS_DNR)
  })
})
