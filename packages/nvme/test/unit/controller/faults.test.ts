// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { createNvmeController } from '../../../src/controller/index.ts'
import { createFaults } from '../../../src/faults/index.ts'
import {
  AdminOpcode,
  Cc,
  Cns,
  Csts,
  IdCtrl,
  NvmOpcode,
  Reg,
  STATUS_DNR,
  Status,
} from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

const PAGE = 4096
const MS = 1_000_000

function rig() {
  const { driver, store } = RawDriver.ready({ withFaults: true })
  const page = driver.alloc(PAGE)
  for (const segment of store.segments) segment.fill(0x77)
  const read = { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw12: 7 }
  const start = (command: { readonly cdw10?: number } = {}) => {
    const cid = driver.push(1, { ...read, ...command })
    driver.ring(1)
    driver.idle()
    return cid
  }
  const moved = () => driver.bytes.subarray(page, page + PAGE).some((byte) => byte !== 0)
  return { driver, faults: driver.faults, read, start, moved, page }
}

describe('commands are chosen', () => {
  it('by queue, opcode, namespace, blocks, and number', () => {
    const { driver, faults, start } = rig()
    const never = [
      faults.fail({ queue: 0 }, Status.INTERNAL_ERROR),
      faults.fail({ queue: 2 }, Status.INTERNAL_ERROR),
      faults.fail({ opcode: NvmOpcode.WRITE }, Status.INTERNAL_ERROR),
      faults.fail({ nsid: 2 }, Status.INTERNAL_ERROR),
      faults.fail({ firstBlock: 24, blocks: 8 }, Status.INTERNAL_ERROR),
      faults.fail({ firstBlock: 15 }, Status.INTERNAL_ERROR),
    ]
    const rule = faults.fail({ firstBlock: 23, nth: 2, times: 2 }, Status.UNRECOVERED_READ)
    const statuses = [0, 1, 2, 3].map(() => {
      start({ cdw10: 16 })
      return driver.reap(1)[0]?.status
    })
    expect(statuses).toEqual([0, Status.UNRECOVERED_READ, Status.UNRECOVERED_READ, 0])
    expect(rule.hits).toBe(2)
    expect(never.map(({ hits }) => hits)).toEqual([0, 0, 0, 0, 0, 0])
    driver.expectQuiet()
  })

  it('the first rule decides; a rule that was removed does not', () => {
    const { driver, faults, start } = rig()
    const first = faults.fail({}, Status.WRITE_FAULT)
    faults.fail({ nth: 2 }, Status.POWER_LOSS | STATUS_DNR)
    start()
    first.remove()
    start()
    start()
    const statuses = driver.reap(1).map(({ status }) => status)
    expect(statuses).toEqual([Status.WRITE_FAULT, Status.POWER_LOSS | STATUS_DNR, 0])
    driver.expectQuiet()
  })

  it('with values that make sense', () => {
    const { faults } = rig()
    expect(() => faults.fail({}, -1)).toThrow(/status/)
    expect(() => faults.fail({}, 0x8000)).toThrow(/status/)
    expect(() => faults.wrongCommandId({}, 0x10000)).toThrow(/commandId/)
    expect(() => faults.hold({ nth: 0 })).toThrow(/nth/)
    expect(() => faults.hold({ times: 0 })).toThrow(/times/)
    expect(() => faults.delay({}, 0)).toThrow(/delayNs/)
    expect(() => faults.delayReady(-1)).toThrow(/delayNs/)
  })
})

describe('a command', () => {
  it.each([false, true])('D3: is held until released (after its data moved: %s)', (after) => {
    const { driver, faults, read, start, moved } = rig()
    const rule = faults.hold({ nth: 1 }, { after })
    const cid = start()
    expect(driver.reap(1)).toEqual([])
    expect(moved()).toBe(after)
    expect(driver.controller.outstanding).toBe(1)
    // Its place in the queue is used again meanwhile.
    const other = driver.alloc(PAGE)
    for (let i = 0; i < 70; i++) expect(driver.exec(1, { ...read, prp1: other }).status).toBe(0)
    expect(moved()).toBe(after)
    expect(rule.release()).toBe(1)
    driver.idle()
    expect(driver.reap(1)).toMatchObject([{ cid, status: 0 }])
    expect(moved()).toBe(true)
    driver.expectQuiet()
  })

  it('is delayed by virtual time', () => {
    const { driver, faults, moved } = rig()
    faults.delay({}, 5 * MS)
    const before = driver.scheduler.nowNs()
    const read = { opcode: NvmOpcode.READ, nsid: 1, prp1: driver.alloc(PAGE), cdw12: 7 }
    expect(driver.exec(1, read).status).toBe(0)
    expect(driver.scheduler.nowNs() - before).toBeGreaterThanOrEqual(5 * MS)
    expect(moved()).toBe(false)
    driver.expectQuiet()
  })

  it('ends with the status that was chosen, and moves nothing', () => {
    const { driver, faults, start, moved } = rig()
    faults.fail({}, Status.TRANSIENT_TRANSPORT_ERROR)
    start()
    expect(driver.reap(1)).toMatchObject([{ status: Status.TRANSIENT_TRANSPORT_ERROR }])
    expect(moved()).toBe(false)
    driver.expectQuiet()
  })

  it('D3: has no completion, though its data moved', () => {
    const { driver, faults, start, moved } = rig()
    faults.dropCompletion({ nth: 1 })
    start()
    expect(driver.reap(1)).toEqual([])
    expect(moved()).toBe(true)
    start()
    expect(driver.reap(1)).toHaveLength(1)
    driver.expectQuiet()
  })

  it('has a completion without its interrupt; the next one brings both', () => {
    const { driver, faults, start } = rig()
    faults.dropInterrupt({ nth: 1 })
    const before = driver.raised.length
    start()
    expect(driver.raised).toHaveLength(before)
    start()
    expect(driver.raised).toHaveLength(before + 1)
    expect(driver.reap(1)).toHaveLength(2)
    driver.expectQuiet()
  })

  it('has two completions, or one of another command', () => {
    const { driver, faults, start } = rig()
    faults.duplicateCompletion({ nth: 1 })
    faults.wrongCommandId({ nth: 2 }, 0x1234)
    const cid = start()
    expect(driver.reap(1).map((done) => done.cid)).toEqual([cid, cid])
    start()
    expect(driver.reap(1).map((done) => done.cid)).toEqual([0x1234])
    driver.expectQuiet()
  })
})

describe('H15 F13: a controller', () => {
  it('that is reset forgets what it held: a release that comes later does nothing', () => {
    const { driver, faults, start, moved } = rig()
    const rule = faults.hold({})
    start()
    expect(driver.disable()).toBe(0)
    expect(rule.held).toBe(0)
    expect(rule.release()).toBe(0)
    driver.idle()
    expect(moved()).toBe(false)
    driver.expectQuiet()
  })

  it('a release and a reset at once: the command is forgotten', () => {
    const { driver, faults, start, moved } = rig()
    const rule = faults.hold({})
    start()
    expect(rule.release()).toBe(1)
    expect(driver.disable()).toBe(0)
    expect(moved()).toBe(false)
    driver.expectQuiet()
  })

  it('that is pulled out answers all ones, takes nothing, and does no DMA', () => {
    const { driver, faults, start, moved } = rig()
    const raised = driver.raised.length
    driver.push(1, { opcode: NvmOpcode.READ, nsid: 1, prp1: driver.alloc(PAGE), cdw12: 7 })
    driver.ring(1)
    faults.surpriseRemoval()
    start()
    for (const offset of [Reg.CSTS, Reg.CC, Reg.VS, Reg.CAP, Reg.DBS]) {
      expect(driver.read(offset)).toBe(0xffff_ffff)
    }
    driver.write(Reg.CC, driver.cc)
    driver.idle()
    expect(driver.read(Reg.CC)).toBe(0xffff_ffff)
    expect(moved()).toBe(false)
    expect(driver.reap(1, false)).toEqual([])
    expect(driver.raised).toHaveLength(raised)
    driver.expectQuiet()
  })

  it('that failed fetches no more, until it is reset', () => {
    const { driver, faults, start } = rig()
    faults.fatal()
    expect(driver.read(Reg.CSTS) & Csts.CFS).toBe(Csts.CFS)
    start()
    expect(driver.reap(1)).toEqual([])
    expect(driver.disable()).toBe(0)
    expect(driver.enable()).toBe(Csts.RDY)
    driver.expectQuiet()
  })

  it('that ignores CC.EN=0 stays ready, and goes on; what was asked happens when it listens', () => {
    const { driver, faults, start, moved } = rig()
    faults.ignoreDisable(true)
    driver.write(Reg.CC, driver.cc & ~Cc.EN)
    driver.idle()
    expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
    start()
    expect(moved()).toBe(true)
    faults.ignoreDisable(false)
    driver.idle()
    expect(driver.read(Reg.CSTS)).toBe(0)
    driver.expectQuiet()
  })

  it('is slow to become ready, or never is', () => {
    const { driver, faults } = rig()
    driver.disable()
    faults.delayReady(700 * MS)
    const before = driver.scheduler.nowNs()
    expect(driver.enable()).toBe(Csts.RDY)
    expect(driver.scheduler.nowNs() - before).toBe(700 * MS)
    driver.disable()
    faults.delayReady(Number.POSITIVE_INFINITY)
    expect(driver.enable()).toBe(0)
    expect(driver.disable()).toBe(0)
    faults.delayReady(0)
    expect(driver.enable()).toBe(Csts.RDY)
    driver.expectQuiet()
  })

  it('lies in Identify, and does what it did', () => {
    const { driver, faults, page, read } = rig()
    const told = () => {
      driver.admin({ opcode: AdminOpcode.IDENTIFY, prp1: page, cdw10: Cns.CONTROLLER })
      const { view } = driver
      return [view.getUint8(page + IdCtrl.MDTS), view.getUint32(page + IdCtrl.SGLS, true)]
    }
    const [mdts, sgls] = told()
    expect(sgls).not.toBe(0)
    faults.lieInIdentify({ mdts: 1, sgl: false })
    expect(told()).toEqual([1, 0])
    const big = driver.alloc(2 * PAGE)
    expect(driver.exec(1, { ...read, prp1: big, prp2: big + PAGE, cdw12: 15 }).status).toBe(0)
    faults.lieInIdentify(null)
    expect(told()).toEqual([mdts, sgls])
    driver.expectQuiet()
  })
})

describe('faults', () => {
  it('are of one controller', () => {
    const { driver, faults } = rig()
    const components = { kernel: driver.kernel, bus: driver.device.bus, faults }
    expect(() => createNvmeController(components)).toThrow(/EBUSY|already/)
    const alone = createFaults({ kernel: driver.kernel })
    expect(() => alone.fatal()).toThrow(/no controller/)
    expect(() => alone.surpriseRemoval()).toThrow(/no controller/)
  })
})
