// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { AdminOpcode, Cap, Cc, Csts, Reg, Shn, Shst, Status } from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

describe('capabilities', () => {
  it('say what the controller is', () => {
    const driver = new RawDriver({ maxQueueEntries: 256 })
    const low = driver.read(Reg.CAP)
    const high = driver.read(Reg.CAP + 4)
    expect((low & Cap.MQES_MASK) + 1).toBe(256)
    expect(low & Cap.CQR).not.toBe(0)
    expect(low >>> Cap.TO_SHIFT).toBeGreaterThan(0)
    expect(high & Cap.HIGH_DSTRD_MASK).toBe(0)
    expect((high >>> Cap.HIGH_CSS_SHIFT) & 0xff).toBe(1)
    expect((high >>> Cap.HIGH_MPSMIN_SHIFT) & 0xf).toBe(0)
    expect(driver.read(Reg.VS)).toBe(0x0002_0100)
  })

  it('promise ready with media, and within what time', () => {
    const driver = new RawDriver()
    expect(driver.read(Reg.CAP + 4) & Cap.HIGH_CRWMS).not.toBe(0)
    expect(driver.read(Reg.CRTO) & 0xffff).toBe(driver.read(Reg.CAP) >>> Cap.TO_SHIFT)
  })

  it('are read-only, as are VS and CSTS; reserved registers read as 0', () => {
    const driver = new RawDriver()
    const read = () => [0, 4, 8, 0x1c, 0x68].map((offset) => driver.read(offset))
    const before = read()
    for (const offset of [0, 4, 8, 0x1c, 0x68, 0x40, 0xffc]) driver.write(offset, 0xffff_ffff)
    driver.idle()
    expect(read()).toEqual(before)
    expect([0x38, 0x40, 0x200, 0xffc, 0x1000].map((offset) => driver.read(offset))).toEqual([
      0, 0, 0, 0, 0,
    ])
  })
})

describe('admin queue registers', () => {
  it('keep what is written, without reserved bits, through a reset', () => {
    const driver = new RawDriver()
    driver.write(Reg.AQA, 0xffff_ffff)
    driver.write(Reg.ASQ, 0x1234_5fff)
    driver.write(Reg.ASQ + 4, 0x9)
    driver.write(Reg.ACQ, 0xffff_ffff)
    const read = () => [0x24, 0x28, 0x2c, 0x30].map((offset) => driver.read(offset))
    expect(read()).toEqual([0x0fff_0fff, 0x1234_5000, 0x9, 0xffff_f000])
    driver.disable()
    expect(read()).toEqual([0x0fff_0fff, 0x1234_5000, 0x9, 0xffff_f000])
  })
})

describe('enable and disable', () => {
  it('RDY follows EN, never inside the register access', () => {
    const driver = new RawDriver()
    expect(driver.enable()).toBe(Csts.RDY)
    driver.write(Reg.CC, 0)
    expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
    driver.idle()
    expect(driver.read(Reg.CSTS)).toBe(0)
    expect(driver.enable()).toBe(Csts.RDY)
    expect(driver.admin({ opcode: AdminOpcode.ABORT }).status).toBe(0)
    driver.expectQuiet()
  })

  it.each([
    ['a command set that is not there', 1 << Cc.CSS_SHIFT],
    ['a page size that is not there', 5 << Cc.MPS_SHIFT],
    ['entry sizes that are not there', 1 << Cc.IOSQES_SHIFT],
  ])('%s is fatal until a reset', (_name, bits) => {
    const driver = new RawDriver()
    expect(driver.enable({ cc: driver.cc ^ bits }) & (Csts.CFS | Csts.RDY)).toBe(Csts.CFS)
    expect(driver.disable()).toBe(0)
    expect(driver.enable()).toBe(Csts.RDY)
  })

  it('an admin queue of one entry is fatal', () => {
    const driver = new RawDriver()
    driver.write(Reg.AQA, 0)
    driver.write(Reg.CC, driver.cc)
    driver.idle()
    expect(driver.read(Reg.CSTS)).toBe(Csts.CFS)
  })

  it('an admin queue that the bus does not reach is fatal, and no crash', () => {
    const driver = new RawDriver()
    driver.enable()
    driver.device.bus.enabled = false
    driver.push(0, { opcode: AdminOpcode.ABORT })
    driver.ring(0)
    driver.idle()
    expect(driver.read(Reg.CSTS) & Csts.CFS).toBe(Csts.CFS)
    driver.device.bus.enabled = true
    expect(driver.disable()).toBe(0)
    driver.expectQuiet()
  })

  it('a reset puts features back to their defaults', () => {
    const driver = new RawDriver()
    driver.enable()
    const feature = 0x06
    const get = (select: number) =>
      driver.admin({ opcode: AdminOpcode.GET_FEATURES, cdw10: feature | (select << 8) })
    expect(get(0)).toMatchObject({ status: 0, result: 1 })
    driver.admin({ opcode: AdminOpcode.SET_FEATURES, cdw10: feature, cdw11: 0 })
    expect([get(0).result, get(1).result, get(3).result & 4]).toEqual([0, 1, 4])
    driver.disable()
    driver.enable()
    expect(get(0).result).toBe(1)
  })

  it('EN that goes 0 and 1 before anything runs is a reset all the same', () => {
    const { driver } = RawDriver.ready()
    driver.write(Reg.CC, driver.cc & ~Cc.EN)
    driver.write(Reg.CC, driver.cc)
    driver.idle()
    expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
    const before = driver.controller.stats.invalidDoorbells
    // The I/O queues went with the reset.
    driver.push(1, { opcode: 0, nsid: 1 })
    driver.ring(1)
    driver.idle()
    expect(driver.controller.stats.invalidDoorbells).toBe(before + 1)
    expect(driver.reap(1)).toEqual([])
    expect(driver.disable()).toBe(0)
    driver.expectQuiet()
  })
})

describe('shutdown', () => {
  it('of a disabled controller completes, and it can be enabled after', () => {
    const driver = new RawDriver()
    driver.write(Reg.CC, Shn.NORMAL << Cc.SHN_SHIFT)
    driver.idle()
    expect((driver.read(Reg.CSTS) & Csts.SHST_MASK) >> Csts.SHST_SHIFT).toBe(Shst.COMPLETE)
    expect(driver.enable()).toBe(Csts.RDY)
    driver.expectQuiet()
  })

  it.each([Shn.NORMAL, Shn.ABRUPT])('kind %i completes, and a reset leads back', (kind) => {
    const { driver } = RawDriver.ready()
    driver.write(Reg.CC, driver.cc | (kind << Cc.SHN_SHIFT))
    expect((driver.read(Reg.CSTS) & Csts.SHST_MASK) >> Csts.SHST_SHIFT).toBe(Shst.OCCURRING)
    driver.idle()
    expect((driver.read(Reg.CSTS) & Csts.SHST_MASK) >> Csts.SHST_SHIFT).toBe(Shst.COMPLETE)
    expect(driver.disable()).toBe(0)
    expect(driver.enable()).toBe(Csts.RDY)
    driver.expectQuiet()
  })
})

describe('interrupts', () => {
  it('come once for a batch, on the vector of the queue', () => {
    const { driver } = RawDriver.ready()
    driver.raised.length = 0
    for (let i = 0; i < 10; i++) driver.push(1, { opcode: 0, nsid: 1 })
    driver.ring(1)
    expect(driver.raised).toEqual([])
    driver.idle()
    expect(driver.reap(1)).toHaveLength(10)
    expect(driver.raised).toEqual([1])
  })

  it('that are masked come when they are unmasked', () => {
    const { driver } = RawDriver.ready()
    driver.raised.length = 0
    driver.write(Reg.INTMS, 1 << 1)
    expect(driver.read(Reg.INTMS)).toBe(1 << 1)
    driver.push(1, { opcode: 0, nsid: 1 })
    driver.ring(1)
    driver.idle()
    expect(driver.raised).toEqual([])
    driver.write(Reg.INTMC, 1 << 1)
    expect(driver.raised).toEqual([])
    driver.idle()
    expect(driver.raised).toEqual([1])
    expect(driver.reap(1)).toHaveLength(1)
  })

  it('do not come from a queue made without them', () => {
    const driver = new RawDriver()
    driver.addMemoryNamespace(4096)
    driver.enable()
    driver.createQueuePair(1, 8, 8, false)
    driver.raised.length = 0
    expect(driver.exec(1, { opcode: 0, nsid: 1 }).status).toBe(0)
    expect(driver.raised).toEqual([])
  })
})

describe('doorbells', () => {
  it('of no queue, of no size and beyond the BAR are ignored and counted', () => {
    const { driver } = RawDriver.ready()
    const before = driver.controller.stats.invalidDoorbells
    driver.write(Reg.DBS + 8, 64)
    driver.write(Reg.DBS + 12, 0xffff)
    driver.write(Reg.DBS + 8 * 7, 1)
    driver.write(Reg.DBS + 0x4_0000, 1)
    expect(driver.controller.stats.invalidDoorbells).toBe(before + 4)
    driver.write(Reg.DBS + 2, 1)
    driver.idle()
    expect(driver.exec(1, { opcode: 0, nsid: 1 }).status).toBe(0)
  })

  it('a head past what was completed is ignored', () => {
    const { driver } = RawDriver.ready()
    const before = driver.controller.stats.invalidDoorbells
    driver.write(Reg.DBS + 12, 5)
    expect(driver.controller.stats.invalidDoorbells).toBe(before + 1)
    expect(driver.exec(1, { opcode: 0, nsid: 1 }).status).toBe(0)
  })

  it('an invalid value ends a held event request, and is in the error log', () => {
    const { driver } = RawDriver.ready()
    const cid = driver.push(0, { opcode: AdminOpcode.ASYNC_EVENT_REQUEST })
    driver.ring(0)
    driver.idle()
    expect(driver.reap(0)).toEqual([])
    driver.write(Reg.DBS + 8, 64)
    driver.idle()
    const [event] = driver.reap(0)
    // Type error, information invalid doorbell write value, log page error information.
    expect(event).toMatchObject({ cid, status: 0, result: 0x0001_0100 })
    const page = driver.alloc(4096)
    driver.admin({
      opcode: AdminOpcode.GET_LOG_PAGE,
      nsid: 0xffff_ffff,
      prp1: page,
      cdw10: 0x01 | (15 << 16),
    })
    expect(driver.view.getUint32(page, true)).toBe(1)
    driver.expectQuiet()
  })

  it('while the controller is disabled do nothing', () => {
    const driver = new RawDriver()
    driver.write(Reg.DBS, 3)
    driver.write(Reg.DBS + 4, 3)
    driver.idle()
    expect(driver.controller.stats.adminCommands).toBe(0)
    expect(Status.SUCCESS).toBe(0)
  })
})
