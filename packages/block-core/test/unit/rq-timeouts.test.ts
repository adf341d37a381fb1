// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  BlkEhTimerReturn,
  BlkStatus,
  blkAbortRequest,
  blkMqCompleteRequest,
  blkMqEndRequest,
  blkMqRequestCompleted,
  blkMqRequestStarted,
  blkMqRequeueRequest,
  type Disk,
  ReqFlags,
  ReqOp,
  type Request,
} from '../../src/index.ts'
import { type LifeSetup, makeLifeDisk, makeTags, PatientDriver } from '../rq-life-support.ts'
import {
  dmabufBio,
  EndRecorder,
  FakeMap,
  type Machine,
  makeDisk,
  makeMachine,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

const MS = 1_000_000
const TIMEOUT_NS = 100 * MS

interface Rig {
  readonly machine: Machine
  readonly driver: PatientDriver
  readonly disk: Disk
  readonly end: EndRecorder
  read(sector: number): void
}

function makeRig(setup: LifeSetup = {}): Rig {
  const machine = makeMachine()
  const driver = new PatientDriver(machine.kernel)
  const tags = makeTags(machine.kernel, driver, { timeoutNs: TIMEOUT_NS, ...setup })
  const disk = makeLifeDisk(machine.kernel, tags, setup.limits)
  const end = new EndRecorder()
  const read = (sector: number) => {
    const bio = runBio({ op: ReqOp.READ, sector, bytes: 4096 }, end)
    expect(disk.submitBio(bio, null)).toBe(BlkStatus.OK)
  }
  return { machine, driver, disk, end, read }
}

/** The driver gives up on it at once. */
function giveUp(driver: PatientDriver): (rq: Request<number>) => BlkEhTimerReturn {
  return (rq) => {
    blkMqEndRequest(driver.take(rq.sector), BlkStatus.TIMEOUT)
    return BlkEhTimerReturn.DONE
  }
}

describe('a request that takes too long', () => {
  it('R-MQ-7: is shown to the driver when its time is over and not before, and ends as that says', () => {
    const { machine, driver, disk, end, read } = makeRig()
    driver.onTimeout = giveUp(driver)
    read(0)
    machine.scheduler.advance(TIMEOUT_NS - 1)
    expect(driver.asked).toEqual([])
    machine.scheduler.advance(1)
    expect(driver.asked).toEqual([{ sector: 0, atNs: TIMEOUT_NS }])
    expect(end.statuses).toEqual([BlkStatus.TIMEOUT])
    expect(disk.stats).toMatchObject({ inFlight: 0, completions: 1, errors: 1 })
    expect(machine.scheduler.outstanding()).toEqual([])
    tearDown(machine, disk)
  })

  it('has 30 seconds by default', () => {
    const machine = makeMachine()
    const driver = new PatientDriver(machine.kernel)
    const disk = makeLifeDisk(machine.kernel, makeTags(machine.kernel, driver))
    driver.onTimeout = giveUp(driver)
    disk.submitBio(runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }), null)
    machine.scheduler.runUntilIdle()
    expect(driver.asked).toEqual([{ sector: 0, atNs: 30_000 * MS }])
    tearDown(machine, disk)
  })

  it('RESET_TIMER gives it as much time again, as often as the driver says', () => {
    const { machine, driver, disk, end, read } = makeRig()
    driver.onTimeout = (rq) =>
      driver.asked.length < 3 ? BlkEhTimerReturn.RESET_TIMER : giveUp(driver)(rq)
    read(8)
    machine.scheduler.runUntilIdle()
    expect(driver.asked.map(({ atNs }) => atNs)).toEqual([1, 2, 3].map((n) => n * TIMEOUT_NS))
    expect(end.statuses).toEqual([BlkStatus.TIMEOUT])
    tearDown(machine, disk)
  })

  it('RESET_TIMER: one that ends in the time that it got is a success', () => {
    const { machine, driver, disk, end, read } = makeRig()
    driver.onTimeout = () => BlkEhTimerReturn.RESET_TIMER
    read(8)
    machine.scheduler.advance(TIMEOUT_NS + TIMEOUT_NS / 2)
    blkMqEndRequest(driver.take(8), BlkStatus.OK)
    expect(end.statuses).toEqual([BlkStatus.OK])
    expect(machine.scheduler.outstanding()).toEqual([])
    tearDown(machine, disk)
  })

  it('DONE: it is the driver that ends it, late, with any status, and once; it is not asked again', () => {
    const { machine, driver, disk, end, read } = makeRig()
    read(0)
    machine.scheduler.advance(10 * TIMEOUT_NS)
    expect(driver.asked).toHaveLength(1)
    expect(end.statuses).toEqual([])
    const rq = driver.take(0)
    expect(blkMqRequestStarted(rq)).toBe(true)
    blkMqCompleteRequest(rq, BlkStatus.OK)
    expect(end.statuses).toEqual([BlkStatus.OK])
    expect(() => blkMqCompleteRequest(rq, BlkStatus.TIMEOUT)).toThrow(AssertionFailure)
    expect(() => blkMqEndRequest(rq, BlkStatus.TIMEOUT)).toThrow(AssertionFailure)
    expect(end.statuses).toEqual([BlkStatus.OK])
    tearDown(machine, disk)
  })

  it('R-MQ-7: DONE and RESET_TIMER drop neither active nor refs; the end does', () => {
    for (const verdict of [BlkEhTimerReturn.DONE, BlkEhTimerReturn.RESET_TIMER]) {
      const { machine, driver, disk, end } = makeRig()
      driver.onTimeout = () => verdict
      const map = new FakeMap(1 << 16, 12)
      disk.submitBio(
        dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 4096 }, end),
        null,
      )
      machine.scheduler.advance(TIMEOUT_NS)
      expect(driver.asked).toHaveLength(1)
      expect(map).toMatchObject({ active: 1, activations: 1, refs: 1 })
      const rq = driver.take(0)
      blkAbortRequest(rq)
      expect(map).toMatchObject({ active: 1, activations: 1 })
      blkMqEndRequest(rq, BlkStatus.TIMEOUT)
      expect(map).toMatchObject({ active: 0, activations: 1, refs: 1 })
      expect(end.statuses).toEqual([BlkStatus.TIMEOUT])
      tearDown(machine, disk)
    }
  })

  it('each has its own deadline, under one timer', () => {
    const { machine, driver, disk, end, read } = makeRig()
    driver.onTimeout = giveUp(driver)
    for (const sector of [0, 8, 16]) {
      read(sector)
      expect(machine.scheduler.outstanding()).toHaveLength(1)
      machine.scheduler.advance(10 * MS)
    }
    blkMqEndRequest(driver.take(8), BlkStatus.OK)
    machine.scheduler.runUntilIdle()
    expect(driver.asked).toEqual([
      { sector: 0, atNs: TIMEOUT_NS },
      { sector: 16, atNs: TIMEOUT_NS + 20 * MS },
    ])
    expect(end.statuses).toEqual([BlkStatus.OK, BlkStatus.TIMEOUT, BlkStatus.TIMEOUT])
    tearDown(machine, disk)
  })

  it('the deadline of the first is not that of one that comes after it', () => {
    const { machine, driver, disk, read } = makeRig()
    driver.onTimeout = giveUp(driver)
    read(0)
    machine.scheduler.advance(60 * MS)
    read(8)
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    machine.scheduler.runUntilIdle()
    expect(driver.asked).toEqual([{ sector: 8, atNs: 160 * MS }])
    tearDown(machine, disk)
  })

  it('a disk whose driver has nothing leaves no timer', () => {
    const { machine, driver, disk, read } = makeRig()
    for (let i = 0; i < 3; i++) {
      read(0)
      read(8)
      blkMqEndRequest(driver.take(8), BlkStatus.OK)
      expect(machine.scheduler.outstanding()).toEqual(['timer timeouts of life is armed'])
      blkMqEndRequest(driver.take(0), BlkStatus.OK)
      expect(machine.scheduler.outstanding()).toEqual([])
    }
    tearDown(machine, disk)
  })

  it('without a timeout of the driver it never takes too long, and aborting does nothing', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    disk.submitBio(runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, end), null)
    const [rq] = driver.held
    if (rq === undefined) throw new Error('no request')
    blkAbortRequest(rq)
    expect(machine.scheduler.outstanding()).toEqual([])
    machine.scheduler.advance(1e12)
    expect(end.statuses).toEqual([])
    driver.releaseHeld()
    expect(end.statuses).toEqual([BlkStatus.OK])
    tearDown(machine, disk)
  })

  it('one that is complete and has not ended yet is not late', () => {
    const machine = makeMachine()
    const completed: Request<number>[] = []
    class LazyDriver extends PatientDriver {
      complete(rq: Request<number>): void {
        completed.push(rq)
      }
    }
    const driver = new LazyDriver(machine.kernel)
    const tags = makeTags(machine.kernel, driver, { timeoutNs: TIMEOUT_NS })
    const disk = makeLifeDisk(machine.kernel, tags)
    const end = new EndRecorder()
    disk.submitBio(runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, end), null)
    const rq = driver.take(0)
    blkMqCompleteRequest(rq, BlkStatus.OK)
    expect(blkMqRequestCompleted(rq)).toBe(true)
    expect(() => blkMqCompleteRequest(rq, BlkStatus.TIMEOUT)).toThrow(AssertionFailure)
    machine.scheduler.advance(3 * TIMEOUT_NS)
    expect(driver.asked).toEqual([])
    expect(machine.scheduler.outstanding()).toEqual([])
    blkMqEndRequest(rq, rq.status)
    expect(completed).toEqual([rq])
    expect(end.statuses).toEqual([BlkStatus.OK])
    tearDown(machine, disk)
  })
})

describe('a late request and its tag', () => {
  it('a tag that is in use again while the driver decides begins a time of its own', () => {
    for (const verdict of [BlkEhTimerReturn.DONE, BlkEhTimerReturn.RESET_TIMER]) {
      const { machine, driver, disk, read } = makeRig({ queueDepth: 1 })
      driver.onTimeout = (rq) => {
        blkMqEndRequest(driver.take(rq.sector), BlkStatus.TIMEOUT)
        if (rq.sector !== 0) return BlkEhTimerReturn.DONE
        read(8)
        return verdict
      }
      read(0)
      machine.scheduler.runUntilIdle()
      expect(driver.asked).toEqual([
        { sector: 0, atNs: TIMEOUT_NS },
        { sector: 8, atNs: 2 * TIMEOUT_NS },
      ])
      tearDown(machine, disk)
    }
  })

  it('RESET_TIMER for one that ended while the driver decided arms nothing', () => {
    const { machine, driver, disk, read } = makeRig()
    driver.onTimeout = (rq) => {
      blkMqEndRequest(driver.take(rq.sector), BlkStatus.OK)
      return BlkEhTimerReturn.RESET_TIMER
    }
    read(0)
    machine.scheduler.advance(TIMEOUT_NS)
    expect(disk.stats.inFlight).toBe(0)
    expect(machine.scheduler.outstanding()).toEqual([])
    tearDown(machine, disk)
  })

  it('requeued, it has its whole time again from when it starts next', () => {
    const { machine, driver, disk, end, read } = makeRig()
    driver.onTimeout = giveUp(driver)
    read(0)
    machine.scheduler.advance(90 * MS)
    blkMqRequeueRequest(driver.take(0), false)
    machine.scheduler.advance(500 * MS)
    expect(machine.scheduler.outstanding()).toEqual([])
    disk.queue.kickRequeueList()
    machine.scheduler.runUntilIdle()
    expect(driver.asked).toEqual([{ sector: 0, atNs: 690 * MS }])
    expect(end.statuses).toEqual([BlkStatus.TIMEOUT])
    tearDown(machine, disk)
  })

  it('R-MQ-7: requeued by the timeout itself it drops active, comes again and may be late again', () => {
    const { machine, driver, disk, end } = makeRig()
    const map = new FakeMap(1 << 16, 12)
    driver.onTimeout = (rq) => {
      const given = driver.take(rq.sector)
      if (driver.asked.length > 1) blkMqEndRequest(given, BlkStatus.TRANSPORT)
      else {
        blkMqRequeueRequest(given, true)
        expect(map.active).toBe(0)
      }
      return BlkEhTimerReturn.DONE
    }
    disk.submitBio(dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 4096 }, end), null)
    machine.scheduler.runUntilIdle()
    expect(driver.asked.map(({ atNs }) => atNs)).toEqual([TIMEOUT_NS, 2 * TIMEOUT_NS])
    expect(map).toMatchObject({ active: 0, activations: 2, refs: 1 })
    expect(end.statuses).toEqual([BlkStatus.TRANSPORT])
    tearDown(machine, disk)
  })

  it('disks over one tag set are each asked about their own', () => {
    for (const hctxShared of [false, true]) {
      const machine = makeMachine()
      const driver = new PatientDriver(machine.kernel)
      driver.onTimeout = giveUp(driver)
      const setup = { timeoutNs: TIMEOUT_NS, hctxShared, nrHwQueues: 2, queueDepth: 8 }
      const tags = makeTags(machine.kernel, driver, setup)
      const disks = [0, 1].map(() => makeLifeDisk(machine.kernel, tags))
      for (const [index, disk] of disks.entries()) {
        disk.submitBio(runBio({ op: ReqOp.READ, sector: 8 * index, bytes: 512 }), null)
        machine.scheduler.advance(10 * MS)
      }
      machine.scheduler.advance(TIMEOUT_NS - 20 * MS)
      expect(disks.map(({ stats }) => stats.inFlight)).toEqual([0, 1])
      expect(machine.scheduler.outstanding()).toHaveLength(1)
      machine.scheduler.runUntilIdle()
      expect(driver.asked).toEqual([
        { sector: 0, atNs: TIMEOUT_NS },
        { sector: 8, atNs: TIMEOUT_NS + 10 * MS },
      ])
      for (const disk of disks) machine.scheduler.runSync('destroy', disk.destroy())
      machine.scheduler.runUntilIdle()
      expect(machine.scheduler.outstanding()).toEqual([])
    }
  })

  it('is seen while the queue is frozen and quiesced, so that the freeze comes to its end', () => {
    const { machine, driver, disk, end, read } = makeRig()
    driver.onTimeout = giveUp(driver)
    read(0)
    disk.queue.quiesce()
    machine.scheduler.runSync('freeze', disk.queue.freeze())
    expect(machine.scheduler.nowNs()).toBe(TIMEOUT_NS)
    expect(end.statuses).toEqual([BlkStatus.TIMEOUT])
    disk.queue.unfreeze()
    disk.queue.unquiesce()
    tearDown(machine, disk)
  })

  it('takes a flush sequence by its steps: each has the whole time', () => {
    const { machine, driver, disk, end } = makeRig({ limits: { writeCache: true } })
    driver.onTimeout = giveUp(driver)
    const bio = runBio({ op: ReqOp.WRITE, sector: 8, bytes: 512 }, end)
    bio.biOpf |= ReqFlags.FUA
    disk.submitBio(bio, null)
    machine.scheduler.advance(90 * MS)
    blkMqEndRequest(driver.take(8), BlkStatus.OK)
    machine.scheduler.runUntilIdle()
    // A flush has no place.
    expect(driver.asked).toEqual([{ sector: 0, atNs: 190 * MS }])
    expect(end.statuses).toEqual([BlkStatus.TIMEOUT])
    tearDown(machine, disk)
  })
})

describe('blkAbortRequest', () => {
  it('has the driver asked soon, from a call of its own, and after RESET_TIMER a whole time later', () => {
    const { machine, driver, disk, end, read } = makeRig()
    driver.onTimeout = (rq) =>
      driver.asked.length === 1 ? BlkEhTimerReturn.RESET_TIMER : giveUp(driver)(rq)
    read(0)
    read(8)
    machine.scheduler.advance(10 * MS)
    const rq = driver.held.find(({ sector }) => sector === 8)
    if (rq === undefined) throw new Error('no request')
    blkAbortRequest(rq)
    expect(driver.asked).toEqual([])
    machine.scheduler.advance(0)
    expect(driver.asked).toEqual([{ sector: 8, atNs: 10 * MS }])
    machine.scheduler.runUntilIdle()
    expect(driver.asked).toEqual([
      { sector: 8, atNs: 10 * MS },
      { sector: 0, atNs: 100 * MS },
      { sector: 8, atNs: 110 * MS },
    ])
    expect(end.statuses).toEqual([BlkStatus.TIMEOUT, BlkStatus.TIMEOUT])
    tearDown(machine, disk)
  })

  it('after DONE it asks nobody; one that was aborted and ends in time ends once', () => {
    const { machine, driver, disk, end, read } = makeRig()
    read(0)
    const rq = driver.take(0)
    blkAbortRequest(rq)
    machine.scheduler.advance(0)
    expect(driver.asked).toHaveLength(1)
    blkAbortRequest(rq)
    machine.scheduler.advance(3 * TIMEOUT_NS)
    expect(driver.asked).toHaveLength(1)
    blkMqEndRequest(rq, BlkStatus.OK)
    read(8)
    const other = driver.take(8)
    blkAbortRequest(other)
    blkMqEndRequest(other, BlkStatus.OK)
    machine.scheduler.runUntilIdle()
    expect(driver.asked).toHaveLength(1)
    expect(end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
    tearDown(machine, disk)
  })

  it('is for what the driver has: anything else is an assertion', () => {
    const { machine, driver, disk, read } = makeRig()
    read(0)
    const rq = driver.take(0)
    blkMqRequeueRequest(rq, false)
    expect(() => blkAbortRequest(rq)).toThrow(AssertionFailure)
    disk.queue.kickRequeueList()
    machine.scheduler.advance(0)
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    expect(() => blkAbortRequest(rq)).toThrow(AssertionFailure)
    tearDown(machine, disk)
  })
})
