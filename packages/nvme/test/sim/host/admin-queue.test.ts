// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DeferredCall, joinAll, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { AdminQueue } from '../../../src/host/admin/admin-queue.ts'
import { NvmeRegs } from '../../../src/host/ctrl/nvme-regs.ts'
import { HostInterrupts } from '../../../src/host/queue/interrupts.ts'
import { NvmeQueue } from '../../../src/host/queue/nvme-queue.ts'
import { HostCounters } from '../../../src/host/stats.ts'
import { makeRig, pattern } from './rig.ts'

function makeAdmin(timeoutNs = 1e9, entries = 4) {
  const rig = makeRig()
  const { scheduler, kernel, device, twin } = rig
  device.bus.enabled = true
  const counters = new HostCounters()
  const regs = new NvmeRegs(twin, scheduler)
  const cap = regs.readCap()
  const queue = new NvmeQueue(
    { device, bar: twin, counters },
    { qid: 0, entries, vector: 0, sqDoorbell: 0x1000, cqDoorbell: 0x1004 },
  )
  const admin = new AdminQueue({ kernel, device, queue, counters }, { timeoutNs, sglOnly: false })
  const call = new DeferredCall('irq', () => admin.reap())
  twin.sink = { raise: () => scheduler.queue(call), lower() {} }
  regs.setAdminQueue(entries, queue.sqDmaAddr, queue.cqDmaAddr)
  scheduler.runSync('enable', regs.enable(cap))
  const close = (): void => {
    scheduler.runSync('disable', regs.disable(1e9))
    admin.destroy()
    scheduler.runUntilIdle()
    expect(device.dma.stats.coherentAllocs).toBe(device.dma.stats.coherentFrees)
    device.destroy()
    expect(kernel.reports).toEqual([])
  }
  return { ...rig, admin, counters, close }
}

const IDENTIFY = { opcode: 0x06, cdw10: 1 }

describe('nvme host: admin queue', () => {
  it('more commands than tags wait for their turn, and each gets its own answer', () => {
    const t = makeAdmin()
    const one = function* (nsid: number): Op<number> {
      const dataIn = new Uint8Array(4096)
      const { status } = yield* t.admin.execute({ opcode: 0x06, nsid, cdw10: 0, dataIn })
      return status === 0 ? new DataView(dataIn.buffer).getUint32(0, true) : -1
    }
    const tasks = Array.from({ length: 10 }, (_, i) => t.scheduler.spawn(`task ${i}`, one(i % 2)))
    const answers = t.scheduler.runSync('join', joinAll(t.scheduler, tasks))
    expect(answers).toEqual([-1, 2048, -1, 2048, -1, 2048, -1, 2048, -1, 2048])
    expect(t.counters.adminCommands).toBe(10)
    expect(t.admin.inFlight).toBe(0)
    t.close()
  })

  it('hands data out and in, and names the status of a failure', () => {
    const t = makeAdmin()
    t.twin.judge = () => ({ status: 0x4281 })
    const both = function* (): Op<void> {
      yield* t.admin.executeOrThrow('thing', { opcode: 0x15, dataOut: pattern(512, 1) })
    }
    expect(() => t.scheduler.runSync('both', both())).toThrow(/nvme thing: SCT 2h SC 81h DNR/)
    const tooMuch = t.admin.execute({ ...IDENTIFY, dataIn: new Uint8Array(4097) })
    expect(() => t.scheduler.runSync('too much', tooMuch)).toThrow(/more admin data than a page/)
    expect(t.admin.inFlight).toBe(0)
    t.close()
  })

  it('a command that timed out keeps its tag and its memory until the controller has completed it', () => {
    const t = makeAdmin(1e6)
    t.twin.judge = () => 'hold'
    const dataIn = new Uint8Array(4096)
    expect(() => t.scheduler.runSync('identify', t.admin.execute({ ...IDENTIFY, dataIn }))).toThrow(
      /no completion within 1 ms/,
    )
    expect(t.admin.inFlight).toBe(1)
    t.twin.release()
    t.scheduler.runUntilIdle()
    expect(t.admin.inFlight).toBe(0)
    // What came too late is nobody's.
    expect(dataIn).toEqual(new Uint8Array(4096))
    t.twin.judge = () => 'run'
    t.scheduler.runSync('identify', t.admin.execute({ ...IDENTIFY, dataIn }))
    expect(new TextDecoder().decode(dataIn.subarray(4, 12))).toBe('TWIN0001')
    t.close()
  })

  it('is not taken down under a command that somebody waits for', () => {
    const t = makeAdmin()
    t.twin.judge = () => 'hold'
    const task = t.scheduler.spawn('identify', t.admin.execute(IDENTIFY))
    const look = function* (): Op<void> {
      while (t.twin.held.length === 0) yield* yieldNow(t.scheduler)
      expect(() => t.admin.destroy()).toThrow(/destroyed under a command/)
      t.twin.release()
      yield* joinAll(t.scheduler, [task])
    }
    t.scheduler.runSync('look', look())
    t.close()
  })
})

describe('nvme host: interrupts', () => {
  it('one handler run for any number of raises, none after free', () => {
    const { kernel, scheduler } = makeRig()
    const counters = new HostCounters()
    const interrupts = new HostInterrupts(kernel, counters)
    let runs = 0
    interrupts.request(3, 'q3', () => {
      runs++
    })
    expect(() => interrupts.request(3, 'q3', () => {})).toThrow(/vector that is taken/)
    interrupts.raise(3)
    interrupts.raise(3)
    interrupts.raise(4)
    interrupts.lower()
    scheduler.runUntilIdle()
    expect(runs).toBe(1)
    interrupts.raise(3)
    interrupts.free()
    interrupts.raise(3)
    scheduler.runUntilIdle()
    expect(runs).toBe(1)
    expect(counters.interrupts).toBe(1)
  })
})
