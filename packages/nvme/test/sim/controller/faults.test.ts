// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What stores and the bus do to commands.

import { type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createSimulatedStore,
  type NamespaceStore,
  type StoreIo,
  StoreOp,
} from '../../../src/controller/index.ts'
import {
  AdminOpcode,
  Csts,
  ErrorLogEntry,
  FeatureId,
  getUint64,
  LogId,
  NvmOpcode,
  Reg,
  STATUS_CODE_MASK,
  STATUS_DNR,
  Status,
} from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

function rig(wrap: (store: NamespaceStore) => NamespaceStore = (store) => store) {
  const driver = new RawDriver({ seed: 1 })
  const { kernel } = driver
  const store = createSimulatedStore({ kernel }, { sizeBytes: 65_536, stepBytes: 512 })
  driver.controller.addNamespace(1, { store: wrap(store) })
  driver.enable()
  driver.createQueuePair(1)
  return { driver, store, page: driver.alloc(4096) }
}

describe('Force Unit Access', () => {
  const FUA = 1 << 30

  function counted(ops: StoreOp[]) {
    return rig((store) => ({
      sizeBytes: store.sizeBytes,
      lastError: null,
      submit: (io: StoreIo) => {
        ops.push(io.op)
        store.submit(io)
      },
      close: () => store.close(),
    }))
  }

  it('a write is ended when what it wrote is flushed; a read needs none', () => {
    const ops: StoreOp[] = []
    const { driver, page } = counted(ops)
    const write = { opcode: NvmOpcode.WRITE, nsid: 1, prp1: page, cdw12: FUA | 3 }
    expect(driver.exec(1, write).status).toBe(0)
    expect(ops).toEqual([StoreOp.WRITE, StoreOp.FLUSH])
    expect(driver.controller.stats.bytesWritten).toBe(2048)
    ops.length = 0
    expect(driver.exec(1, { ...write, opcode: NvmOpcode.READ }).status).toBe(0)
    expect(driver.exec(1, { ...write, cdw12: 0 }).status).toBe(0)
    expect(ops).toEqual([StoreOp.READ, StoreOp.WRITE])
    driver.expectQuiet()
  })

  it('with the volatile write cache off every write is one', () => {
    const ops: StoreOp[] = []
    const { driver, page } = counted(ops)
    const cache = (on: number) =>
      driver.admin({
        opcode: AdminOpcode.SET_FEATURES,
        cdw10: FeatureId.VOLATILE_WRITE_CACHE,
        cdw11: on,
      })
    expect(cache(0).status).toBe(0)
    const write = { opcode: NvmOpcode.WRITE, nsid: 1, prp1: page }
    expect(driver.exec(1, write).status).toBe(0)
    expect(ops).toEqual([StoreOp.WRITE, StoreOp.FLUSH])
    ops.length = 0
    expect(driver.exec(1, { ...write, opcode: NvmOpcode.READ }).status).toBe(0)
    expect(ops).toEqual([StoreOp.READ])
    ops.length = 0
    expect(cache(1).status).toBe(0)
    expect(driver.exec(1, write).status).toBe(0)
    expect(ops).toEqual([StoreOp.WRITE])
    driver.expectQuiet()
  })

  it('a write that failed is not flushed', () => {
    const ops: StoreOp[] = []
    const { driver, store, page } = counted(ops)
    store.fillUpAt(0)
    const write = { opcode: NvmOpcode.WRITE, nsid: 1, prp1: page, cdw12: FUA }
    expect(driver.exec(1, write).status).toBe(Status.CAPACITY_EXCEEDED | STATUS_DNR)
    expect(ops).toEqual([StoreOp.WRITE])
  })
})

describe('errors of the medium', () => {
  it('are the status of the command, and in the error log with their block', () => {
    const { driver, store, page } = rig()
    store.shrinkTo(16_384)
    const read = { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw10: 40, cdw12: 7 }
    const done = driver.exec(1, read)
    expect(done.status & STATUS_CODE_MASK).toBe(Status.UNRECOVERED_READ)
    expect(driver.controller.stats).toMatchObject({ errors: 1, readCommands: 0, bytesRead: 0 })
    const log = { opcode: AdminOpcode.GET_LOG_PAGE, prp1: page, cdw10: LogId.ERROR | (15 << 16) }
    expect(driver.admin(log).status).toBe(0)
    const { view } = driver
    expect(getUint64(view, page + ErrorLogEntry.LBA)).toBe(40)
    expect(view.getUint16(page + ErrorLogEntry.CID, true)).toBe(done.cid)
    expect(view.getUint16(page + ErrorLogEntry.SQID, true)).toBe(1)
  })
})

describe('faults on the bus', () => {
  it('in the data end the command, in a completion the controller', () => {
    const { driver, page } = rig()
    const read = { opcode: NvmOpcode.READ, nsid: 1, prp1: page, prp2: page, cdw12: 15 }
    const outside = driver.exec(1, { ...read, prp2: 2 ** 40 })
    expect(outside.status & STATUS_CODE_MASK).toBe(Status.DATA_TRANSFER_ERROR)
    // On its way to the store, and then the bus goes off before the completion.
    driver.push(1, { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw12: 7 })
    driver.ring(1)
    const task = driver.scheduler.spawn(
      'bus off',
      (function* () {
        while (driver.controller.outstanding === 0) yield* pause(driver)
        driver.device.bus.enabled = false
      })(),
    )
    driver.idle()
    expect(task.state).toBe('done')
    expect(driver.read(Reg.CSTS) & Csts.CFS).toBe(Csts.CFS)
    expect(driver.reap(1)).toEqual([])
    expect(driver.disable()).toBe(0)
    driver.expectQuiet()
  })

  it('a list that is nowhere', () => {
    const { driver, page } = rig()
    const read = { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw12: 31 }
    const done = driver.exec(1, { ...read, prp2: 2 ** 40 })
    expect(done.status & STATUS_CODE_MASK).toBe(Status.DATA_TRANSFER_ERROR)
  })
})

describe('event requests', () => {
  it('one event until the log is read, whenever the request comes', () => {
    const { driver, page } = rig()
    const wrong = () => driver.write(Reg.DBS + 8 * 5, 1)
    const request = () => {
      driver.push(0, { opcode: AdminOpcode.ASYNC_EVENT_REQUEST })
      driver.ring(0)
      driver.idle()
      return driver.reap(0).map((completion) => completion.result)
    }
    const readLog = (retain: number) =>
      driver.admin({
        opcode: AdminOpcode.GET_LOG_PAGE,
        prp1: page,
        cdw10: LogId.ERROR | retain | (15 << 16),
      })
    wrong()
    wrong()
    // Type error, information invalid doorbell register.
    expect(request()).toEqual([0x0001_0000])
    wrong()
    expect(request()).toEqual([])
    readLog(1 << 15)
    wrong()
    driver.idle()
    expect(driver.reap(0)).toEqual([])
    readLog(0)
    wrong()
    driver.idle()
    expect(driver.reap(0).map((completion) => completion.result)).toEqual([0x0001_0000])
    driver.expectQuiet()
  })
})

describe('a reset while the deletion of a queue waits', () => {
  it('forgets both', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { driver, page } = rig()
      for (let i = 0; i < 4; i++) {
        driver.push(1, { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw12: 7 })
      }
      driver.ring(1)
      driver.push(0, { opcode: AdminOpcode.DELETE_IO_SQ, cdw10: 1 })
      driver.scheduler.runSync(
        'reset',
        (function* () {
          while (driver.controller.stats.ioCommands < 4) yield* pause(driver)
          driver.ring(0)
          for (let i = 0; i < seed % 8; i++) yield* pause(driver)
          driver.write(Reg.CC, 0)
        })(),
      )
      driver.idle()
      expect(driver.read(Reg.CSTS)).toBe(0)
      driver.expectQuiet()
      driver.enable()
      expect(driver.admin({ opcode: AdminOpcode.ABORT }).status).toBe(0)
    }
  })
})

function pause(driver: RawDriver): Op<void> {
  return yieldNow(driver.scheduler)
}
