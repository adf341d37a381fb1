// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { createNvmeController } from '../../../src/controller/index.ts'
import {
  AdminOpcode,
  CQE_BYTES,
  CqeOffset,
  Csts,
  NvmOpcode,
  Reg,
  SQE_BYTES,
  SqeOffset,
  STATUS_DNR,
  Status,
  setUint64,
  statusOf,
} from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

const PAGES = 16
/** Where the host puts it; anywhere that is nothing else's. */
const BASE = 0x40_0000_0000n

function ready() {
  const driver = new RawDriver({ bufferPages: PAGES })
  const store = driver.addMemoryNamespace(1 << 20)
  expect(driver.enable()).toBe(Csts.RDY)
  const { bar } = driver.controller
  bar.write64(Reg.CMBMSC, BASE | 3n)
  const buffer = driver.buffer!
  const base = Number(BASE)
  /** Of the data pointer, whose addresses are not offsets of the driver's. */
  const prp = (addr: number) => (view: DataView, at: number) => setUint64(view, at, addr)
  return { driver, store, bar, buffer, base, prp }
}

describe('a controller memory buffer', () => {
  it('shows where it is and what it takes once the host has asked', () => {
    const driver = new RawDriver({ bufferPages: PAGES })
    const { bar } = driver.controller
    expect((bar.read64(Reg.CAP) >> 57n) & 1n).toBe(1n)
    expect([bar.read32(Reg.CMBLOC), bar.read32(Reg.CMBSZ)]).toEqual([0, 0])
    bar.write64(Reg.CMBMSC, 1n)
    expect(bar.read32(Reg.CMBSZ)).toBe(0b1_1111 | (PAGES << 12))
    expect(bar.read32(Reg.CMBLOC) & 7).toBe(2)
    bar.write64(Reg.CMBMSC, (1n << 60n) | 3n)
    expect(bar.read32(Reg.CMBSTS)).toBe(1)
    bar.write64(Reg.CMBMSC, BASE | 3n)
    expect([bar.read32(Reg.CMBSTS), bar.read64(Reg.CMBMSC)]).toEqual([0, BASE | 3n])
  })

  it('holds the data of commands: not one access to it goes over the bus', () => {
    const { driver, store, buffer, base, prp } = ready()
    driver.createQueuePair(1)
    buffer.bytes.fill(0x5a, 4096, 8192)
    const write = { opcode: NvmOpcode.WRITE, nsid: 1, cdw10: 3, cdw12: 7, dptr: prp(base + 4096) }
    expect(driver.exec(1, write).status).toBe(0)
    expect(store.segments[0]!.slice(3 * 512, 11 * 512).every((byte) => byte === 0x5a)).toBe(true)
    const read = { opcode: NvmOpcode.READ, nsid: 1, cdw10: 3, cdw12: 7, dptr: prp(base + 8192) }
    expect(driver.exec(1, read).status).toBe(0)
    expect(buffer.bytes.slice(8192, 12_288).every((byte) => byte === 0x5a)).toBe(true)
    expect(driver.device.bus.faultCount).toBe(0)
    driver.expectQuiet()
  })

  it('holds both queues of a pair', () => {
    const { driver, buffer, base, prp } = ready()
    const cq = { opcode: AdminOpcode.CREATE_IO_CQ, cdw10: 1 | (7 << 16), cdw11: 1, dptr: prp(base) }
    expect(driver.admin(cq).status).toBe(0)
    const sq = {
      opcode: AdminOpcode.CREATE_IO_SQ,
      cdw10: 1 | (7 << 16),
      cdw11: 1 | (1 << 16),
      dptr: prp(base + 4096),
    }
    expect(driver.admin(sq).status).toBe(0)
    buffer.view.setUint8(4096, NvmOpcode.FLUSH)
    buffer.view.setUint16(4096 + SqeOffset.CID, 77, true)
    buffer.view.setUint32(4096 + SqeOffset.NSID, 1, true)
    driver.write(Reg.DBS + 8, 1)
    driver.idle()
    expect(buffer.view.getUint16(CqeOffset.CID, true)).toBe(77)
    expect(statusOf(buffer.view.getUint16(CqeOffset.STATUS, true))).toBe(0)
  })

  it('refuses a queue that begins in it and ends elsewhere', () => {
    const { driver, base, prp } = ready()
    const last = base + (PAGES - 1) * 4096
    const invalid = Status.INVALID_USE_OF_CMB | STATUS_DNR
    const entries = 4096 / CQE_BYTES
    const cq = {
      opcode: AdminOpcode.CREATE_IO_CQ,
      cdw10: 1 | (entries << 16),
      cdw11: 1,
      dptr: prp(last),
    }
    expect(driver.admin(cq).status).toBe(invalid)
    expect(driver.admin({ ...cq, cdw10: 1 | ((entries - 1) << 16) }).status).toBe(0)
    const deep = 4096 / SQE_BYTES
    const sq = {
      opcode: AdminOpcode.CREATE_IO_SQ,
      cdw10: 1 | (deep << 16),
      cdw11: 1 | (1 << 16),
      dptr: prp(last),
    }
    expect(driver.admin(sq).status).toBe(invalid)
  })

  it('is nowhere while the host has not said where; a controller reset leaves it, one of the subsystem does not', () => {
    const { driver, bar, base, prp } = ready()
    driver.createQueuePair(1)
    const read = { opcode: NvmOpcode.READ, nsid: 1, dptr: prp(base) }
    expect(driver.exec(1, read).status).toBe(0)
    driver.disable()
    driver.enable()
    driver.createQueuePair(1)
    expect(driver.exec(1, read).status).toBe(0)
    bar.write64(Reg.CMBMSC, 0n)
    expect(driver.exec(1, read).status).toBe(Status.DATA_TRANSFER_ERROR)
  })

  it('cannot be made of RAM', () => {
    const driver = new RawDriver()
    const components = { kernel: driver.kernel, bus: driver.device.bus }
    expect(() => createNvmeController(components, { memoryBuffer: driver.region })).toThrow(
      /EINVAL|memory of a device/,
    )
  })
})
