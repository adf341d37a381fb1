// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  AdminOpcode,
  AsyncErrorInfo,
  AsyncEventType,
  asyncEventResult,
  Cc,
  CQE_BYTES,
  CqeOffset,
  Csts,
  FeatureId,
  LogId,
  NSSR_RESET,
  NvmOpcode,
  Reg,
  SQE_BYTES,
  SqeOffset,
  STATUS_CODE_MASK,
  Status,
  setUint64,
} from '../../../src/spec/index.ts'
import { RawDriver, type RawInit } from '../../raw-driver.ts'

function ready(init: RawInit = {}) {
  const { driver } = RawDriver.ready({ sizeBytes: 1 << 20, ...init })
  const flush = (id = 1) => driver.push(id, { opcode: NvmOpcode.FLUSH, nsid: 1 })
  driver.raised.length = 0
  return { driver, flush }
}

describe('registers of 64 bits', () => {
  it('are two of 32, the lower one first', () => {
    const driver = new RawDriver()
    const { bar } = driver.controller
    const cap = bar.read64(Reg.CAP)
    expect(Number(cap & 0xffff_ffffn)).toBe(bar.read32(Reg.CAP))
    expect(Number(cap >> 32n)).toBe(bar.read32(Reg.CAP + 4))
    bar.write64(Reg.ASQ, 0x12_3456_7000n)
    expect([bar.read32(Reg.ASQ), bar.read32(Reg.ASQ + 4)]).toEqual([0x3456_7000, 0x12])
    expect(bar.read64(Reg.ASQ)).toBe(0x12_3456_7000n)
  })

  it('that are not there read as 0, and take nothing', () => {
    const driver = new RawDriver()
    for (const offset of [Reg.CMBLOC, Reg.CMBSZ, Reg.CMBMSC, Reg.BPINFO, Reg.PMRCAP, 0x0f00]) {
      driver.write(offset, 0xffff_ffff)
      expect(driver.read(offset)).toBe(0)
    }
  })
})

describe('a reset of the subsystem', () => {
  it('disables the controller, clears what the host wrote, and is told until it is acknowledged', () => {
    const { driver } = ready()
    driver.write(Reg.NSSR, 1)
    driver.idle()
    expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
    driver.write(Reg.NSSR, NSSR_RESET)
    driver.idle()
    expect(driver.read(Reg.CSTS)).toBe(Csts.NSSRO)
    expect([Reg.CC, Reg.AQA, Reg.ASQ, Reg.ACQ, Reg.NSSR].map((at) => driver.read(at))).toEqual([
      0, 0, 0, 0, 0,
    ])
    expect(driver.enable()).toBe(Csts.RDY | Csts.NSSRO)
    driver.write(Reg.CSTS, Csts.NSSRO)
    expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
    driver.expectQuiet()
  })
})

describe('MSI-X', () => {
  it('a masked vector is pending, and raised when the mask goes', () => {
    const { driver, flush } = ready()
    const { interrupts } = driver.controller
    for (const [mask, unmask] of [
      [() => interrupts.maskVector(1, true), () => interrupts.maskVector(1, false)],
      [() => interrupts.maskFunction(true), () => interrupts.maskFunction(false)],
    ] as const) {
      mask()
      flush()
      driver.ring(1)
      driver.idle()
      expect([driver.raised, interrupts.isPending(1)]).toEqual([[], true])
      unmask()
      expect(driver.raised).toEqual([])
      driver.idle()
      expect([driver.raised, interrupts.isPending(1)]).toEqual([[1], false])
      driver.raised.length = 0
      driver.reap(1)
    }
    driver.expectQuiet()
  })
})

describe('a pin', () => {
  it('is up while there is something to read, whatever its queue, and down when it is masked', () => {
    const { driver, flush } = ready()
    const levels: string[] = []
    driver.controller.connectInterrupts({
      raise: (vector) => levels.push(`up ${vector}`),
      lower: (vector) => levels.push(`down ${vector}`),
    })
    driver.controller.interrupts.enableMsix(false)
    flush()
    flush()
    driver.ring(1)
    driver.idle()
    expect(levels).toEqual(['up 0'])
    driver.write(Reg.INTMS, 1 << 1)
    driver.idle()
    expect(levels).toEqual(['up 0'])
    flush()
    driver.ring(1)
    driver.idle()
    expect(levels).toEqual(['up 0', 'down 0'])
    driver.write(Reg.INTMC, 1 << 1)
    driver.idle()
    expect(levels).toEqual(['up 0', 'down 0', 'up 0'])
    driver.reap(1)
    driver.idle()
    expect(levels.at(-1)).toBe('down 0')
    driver.expectQuiet()
  })
})

describe('interrupt coalescing', () => {
  function coalescing(threshold: number, time: number) {
    const world = ready()
    const cdw11 = threshold | (time << 8)
    const set = { opcode: AdminOpcode.SET_FEATURES, cdw10: FeatureId.INTERRUPT_COALESCING, cdw11 }
    expect(world.driver.admin(set).status).toBe(0)
    world.driver.raised.length = 0
    const some = (count: number) => {
      for (let i = 0; i < count; i++) world.flush()
      world.driver.ring(1)
      world.driver.scheduler.runReady()
    }
    return { ...world, some }
  }

  it('waits for enough entries, or for the time', () => {
    const { driver, some } = coalescing(3, 5)
    some(3)
    expect(driver.raised).toEqual([])
    some(1)
    expect(driver.raised).toEqual([1])
    driver.reap(1)
    some(1)
    driver.scheduler.advance(499_000)
    expect(driver.raised).toEqual([1])
    driver.scheduler.advance(2000)
    expect(driver.raised).toEqual([1, 1])
    driver.reap(1)
    driver.expectQuiet()
  })

  it('is off where one of the two is 0, for the admin queue, and for a vector that says so', () => {
    for (const [threshold, time] of [
      [0, 5],
      [5, 0],
    ] as const) {
      const { driver, some } = coalescing(threshold, time)
      some(1)
      expect(driver.raised).toEqual([1])
    }
    const { driver, some } = coalescing(5, 5)
    const id = FeatureId.INTERRUPT_VECTOR_CONFIGURATION
    const config = { cdw10: id, cdw11: 1 | (1 << 16) }
    expect(driver.admin({ opcode: AdminOpcode.SET_FEATURES, ...config }).status).toBe(0)
    driver.raised.length = 0
    driver.push(0, { opcode: AdminOpcode.ABORT, cdw10: 1 })
    driver.ring(0)
    driver.scheduler.runReady()
    expect(driver.raised).toEqual([0])
    driver.reap(0)
    const get = (vector: number) =>
      driver.admin({ opcode: AdminOpcode.GET_FEATURES, cdw10: id, cdw11: vector })
    expect([get(1).result, get(2).result]).toEqual([1 | (1 << 16), 2])
    expect(get(99).status & STATUS_CODE_MASK).toBe(Status.INVALID_FIELD)
    driver.raised.length = 0
    some(1)
    expect(driver.raised).toEqual([1])
  })
})

describe('shadow doorbells', () => {
  function shadowed() {
    const world = ready()
    const { driver } = world
    const doorbells = driver.alloc(4096)
    const events = driver.alloc(4096)
    const command = { opcode: AdminOpcode.DOORBELL_BUFFER_CONFIG, prp1: doorbells, prp2: events }
    expect(driver.admin(command).status).toBe(0)
    const { view } = driver
    return {
      ...world,
      /** Tail, head; at index 2 and 3 for queue 1. */
      write: (index: number, value: number) => view.setUint32(doorbells + index * 4, value, true),
      event: (index: number) => view.getUint32(events + index * 4, true),
      command,
    }
  }

  it('a tail in memory counts, once the controller looks; its event index says how far it has', () => {
    const { driver, flush, write, event } = shadowed()
    flush()
    flush()
    write(2, 2)
    // The first one has to be rung: the event index says 0.
    driver.ring(1)
    driver.idle()
    expect(driver.reap(1, false)).toHaveLength(2)
    expect(event(2)).toBe(2)
    flush()
    write(2, 3)
    write(3, 2)
    // Any work makes the controller look.
    driver.admin({ opcode: AdminOpcode.ABORT, cdw10: 1 })
    driver.idle()
    expect(driver.reap(1, false)).toHaveLength(1)
    expect([event(2), event(3)]).toEqual([3, 2])
  })

  it('a tail that is none is an event, and an entry of the error log', () => {
    const { driver, write } = shadowed()
    driver.push(0, { opcode: AdminOpcode.ASYNC_EVENT_REQUEST })
    driver.ring(0)
    driver.idle()
    write(2, 5000)
    driver.write(Reg.DBS + 8, 0)
    driver.idle()
    driver.write(Reg.INTMC, 0)
    driver.idle()
    const { ERROR } = AsyncEventType
    expect(driver.reap(0).map(({ result }) => result)).toEqual([
      asyncEventResult(ERROR, AsyncErrorInfo.INVALID_DOORBELL_VALUE, LogId.ERROR),
    ])
    expect(driver.read(Reg.CSTS)).toBe(Csts.RDY)
  })

  it('are refused where they are no pages, fatal where they cannot be reached, and over with a reset', () => {
    const { driver, command } = shadowed()
    const refused = driver.admin({ ...command, prp1: command.prp1 + 8 })
    expect(refused.status & STATUS_CODE_MASK).toBe(Status.INVALID_FIELD)
    const far = {
      ...command,
      dptr: (view: DataView, at: number) => {
        setUint64(view, at, 2 ** 40)
        setUint64(view, at + 8, 2 ** 40)
      },
    }
    driver.push(0, far)
    driver.ring(0)
    driver.idle()
    driver.write(Reg.INTMC, 0)
    driver.idle()
    expect(driver.read(Reg.CSTS) & Csts.CFS).toBe(Csts.CFS)
    driver.disable()
    expect(driver.enable()).toBe(Csts.RDY)
    driver.createQueuePair(1)
    expect(driver.exec(1, { opcode: NvmOpcode.FLUSH, nsid: 1 }).status).toBe(0)
  })
})

describe('arbitration', () => {
  /** Queues of each class, all full, and the order in which their commands end. */
  function order(weights: readonly number[], weighted: boolean, burst = 0): number[] {
    const driver = new RawDriver({ maxQueuePairs: 4 })
    driver.addMemoryNamespace(1 << 20)
    driver.enable({ cc: driver.cc | (weighted ? 1 << Cc.AMS_SHIFT : 0) })
    const [high = 0, medium = 0, low = 0] = weights
    const cdw11 = (burst | (low << 8) | (medium << 16) | (high << 24)) >>> 0
    driver.admin({ opcode: AdminOpcode.SET_FEATURES, cdw10: FeatureId.ARBITRATION, cdw11 })
    const cqAt = driver.alloc(4096)
    const cq = { opcode: AdminOpcode.CREATE_IO_CQ, prp1: cqAt, cdw10: 1 | (255 << 16), cdw11: 3 }
    expect(driver.admin(cq).status).toBe(0)
    for (let priority = 0; priority < 4; priority++) {
      const sqAt = driver.alloc(4096)
      const id = priority + 1
      const cdw11 = 1 | (priority << 1) | (1 << 16)
      const sq = { opcode: AdminOpcode.CREATE_IO_SQ, prp1: sqAt, cdw10: id | (63 << 16), cdw11 }
      expect(driver.admin(sq).status).toBe(0)
      for (let i = 0; i < 8; i++) {
        driver.view.setUint8(sqAt + i * SQE_BYTES, NvmOpcode.FLUSH)
        driver.view.setUint32(sqAt + i * SQE_BYTES + SqeOffset.NSID, 1, true)
      }
    }
    for (let id = 1; id <= 4; id++) driver.write(Reg.DBS + 8 * id, 8)
    driver.idle()
    return Array.from({ length: 32 }, (_, i) =>
      driver.view.getUint16(cqAt + i * CQE_BYTES + CqeOffset.SQID, true),
    )
  }

  it('round robin: a burst of each', () => {
    expect(order([], false).slice(0, 8)).toEqual([1, 2, 3, 4, 1, 2, 3, 4])
    expect(order([], false, 1).slice(0, 8)).toEqual([1, 1, 2, 2, 3, 3, 4, 4])
  })

  it('weighted: urgent ones first, then as their weights say', () => {
    const found = order([2, 1, 0], true)
    expect(found.slice(0, 8)).toEqual([1, 1, 1, 1, 1, 1, 1, 1])
    const rest = found.slice(8)
    expect(rest.slice(0, 12)).toEqual([2, 2, 2, 3, 3, 4, 2, 2, 2, 3, 3, 4])
    expect(new Set(rest)).toEqual(new Set([2, 3, 4]))
  })

  it('of another kind is refused when the controller is enabled', () => {
    const driver = new RawDriver()
    expect(driver.enable({ cc: driver.cc | (7 << Cc.AMS_SHIFT) }) & Csts.CFS).toBe(Csts.CFS)
  })
})

describe('an abrupt shutdown', () => {
  it('does not wait for what hangs', () => {
    const { driver } = ready({ withFaults: true })
    driver.faults.hold({ opcode: NvmOpcode.FLUSH })
    driver.push(1, { opcode: NvmOpcode.FLUSH, nsid: 1 })
    driver.ring(1)
    driver.idle()
    driver.write(Reg.CC, driver.cc | (2 << Cc.SHN_SHIFT))
    driver.idle()
    expect(driver.read(Reg.CSTS) & Csts.SHST_MASK).toBe(2 << Csts.SHST_SHIFT)
    expect(driver.disable()).toBe(0)
    driver.expectQuiet()
  })
})
