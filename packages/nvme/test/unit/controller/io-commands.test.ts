// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { createMemoryStore, createNvmeController } from '../../../src/controller/index.ts'
import { NvmOpcode, STATUS_DNR, Status } from '../../../src/spec/index.ts'
import { type Command, RawDriver } from '../../raw-driver.ts'

const { READ, WRITE, FLUSH } = NvmOpcode

describe('commands that a namespace cannot do', () => {
  it.each<[string, Command, number]>([
    ['a namespace that could be there', { opcode: READ, nsid: 2 }, Status.INVALID_FIELD],
    ['a namespace beyond NN', { opcode: READ, nsid: 257 }, Status.INVALID_NAMESPACE],
    ['namespace 0', { opcode: WRITE, nsid: 0 }, Status.INVALID_NAMESPACE],
    ['a read of all namespaces', { opcode: READ, nsid: 0xffff_ffff }, Status.INVALID_NAMESPACE],
    ['a directive', { opcode: WRITE, nsid: 1, cdw12: 1 << 20 }, Status.INVALID_FIELD],
    ['an opcode that is not there', { opcode: 0x7f, nsid: 1 }, Status.INVALID_OPCODE],
    ['a block past the end', { opcode: READ, nsid: 1, cdw10: 2048 }, Status.LBA_OUT_OF_RANGE],
    [
      'the end in the middle',
      { opcode: READ, nsid: 1, cdw10: 2047, cdw12: 1 },
      Status.LBA_OUT_OF_RANGE,
    ],
    [
      'a block of 64 bits',
      { opcode: READ, nsid: 1, cdw10: 0xffff_ffff, cdw11: 0xffff_ffff },
      Status.LBA_OUT_OF_RANGE,
    ],
    ['more than MDTS', { opcode: READ, nsid: 1, cdw12: 128 }, Status.INVALID_FIELD],
    ['protection information', { opcode: WRITE, nsid: 1, cdw12: 1 << 29 }, Status.INVALID_FIELD],
  ])('%s', (_name, command, status) => {
    const { driver } = RawDriver.ready({ sizeBytes: 1 << 20, mdtsBytes: 65_536 })
    expect(driver.exec(1, command).status).toBe(status | STATUS_DNR)
    expect(driver.controller.stats.errors).toBe(1)
    driver.expectQuiet()
  })

  it('exactly MDTS, and exactly to the last block, are fine', () => {
    const { driver } = RawDriver.ready({ sizeBytes: 1 << 20, mdtsBytes: 8192 })
    const page = driver.alloc(8192)
    const command = { opcode: READ, nsid: 1, prp1: page, prp2: page + 4096, cdw10: 2032, cdw12: 15 }
    expect(driver.exec(1, command).status).toBe(0)
    expect(driver.exec(1, { ...command, cdw12: 16, cdw10: 0 }).status & 0x7ff).toBe(
      Status.INVALID_FIELD,
    )
  })
})

describe('what is moved', () => {
  it('write, flush, read back; blocks of 4096', () => {
    const { driver, store } = RawDriver.ready({ sizeBytes: 1 << 20, block: 4096 })
    const page = driver.alloc(4096)
    driver.bytes.fill(7, page, page + 4096)
    expect(driver.exec(1, { opcode: WRITE, nsid: 1, prp1: page, cdw10: 3 }).status).toBe(0)
    expect(driver.exec(1, { opcode: FLUSH, nsid: 1 }).status).toBe(0)
    expect(store.segments[0]?.[3 * 4096]).toBe(7)
    driver.bytes.fill(0, page, page + 4096)
    expect(driver.exec(1, { opcode: READ, nsid: 1, prp1: page, cdw10: 3 }).status).toBe(0)
    expect(driver.bytes[page + 4095]).toBe(7)
    expect(driver.controller.stats).toMatchObject({
      bytesRead: 4096,
      bytesWritten: 4096,
      readCommands: 1,
      writeCommands: 1,
      ioCommands: 3,
    })
  })

  it('with the bus switched off nothing is fetched, and the controller says so', () => {
    const { driver } = RawDriver.ready()
    driver.device.bus.enabled = false
    driver.push(1, { opcode: FLUSH, nsid: 1 })
    driver.ring(1)
    driver.idle()
    expect(driver.read(0x1c) & 2).toBe(2)
    expect(driver.reap(1)).toEqual([])
  })
})

describe('making a controller', () => {
  const make = (init: object) => {
    const { kernel, device } = new RawDriver()
    return () => createNvmeController({ kernel, bus: device.bus }, init)
  }

  it.each([
    [{ maxQueuePairs: 0 }, /maxQueuePairs/],
    [{ maxQueuePairs: 65 }, /maxQueuePairs/],
    [{ maxQueueEntries: 1 }, /maxQueueEntries/],
    [{ maxQueueEntries: 65_537 }, /maxQueueEntries/],
    [{ mdtsBytes: 2048 }, /mdtsBytes/],
    [{ mdtsBytes: 12_288 }, /mdtsBytes/],
  ])('%o is refused', (init, message) => {
    expect(make(init)).toThrow(message)
  })

  it('namespaces: one identifier once, sizes that make sense', () => {
    const driver = new RawDriver()
    const { kernel, memory, controller } = driver
    const store = createMemoryStore({ kernel, memory }, { sizeBytes: 4096 })
    controller.addNamespace(1, { store })
    expect(() => controller.addNamespace(1, { store })).toThrow(/1/)
    expect(() => controller.addNamespace(0, { store })).toThrow(/nsid/)
    expect(() => controller.addNamespace(2, { store, logicalBlockBytes: 1024 })).toThrow(/512/)
    const tiny = createMemoryStore({ kernel, memory }, { sizeBytes: 100 })
    expect(() => controller.addNamespace(3, { store: tiny })).toThrow(/512/)
    expect(() => createMemoryStore({ kernel, memory }, { sizeBytes: 0 })).toThrow(/size/)
    expect(() => createMemoryStore({ kernel, memory }, { sizeBytes: 1 << 30 })).toThrow(/pages/)
  })

  it('after destroy nothing runs any more', () => {
    const { driver } = RawDriver.ready()
    driver.push(1, { opcode: FLUSH, nsid: 1 })
    driver.ring(1)
    driver.controller.destroy()
    driver.controller.destroy()
    driver.idle()
    expect(driver.reap(1)).toEqual([])
    driver.expectQuiet()
  })
})
