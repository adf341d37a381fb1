// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A host that means harm: whatever it writes, the controller neither throws nor hangs nor touches memory outside what the bus gives it.

import { createPrng, type Prng } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  AdminOpcode,
  Cc,
  Csts,
  NvmOpcode,
  PSDT_SHIFT,
  Reg,
  SGL_DESCRIPTOR_BYTES,
  SQE_BYTES,
  SqeOffset,
  setUint64,
} from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

const FUZZ_PAGES = 32
const COMMANDS = 20_000

/** Numbers that programs get wrong. */
function awkward(prng: Prng): number {
  const kind = prng.below(8)
  if (kind === 0) return 0
  if (kind === 1) return 0xffff_ffff
  if (kind === 2) return 2 ** prng.below(32)
  if (kind === 3) return 2 ** prng.below(32) - 1
  if (kind < 6) return prng.below(64)
  return prng.nextUint32()
}

function fuzzAddress(driver: RawDriver, area: number, prng: Prng): number {
  const kind = prng.below(10)
  if (kind === 0) return awkward(prng) * 2 ** prng.below(21)
  const offset = prng.below(FUZZ_PAGES) * 4096 + (kind < 6 ? 0 : prng.below(512) * 8)
  return driver.base + area + offset
}

/** Lists that look like lists, more or less, so that the walks get far. */
function fillArea(driver: RawDriver, area: number, prng: Prng): void {
  for (let at = area; at < area + FUZZ_PAGES * 4096; at += SGL_DESCRIPTOR_BYTES) {
    setUint64(driver.view, at, fuzzAddress(driver, area, prng))
    if (prng.below(2) === 0) setUint64(driver.view, at + 8, fuzzAddress(driver, area, prng))
    else {
      driver.view.setUint32(at + 8, prng.below(4) * 512 + (prng.below(8) === 0 ? 1 : 0), true)
      driver.view.setUint32(at + 12, (prng.below(6) << 28) >>> 0, true)
    }
  }
}

function fuzzEntry(driver: RawDriver, area: number, prng: Prng, admin: boolean): Uint8Array {
  const entry = new Uint8Array(SQE_BYTES)
  const view = new DataView(entry.buffer)
  const opcodes = admin ? Object.values(AdminOpcode) : Object.values(NvmOpcode)
  const known = opcodes[prng.below(opcodes.length)] ?? 0
  view.setUint8(SqeOffset.OPC, prng.below(8) === 0 ? prng.below(256) : known)
  const psdt = admin && prng.below(4) !== 0 ? 0 : prng.below(4)
  view.setUint8(SqeOffset.FLAGS, (psdt << PSDT_SHIFT) | (prng.below(16) === 0 ? 1 : 0))
  view.setUint32(SqeOffset.NSID, prng.below(4) === 0 ? awkward(prng) : 1, true)
  if (psdt === 0) {
    setUint64(view, SqeOffset.PRP1, fuzzAddress(driver, area, prng))
    setUint64(view, SqeOffset.PRP2, fuzzAddress(driver, area, prng))
  } else {
    setUint64(view, SqeOffset.DPTR, fuzzAddress(driver, area, prng))
    view.setUint32(SqeOffset.DPTR + 8, prng.below(300) * 16, true)
    view.setUint32(SqeOffset.DPTR + 12, (prng.below(6) << 28) >>> 0, true)
  }
  for (let at = SqeOffset.CDW10; at < SQE_BYTES; at += 4) {
    view.setUint32(at, prng.below(2) === 0 ? awkward(prng) : prng.below(40), true)
  }
  return entry
}

describe('malformed commands', () => {
  it.each([1, 2, 3])(
    'every I/O command gets an answer: seed %i',
    (seed) => {
      const { driver } = RawDriver.ready({ seed, mdtsBytes: 65_536 })
      const prng = createPrng(seed)
      const area = driver.alloc(FUZZ_PAGES * 4096)
      let answered = 0
      for (let i = 0; i < COMMANDS; i += 32) {
        if (i % 1024 === 0) fillArea(driver, area, prng)
        for (let j = 0; j < 32; j++) driver.pushRaw(1, fuzzEntry(driver, area, prng, false))
        driver.ring(1)
        driver.idle()
        answered += driver.reap(1).length
      }
      expect(answered).toBe(Math.ceil(COMMANDS / 32) * 32)
      expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
      driver.expectQuiet()
    },
    60_000,
  )

  it.each([4, 5])('every admin command gets an answer or is held: seed %i', (seed) => {
    const driver = new RawDriver({ seed })
    driver.addMemoryNamespace(1 << 20)
    driver.enable()
    const prng = createPrng(seed)
    const area = driver.alloc(FUZZ_PAGES * 4096)
    let unanswered = 0
    for (let i = 0; i < 4000; i += 16) {
      if (i % 512 === 0) fillArea(driver, area, prng)
      for (let j = 0; j < 16; j++) driver.pushRaw(0, fuzzEntry(driver, area, prng, true))
      driver.ring(0)
      driver.idle()
      unanswered += 16 - driver.reap(0).length
    }
    expect(unanswered).toBeLessThanOrEqual(4)
    expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
    expect(driver.disable()).toBe(0)
    driver.expectQuiet()
  })
})

describe('register writes', () => {
  it.each([6, 7])(
    'of anything anywhere, with commands running: seed %i',
    (seed) => {
      const { driver } = RawDriver.ready({ seed })
      const prng = createPrng(seed)
      const area = driver.alloc(FUZZ_PAGES * 4096)
      for (let i = 0; i < 20_000; i++) {
        const kind = prng.below(8)
        if (kind < 3) driver.write(prng.below(0x80), awkward(prng))
        else if (kind < 7) driver.write(Reg.DBS + prng.below(40) * 4, prng.below(70))
        else driver.pushRaw(1, fuzzEntry(driver, area, prng, false))
        driver.read(prng.below(0x1100))
        if (prng.below(4) === 0) driver.idle()
      }
      driver.idle()
      // Whatever it was brought to, a reset brings it back.
      driver.write(Reg.CC, 0)
      driver.idle()
      expect(driver.read(Reg.CSTS)).toBe(0)
      driver.expectQuiet()
      expect(driver.enable()).toBe(Csts.RDY)
      expect(driver.admin({ opcode: AdminOpcode.ABORT }).status).toBe(0)
      expect(driver.read(Reg.CC) & Cc.EN).toBe(1)
    },
    60_000,
  )
})
