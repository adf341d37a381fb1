// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type Bio,
  type BlkMqHwCtx,
  BlkStatus,
  blkMqAddToBatch,
  blkMqEndRequest,
  blkMqEndRequestBatch,
  blkMqRequeueRequest,
  blkUpdateRequest,
  createDisk,
  type Disk,
  diskStatLine,
  Plug,
  ReqFlags,
  ReqIterator,
  ReqOp,
  type Request,
  RqList,
} from '../../src/index.ts'
import { type LifeSetup, makeLifeDisk, makeTags, PatientDriver } from '../rq-life-support.ts'
import {
  dmabufBio,
  EndRecorder,
  FakeMap,
  type Machine,
  makeMachine,
  runBio,
  tearDown,
} from '../support.ts'

const MS = 1_000_000

interface Rig {
  readonly machine: Machine
  readonly driver: PatientDriver
  readonly disk: Disk
  readonly end: EndRecorder
  submit(op: number, sector: number, bytes?: number): Bio
  sectors(): number[]
  run<T>(op: Op<T>): T
}

function makeRig(setup: LifeSetup = {}): Rig {
  const machine = makeMachine()
  const driver = new PatientDriver(machine.kernel)
  const disk = makeLifeDisk(
    machine.kernel,
    makeTags(machine.kernel, driver, { queueDepth: 8, ...setup }),
    setup.limits,
  )
  const end = new EndRecorder()
  const submit = (op: number, sector: number, bytes = 4096) => {
    const bio = runBio({ op, sector, bytes }, end)
    expect(disk.submitBio(bio, null)).toBe(BlkStatus.OK)
    return bio
  }
  const sectors = () => driver.held.map(({ sector }) => sector)
  const run = <T>(op: Op<T>): T => machine.scheduler.runSync('test', op)
  return { machine, driver, disk, end, submit, sectors, run }
}

function endAll(rig: Rig): void {
  rig.machine.scheduler.runReady()
  for (const rq of rig.driver.held.splice(0)) blkMqEndRequest(rq, BlkStatus.OK)
  tearDown(rig.machine, rig.disk)
}

describe('requests that the driver gave back', () => {
  it('wait for a kick, and come in their order, before what was refused', () => {
    const rig = makeRig()
    const { machine, driver, disk, submit, sectors } = rig
    for (const sector of [0, 8, 16]) submit(ReqOp.READ, sector)
    for (const sector of [8, 0]) blkMqRequeueRequest(driver.take(sector), false)
    submit(ReqOp.READ, 24)
    disk.queue.runHwQueues()
    machine.scheduler.advance(1000 * MS)
    expect(sectors()).toEqual([16, 24])
    disk.queue.quiesce()
    submit(ReqOp.READ, 32)
    disk.queue.kickRequeueList()
    machine.scheduler.runReady()
    expect(sectors()).toEqual([16, 24])
    disk.queue.unquiesce()
    machine.scheduler.runReady()
    expect(sectors()).toEqual([16, 24, 8, 0, 32])
    expect(disk.stats.requeues).toBe(2)
    endAll(rig)
  })

  it('a kick brings all that wait, by hardware queue', () => {
    const rig = makeRig({ nrHwQueues: 2 })
    const { machine, driver, disk, sectors } = rig
    const plugs = [0, 1].map((cpu) => new Plug({ cpu }))
    for (const [cpu, plug] of plugs.entries()) {
      disk.submitBio(runBio({ op: ReqOp.READ, sector: 8 * cpu, bytes: 512 }, rig.end), plug)
      plug.finish()
    }
    const [first, second] = [driver.take(0), driver.take(8)]
    const [firstQueue, secondQueue] = [first.mqHctx, second.mqHctx]
    expect(firstQueue).not.toBe(secondQueue)
    blkMqRequeueRequest(first, false)
    blkMqRequeueRequest(second, true)
    machine.scheduler.runReady()
    expect(sectors().toSorted()).toEqual([0, 8])
    expect([first.mqHctx, second.mqHctx]).toEqual([firstQueue, secondQueue])
    endAll(rig)
  })

  it('a delayed kick comes when its time is there, the later call decides, a kick before it makes it needless', () => {
    const rig = makeRig()
    const { machine, driver, disk, submit, sectors } = rig
    submit(ReqOp.READ, 0)
    blkMqRequeueRequest(driver.take(0), false)
    disk.queue.delayKickRequeueList(10 * MS)
    disk.queue.delayKickRequeueList(20 * MS)
    machine.scheduler.advance(20 * MS - 1)
    expect(sectors()).toEqual([])
    machine.scheduler.advance(1)
    expect(sectors()).toEqual([0])
    blkMqRequeueRequest(driver.take(0), false)
    disk.queue.delayKickRequeueList(10 * MS)
    disk.queue.kickRequeueList()
    machine.scheduler.runReady()
    expect(sectors()).toEqual([0])
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    expect(machine.scheduler.outstanding()).toEqual([])
    endAll(rig)
  })

  it('a kick with nothing to bring does nothing; a request is given back once', () => {
    const rig = makeRig()
    const { machine, driver, disk, submit } = rig
    disk.queue.kickRequeueList()
    expect(machine.scheduler.outstanding()).toEqual([])
    submit(ReqOp.READ, 0)
    const rq = driver.take(0)
    blkMqRequeueRequest(rq, true)
    expect(() => blkMqRequeueRequest(rq, true)).toThrow(AssertionFailure)
    endAll(rig)
  })

  it('a freeze waits for them', () => {
    const rig = makeRig()
    const { machine, driver, disk, submit, run } = rig
    submit(ReqOp.READ, 0)
    blkMqRequeueRequest(driver.take(0), false)
    disk.queue.freezeStart()
    expect(run(disk.queue.freezeWait(5 * MS))).toBe(false)
    disk.queue.kickRequeueList()
    machine.scheduler.runReady()
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    expect(run(disk.queue.freezeWait(5 * MS))).toBe(true)
    disk.queue.unfreeze()
    endAll(rig)
  })
})

describe('a request that is done bytes at a time', () => {
  /** One request of three bios of 4096 bytes. */
  function merged(rig: Rig): { rq: Request<number>; bios: Bio[] } {
    const { machine, driver, end } = rig
    const tags = makeTags(machine.kernel, driver, { queueDepth: 2 })
    const disk = createDisk(
      { kernel: machine.kernel, tagSet: tags },
      { name: 'merging', capacitySectors: 4096 },
    )
    const plug = new Plug()
    const bios = [0, 8, 16].map((sector) => runBio({ op: ReqOp.WRITE, sector, bytes: 4096 }, end))
    for (const bio of bios) expect(disk.submitBio(bio, plug)).toBe(BlkStatus.OK)
    plug.finish()
    const rq = driver.take(0)
    expect(rq.dataBytes).toBe(12_288)
    return { rq, bios }
  }

  it('its bios end as their bytes are done, and it begins behind them', () => {
    const rig = makeRig()
    const { rq, bios } = merged(rig)
    expect(blkUpdateRequest(rq, BlkStatus.OK, 4096 + 512)).toBe(true)
    expect(rig.end.ended).toEqual([bios[0]])
    expect(rq).toMatchObject({ sector: 9, dataBytes: 7680, bio: bios[1] })
    expect(bios[1]?.biIter).toMatchObject({ biSector: 9, biSize: 3584 })
    const walk = new ReqIterator()
    walk.init(rq)
    const run = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
    expect(walk.next(1 << 20, run)).toBe(3584)
    expect(run).toEqual({ frame: 0x100, offsetBytes: 512, lengthBytes: 3584 })
    expect(blkUpdateRequest(rq, BlkStatus.OK, 0)).toBe(true)
    expect(blkUpdateRequest(rq, BlkStatus.OK, 7680)).toBe(false)
    expect(rig.end.ended).toEqual(bios)
    const disk = rq.mqHctx?.disk
    blkMqEndRequest(rq, BlkStatus.OK)
    expect(rig.end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK, BlkStatus.OK])
    expect(disk?.stats).toMatchObject({ bytesWritten: 12_288, completions: 1, inFlight: 0 })
    expect(disk?.stats.write).toMatchObject({ ios: 1, sectors: 24, merges: 2 })
    endAll(rig)
  })

  it('R3: each part keeps its own status, and a bio that failed in part fails', () => {
    const rig = makeRig()
    const { rq, bios } = merged(rig)
    expect(blkUpdateRequest(rq, BlkStatus.MEDIUM, 512)).toBe(true)
    expect(rig.end.ended).toEqual([])
    expect(blkUpdateRequest(rq, BlkStatus.OK, 3584)).toBe(true)
    expect(rig.end.ended).toEqual([bios[0]])
    expect(blkUpdateRequest(rq, BlkStatus.OK, 4096)).toBe(true)
    blkMqEndRequest(rq, BlkStatus.TRANSPORT)
    expect(rig.end.ended).toEqual(bios)
    expect(rig.end.statuses).toEqual([BlkStatus.MEDIUM, BlkStatus.OK, BlkStatus.TRANSPORT])
    endAll(rig)
  })

  it('R-MQ-7: the rest may be requeued, dma-buf too: active is dropped and taken again behind what is done', () => {
    const rig = makeRig()
    const { machine, driver, disk, end } = rig
    const map = new FakeMap(65_536, 12)
    const init = { op: ReqOp.READ, sector: 0, offset: 4096, bytes: 8192 }
    disk.submitBio(dmabufBio(map, init, end), null)
    const rq = driver.take(0)
    expect(blkUpdateRequest(rq, BlkStatus.OK, 4096)).toBe(true)
    expect(map.active).toBe(1)
    blkMqRequeueRequest(rq, true)
    expect(map.active).toBe(0)
    machine.scheduler.runReady()
    expect(driver.take(8)).toMatchObject({ dataBytes: 4096, dmabufOffsetBytes: 8192 })
    expect(map).toMatchObject({ active: 1, activations: 2 })
    blkMqEndRequest(rq, BlkStatus.OK)
    expect(map).toMatchObject({ active: 0, refs: 1 })
    expect(end.statuses).toEqual([BlkStatus.OK])
    endAll(rig)
  })

  it('a durable write by parts ends after the flush that follows it', () => {
    const rig = makeRig({ limits: { writeCache: true } })
    const { machine, driver, end, submit } = rig
    submit(ReqOp.WRITE | ReqFlags.FUA, 8)
    const rq = driver.take(8)
    expect(blkUpdateRequest(rq, BlkStatus.OK, 1024)).toBe(true)
    expect(blkUpdateRequest(rq, BlkStatus.OK, 3072)).toBe(false)
    expect(end.ended).toEqual([])
    blkMqEndRequest(rq, BlkStatus.OK)
    expect(end.ended).toEqual([])
    machine.scheduler.runReady()
    expect(driver.held.map(({ cmdFlags }) => cmdFlags)).toEqual([ReqOp.FLUSH])
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    expect(end.statuses).toEqual([BlkStatus.OK])
    expect(rig.disk.stats.write).toMatchObject({ ios: 1, sectors: 8 })
    endAll(rig)
  })

  it('more bytes than it has, or one that the driver does not have, is an assertion', () => {
    const rig = makeRig()
    rig.submit(ReqOp.READ, 0)
    const rq = rig.driver.take(0)
    expect(() => blkUpdateRequest(rq, BlkStatus.OK, 4097)).toThrow(AssertionFailure)
    expect(() => blkUpdateRequest(rq, BlkStatus.OK, -1)).toThrow(AssertionFailure)
    blkMqEndRequest(rq, BlkStatus.OK)
    expect(() => blkUpdateRequest(rq, BlkStatus.OK, 1)).toThrow(AssertionFailure)
    endAll(rig)
  })
})

describe('a batch of ends', () => {
  it('H1: takes what ended well, once, of several queues; what failed ends by itself', () => {
    const rig = makeRig({ nrHwQueues: 2 })
    const { driver, disk, end } = rig
    for (const cpu of [0, 1]) {
      const plug = new Plug({ cpu })
      for (const sector of [16 * cpu, 16 * cpu + 8]) {
        disk.submitBio(runBio({ op: ReqOp.READ, sector, bytes: 512 }, end), plug)
      }
      plug.finish()
    }
    rig.machine.scheduler.advance(7 * MS)
    const batch = new RqList<number>()
    const held = driver.held.splice(0)
    for (const rq of held) {
      const status = rq.sector === 8 ? BlkStatus.MEDIUM : BlkStatus.OK
      const taken = blkMqAddToBatch(rq, batch, status)
      expect(taken).toBe(rq.sector !== 8)
      if (taken) expect(() => blkMqAddToBatch(rq, batch, BlkStatus.OK)).toThrow(AssertionFailure)
      else blkMqEndRequest(rq, status)
    }
    expect(end.statuses).toEqual([BlkStatus.MEDIUM])
    rig.machine.scheduler.advance(MS)
    blkMqEndRequestBatch(batch)
    expect(batch.isEmpty).toBe(true)
    expect(end.statuses.toSorted()).toEqual([0, 0, 0, BlkStatus.MEDIUM])
    expect(disk.stats.read).toMatchObject({ ios: 4, timeNs: 31 * MS })
    endAll(rig)
  })
})

describe('stopping a queue', () => {
  it('freezes nest in halves and wholes, and a wait for one has an end', () => {
    const rig = makeRig()
    const { machine, driver, disk, submit, end, run } = rig
    submit(ReqOp.READ, 0)
    disk.queue.freezeStart()
    expect(disk.submitBio(runBio({ op: ReqOp.READ, sector: 8, bytes: 512 }, end), null)).toBe(
      BlkStatus.AGAIN,
    )
    expect(run(disk.queue.freezeWait(3 * MS))).toBe(false)
    expect(machine.scheduler.nowNs()).toBe(3 * MS)
    const whole = machine.scheduler.spawn('freeze', disk.queue.freeze())
    machine.scheduler.runReady()
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    machine.scheduler.runReady()
    expect(whole.outcome?.ok).toBe(true)
    expect(run(disk.queue.freezeWait(0))).toBe(true)
    disk.queue.unfreeze()
    expect(disk.submitBio(runBio({ op: ReqOp.READ, sector: 8, bytes: 512 }, end), null)).toBe(
      BlkStatus.AGAIN,
    )
    disk.queue.unfreeze()
    submit(ReqOp.READ, 8)
    expect(() => disk.queue.unfreeze()).toThrow(AssertionFailure)
    endAll(rig)
  })

  it('a run may be put off; one that comes before it makes it needless', () => {
    const machine = makeMachine()
    let isBusy = true
    class BusyDriver extends PatientDriver {
      override queueRq(hctx: BlkMqHwCtx, rq: Request<number>): BlkStatus {
        return isBusy ? BlkStatus.DEV_RESOURCE : super.queueRq(hctx, rq)
      }
    }
    const busy = new BusyDriver(machine.kernel)
    const other = makeLifeDisk(machine.kernel, makeTags(machine.kernel, busy))
    const end = new EndRecorder()
    other.submitBio(runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, end), null)
    isBusy = false
    other.queue.delayRunHwQueues(MS / 2)
    machine.scheduler.advance(MS / 2 - 1)
    expect(busy.held).toEqual([])
    machine.scheduler.advance(1)
    blkMqEndRequest(busy.take(0), BlkStatus.OK)
    isBusy = true
    other.submitBio(runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, end), null)
    isBusy = false
    other.queue.runHwQueues()
    machine.scheduler.runReady()
    blkMqEndRequest(busy.take(0), BlkStatus.OK)
    expect(end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
    expect(machine.scheduler.outstanding()).toEqual([])
    other.queue.delayRunHwQueues(MS)
    machine.scheduler.runUntilIdle()
    tearDown(machine, other)
  })
})

describe('diskStatLine', () => {
  it('is the line of Documentation/block/stat.rst: 17 fields, each where it belongs', () => {
    const limits = { writeCache: true, maxHwDiscardSectors: 1024 }
    const rig = makeRig({ limits })
    const { machine, driver, disk, submit } = rig
    const nothing = Array.from({ length: 17 }, () => '       0').join(' ')
    expect(diskStatLine(disk)).toBe(nothing)
    submit(ReqOp.READ, 0, 512)
    submit(ReqOp.READ, 8, 1024)
    machine.scheduler.advance(3 * MS)
    submit(ReqOp.WRITE | ReqFlags.FUA, 16, 2048)
    submit(ReqOp.DISCARD, 64, 16_384)
    machine.scheduler.advance(4 * MS)
    expect(disk.stats).toMatchObject({ inFlightReads: 2, inFlightWrites: 2, inFlight: 4 })
    const at = (sector: number) => blkMqEndRequest(driver.take(sector), BlkStatus.OK)
    at(0)
    at(16)
    machine.scheduler.advance(5 * MS)
    // The flush after the write.
    at(0)
    at(64)
    machine.scheduler.advance(11 * MS)
    blkMqEndRequest(driver.take(8), BlkStatus.MEDIUM)
    machine.scheduler.advance(100 * MS)
    const fields = [
      [2, 0, 3, 7 + 23],
      [1, 0, 4, 9],
      [0, 23, 30 + 9 + 9 + 5],
      [1, 0, 32, 9],
      [1, 5],
    ].flat()
    expect(diskStatLine(disk)).toBe(fields.map((n) => String(n).padStart(8)).join(' '))
    endAll(rig)
  })

  it('time in which anything was in flight grows while it is, and stands still between', () => {
    const rig = makeRig()
    const { machine, driver, disk, submit } = rig
    machine.scheduler.advance(10 * MS)
    expect(disk.stats.busyNs).toBe(0)
    submit(ReqOp.READ, 0)
    machine.scheduler.advance(2 * MS)
    submit(ReqOp.READ, 8)
    expect(disk.stats.busyNs).toBe(2 * MS)
    machine.scheduler.advance(2 * MS)
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    machine.scheduler.advance(2 * MS)
    expect(disk.stats.busyNs).toBe(6 * MS)
    blkMqEndRequest(driver.take(8), BlkStatus.OK)
    machine.scheduler.advance(50 * MS)
    expect(disk.stats.busyNs).toBe(6 * MS)
    submit(ReqOp.READ, 16)
    machine.scheduler.advance(MS)
    expect(disk.stats.busyNs).toBe(7 * MS)
    expect(disk.stats.read.timeNs).toBe(8 * MS)
    endAll(rig)
  })

  it('time before the driver counts, waiting in a requeue list too; parts of a millisecond are cut off', () => {
    const rig = makeRig()
    const { machine, driver, disk, submit } = rig
    disk.queue.quiesce()
    submit(ReqOp.WRITE, 0, 512)
    expect(disk.stats).toMatchObject({ inFlight: 0, inFlightWrites: 1 })
    machine.scheduler.advance(2 * MS)
    disk.queue.unquiesce()
    machine.scheduler.runReady()
    blkMqRequeueRequest(driver.take(0), false)
    machine.scheduler.advance(2 * MS - 1)
    disk.queue.kickRequeueList()
    machine.scheduler.runReady()
    blkMqEndRequest(driver.take(0), BlkStatus.OK)
    expect(disk.stats.write).toMatchObject({ ios: 1, timeNs: 4 * MS - 1 })
    expect(diskStatLine(disk).trim().split(/ +/)[7]).toBe('3')
    endAll(rig)
  })
})
