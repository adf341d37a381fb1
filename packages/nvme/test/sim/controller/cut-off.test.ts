// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Commands that are at a store which never ends them, when the controller is reset or loses the bus.

import { describe, expect, it } from 'vitest'
import {
  createSimulatedStore,
  type NamespaceStore,
  type SimulatedStore,
  type StoreIo,
  StoreOp,
} from '../../../src/controller/index.ts'
import { Csts, NvmOpcode, Reg } from '../../../src/spec/index.ts'
import { RawDriver } from '../../raw-driver.ts'

const PAGE = 4096

interface Rig {
  readonly driver: RawDriver
  readonly store: SimulatedStore
  readonly page: number
}

function rig(seed: number, wrap: (store: SimulatedStore) => NamespaceStore = (one) => one): Rig {
  const driver = new RawDriver({ seed, withFaults: true })
  const store = createSimulatedStore(
    { kernel: driver.kernel },
    { sizeBytes: 16 * PAGE, stepBytes: 512 },
  )
  store.bytes.fill(0x77)
  driver.controller.addNamespace(1, { store: wrap(store) })
  driver.enable()
  driver.createQueuePair(1)
  return { driver, store, page: driver.alloc(PAGE) }
}

/** A store that cannot let go of anything. */
function stubborn(store: SimulatedStore): NamespaceStore {
  return {
    sizeBytes: store.sizeBytes,
    lastError: null,
    submit: (io: StoreIo) => store.submit(io),
    close: () => store.close(),
  }
}

function startRead({ driver, page }: Rig): void {
  driver.push(1, { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw12: 7 })
  driver.ring(1)
  driver.idle()
}

function expectUntouched({ driver, page }: Rig, from: number): void {
  expect(driver.bytes.subarray(page, page + from).every((byte) => byte === 0x77)).toBe(true)
  expect(driver.bytes.subarray(page + from, page + PAGE).every((byte) => byte === 0)).toBe(true)
}

describe('a store that never ends a read', () => {
  it.each([0, 512, 2048])(
    'H15 D3: a reset cuts it off after %i bytes; what goes on later moves nothing',
    (moved) => {
      const one = rig(1)
      const { driver, store } = one
      store.hold(undefined, moved)
      startRead(one)
      expect(store.held).toBe(1)
      expect(driver.reap(1)).toEqual([])
      expect(driver.disable()).toBe(0)
      expect(driver.controller.outstanding).toBe(0)
      expect(store.held).toBe(0)
      expect(store.releaseHeld()).toBe(0)
      driver.idle()
      expectUntouched(one, moved)
      // The slot and the store are as good as new.
      expect(driver.enable()).toBe(Csts.RDY)
      driver.createQueuePair(1)
      expect(
        driver.exec(1, { opcode: NvmOpcode.READ, nsid: 1, prp1: one.page, cdw12: 7 }).status,
      ).toBe(0)
      expectUntouched(one, PAGE)
      driver.scheduler.runSync('close', store.close())
      driver.expectQuiet()
    },
  )

  it('H15: where it cannot be cut off, RDY stays until it has ended', () => {
    const one = rig(2, stubborn)
    const { driver, store } = one
    store.hold(undefined, 512)
    startRead(one)
    expect(driver.disable()).toBe(Csts.RDY)
    expect(driver.controller.outstanding).toBe(1)
    expect(store.releaseHeld()).toBe(1)
    driver.idle()
    expect(driver.read(Reg.CSTS)).toBe(0)
    driver.expectQuiet()
  })

  it.each(['it can let go of', 'it cannot let go of'])(
    'H15: with bus mastering off it moves nothing, and tells nobody: what %s',
    (kind) => {
      const one = rig(3, kind === 'it can let go of' ? undefined : stubborn)
      const { driver, store } = one
      store.hold(undefined, 1024)
      startRead(one)
      const before = driver.raised.length
      driver.device.bus.enabled = false
      store.releaseHeld()
      driver.idle()
      expectUntouched(one, 1024)
      expect(driver.read(Reg.CSTS) & Csts.CFS).toBe(Csts.CFS)
      expect(driver.raised).toHaveLength(before)
      expect(driver.disable()).toBe(0)
      driver.expectQuiet()
    },
  )
})

describe('pulled out', () => {
  it('H15: a store that cannot let go of a read moves no more of it', () => {
    const one = rig(7, stubborn)
    const { driver, store } = one
    store.hold(undefined, 1024)
    startRead(one)
    driver.faults.surpriseRemoval()
    expect(store.releaseHeld()).toBe(1)
    driver.idle()
    expectUntouched(one, 1024)
    driver.expectQuiet()
  })
})

describe('bus mastering off', () => {
  it('H15: keeps interrupts back too; they are sent when it is on again', () => {
    const one = rig(6)
    const { driver } = one
    driver.write(Reg.INTMS, 2)
    startRead(one)
    const before = driver.raised.length
    driver.device.bus.enabled = false
    driver.write(Reg.INTMC, 2)
    driver.idle()
    expect(driver.raised).toHaveLength(before)
    driver.device.bus.enabled = true
    driver.write(Reg.INTMC, 2)
    driver.idle()
    expect(driver.raised).toHaveLength(before + 1)
    expect(driver.reap(1)).toHaveLength(1)
    driver.expectQuiet()
  })
})

describe('a simulated store', () => {
  it('parks what matches, and nothing else', () => {
    const one = rig(4)
    const { driver, store, page } = one
    store.hold((io) => io.op === StoreOp.FLUSH)
    driver.push(1, { opcode: NvmOpcode.FLUSH, nsid: 1 })
    const read = { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw12: 7 }
    expect(driver.push(1, read)).toBeGreaterThan(0)
    driver.ring(1)
    driver.idle()
    expect(driver.reap(1)).toHaveLength(1)
    expect(store.held).toBe(1)
    expect(store.releaseHeld()).toBe(1)
    driver.idle()
    expect(driver.reap(1)).toHaveLength(1)
    driver.expectQuiet()
  })

  it('lets go only of what it has', () => {
    const one = rig(5)
    const seen: StoreIo[] = []
    one.store.hold((io) => {
      seen.push(io)
      return false
    })
    startRead(one)
    one.driver.reap(1)
    const [io] = seen
    if (io === undefined) throw new Error('no I/O')
    expect(one.store.cancel(io)).toBe(false)
    one.driver.expectQuiet()
  })
})
