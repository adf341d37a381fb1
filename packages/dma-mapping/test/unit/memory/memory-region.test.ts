// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { copyBetween, createRegion } from '../../../src/memory/memory-region.ts'
import { createWasmBacking } from '../../../src/memory/wasm-copy.ts'
import { pattern } from '../../support.ts'

function region(backing: 'wasm' | 'plain', frames = 4) {
  const apertureBytes = frames * 4096
  const at = { index: 0, name: 'r', kind: 'ram', backing, baseAddr: 0 } as const
  return createRegion({ ...at, frames, apertureBytes })
}

describe('wasm copy', () => {
  it('moves bytes inside a memory, overlapping either way', () => {
    const { buffer, copy } = createWasmBacking(65536)
    const bytes = new Uint8Array(buffer)
    bytes.set([1, 2, 3, 4, 5, 6], 100)
    copy(102, 100, 4)
    expect([...bytes.subarray(100, 106)]).toEqual([1, 2, 1, 2, 3, 4])
    copy(99, 102, 4)
    expect([...bytes.subarray(99, 103)]).toEqual([1, 2, 3, 4])
  })

  it('refuses with ENOMEM what the engine cannot reserve', () => {
    expect(() => createWasmBacking(2 ** 33)).toThrow(/no memory for a region of 8589934592 bytes/)
  })

  it('reaches offsets of 2 GiB and more in a memory of 4 GiB that costs nothing until used', () => {
    const { buffer, copy } = createWasmBacking(2 ** 32)
    const bytes = new Uint8Array(buffer)
    expect(bytes.length).toBe(2 ** 32)
    bytes[4_294_967_295] = 7
    copy(3_000_000_000, 4_294_967_295, 1)
    expect(bytes[3_000_000_000]).toBe(7)
  })
})

describe.each(['wasm', 'plain'] as const)('region backed by %s', (backing) => {
  it('has views of exactly its size over the same bytes', () => {
    const memory = region(backing)
    expect(memory.bytes.length).toBe(16384)
    expect(memory.view.byteLength).toBe(16384)
    expect(memory.words.length).toBe(4096)
    memory.bytes[5] = 9
    expect(memory.view.getUint8(5)).toBe(9)
  })

  it('copies inside, overlapping, and asserts its bounds', () => {
    const memory = region(backing)
    memory.bytes.set(pattern(64, 3), 0)
    memory.copyWithin(8, 0, 64)
    expect(memory.bytes.subarray(8, 72)).toEqual(pattern(64, 3))
    expect(() => memory.copyWithin(0, 16380, 5)).toThrow('out of bounds')
    expect(() => memory.copyWithin(16380, 0, 5)).toThrow('out of bounds')
    expect(() => memory.copyWithin(-1, 0, 5)).toThrow('negative')
  })

  it('has one side until it is given a second', () => {
    const memory = region(backing)
    expect(memory.deviceSide).toBe(memory)
    memory.bytes[0] = 1
    memory.separateDeviceSide()
    const side = memory.deviceSide
    memory.separateDeviceSide()
    expect(memory.deviceSide).toBe(side)
    expect(side.bytes[0]).toBe(0)
    expect(side.bytes.length).toBe(memory.bytes.length)
    side.bytes[10] = 4
    side.copyWithin(11, 10, 1)
    expect(side.view.getUint8(11)).toBe(4)
    expect(() => side.copyWithin(16384, 0, 1)).toThrow('out of bounds')
  })

  it('keeps uncached frames apart from cached ones', () => {
    const memory = region(backing)
    expect(() => memory.setUncached(0, 1, true)).toThrow('no device side')
    memory.separateDeviceSide()
    memory.setUncached(1, 2, true)
    expect(memory.sideAt(4095)).toBe(memory.deviceSide)
    expect(memory.sideAt(4096)).toBe(memory)
    expect(memory.uniformLength(0, 16384)).toBe(4096)
    expect(memory.uniformLength(5000, 16384 - 5000)).toBe(3 * 4096 - 5000)
    expect(memory.uniformLength(5000, 100)).toBe(100)
    expect(() => memory.setUncached(1, 1, true)).toThrow('so already')
    expect(() => memory.setUncached(3, 2, true)).toThrow('out of bounds')
    memory.setUncached(1, 2, false)
    expect(memory.sideAt(4096)).toBe(memory.deviceSide)
    expect(memory.uniformLength(0, 16384)).toBe(16384)
  })
})

describe('copyBetween', () => {
  it('copies between sides, few bytes and many, and asserts its bounds', () => {
    const a = region('wasm')
    const b = region('plain')
    for (const length of [0, 1, 16, 17, 4000]) {
      a.bytes.fill(0)
      b.bytes.set(pattern(4000, length), 100)
      copyBetween(a, 50, b, 100, length)
      expect(a.bytes.subarray(50, 50 + length)).toEqual(pattern(4000, length).subarray(0, length))
      expect(a.bytes[50 + length]).toBe(0)
    }
    copyBetween(b, 0, b, 100, 10)
    expect(b.bytes.subarray(0, 10)).toEqual(b.bytes.subarray(100, 110))
    expect(() => copyBetween(a, 16380, b, 0, 10)).toThrow('out of bounds')
    expect(() => copyBetween(a, 0, b, 16380, 10)).toThrow('out of bounds')
    expect(() => copyBetween(a, -1, b, 0, 10)).toThrow('negative')
  })
})
