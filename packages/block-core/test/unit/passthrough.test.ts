// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure, KernelError, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  BlkEhTimerReturn,
  type BlkMqHwCtx,
  BlkStatus,
  blkExecuteRq,
  blkExecuteRqNowait,
  blkMqAddToBatch,
  blkMqEndRequest,
  blkMqEndRequestBatch,
  blkMqFreeRequest,
  blkMqRequeueRequest,
  blkRqMapDmabuf,
  blkRqMapKern,
  type Disk,
  diskStatLine,
  HctxType,
  type PassthroughInit,
  ReqFlags,
  ReqIterator,
  ReqOp,
  type Request,
  type RqEndIo,
  RqEndIoRet,
  RqList,
} from '../../src/index.ts'
import { type LifeSetup, makeLifeDisk, makeTags, PatientDriver } from '../rq-life-support.ts'
import { EndRecorder, FakeMap, type Machine, makeMachine, runBio, tearDown } from '../support.ts'

const MS = 1_000_000

interface Rig {
  readonly machine: Machine
  readonly driver: PatientDriver
  readonly disk: Disk
  alloc(opf?: number, init?: PassthroughInit): Request
  run<T>(op: Op<T>): T
}

function makeRig(setup: LifeSetup = {}, driverOf = PatientDriver): Rig {
  const machine = makeMachine()
  const driver = new driverOf(machine.kernel)
  const disk = makeLifeDisk(machine.kernel, makeTags(machine.kernel, driver, setup), setup.limits)
  const run = <T>(op: Op<T>): T => machine.scheduler.runSync('test', op)
  const alloc = (opf: number = ReqOp.DRV_IN, init: PassthroughInit = {}) =>
    run(passthroughOf(disk).allocRequest(opf, init))
  return { machine, driver, disk, alloc, run }
}

function passthroughOf(disk: Disk) {
  const { passthrough } = disk.queue
  if (passthrough === null) throw new Error('no passthrough')
  return passthrough
}

/** Notes how requests end, and says who frees them. */
class EndNotes implements RqEndIo {
  readonly statuses: BlkStatus[] = []
  readonly verdict: RqEndIoRet

  constructor(verdict: RqEndIoRet = RqEndIoRet.FREE) {
    this.verdict = verdict
  }

  rqEndIo(_rq: Request, status: BlkStatus): RqEndIoRet {
    this.statuses.push(status)
    return this.verdict
  }
}

describe('a request of somebody’s own', () => {
  it('comes without data, goes to the driver and returns how it ended; its maker frees it', () => {
    const { machine, driver, disk, alloc, run } = makeRig()
    for (const status of [BlkStatus.OK, BlkStatus.MEDIUM, BlkStatus.RESV_CONFLICT]) {
      const rq = alloc(ReqOp.DRV_OUT)
      expect(rq).toMatchObject({ bio: null, dataBytes: 0, sector: 0, cmdFlags: ReqOp.DRV_OUT })
      const task = machine.scheduler.spawn('execute', blkExecuteRq(rq, false))
      machine.scheduler.runReady()
      expect(task.outcome).toBe(null)
      expect(driver.held).toEqual([rq])
      blkMqEndRequest(driver.take(0), status)
      machine.scheduler.runReady()
      expect(task.outcome).toEqual({ ok: true, value: status })
      expect(rq.mqHctx).not.toBe(null)
      blkMqFreeRequest(rq)
      expect(rq.mqHctx).toBe(null)
    }
    run(disk.queue.freeze())
    disk.queue.unfreeze()
    tearDown(machine, disk)
  })

  it('ended inside queueRq it is as good', () => {
    const { machine, driver, disk, alloc, run } = makeRig()
    driver.onQueue = (rq) => {
      blkMqEndRequest(driver.take(rq.sector), BlkStatus.TARGET)
      return BlkStatus.OK
    }
    for (const atHead of [true, false]) {
      const rq = alloc()
      expect(run(blkExecuteRq(rq, atHead))).toBe(BlkStatus.TARGET)
      blkMqFreeRequest(rq)
    }
    tearDown(machine, disk)
  })

  it('endIo: FREE gives the request back, NONE leaves it, which may go to the driver once more', () => {
    const { machine, driver, disk, alloc } = makeRig({ queueDepth: 1 })
    const free = new EndNotes()
    blkExecuteRqNowait(alloc(), false, free)
    machine.scheduler.runReady()
    blkMqEndRequest(driver.take(0), BlkStatus.PROTECTION)
    expect(free.statuses).toEqual([BlkStatus.PROTECTION])
    const keep = new EndNotes(RqEndIoRet.NONE)
    const rq = alloc()
    for (const status of [BlkStatus.TRANSPORT, BlkStatus.OK]) {
      blkExecuteRqNowait(rq, false, keep)
      machine.scheduler.runReady()
      blkMqEndRequest(driver.take(0), status)
    }
    expect(keep.statuses).toEqual([BlkStatus.TRANSPORT, BlkStatus.OK])
    expect(passthroughOf(disk).tryAllocRequest(ReqOp.DRV_IN)).toBe(null)
    blkMqFreeRequest(rq)
    blkMqFreeRequest(alloc())
    tearDown(machine, disk)
  })

  it('endIo may free the request by itself, or send it again from inside', () => {
    const { machine, driver, disk, alloc } = makeRig({ queueDepth: 1 })
    const seen: BlkStatus[] = []
    const again: RqEndIo = {
      rqEndIo(rq, status) {
        seen.push(status)
        if (seen.length < 3) blkExecuteRqNowait(rq, true, again)
        else blkMqFreeRequest(rq)
        return RqEndIoRet.NONE
      },
    }
    blkExecuteRqNowait(alloc(), true, again)
    for (let i = 0; i < 3; i++) {
      machine.scheduler.runReady()
      blkMqEndRequest(driver.take(0), BlkStatus.OK)
    }
    expect(seen).toHaveLength(3)
    blkMqFreeRequest(alloc())
    tearDown(machine, disk)
  })

  it('the use of one that is on its way, or free, is an assertion', () => {
    const { machine, driver, disk, alloc } = makeRig()
    const rq = alloc()
    blkExecuteRqNowait(rq, false, new EndNotes())
    expect(() => blkExecuteRqNowait(rq, false, new EndNotes())).toThrow(AssertionFailure)
    expect(() => blkMqFreeRequest(rq)).toThrow(AssertionFailure)
    machine.scheduler.runReady()
    expect(() => blkMqFreeRequest(rq)).toThrow(AssertionFailure)
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    expect(() => blkMqFreeRequest(rq)).toThrow(AssertionFailure)
    expect(() => blkExecuteRqNowait(rq, false, new EndNotes())).toThrow(AssertionFailure)
    tearDown(machine, disk)
  })

  it('goes ahead of what the driver refused before, or behind it', () => {
    const order: number[] = []
    let isFull = true
    class FullDriver extends PatientDriver {
      override queueRq(hctx: BlkMqHwCtx, rq: Request<number>): BlkStatus {
        if (isFull) return BlkStatus.DEV_RESOURCE
        order.push(rq.cmdFlags)
        return super.queueRq(hctx, rq)
      }
    }
    const full = makeRig({}, FullDriver)
    const end = new EndRecorder()
    full.disk.submitBio(runBio({ op: ReqOp.READ, sector: 8, bytes: 512 }, end), null)
    blkExecuteRqNowait(full.alloc(ReqOp.DRV_OUT), false, new EndNotes())
    blkExecuteRqNowait(full.alloc(ReqOp.DRV_IN), true, new EndNotes())
    isFull = false
    full.machine.scheduler.runReady()
    expect(order).toEqual([ReqOp.DRV_IN, ReqOp.READ, ReqOp.DRV_OUT])
    for (const rq of full.driver.held.splice(0)) blkMqEndRequest(rq, BlkStatus.OK)
    tearDown(full.machine, full.disk)
  })

  it('R3: refused for good it ends with that status, refused for now it comes again, and so after a requeue', () => {
    const notes = new EndNotes()
    class PickyDriver extends PatientDriver {
      readonly answers: BlkStatus[] = [BlkStatus.RESOURCE, BlkStatus.OK, BlkStatus.NOTSUPP]
      override queueRq(hctx: BlkMqHwCtx, rq: Request<number>): BlkStatus {
        const answer = this.answers.shift() ?? BlkStatus.OK
        return answer === BlkStatus.OK ? super.queueRq(hctx, rq) : answer
      }
    }
    const picky = makeRig({}, PickyDriver)
    blkExecuteRqNowait(picky.alloc(), false, notes)
    picky.machine.scheduler.runReady()
    expect(picky.driver.held).toEqual([])
    picky.machine.scheduler.advance(3 * MS)
    blkMqRequeueRequest(picky.driver.take(0), true)
    expect(notes.statuses).toEqual([])
    picky.machine.scheduler.runReady()
    expect(notes.statuses).toEqual([BlkStatus.NOTSUPP])
    tearDown(picky.machine, picky.disk)
  })
})

describe('allocation', () => {
  it('tries or waits for a tag, reserved ones by themselves', () => {
    const { machine, disk, alloc } = makeRig({ queueDepth: 3, reservedTags: 1 })
    const passthrough = passthroughOf(disk)
    const [a, b] = [alloc(), alloc()]
    const reserved = alloc(ReqOp.DRV_IN, { reserved: true })
    expect([a.tag, b.tag, reserved.tag].toSorted()).toEqual([0, 1, 2])
    expect(reserved.tag).toBe(0)
    expect(passthrough.tryAllocRequest(ReqOp.DRV_IN)).toBe(null)
    expect(passthrough.tryAllocRequest(ReqOp.DRV_IN, { reserved: true })).toBe(null)
    const plain = machine.scheduler.spawn('plain', passthrough.allocRequest(ReqOp.DRV_IN))
    const kept = machine.scheduler.spawn(
      'reserved',
      passthrough.allocRequest(ReqOp.DRV_IN, { reserved: true }),
    )
    machine.scheduler.runReady()
    expect([plain.outcome, kept.outcome]).toEqual([null, null])
    blkMqFreeRequest(reserved)
    machine.scheduler.runReady()
    expect([plain.outcome, kept.outcome]).toEqual([null, { ok: true, value: reserved }])
    blkMqFreeRequest(b)
    machine.scheduler.runReady()
    expect(plain.outcome).toEqual({ ok: true, value: b })
    for (const rq of [a, b, reserved]) blkMqFreeRequest(rq)
    tearDown(machine, disk)
  })

  it('waits while the queue is frozen; one that was made before executes on a frozen queue', () => {
    const { machine, driver, disk, alloc } = makeRig()
    const rq = alloc()
    const freeze = machine.scheduler.spawn('freeze', disk.queue.freeze())
    machine.scheduler.runReady()
    expect(passthroughOf(disk).tryAllocRequest(ReqOp.DRV_IN)).toBe(null)
    const waiter = machine.scheduler.spawn('alloc', passthroughOf(disk).allocRequest(ReqOp.DRV_OUT))
    blkExecuteRqNowait(rq, false, new EndNotes())
    machine.scheduler.runReady()
    expect([freeze.outcome, waiter.outcome]).toEqual([null, null])
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    machine.scheduler.runReady()
    expect([freeze.outcome?.ok, waiter.outcome]).toEqual([true, null])
    disk.queue.unfreeze()
    machine.scheduler.runReady()
    if (waiter.outcome?.ok !== true) throw new Error('still waiting')
    blkMqFreeRequest(waiter.outcome.value)
    tearDown(machine, disk)
  })

  it('a dying disk refuses with ENODEV, also those who wait, for tags or for the end of a freeze', () => {
    for (const isFrozen of [false, true]) {
      const { machine, disk, alloc } = makeRig({ queueDepth: 2, reservedTags: 1 })
      const held = [alloc(), alloc(ReqOp.DRV_IN, { reserved: true })]
      if (isFrozen) disk.queue.freezeStart()
      const waiters = [false, true].map((reserved) =>
        machine.scheduler.spawn(
          'alloc',
          passthroughOf(disk).allocRequest(ReqOp.DRV_IN, { reserved }),
        ),
      )
      for (const waiter of waiters) waiter.observed = true
      machine.scheduler.runReady()
      disk.markDead()
      machine.scheduler.runReady()
      for (const { outcome } of waiters) {
        expect(outcome).toMatchObject({ ok: false, error: { code: 'ENODEV' } })
      }
      expect(() => passthroughOf(disk).tryAllocRequest(ReqOp.DRV_IN)).toThrow(KernelError)
      for (const rq of held) blkMqFreeRequest(rq)
      if (isFrozen) disk.queue.unfreeze()
      tearDown(machine, disk)
    }
  })

  it('an allocator that a freeze overtakes passes its tag on', () => {
    const machine = makeMachine()
    const driver = new PatientDriver(machine.kernel)
    const tags = makeTags(machine.kernel, driver, { queueDepth: 1 })
    const [one, two] = [0, 1].map(() => makeLifeDisk(machine.kernel, tags))
    if (one === undefined || two === undefined) throw new Error('no disks')
    const held = passthroughOf(two).tryAllocRequest(ReqOp.DRV_IN)
    if (held === null) throw new Error('no tag')
    const first = machine.scheduler.spawn('first', passthroughOf(one).allocRequest(ReqOp.DRV_IN))
    machine.scheduler.runReady()
    const second = machine.scheduler.spawn('second', passthroughOf(two).allocRequest(ReqOp.DRV_IN))
    machine.scheduler.runReady()
    one.queue.freezeStart()
    blkMqFreeRequest(held)
    machine.scheduler.runReady()
    expect([first.outcome, second.outcome?.ok]).toEqual([null, true])
    blkMqFreeRequest(held)
    one.queue.unfreeze()
    machine.scheduler.runReady()
    expect(first.outcome?.ok).toBe(true)
    blkMqFreeRequest(held)
    for (const disk of [one, two]) machine.scheduler.runSync('destroy', disk.destroy())
    machine.scheduler.runUntilIdle()
    expect(machine.scheduler.outstanding()).toEqual([])
  })
})

describe('data of a request of somebody’s own', () => {
  it('runs of memory, of any length that is aligned for the device, which the driver walks', () => {
    const { machine, driver, disk, alloc } = makeRig({ limits: { dmaAlignmentMask: 3 } })
    const rq = alloc(ReqOp.DRV_OUT)
    const vecs = [
      { frame: 0x10, offsetBytes: 0, lengthBytes: 4096 },
      { frame: 0x20, offsetBytes: 0, lengthBytes: 64 },
    ]
    blkRqMapKern(rq, vecs)
    expect(rq).toMatchObject({ dataBytes: 4160, nrPhysSegments: 2, dmabufMap: null })
    blkExecuteRqNowait(rq, false, new EndNotes())
    machine.scheduler.runReady()
    const walk = new ReqIterator()
    walk.init(driver.take(0))
    const run = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
    const seen: [number, number][] = []
    for (let n = walk.next(1 << 20, run); n > 0; n = walk.next(1 << 20, run)) {
      seen.push([run.frame, n])
    }
    expect(seen).toEqual([
      [0x10, 4096],
      [0x20, 64],
    ])
    blkMqEndRequest(rq, BlkStatus.OK)
    tearDown(machine, disk)
  })

  it('the limits of one request hold: bytes, segments; and it is given data once', () => {
    const limits = { maxHwSectors: 16, maxSegments: 2 }
    const { machine, disk, alloc } = makeRig({ limits })
    const vec = (frame: number, lengthBytes: number) => ({ frame, offsetBytes: 0, lengthBytes })
    const einval = { code: 'EINVAL' }
    const rq = alloc()
    const tooLong = [vec(1, 4096), vec(2, 4096), vec(3, 4096)]
    expect(() => blkRqMapKern(rq, tooLong)).toThrow(expect.objectContaining(einval))
    const tooMany = [vec(1, 512), vec(3, 512), vec(5, 512)]
    expect(() => blkRqMapKern(rq, tooMany)).toThrow(expect.objectContaining(einval))
    expect(() => blkRqMapKern(rq, [vec(1, 64)])).toThrow(expect.objectContaining(einval))
    expect(rq.bio).toBe(null)
    blkRqMapKern(rq, [vec(1, 4096), vec(3, 4096)])
    expect(() => blkRqMapKern(rq, [vec(1, 512)])).toThrow(expect.objectContaining(einval))
    expect(() => blkRqMapDmabuf(rq, new FakeMap(4096, 12), 0, 512)).toThrow(
      expect.objectContaining(einval),
    )
    blkMqFreeRequest(rq)
    const fresh = alloc()
    expect(fresh).toMatchObject({ bio: null, dataBytes: 0, nrPhysSegments: 0 })
    blkMqFreeRequest(fresh)
    expect(() => blkRqMapKern(fresh, [vec(1, 512)])).toThrow(AssertionFailure)
    tearDown(machine, disk)
  })

  it('R-MQ-7: a range of a dma-buf; active lasts from preparation to the end, refs stay its maker’s', () => {
    const { machine, driver, disk, alloc } = makeRig()
    const map = new FakeMap(16_384, 12)
    const rq = alloc()
    blkRqMapDmabuf(rq, map, 4096, 8192)
    expect(rq).toMatchObject({ dataBytes: 8192, dmabufOffsetBytes: 4096, dmabufMap: map })
    const notes = new EndNotes(RqEndIoRet.NONE)
    blkExecuteRqNowait(rq, false, notes)
    machine.scheduler.runReady()
    expect(map.active).toBe(1)
    blkMqRequeueRequest(driver.take(0), true)
    expect(map.active).toBe(0)
    machine.scheduler.runReady()
    expect(map).toMatchObject({ active: 1, activations: 2 })
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    expect(map).toMatchObject({ active: 0, refs: 1 })
    expect(notes.statuses).toEqual([BlkStatus.OK])
    blkMqFreeRequest(rq)
    tearDown(machine, disk)
  })

  it('a dead map is STALE; a range outside the buffer or misaligned is refused', () => {
    const { machine, disk, alloc, run } = makeRig({ limits: { dmaAlignmentMask: 3 } })
    const map = new FakeMap(16_384, 12)
    const rq = alloc()
    const ranges = [
      [-4, 512],
      [16_384, 512],
      [12_288, 8192],
      [2, 512],
      [0, 511],
    ] as const
    for (const [offset, bytes] of ranges) {
      expect(() => blkRqMapDmabuf(rq, map, offset, bytes)).toThrow(KernelError)
    }
    expect(rq.dmabufMap).toBe(null)
    blkRqMapDmabuf(rq, map, 12_288, 4096)
    map.dead = true
    expect(run(blkExecuteRq(rq, false))).toBe(BlkStatus.STALE)
    expect(map).toMatchObject({ active: 0, refs: 1 })
    blkMqFreeRequest(rq)
    tearDown(machine, disk)
  })
})

describe('time, polling and statistics of requests of somebody’s own', () => {
  it.each([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'a time limit of %d ns is refused',
    (timeoutNs) => {
      const { machine, disk, run } = makeRig({})
      const { passthrough } = disk.queue
      if (passthrough === null) throw new Error('a disk with requests')
      const einval = expect.objectContaining({ code: 'EINVAL' })
      expect(() => passthrough.tryAllocRequest(ReqOp.DRV_IN, { timeoutNs })).toThrow(einval)
      expect(() => run(passthrough.allocRequest(ReqOp.DRV_IN, { timeoutNs }))).toThrow(einval)
      tearDown(machine, disk)
    },
  )

  it('its own time limit holds, and goes with it', () => {
    const { machine, driver, disk, alloc, run } = makeRig({ timeoutNs: 100 * MS, queueDepth: 1 })
    driver.onTimeout = () => {
      blkMqEndRequest(driver.take(0), BlkStatus.TIMEOUT)
      return BlkEhTimerReturn.DONE
    }
    for (const timeoutNs of [250 * MS, 0, 7 * MS]) {
      const before = machine.scheduler.nowNs()
      const rq = alloc(ReqOp.DRV_IN, timeoutNs === 0 ? {} : { timeoutNs })
      expect(run(blkExecuteRq(rq, false))).toBe(BlkStatus.TIMEOUT)
      expect(machine.scheduler.nowNs() - before).toBe(timeoutNs === 0 ? 100 * MS : timeoutNs)
      blkMqFreeRequest(rq)
    }
    // The same tag, for an I/O of the disk.
    const before = machine.scheduler.nowNs()
    disk.submitBio(runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, new EndRecorder()), null)
    machine.scheduler.runUntilIdle()
    expect(machine.scheduler.nowNs() - before).toBe(100 * MS)
    tearDown(machine, disk)
  })

  it('a polled one is found by who waits for it; where nobody can poll it just ends', () => {
    class PolledDriver extends PatientDriver {
      polls = 0
      poll(hctx: BlkMqHwCtx): number {
        this.polls++
        if (this.polls < 3) return 0
        const batch = new RqList<number>()
        const found = this.held.filter((rq) => rq.mqHctx === hctx)
        for (const rq of found) blkMqAddToBatch(this.take(rq.sector), batch, BlkStatus.OK)
        blkMqEndRequestBatch(batch)
        return found.length
      }
    }
    for (const pollQueue of [true, false]) {
      const machine = makeMachine()
      const driver = new PolledDriver(machine.kernel)
      const disk = makeLifeDisk(machine.kernel, makeTags(machine.kernel, driver, { pollQueue }))
      const rq = passthroughOf(disk).tryAllocRequest(ReqOp.DRV_IN | ReqFlags.POLLED)
      if (rq === null) throw new Error('no tag')
      expect(rq.mqHctx?.type).toBe(pollQueue ? HctxType.POLL : HctxType.DEFAULT)
      const task = machine.scheduler.spawn('execute', blkExecuteRq(rq, false))
      machine.scheduler.advance(MS)
      if (pollQueue) expect(driver.polls).toBe(3)
      else {
        expect([driver.polls, task.outcome]).toEqual([0, null])
        blkMqEndRequest(driver.take(0), BlkStatus.OK)
      }
      machine.scheduler.runReady()
      expect(task.outcome).toEqual({ ok: true, value: BlkStatus.OK })
      blkMqFreeRequest(rq)
      tearDown(machine, disk)
    }
  })

  it('they are no I/O of the disk, and go around its scheduler', () => {
    const { machine, driver, disk, alloc, run } = makeRig()
    run(disk.queue.setScheduler('mq-deadline'))
    const before = diskStatLine(disk)
    const rq = alloc(ReqOp.DRV_OUT)
    blkRqMapKern(rq, [{ frame: 1, offsetBytes: 0, lengthBytes: 4096 }])
    blkExecuteRqNowait(rq, false, new EndNotes())
    machine.scheduler.advance(5 * MS)
    expect(disk.stats).toMatchObject({ inFlight: 1, inFlightReads: 0, inFlightWrites: 0 })
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    expect(diskStatLine(disk)).toBe(before)
    expect(disk.stats).toMatchObject({ inFlight: 0, bytesWritten: 0, busyNs: 0 })
    tearDown(machine, disk)
  })
})
