// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { createSimulatedStore } from '../../../src/controller/index.ts'
import { AdminOpcode, NvmOpcode, Status } from '../../../src/spec/index.ts'
import { type Completion, RawDriver } from '../../raw-driver.ts'

const PAGE = 4096

function rig() {
  const driver = new RawDriver({ withFaults: true })
  const store = createSimulatedStore({ kernel: driver.kernel }, { sizeBytes: 16 * PAGE })
  store.bytes.fill(0x77)
  driver.controller.addNamespace(1, { store })
  driver.enable()
  driver.createQueuePair(1)
  const page = driver.alloc(PAGE)
  const read = { opcode: NvmOpcode.READ, nsid: 1, prp1: page, cdw12: 7 }
  const abort = (sqid: number, cid: number): Completion =>
    driver.admin({ opcode: AdminOpcode.ABORT, cdw10: sqid | (cid << 16) })
  const moved = () => driver.bytes.subarray(page, page + PAGE).some((byte) => byte !== 0)
  return { driver, store, read, abort, moved, faults: driver.faults }
}

const statuses = (done: readonly Completion[]) => done.map(({ cid, status }) => [cid, status])

describe('Abort', () => {
  it('R-MQ-7: a command that is still in its queue ends there, and moves nothing; its neighbours run', () => {
    const { driver, read, moved } = rig()
    const other = driver.alloc(PAGE)
    const first = driver.push(1, { ...read, prp1: other })
    const second = driver.push(1, read)
    const third = driver.push(1, { ...read, prp1: other })
    const abort = driver.push(0, { opcode: AdminOpcode.ABORT, cdw10: 1 | (second << 16) })
    // Both doorbells before the controller looks: the admin queue is served first.
    driver.ring(1)
    driver.ring(0)
    driver.idle()
    expect(driver.reap(0)).toMatchObject([{ cid: abort, status: 0, result: 0 }])
    const done = statuses(driver.reap(1))
    expect(done[0]).toEqual([second, Status.ABORT_REQUESTED])
    expect(done.slice(1).sort()).toEqual([
      [first, 0],
      [third, 0],
    ])
    expect(moved()).toBe(false)
    // The place of the aborted one is used again as any other.
    for (let i = 0; i < 130; i++) expect(driver.exec(1, read).status).toBe(0)
    driver.expectQuiet()
  })

  it('a command that is not there, or of a queue that is not there, is not aborted', () => {
    const { driver, abort } = rig()
    expect(abort(1, 999)).toMatchObject({ status: 0, result: 1 })
    expect(abort(5, 1)).toMatchObject({ status: 0, result: 1 })
    expect(abort(0, 999)).toMatchObject({ status: 0, result: 1 })
    driver.expectQuiet()
  })

  it('R-MQ-7: a command that moves data goes on, and is not said to be over', () => {
    const { driver, store, read, abort, moved } = rig()
    store.hold()
    const cid = driver.push(1, read)
    driver.ring(1)
    driver.idle()
    expect(abort(1, cid)).toMatchObject({ status: 0, result: 1 })
    expect(driver.reap(1)).toEqual([])
    store.releaseHeld()
    driver.idle()
    expect(statuses(driver.reap(1))).toEqual([[cid, 0]])
    expect(moved()).toBe(true)
    driver.expectQuiet()
  })

  it.each([false, true])('D3: a held command is aborted (after its data moved: %s)', (after) => {
    const { driver, faults, read, abort, moved } = rig()
    const rule = faults.hold({ opcode: NvmOpcode.READ }, { after })
    const cid = driver.push(1, read)
    driver.ring(1)
    driver.idle()
    expect(driver.reap(1)).toEqual([])
    expect(rule.held).toBe(1)
    expect(abort(1, cid)).toMatchObject({ status: 0, result: 0 })
    expect(statuses(driver.reap(1))).toEqual([[cid, Status.ABORT_REQUESTED]])
    expect(rule.held).toBe(0)
    expect(rule.release()).toBe(0)
    driver.idle()
    expect(driver.reap(1)).toEqual([])
    expect(moved()).toBe(after)
    driver.expectQuiet()
  })

  it('D3: a command that the firmware lost is not found', () => {
    const { driver, faults, read, abort } = rig()
    faults.hold({ opcode: NvmOpcode.READ }, { abortable: false })
    const cid = driver.push(1, read)
    driver.ring(1)
    driver.idle()
    expect(abort(1, cid)).toMatchObject({ status: 0, result: 1 })
    expect(driver.reap(1)).toEqual([])
    expect(driver.disable()).toBe(0)
    driver.expectQuiet()
  })

  it('an event request is aborted, and its place is free', () => {
    const { driver, abort } = rig()
    const cid = driver.push(0, { opcode: AdminOpcode.ASYNC_EVENT_REQUEST })
    driver.ring(0)
    driver.idle()
    const abortCid = driver.push(0, { opcode: AdminOpcode.ABORT, cdw10: cid << 16 })
    driver.ring(0)
    driver.idle()
    expect(driver.reap(0)).toMatchObject([
      { cid, status: Status.ABORT_REQUESTED },
      { cid: abortCid, result: 0 },
    ])
    expect(abort(0, cid).result).toBe(1)
    driver.expectQuiet()
  })

  it('more of them at once than the limit are refused', () => {
    const { driver, faults } = rig()
    const rule = faults.hold({ queue: 0, opcode: AdminOpcode.ABORT, nth: 1, times: 4 })
    for (let i = 0; i < 5; i++) driver.push(0, { opcode: AdminOpcode.ABORT, cdw10: 1 })
    driver.ring(0)
    driver.idle()
    expect(driver.reap(0).map(({ status }) => status)).toEqual([Status.ABORT_LIMIT_EXCEEDED])
    expect(rule.release()).toBe(4)
    driver.idle()
    expect(driver.reap(0).map(({ status }) => status)).toEqual([0, 0, 0, 0])
    driver.expectQuiet()
  })
})

describe('the deletion of a submission queue', () => {
  it('R-MQ-7: ends what is held and what was not fetched, then itself', () => {
    const { driver, faults, read, moved } = rig()
    faults.hold({ opcode: NvmOpcode.READ })
    const cids = [driver.push(1, read), driver.push(1, read)]
    driver.ring(1)
    driver.idle()
    cids.push(driver.push(1, read))
    driver.push(0, { opcode: AdminOpcode.DELETE_IO_SQ, cdw10: 1 })
    driver.ring(1)
    driver.ring(0)
    driver.idle()
    expect(driver.reap(0).map(({ status }) => status)).toEqual([0])
    expect(statuses(driver.reap(1))).toEqual(cids.map((cid) => [cid, Status.ABORTED_SQ_DELETION]))
    expect(moved()).toBe(false)
    driver.expectQuiet()
  })

  it('H15: waits for what was lost; a reset ends both', () => {
    const { driver, faults, read } = rig()
    faults.hold({}, { abortable: false })
    driver.push(1, read)
    driver.ring(1)
    driver.idle()
    driver.push(0, { opcode: AdminOpcode.DELETE_IO_SQ, cdw10: 1 })
    driver.ring(0)
    driver.idle()
    expect(driver.reap(0)).toEqual([])
    expect(driver.disable()).toBe(0)
    driver.expectQuiet()
  })

  it('H15: waits for what cannot be stopped; a reset ends both', () => {
    const { driver, store, read } = rig()
    store.hold()
    driver.push(1, read)
    driver.ring(1)
    driver.idle()
    driver.push(0, { opcode: AdminOpcode.DELETE_IO_SQ, cdw10: 1 })
    driver.ring(0)
    driver.idle()
    expect(driver.reap(0)).toEqual([])
    expect(driver.disable()).toBe(0)
    driver.expectQuiet()
  })
})
