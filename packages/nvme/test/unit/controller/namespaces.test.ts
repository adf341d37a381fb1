// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { createMemoryStore, createSimulatedStore } from '../../../src/controller/index.ts'
import {
  AdminOpcode,
  AsyncEventType,
  AsyncNoticeInfo,
  asyncEventResult,
  Cns,
  FeatureId,
  getUint64,
  IdCtrl,
  IdNs,
  LogId,
  NSID_BROADCAST,
  NvmOpcode,
  STATUS_CODE_MASK,
  STATUS_DNR,
  Status,
  setUint64,
} from '../../../src/spec/index.ts'
import { type Command, RawDriver, type RawInit } from '../../raw-driver.ts'

const MIB = 1 << 20

function world(init: RawInit = {}) {
  const { driver, store } = RawDriver.ready({ sizeBytes: MIB, ...init })
  const page = driver.alloc(4096)
  const admin = (command: Command) => driver.admin({ prp1: page, ...command })
  const code = (command: Command) => admin(command).status & STATUS_CODE_MASK
  const identify = (cns: number, nsid = 0, cdw11 = 0) => {
    driver.bytes.fill(0, page, page + 4096)
    return code({ opcode: AdminOpcode.IDENTIFY, nsid, cdw10: cns, cdw11 })
  }
  const log = (id: number, dwords: number, flags = 0) =>
    code({ opcode: AdminOpcode.GET_LOG_PAGE, cdw10: id | flags | ((dwords - 1) << 16) })
  const list = (count: number) =>
    Array.from({ length: count }, (_, i) => driver.view.getUint32(page + i * 4, true))
  return { driver, store, page, admin, code, identify, log, list }
}

/** Blocks of created namespaces come from memory. */
function managed() {
  const closed: number[] = []
  const stores: (ReturnType<typeof createMemoryStore> | undefined)[] = []
  const base = world({
    ramBytes: 16 * MIB,
    capacity: {
      totalBytes: 4 * MIB,
      allocate(sizeBytes) {
        const { kernel, memory } = base.driver
        const store = createMemoryStore({ kernel, memory }, { sizeBytes })
        const close = store.close.bind(store)
        store.close = () => {
          closed.push(sizeBytes)
          return close()
        }
        stores.push(store)
        return store
      },
    },
  })
  const { driver, page, admin, code } = base
  const create = (
    blocks: number,
    more: { cap?: number; flbas?: number; dps?: number; csi?: number } = {},
  ) => {
    driver.bytes.fill(0, page, page + 4096)
    setUint64(driver.view, page + IdNs.NSZE, blocks)
    setUint64(driver.view, page + IdNs.NCAP, more.cap ?? blocks)
    driver.view.setUint8(page + IdNs.FLBAS, more.flbas ?? 0)
    driver.view.setUint8(page + IdNs.DPS, more.dps ?? 0)
    const cdw11 = ((more.csi ?? 0) << 24) >>> 0
    const { status, result } = admin({ opcode: AdminOpcode.NAMESPACE_MANAGEMENT, cdw11 })
    return { code: status & STATUS_CODE_MASK, nsid: result }
  }
  const attach = (nsid: number, select: number, controllers: readonly number[] = [1]) => {
    driver.bytes.fill(0, page, page + 4096)
    driver.view.setUint16(page, controllers.length, true)
    controllers.forEach((id, i) => {
      driver.view.setUint16(page + 2 + i * 2, id, true)
    })
    return code({ opcode: AdminOpcode.NAMESPACE_ATTACHMENT, nsid, cdw10: select })
  }
  const remove = (nsid: number) =>
    code({ opcode: AdminOpcode.NAMESPACE_MANAGEMENT, nsid, cdw10: 1 })
  return { ...base, closed, create, attach, remove }
}

describe('Namespace Management and Attachment', () => {
  it('a namespace is created, attached, used, detached and deleted', () => {
    const { driver, page, identify, list, create, attach, remove, closed } = managed()
    const { code, nsid } = create(2048)
    expect([code, nsid]).toEqual([0, 2])
    expect([identify(Cns.ALLOCATED_NAMESPACE_LIST), list(3)]).toEqual([0, [1, 2, 0]])
    expect([identify(Cns.ACTIVE_NAMESPACE_LIST), list(2)]).toEqual([0, [1, 0]])
    const read = { opcode: NvmOpcode.READ, nsid, prp1: page }
    expect(driver.exec(1, read).status).toBe(Status.INVALID_FIELD | STATUS_DNR)
    expect(attach(nsid, 0)).toBe(0)
    expect(driver.exec(1, read).status).toBe(0)
    expect([identify(Cns.NAMESPACE, nsid), getUint64(driver.view, page + IdNs.NSZE)]).toEqual([
      0, 2048,
    ])
    expect([identify(Cns.NAMESPACE_CONTROLLER_LIST, nsid), list(1)]).toEqual([0, [0x1_0001]])
    expect(attach(nsid, 0)).toBe(Status.NAMESPACE_ALREADY_ATTACHED)
    expect([attach(nsid, 1), attach(nsid, 1)]).toEqual([0, Status.NAMESPACE_NOT_ATTACHED])
    expect([identify(Cns.ALLOCATED_NAMESPACE, nsid), getUint64(driver.view, page)]).toEqual([
      0, 2048,
    ])
    expect([remove(nsid), remove(nsid)]).toEqual([0, Status.INVALID_FIELD])
    expect(closed).toEqual([MIB])
    driver.expectQuiet()
  })

  it('capacity is counted, and given back', () => {
    const { driver, page, identify, create, remove } = managed()
    const free = () => {
      identify(Cns.CONTROLLER)
      return getUint64(driver.view, page + IdCtrl.UNVMCAP)
    }
    expect(free()).toBe(4 * MIB)
    const { nsid } = create(4096, { flbas: 0 })
    expect(free()).toBe(2 * MIB)
    expect(create(1024, { flbas: 1 }).code).toBe(Status.NAMESPACE_INSUFFICIENT_CAPACITY)
    expect(remove(nsid)).toBe(0)
    expect(free()).toBe(4 * MIB)
    expect(create(1024, { flbas: 1 }).code).toBe(0)
    expect(remove(NSID_BROADCAST)).toBe(0)
    expect(free()).toBe(4 * MIB)
  })

  it('refuses what it cannot make', () => {
    const { create, attach, remove, code } = managed()
    expect(create(100, { flbas: 2 }).code).toBe(Status.INVALID_FORMAT)
    expect(create(100, { dps: 1 }).code).toBe(Status.INVALID_FORMAT)
    expect(create(100, { cap: 50 }).code).toBe(Status.THIN_PROVISIONING_NOT_SUPPORTED)
    expect(create(100, { csi: 2 }).code).toBe(Status.IOCS_NOT_SUPPORTED)
    expect(create(0).code).toBe(Status.INVALID_FIELD)
    expect(attach(1, 0, [7])).toBe(Status.CONTROLLER_LIST_INVALID)
    expect(attach(1, 0, [])).toBe(Status.CONTROLLER_LIST_INVALID)
    expect(attach(9, 0)).toBe(Status.INVALID_FIELD)
    expect(attach(NSID_BROADCAST, 0)).toBe(Status.INVALID_NAMESPACE)
    expect(attach(1, 2)).toBe(Status.INVALID_FIELD)
    expect(remove(300)).toBe(Status.INVALID_NAMESPACE)
    expect(code({ opcode: AdminOpcode.NAMESPACE_MANAGEMENT, cdw10: 2 })).toBe(Status.INVALID_FIELD)
  })

  it('is no command of a controller that has nothing to make namespaces of', () => {
    const { code } = world()
    expect(code({ opcode: AdminOpcode.NAMESPACE_MANAGEMENT })).toBe(Status.INVALID_OPCODE)
    expect(code({ opcode: AdminOpcode.NAMESPACE_ATTACHMENT })).toBe(Status.INVALID_OPCODE)
  })
})

describe('changes of namespaces', () => {
  it('are told once, listed, and told again when the list was read', () => {
    const { driver, store, code, log, list } = world()
    const notice = asyncEventResult(
      AsyncEventType.NOTICE,
      AsyncNoticeInfo.ATTACHED_NAMESPACE_CHANGED,
      LogId.CHANGED_NAMESPACES,
    )
    const events = () => {
      driver.idle()
      return driver.reap(0).map(({ result }) => result)
    }
    log(LogId.CHANGED_NAMESPACES, 4)
    const configuration = {
      opcode: AdminOpcode.SET_FEATURES,
      cdw10: FeatureId.ASYNC_EVENT_CONFIGURATION,
    }
    expect(code({ ...configuration, cdw11: 1 << 8 })).toBe(0)
    for (let i = 0; i < 2; i++) driver.push(0, { opcode: AdminOpcode.ASYNC_EVENT_REQUEST })
    driver.ring(0)
    expect(events()).toEqual([])
    driver.controller.addNamespace(5, { store })
    driver.controller.addNamespace(3, { store })
    expect(events()).toEqual([notice])
    driver.controller.removeNamespace(5)
    expect(events()).toEqual([])
    // Kept with RAE, cleared without.
    expect([log(LogId.CHANGED_NAMESPACES, 4, 1 << 15), list(3)]).toEqual([0, [3, 5, 0]])
    expect([log(LogId.CHANGED_NAMESPACES, 4), list(3)]).toEqual([0, [3, 5, 0]])
    expect([log(LogId.CHANGED_NAMESPACES, 4), list(1)]).toEqual([0, [0]])
    const { kernel } = driver
    driver.controller.replaceNamespace(3, {
      store: createSimulatedStore({ kernel }, { sizeBytes: 2 * MIB }),
    })
    expect(events()).toEqual([notice])
    expect(() => driver.controller.removeNamespace(5)).toThrow(/not there/)
    expect(() => driver.controller.addNamespace(3, { store })).toThrow(/there already/)
  })

  it('are not told to a host that did not ask', () => {
    const { driver, store } = world()
    driver.push(0, { opcode: AdminOpcode.ASYNC_EVENT_REQUEST })
    driver.ring(0)
    driver.controller.addNamespace(5, { store })
    driver.idle()
    expect(driver.reap(0)).toEqual([])
  })
})

describe('Format NVM', () => {
  it('changes the block size, and makes all of it zeros', () => {
    const { driver, store, page, code, identify } = world()
    store.segments[0]!.fill(7)
    expect(code({ opcode: AdminOpcode.FORMAT_NVM, nsid: 1, cdw10: 1 })).toBe(0)
    expect(store.segments[0]!.every((byte) => byte === 0)).toBe(true)
    expect([identify(Cns.NAMESPACE, 1), getUint64(driver.view, page)]).toEqual([0, 256])
    expect(driver.exec(1, { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw10: 255 }).status).toBe(
      0,
    )
    expect(code({ opcode: AdminOpcode.FORMAT_NVM, nsid: NSID_BROADCAST, cdw10: 1 << 9 })).toBe(0)
    expect([identify(Cns.NAMESPACE, 1), getUint64(driver.view, page)]).toEqual([0, 2048])
    driver.expectQuiet()
  })

  it.each<[string, Partial<Command>, number]>([
    ['a format that is not there', { cdw10: 2 }, Status.INVALID_FORMAT],
    ['protection information', { cdw10: 1 << 5 }, Status.INVALID_FORMAT],
    ['a cryptographic erase', { cdw10: 2 << 9 }, Status.INVALID_FIELD],
    ['a namespace that is not there', { nsid: 2 }, Status.INVALID_FIELD],
    ['one that cannot be', { nsid: 0 }, Status.INVALID_NAMESPACE],
  ])('refuses %s', (_name, command, status) => {
    const { code } = world()
    expect(code({ opcode: AdminOpcode.FORMAT_NVM, nsid: 1, ...command })).toBe(status)
  })

  it('refuses commands meanwhile, and a reset leaves the namespace as it was', () => {
    const driver = new RawDriver({ seed: 3 })
    const store = createSimulatedStore({ kernel: driver.kernel }, { sizeBytes: 64 * 1024 })
    driver.controller.addNamespace(1, { store })
    driver.enable()
    driver.createQueuePair(1)
    const page = driver.alloc(4096)
    store.hold(() => true, 8192)
    driver.push(0, { opcode: AdminOpcode.FORMAT_NVM, nsid: 1, cdw10: 1 })
    driver.ring(0)
    driver.idle()
    const read = { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw10: 100 }
    expect(driver.exec(1, read).status).toBe(Status.FORMAT_IN_PROGRESS)
    expect(driver.admin({ opcode: AdminOpcode.FORMAT_NVM, nsid: 1 }).status).toBe(
      Status.FORMAT_IN_PROGRESS,
    )
    driver.disable()
    store.releaseHeld()
    driver.enable()
    driver.createQueuePair(1)
    expect(driver.exec(1, read).status).toBe(0)
    driver.expectQuiet()
  })
})

describe('LBA status', () => {
  it('names the blocks that were marked: asked for, and in the log', () => {
    const { driver, page, code, log } = world()
    for (const [first, count] of [
      [10, 5],
      [100, 1],
    ] as const) {
      const mark = {
        opcode: NvmOpcode.WRITE_UNCORRECTABLE,
        nsid: 1,
        cdw10: first,
        cdw12: count - 1,
      }
      expect(driver.exec(1, mark).status).toBe(0)
    }
    const ask = (cdw10: number, cdw13: number, dwords = 64) =>
      code({ opcode: AdminOpcode.GET_LBA_STATUS, nsid: 1, cdw10, cdw12: dwords - 1, cdw13 })
    const { view } = driver
    const entry = (i: number) => [
      getUint64(view, page + 8 + i * 16),
      view.getUint32(page + 16 + i * 16, true),
      view.getUint8(page + 21 + i * 16),
    ]
    expect(ask(0, 0x1100_0000)).toBe(0)
    expect([view.getUint32(page, true), view.getUint8(page + 4)]).toEqual([2, 1])
    expect([entry(0), entry(1)]).toEqual([
      [10, 4, 3],
      [100, 0, 3],
    ])
    expect(ask(12, 0x1000_0000 | 2)).toBe(0)
    expect([view.getUint32(page, true), entry(0)]).toEqual([1, [12, 1, 3]])
    // Room for one of two.
    expect(ask(0, 0x1100_0000, 6)).toBe(0)
    expect([view.getUint32(page, true), view.getUint8(page + 4)]).toEqual([1, 2])
    expect(ask(0, 0x0200_0000)).toBe(Status.INVALID_FIELD)
    expect(ask(4000, 0x1100_0000)).toBe(Status.LBA_OUT_OF_RANGE)
    expect(log(LogId.LBA_STATUS, 20)).toBe(0)
    expect([view.getUint32(page, true), view.getUint32(page + 4, true)]).toEqual([64, 1])
    expect([view.getUint32(page + 16, true), view.getUint32(page + 20, true)]).toEqual([1, 2])
    expect(getUint64(view, page + 32)).toBe(10)
  })
})

describe('what a host can find out', () => {
  it('the commands that there are, and what they change', () => {
    const { driver, page, log } = managed()
    expect(log(LogId.COMMANDS_SUPPORTED, 1024)).toBe(0)
    const effect = (at: number) => driver.view.getUint32(page + at, true)
    expect(effect(AdminOpcode.IDENTIFY * 4)).toBe(1)
    expect(effect(AdminOpcode.FORMAT_NVM * 4)).toBe(0b111)
    expect(effect(AdminOpcode.NAMESPACE_ATTACHMENT * 4)).toBe(0b1001)
    expect(effect(1024 + NvmOpcode.WRITE * 4)).toBe(0b11)
    expect(effect(1024 + NvmOpcode.RESERVATION_REGISTER * 4)).toBe(0)
  })

  it('the features that there are', () => {
    const { driver, page, log } = world()
    expect(log(LogId.FEATURES_SUPPORTED, 256)).toBe(0)
    const effect = (id: number) => driver.view.getUint32(page + id * 4, true)
    expect(effect(FeatureId.ERROR_RECOVERY)).toBe(1 | (1 << 20))
    expect(effect(FeatureId.ARBITRATION)).toBe(1 | (1 << 21))
    expect(effect(FeatureId.HOST_MEMORY_BUFFER)).toBe(0)
  })

  it('names that are the same for the same namespace, and for no other', () => {
    const names = (serialNumber: string, nsid: number) => {
      const { driver, page, identify, store } = world({ serialNumber })
      if (nsid !== 1) driver.controller.addNamespace(nsid, { store })
      expect(identify(Cns.NAMESPACE_DESCRIPTORS, nsid)).toBe(0)
      return Buffer.from(driver.bytes.slice(page, page + 64)).toString('hex')
    }
    expect(names('A', 1)).toBe(names('A', 1))
    expect(new Set([names('A', 1), names('A', 2), names('B', 1), names('B', 2)]).size).toBe(4)
  })

  it('the command sets, the controllers, and the formats of any namespace', () => {
    const { driver, page, identify, list } = world()
    expect([identify(Cns.IO_COMMAND_SETS), driver.bytes[page]]).toEqual([0, 1])
    expect([identify(Cns.CONTROLLER_LIST), list(1)]).toEqual([0, [0x1_0001]])
    expect([identify(Cns.CONTROLLER_LIST | (2 << 16)), list(1)]).toEqual([0, [0]])
    expect(identify(Cns.NAMESPACE, NSID_BROADCAST)).toBe(0)
    expect(getUint64(driver.view, page + IdNs.NSZE)).toBe(0)
    expect(driver.view.getUint8(page + IdNs.LBAF0 + 6)).toBe(12)
    expect(identify(Cns.CSI_ACTIVE_NAMESPACE_LIST, 0, 2 << 24)).toBe(Status.INVALID_FIELD)
  })
})
