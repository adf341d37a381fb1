// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AdminOpcode,
  Cns,
  Csts,
  FeatureId,
  getUint64,
  IdCtrl,
  IdNs,
  LogId,
  PSDT_SHIFT,
  Psdt,
  STATUS_CODE_MASK,
  STATUS_DNR,
  Status,
} from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

const code = (status: number) => status & STATUS_CODE_MASK

function text(driver: RawDriver, at: number, length: number): string {
  return new TextDecoder().decode(driver.bytes.slice(at, at + length)).replace(/[ \0]+$/, '')
}

describe('Identify', () => {
  function identify(driver: RawDriver, cns: number, nsid = 0, cdw11 = 0) {
    const page = driver.alloc(4096)
    driver.bytes.fill(0xee, page, page + 4096)
    const done = driver.admin({ opcode: AdminOpcode.IDENTIFY, nsid, prp1: page, cdw10: cns, cdw11 })
    return { page, done }
  }

  it('the controller', () => {
    const { driver } = RawDriver.ready({ serialNumber: 'SN123', mdtsBytes: 1 << 17 })
    const { page, done } = identify(driver, Cns.CONTROLLER)
    expect(done.status).toBe(0)
    const { view } = driver
    expect(text(driver, page + IdCtrl.SN, 20)).toBe('SN123')
    expect(text(driver, page + IdCtrl.SUBNQN, 256)).toMatch(/^nqn\.\d{4}-\d\d\..*SN123$/)
    expect(view.getUint8(page + IdCtrl.MDTS)).toBe(5)
    expect(view.getUint32(page + IdCtrl.VER, true)).toBe(0x0002_0100)
    expect(view.getUint8(page + IdCtrl.CNTRLTYPE)).toBe(1)
    expect(view.getUint8(page + IdCtrl.SQES)).toBe(0x66)
    expect(view.getUint8(page + IdCtrl.CQES)).toBe(0x44)
    expect(view.getUint32(page + IdCtrl.SGLS, true) & 3).toBe(1)
    expect(view.getUint8(page + IdCtrl.VWC) & 1).toBe(1)
    // A field that is not used is zero, not what was there.
    expect(driver.bytes.subarray(page + 4000, page + 4096).every((byte) => byte === 0)).toBe(true)
  })

  it('a namespace, one that is not there, and one that cannot be', () => {
    const { driver } = RawDriver.ready({ sizeBytes: 40_960, block: 4096 })
    const { page, done } = identify(driver, Cns.NAMESPACE, 1)
    expect(done.status).toBe(0)
    expect(getUint64(driver.view, page + IdNs.NSZE)).toBe(10)
    expect(getUint64(driver.view, page + IdNs.NCAP)).toBe(10)
    const format = driver.view.getUint8(page + IdNs.FLBAS)
    expect(driver.view.getUint8(page + IdNs.LBAF0 + format * 4 + 2)).toBe(12)
    const empty = identify(driver, Cns.NAMESPACE, 2)
    expect(empty.done.status).toBe(0)
    expect(driver.bytes.subarray(empty.page, empty.page + 4096).every((b) => b === 0)).toBe(true)
    expect(code(identify(driver, Cns.NAMESPACE, 0).done.status)).toBe(Status.INVALID_NAMESPACE)
    expect(code(identify(driver, Cns.NAMESPACE, 5000).done.status)).toBe(Status.INVALID_NAMESPACE)
  })

  it('the active namespaces, in order, above the one named', () => {
    const { driver, store } = RawDriver.ready()
    for (const nsid of [9, 4]) driver.controller.addNamespace(nsid, { store })
    const list = (after: number) => {
      const { page } = identify(driver, Cns.ACTIVE_NAMESPACE_LIST, after)
      return [0, 4, 8, 12].map((at) => driver.view.getUint32(page + at, true))
    }
    expect(list(0)).toEqual([1, 4, 9, 0])
    expect(list(4)).toEqual([9, 0, 0, 0])
    const { done } = identify(driver, Cns.ACTIVE_NAMESPACE_LIST, 0xffff_fffe)
    expect(code(done.status)).toBe(Status.INVALID_NAMESPACE)
  })

  it('the descriptors of a namespace', () => {
    const { driver } = RawDriver.ready()
    const { page, done } = identify(driver, Cns.NAMESPACE_DESCRIPTORS, 1)
    expect(done.status).toBe(0)
    expect([...driver.bytes.slice(page, page + 4)]).toEqual([1, 8, 0, 0])
    const missing = identify(driver, Cns.NAMESPACE_DESCRIPTORS, 7)
    expect(code(missing.done.status)).toBe(Status.INVALID_NAMESPACE)
  })

  it('what Linux asks of a controller of NVMe 2.0 or later', () => {
    const { driver } = RawDriver.ready()
    expect(identify(driver, Cns.CSI_CONTROLLER).done.status).toBe(0)
    expect(identify(driver, Cns.CSI_NAMESPACE, 1).done.status).toBe(0)
    const independent = identify(driver, Cns.CSI_INDEPENDENT_NAMESPACE, 1)
    expect(independent.done.status).toBe(0)
    expect(driver.view.getUint8(independent.page + 14)).toBe(1)
    const missing = identify(driver, Cns.CSI_INDEPENDENT_NAMESPACE, 3)
    expect(missing.done.status).toBe(0)
    expect(driver.view.getUint8(missing.page + 14)).toBe(0)
    const zoned = identify(driver, Cns.CSI_CONTROLLER, 0, 2 << 24)
    expect(code(zoned.done.status)).toBe(Status.INVALID_FIELD)
  })

  it('a structure that is not there', () => {
    const { driver } = RawDriver.ready()
    expect(identify(driver, 0x7f).done.status).toBe(Status.INVALID_FIELD | STATUS_DNR)
  })

  it('across a page boundary, by two PRP entries', () => {
    const { driver } = RawDriver.ready({ serialNumber: 'TWOPAGES' })
    const first = driver.alloc(4096)
    const second = driver.alloc(4096)
    const done = driver.admin({
      opcode: AdminOpcode.IDENTIFY,
      prp1: first + 4092,
      prp2: second,
      cdw10: Cns.CONTROLLER,
    })
    expect(done.status).toBe(0)
    expect(text(driver, second, 20)).toBe('TWOPAGES')
  })
})

describe('queue creation and deletion', () => {
  const CQ = AdminOpcode.CREATE_IO_CQ
  const SQ = AdminOpcode.CREATE_IO_SQ

  it.each([
    ['identifier 0', { cdw10: 7 << 16 }, Status.INVALID_QUEUE_IDENTIFIER],
    ['identifier above what there is', { cdw10: 9 | (7 << 16) }, Status.INVALID_QUEUE_IDENTIFIER],
    ['identifier in use', { cdw10: 1 | (7 << 16) }, Status.INVALID_QUEUE_IDENTIFIER],
    ['one entry', { cdw10: 2 }, Status.INVALID_QUEUE_SIZE],
    ['more entries than MQES', { cdw10: 2 | (1024 << 16) }, Status.INVALID_QUEUE_SIZE],
    ['not contiguous', { cdw10: 2 | (7 << 16), cdw11: 2 }, Status.INVALID_FIELD],
    ['an offset in PRP1', { cdw10: 2 | (7 << 16), prp1: 4100 }, Status.PRP_OFFSET_INVALID],
    [
      'a vector not there',
      { cdw10: 2 | (7 << 16), cdw11: 3 | (9 << 16) },
      Status.INVALID_INTERRUPT_VECTOR,
    ],
  ])('completion queue: %s', (_name, fields, status) => {
    const { driver } = RawDriver.ready()
    const done = driver.admin({ opcode: CQ, prp1: 8192, cdw11: 3, ...fields })
    expect(done.status).toBe(status | STATUS_DNR)
  })

  it.each([
    ['identifier 0', { cdw10: 7 << 16 }, Status.INVALID_QUEUE_IDENTIFIER],
    ['identifier in use', { cdw10: 1 | (7 << 16) }, Status.INVALID_QUEUE_IDENTIFIER],
    ['one entry', { cdw10: 2 }, Status.INVALID_QUEUE_SIZE],
    ['more entries than MQES', { cdw10: 2 | (1024 << 16) }, Status.INVALID_QUEUE_SIZE],
    ['completion queue 0', { cdw10: 2 | (7 << 16), cdw11: 1 }, Status.INVALID_QUEUE_IDENTIFIER],
    [
      'completion queue above what there is',
      { cdw10: 2 | (7 << 16), cdw11: 1 | (99 << 16) },
      Status.INVALID_QUEUE_IDENTIFIER,
    ],
    [
      'completion queue not created',
      { cdw10: 2 | (7 << 16), cdw11: 1 | (3 << 16) },
      Status.COMPLETION_QUEUE_INVALID,
    ],
    ['not contiguous', { cdw10: 2 | (7 << 16), cdw11: 1 << 16 }, Status.INVALID_FIELD],
    ['an offset in PRP1', { cdw10: 2 | (7 << 16), prp1: 4100 }, Status.PRP_OFFSET_INVALID],
  ])('submission queue: %s', (_name, fields, status) => {
    const { driver } = RawDriver.ready()
    const done = driver.admin({ opcode: SQ, prp1: 8192, cdw11: 1 | (1 << 16), ...fields })
    expect(done.status).toBe(status | STATUS_DNR)
  })

  it('a completion queue goes after its submission queues', () => {
    const { driver } = RawDriver.ready()
    const remove = (opcode: number, id: number) => driver.admin({ opcode, cdw10: id }).status
    expect(code(remove(AdminOpcode.DELETE_IO_CQ, 1))).toBe(Status.INVALID_QUEUE_DELETION)
    expect(remove(AdminOpcode.DELETE_IO_SQ, 1)).toBe(0)
    expect(remove(AdminOpcode.DELETE_IO_CQ, 1)).toBe(0)
    for (const opcode of [AdminOpcode.DELETE_IO_SQ, AdminOpcode.DELETE_IO_CQ]) {
      for (const id of [0, 1, 99]) {
        expect(code(remove(opcode, id))).toBe(Status.INVALID_QUEUE_IDENTIFIER)
      }
    }
    driver.createQueuePair(1, 8)
    expect(driver.exec(1, { opcode: 0, nsid: 1 }).status).toBe(0)
    driver.expectQuiet()
  })

  it('a completion queue that is deleted full gives its commands back', () => {
    const driver = new RawDriver()
    driver.addMemoryNamespace(4096)
    driver.enable()
    driver.createQueuePair(1, 16, 4)
    for (let i = 0; i < 10; i++) driver.push(1, { opcode: 0, nsid: 1 })
    driver.ring(1)
    driver.idle()
    expect(driver.admin({ opcode: AdminOpcode.DELETE_IO_SQ, cdw10: 1 }).status).toBe(0)
    expect(driver.admin({ opcode: AdminOpcode.DELETE_IO_CQ, cdw10: 1 }).status).toBe(0)
    driver.expectQuiet()
    expect(driver.disable()).toBe(0)
    expect(driver.enable()).toBe(Csts.RDY)
  })
})

describe('a full completion queue', () => {
  it('stops the controller until the head moves, and loses nothing', () => {
    const driver = new RawDriver()
    driver.addMemoryNamespace(4096)
    driver.enable()
    driver.createQueuePair(1, 64, 4)
    const cids = Array.from({ length: 40 }, () => driver.push(1, { opcode: 0, nsid: 1 }))
    driver.ring(1)
    driver.idle()
    const seen: number[] = []
    for (let round = 0; round < 40 && seen.length < 40; round++) {
      const done = driver.reap(1)
      expect(done.length).toBeLessThanOrEqual(3)
      seen.push(...done.map((completion) => completion.cid))
      driver.idle()
    }
    expect(seen).toEqual(cids)
    driver.expectQuiet()
  })
})

describe('features', () => {
  const set = (driver: RawDriver, cdw10: number, cdw11: number) =>
    driver.admin({ opcode: AdminOpcode.SET_FEATURES, cdw10, cdw11 })
  const get = (driver: RawDriver, cdw10: number) =>
    driver.admin({ opcode: AdminOpcode.GET_FEATURES, cdw10 })

  it('the number of queues is what the controller has, and cannot change with queues there', () => {
    const driver = new RawDriver({ maxQueuePairs: 3 })
    driver.enable()
    const id = FeatureId.NUMBER_OF_QUEUES
    expect(set(driver, id, 0x00ff_00ff)).toMatchObject({ status: 0, result: 0x0002_0002 })
    expect(get(driver, id)).toMatchObject({ status: 0, result: 0x0002_0002 })
    expect(code(set(driver, id, 0xffff).status)).toBe(Status.INVALID_FIELD)
    expect(code(set(driver, id, 0xffff_0000).status)).toBe(Status.INVALID_FIELD)
    driver.createQueuePair(1)
    expect(code(set(driver, id, 0).status)).toBe(Status.COMMAND_SEQUENCE_ERROR)
  })

  it.each([
    FeatureId.ARBITRATION,
    FeatureId.TEMPERATURE_THRESHOLD,
    FeatureId.VOLATILE_WRITE_CACHE,
    FeatureId.INTERRUPT_COALESCING,
    FeatureId.ASYNC_EVENT_CONFIGURATION,
  ])('feature %i keeps what is set', (id) => {
    const driver = new RawDriver()
    driver.enable()
    expect(set(driver, id, 1).status).toBe(0)
    expect(get(driver, id)).toMatchObject({ status: 0, result: 1 })
  })

  it('refuses to save, an unknown feature, a reserved selection, a power state not there', () => {
    const driver = new RawDriver()
    driver.enable()
    const unsaved = 0x8000_0000 + FeatureId.WRITE_ATOMICITY_NORMAL
    expect(code(set(driver, unsaved, 0).status)).toBe(Status.FEATURE_NOT_SAVEABLE)
    expect(code(set(driver, 0xee, 0).status)).toBe(Status.INVALID_FIELD)
    expect(code(get(driver, 0xee).status)).toBe(Status.INVALID_FIELD)
    expect(code(get(driver, 6 | (4 << 8)).status)).toBe(Status.INVALID_FIELD)
    expect(code(set(driver, FeatureId.POWER_MANAGEMENT, 1).status)).toBe(Status.INVALID_FIELD)
  })
})

describe('log pages', () => {
  function log(driver: RawDriver, id: number, dwords: number, offset = 0) {
    const page = driver.alloc(4096)
    const done = driver.admin({
      opcode: AdminOpcode.GET_LOG_PAGE,
      nsid: 0xffff_ffff,
      prp1: page,
      cdw10: id | ((dwords - 1) << 16),
      cdw12: offset,
    })
    return { page, done }
  }

  it('SMART counts what was moved', () => {
    const { driver } = RawDriver.ready()
    const data = driver.alloc(4096)
    for (let i = 0; i < 3; i++) driver.exec(1, { opcode: 2, nsid: 1, prp1: data, cdw12: 7 })
    driver.exec(1, { opcode: 1, nsid: 1, prp1: data, cdw12: 7 })
    const { page, done } = log(driver, LogId.SMART, 128)
    expect(done.status).toBe(0)
    const { view } = driver
    expect([getUint64(view, page + 32), getUint64(view, page + 48)]).toEqual([1, 1])
    expect([getUint64(view, page + 64), getUint64(view, page + 80)]).toEqual([3, 1])
    expect(view.getUint16(page + 1, true)).toBeGreaterThan(273)
  })

  it('errors, newest first, counted since the controller was made', () => {
    const { driver } = RawDriver.ready()
    driver.exec(1, { opcode: 0xff, nsid: 1 })
    const failed = driver.exec(1, { opcode: 2, nsid: 1, cdw10: 0xffff_fff0 })
    const { page, done } = log(driver, LogId.ERROR, 32)
    expect(done.status).toBe(0)
    const { view } = driver
    expect([getUint64(view, page), getUint64(view, page + 64)]).toEqual([2, 1])
    expect(view.getUint16(page + 8, true)).toBe(1)
    expect(view.getUint16(page + 10, true)).toBe(failed.cid)
    expect(code(view.getUint16(page + 12, true) >>> 1)).toBe(Status.LBA_OUT_OF_RANGE)
    expect(getUint64(view, page + 16)).toBe(0xffff_fff0)
    expect(view.getUint32(page + 24, true)).toBe(1)
  })

  it('the firmware slot, and which pages there are', () => {
    const { driver } = RawDriver.ready()
    const firmware = log(driver, LogId.FIRMWARE_SLOT, 128)
    expect(driver.bytes[firmware.page]).toBe(1)
    expect(text(driver, firmware.page + 8, 8)).toBe('1.0')
    const supported = log(driver, LogId.SUPPORTED, 256)
    const there = (id: number) => driver.view.getUint32(supported.page + id * 4, true) & 1
    expect([0, 1, 2, 3, 0x7f].map(there)).toEqual([1, 1, 1, 1, 0])
  })

  it('from an offset; not past the end, not at a fraction, not one that is not there', () => {
    const { driver } = RawDriver.ready()
    const part = log(driver, LogId.FIRMWARE_SLOT, 2, 8)
    expect(text(driver, part.page, 8)).toBe('1.0')
    expect(code(log(driver, LogId.SMART, 1, 516).done.status)).toBe(Status.INVALID_FIELD)
    expect(code(log(driver, LogId.SMART, 1, 2).done.status)).toBe(Status.INVALID_FIELD)
    expect(code(log(driver, 0x99, 1).done.status)).toBe(Status.INVALID_LOG_PAGE)
  })
})

describe('the largest transfer', () => {
  it('holds for log pages too', () => {
    const { driver } = RawDriver.ready({ mdtsBytes: 8192 })
    const data = driver.alloc(3 * 4096)
    const read = (bytes: number) =>
      driver.admin({
        opcode: AdminOpcode.GET_LOG_PAGE,
        prp1: data,
        prp2: data + 4096,
        cdw10: LogId.SMART | ((bytes / 4 - 1) << 16),
      })
    expect(read(8192).status).toBe(0)
    expect(read(8196).status).toBe(Status.INVALID_FIELD | STATUS_DNR)
  })
})

describe('other admin commands', () => {
  it('an Abort aborts nothing, and says so', () => {
    const { driver } = RawDriver.ready()
    expect(driver.admin({ opcode: AdminOpcode.ABORT, cdw10: 1 })).toMatchObject({
      status: 0,
      result: 1,
    })
  })

  it('holds four event requests, and no more; a reset forgets them', () => {
    const { driver } = RawDriver.ready()
    for (let i = 0; i < 5; i++) driver.push(0, { opcode: AdminOpcode.ASYNC_EVENT_REQUEST })
    driver.ring(0)
    driver.idle()
    const done = driver.reap(0)
    expect(done.map((one) => code(one.status))).toEqual([Status.ASYNC_EVENT_LIMIT_EXCEEDED])
    expect(driver.disable()).toBe(0)
    driver.expectQuiet()
  })

  it.each([
    ['an opcode that is not there', { opcode: 0x99 }, Status.INVALID_OPCODE],
    ['a fused command', { opcode: AdminOpcode.ABORT, flags: 1 }, Status.INVALID_FIELD],
    [
      'an SGL: over PCIe admin commands have PRPs',
      { opcode: AdminOpcode.IDENTIFY, flags: Psdt.SGL_MPTR_CONTIGUOUS << PSDT_SHIFT, cdw10: 1 },
      Status.INVALID_FIELD,
    ],
  ])('%s', (_name, command, status) => {
    const { driver } = RawDriver.ready()
    expect(driver.admin(command).status).toBe(status | STATUS_DNR)
  })

  it('data that cannot be reached', () => {
    const { driver } = RawDriver.ready()
    const done = driver.admin({ opcode: AdminOpcode.IDENTIFY, prp1: 2 ** 40, cdw10: 1 })
    expect(code(done.status)).toBe(Status.DATA_TRANSFER_ERROR)
    expect(driver.device.bus.faultCount).toBe(1)
  })
})
