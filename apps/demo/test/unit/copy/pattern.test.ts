// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createEventLoopScheduler } from '@iolayers/kernel'
import { expect, it } from 'vitest'
import { fillPattern, writePattern } from '../../../src/copy/pattern.ts'

function eightAt(bytes: Uint8Array, offset: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(offset, true)
}

it('each eight bytes hold their offset and a mark', () => {
  const bytes = new Uint8Array(512)
  writePattern(bytes, 0)
  for (let at = 0; at < 512; at += 8)
    expect(eightAt(bytes, at)).toBe(0x6f69n * 2n ** 48n + BigInt(at))
  expect(new TextDecoder().decode(bytes.subarray(6, 8))).toBe('io')
})

it('offsets above 4 GiB keep their upper bits', () => {
  const bytes = new Uint8Array(16)
  writePattern(bytes, 2 ** 40 + 2 ** 32 - 8)
  expect(eightAt(bytes, 0) & 0xffffffffffffn).toBe(2n ** 40n + 2n ** 32n - 8n)
  expect(eightAt(bytes, 8) & 0xffffffffffffn).toBe(2n ** 40n + 2n ** 32n)
})

it('goes on from segment to segment, and from turn to turn', async () => {
  const first = new Uint8Array(32 * 1024 * 1024 + 512)
  const second = new Uint8Array(512)
  const scheduler = createEventLoopScheduler()
  await scheduler.run('fill', fillPattern(scheduler, [first, second]))
  expect(eightAt(first, first.length - 8) & 0xffffffffffffn).toBe(BigInt(first.length - 8))
  expect(eightAt(second, 0) & 0xffffffffffffn).toBe(BigInt(first.length))
})
