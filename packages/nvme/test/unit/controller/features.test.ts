// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AdminOpcode,
  Csts,
  ErrorLogEntry,
  FeatureCapability,
  FeatureId,
  FeatureSelect,
  getUint64,
  LogId,
  Reg,
  STATUS_CODE_MASK,
  Status,
} from '../../../src/spec/index.ts'
import { type Command, RawDriver } from '../../raw-driver.ts'

const SAVE = 0x8000_0000

function world() {
  const { driver } = RawDriver.ready()
  const page = driver.alloc(4096)
  return {
    driver,
    page,
    set: (id: number, value: number, nsid = 0) =>
      driver.admin({ opcode: AdminOpcode.SET_FEATURES, nsid, cdw10: id, cdw11: value, prp1: page }),
    get: (id: number, select: number = FeatureSelect.CURRENT, cdw11 = 0, nsid = 0) =>
      driver.admin({
        opcode: AdminOpcode.GET_FEATURES,
        nsid,
        cdw10: id | (select << 8),
        cdw11,
        prp1: page,
      }),
  }
}

describe('features', () => {
  it('a saved value comes back after a reset, one that is only set does not', () => {
    const { driver, set, get } = world()
    const id = FeatureId.VOLATILE_WRITE_CACHE
    expect(set(id, 0).status).toBe(0)
    expect([get(id).result, get(id, FeatureSelect.SAVED).result]).toEqual([0, 1])
    driver.disable()
    driver.enable()
    expect(get(id).result).toBe(1)
    expect(set(SAVE + id, 0).status).toBe(0)
    driver.disable()
    driver.enable()
    const values = [FeatureSelect.CURRENT, FeatureSelect.DEFAULT, FeatureSelect.SAVED]
    expect(values.map((select) => get(id, select).result)).toEqual([0, 1, 0])
  })

  it('says what each can: changed, saved, of a namespace', () => {
    const { get } = world()
    const { CHANGEABLE, NS_SPECIFIC, SAVEABLE } = FeatureCapability
    const supported = (id: number) => get(id, FeatureSelect.SUPPORTED).result
    expect(supported(FeatureId.ARBITRATION)).toBe(CHANGEABLE | SAVEABLE)
    expect(supported(FeatureId.ERROR_RECOVERY)).toBe(CHANGEABLE | NS_SPECIFIC)
    expect(supported(FeatureId.NUMBER_OF_QUEUES)).toBe(CHANGEABLE)
  })

  it('of the controller are not for a namespace; of a namespace only for one that is there', () => {
    const { set } = world()
    const code = (id: number, nsid: number) => set(id, 0, nsid).status & STATUS_CODE_MASK
    expect(code(FeatureId.ARBITRATION, 1)).toBe(Status.FEATURE_NOT_PER_NAMESPACE)
    expect(code(FeatureId.ERROR_RECOVERY, 1)).toBe(0)
    expect(code(FeatureId.ERROR_RECOVERY, 2)).toBe(Status.INVALID_FIELD)
    expect(code(FeatureId.ERROR_RECOVERY, 257)).toBe(Status.INVALID_NAMESPACE)
  })

  it('Host Identifier has 8 or 16 bytes, and goes with a reset', () => {
    const { driver, page, set, get } = world()
    for (const [extended, length] of [
      [0, 8],
      [1, 16],
    ] as const) {
      driver.bytes.fill(0x41, page, page + length)
      expect(set(FeatureId.HOST_IDENTIFIER, extended).status).toBe(0)
      driver.bytes.fill(0, page, page + 32)
      expect(get(FeatureId.HOST_IDENTIFIER, FeatureSelect.CURRENT, extended).status).toBe(0)
      const back = [...driver.bytes.subarray(page, page + 17)]
      expect(back).toEqual(Array.from({ length: 17 }, (_, i) => (i < length ? 0x41 : 0)))
    }
    driver.disable()
    driver.enable()
    get(FeatureId.HOST_IDENTIFIER)
    expect(driver.bytes[page]).toBe(0)
  })

  it('Timestamp goes on from what the host has set', () => {
    const { driver, page, set, get } = world()
    driver.view.setUint32(page, 5000, true)
    driver.view.setUint16(page + 4, 1, true)
    expect(set(FeatureId.TIMESTAMP, 0).status).toBe(0)
    driver.scheduler.advance(250e6)
    driver.bytes.fill(0, page, page + 8)
    expect(get(FeatureId.TIMESTAMP).status).toBe(0)
    const ms = driver.view.getUint32(page, true) + driver.view.getUint16(page + 4, true) * 2 ** 32
    expect(ms).toBe(2 ** 32 + 5250)
    expect(driver.view.getUint8(page + 6)).toBe(2)
    driver.disable()
    driver.enable()
    get(FeatureId.TIMESTAMP)
    expect(driver.view.getUint8(page + 6)).toBe(0)
  })
})

describe('Keep Alive', () => {
  /** Time stands still meanwhile: it would run on to the end of the timer. */
  function now(driver: RawDriver, command: Command): number | undefined {
    driver.push(0, command)
    driver.ring(0)
    driver.scheduler.runReady()
    return driver.reap(0)[0]?.status
  }

  const timer = (timeoutMs: number): Command => ({
    opcode: AdminOpcode.SET_FEATURES,
    cdw10: FeatureId.KEEP_ALIVE_TIMER,
    cdw11: timeoutMs,
  })

  it('a host that is not heard of in time ends in a fatal error, and an entry of the log', () => {
    const { driver, page } = world()
    expect(now(driver, timer(150))).toBe(0)
    // Rounded up to 200 ms.
    driver.scheduler.advance(190e6)
    expect(now(driver, { opcode: AdminOpcode.KEEP_ALIVE })).toBe(0)
    driver.scheduler.advance(190e6)
    expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
    driver.scheduler.advance(20e6)
    expect(driver.read(Reg.CSTS) & Csts.CFS).toBe(Csts.CFS)
    driver.disable()
    driver.enable()
    const get = { opcode: AdminOpcode.GET_LOG_PAGE, prp1: page, cdw10: LogId.ERROR | (15 << 16) }
    expect(driver.admin(get).status).toBe(0)
    expect(getUint64(driver.view, page)).toBe(1)
    expect(driver.view.getUint16(page + ErrorLogEntry.STATUS, true) >>> 1).toBe(
      Status.KEEP_ALIVE_EXPIRED,
    )
    driver.expectQuiet()
  })

  it('a reset, and 0, turn it off', () => {
    const { driver } = world()
    now(driver, timer(100))
    driver.disable()
    driver.enable()
    driver.scheduler.advance(1e9)
    now(driver, timer(100))
    now(driver, timer(0))
    driver.scheduler.advance(1e9)
    expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
  })
})
