// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type Bio,
  BioFlag,
  BlkStatus,
  bioFlagged,
  blkMqAddToBatch,
  blkMqCompleteRequest,
  blkMqEndRequest,
  blkMqEndRequestBatch,
  blkMqRequeueRequest,
  blkRqActivateDmabuf,
  blkRqDeactivateDmabuf,
  createDisk,
  createTagSet,
  Plug,
  ReqFlags,
  ReqOp,
  RqList,
} from '../../src/index.ts'
import {
  BatchDriver,
  dmabufBio,
  EndRecorder,
  FakeMap,
  makeDisk,
  makeMachine,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

function readBio(sector: number, end: EndRecorder): Bio {
  return runBio({ op: ReqOp.READ, sector, bytes: 4096 }, end)
}

describe('submitting', () => {
  it('hands a bio to the driver with last set and ends it once', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    const bio = readBio(8, end)
    expect(disk.submitBio(bio, null)).toBe(BlkStatus.OK)
    expect(disk.stats.inFlight).toBe(1)
    machine.scheduler.runUntilIdle()
    expect(end.ended).toEqual([bio])
    expect(end.statuses).toEqual([BlkStatus.OK])
    expect(driver.issued).toEqual([
      { sector: 8, bytes: 4096, offset: 0, op: ReqOp.READ, last: true },
    ])
    expect(disk.stats).toMatchObject({ bios: 1, requests: 1, completions: 1, bytesRead: 4096 })
    tearDown(machine, disk)
  })

  it('refuses with AGAIN where there is no tag, and hands nothing over', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver, { queueDepth: 1 })
    const end = new EndRecorder()
    expect(disk.submitBio(readBio(0, end), null)).toBe(BlkStatus.OK)
    expect(disk.submitBio(readBio(8, end), null)).toBe(BlkStatus.AGAIN)
    expect(driver.issued).toHaveLength(1)
    expect(disk.stats.again).toBe(1)
    driver.releaseHeld()
    expect(end.ended).toHaveLength(1)
    tearDown(machine, disk)
  })

  it('R-BIO-5: refuses with AGAIN what has to be split, before anything was handed over', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, { limits: { maxHwSectors: 8 } })
    const end = new EndRecorder()
    const bio = runBio({ op: ReqOp.READ, sector: 0, bytes: 8192 }, end)
    expect(disk.submitBio(bio, null)).toBe(BlkStatus.AGAIN)
    bio.biOpf |= ReqFlags.ATOMIC
    expect(disk.submitBio(bio, null)).toBe(BlkStatus.INVAL)
    expect(driver.issued).toHaveLength(0)
    expect(end.ended).toHaveLength(0)
    tearDown(machine, disk)
  })

  it('a NOWAIT bio in the waiting form ends with AGAIN where it would have to wait', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver, { queueDepth: 1, limits: { maxHwSectors: 8 } })
    const end = new EndRecorder()
    disk.submitBio(readBio(0, end), null)
    const noTag = readBio(8, end)
    noTag.biOpf |= ReqFlags.NOWAIT
    machine.scheduler.runSync('submit', disk.submitBioWait(noTag, null))
    const toSplit = runBio({ op: ReqOp.READ | ReqFlags.NOWAIT, sector: 0, bytes: 8192 }, end)
    machine.scheduler.runSync('submit', disk.submitBioWait(toSplit, null))
    expect(end.statuses).toEqual([BlkStatus.AGAIN, BlkStatus.AGAIN])
    driver.releaseHeld()
    tearDown(machine, disk)
  })

  it('keeps apart what a disk cannot do: operation, end, alignment, read-only, atomic size', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, {
      readOnly: true,
      capacitySectors: 64,
      limits: { logicalBlockSizeBytes: 1024 },
    })
    const status = (op: number, sector: number, bytes: number) =>
      disk.submitBio(runBio({ op, sector, bytes }), null)
    expect(status(ReqOp.DISCARD, 0, 1024)).toBe(BlkStatus.NOTSUPP)
    expect(status(ReqOp.WRITE_ZEROES, 0, 1024)).toBe(BlkStatus.NOTSUPP)
    expect(status(ReqOp.DRV_IN, 0, 1024)).toBe(BlkStatus.NOTSUPP)
    expect(status(ReqOp.READ, 63, 1024)).toBe(BlkStatus.IOERR)
    expect(status(ReqOp.READ, 64, 1024)).toBe(BlkStatus.IOERR)
    expect(status(ReqOp.READ, 0, 512)).toBe(BlkStatus.IOERR)
    expect(status(ReqOp.WRITE, 0, 1024)).toBe(BlkStatus.IOERR)
    expect(driver.issued).toHaveLength(0)
    tearDown(machine, disk)
    const writable = makeDisk(machine.kernel, driver, { limits: { atomicWriteHwMaxBytes: 4096 } })
    const atomic = runBio({ op: ReqOp.WRITE | ReqFlags.ATOMIC, sector: 0, bytes: 8192 })
    expect(writable.submitBio(atomic, null)).toBe(BlkStatus.INVAL)
    tearDown(machine, writable)
  })

  it('an empty bio ends at once', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    expect(disk.submitBio(runBio({ op: ReqOp.READ, sector: 0, bytes: 0 }, end), null)).toBe(0)
    expect(end.statuses).toEqual([BlkStatus.OK])
    tearDown(machine, disk)
  })
})

describe('a split I/O', () => {
  it('R-MQ-8: fragments go to the driver in one batch, and share one map', () => {
    const machine = makeMachine()
    const driver = new BatchDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, { limits: { maxSegments: 1 } })
    const map = new FakeMap(1 << 20, 12)
    const end = new EndRecorder()
    const bio = dmabufBio(map, { op: ReqOp.READ, sector: 16, offset: 4096, bytes: 16_384 }, end)
    machine.scheduler.runSync('submit', disk.submitBioWait(bio, null))
    machine.scheduler.runUntilIdle()
    expect(driver.batches).toEqual([4])
    expect(driver.commits).toBe(1)
    expect(driver.issued.map((rq) => [rq.sector, rq.offset, rq.bytes])).toEqual([
      [16, 4096, 4096],
      [24, 8192, 4096],
      [32, 12_288, 4096],
      [40, 16_384, 4096],
    ])
    expect(end.statuses).toEqual([BlkStatus.OK])
    expect(bioFlagged(bio, BioFlag.ISSUED)).toBe(true)
    expect(disk.stats).toMatchObject({ bios: 1, splits: 3, requests: 4, batches: 1 })
    expect(map).toMatchObject({ active: 0, activations: 4, refs: 1 })
    tearDown(machine, disk)
  })

  it('waits for tags where there are fewer than fragments', () => {
    const machine = makeMachine()
    const driver = new BatchDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, { queueDepth: 2, limits: { maxHwSectors: 8 } })
    const end = new EndRecorder()
    const bio = runBio({ op: ReqOp.WRITE, sector: 0, bytes: 40_960 }, end)
    machine.scheduler.runSync('submit', disk.submitBioWait(bio, null))
    machine.scheduler.runUntilIdle()
    expect(end.statuses).toEqual([BlkStatus.OK])
    expect(disk.stats.bytesWritten).toBe(40_960)
    expect(disk.stats.tagWaits).toBeGreaterThan(0)
    tearDown(machine, disk)
  })

  it('R-MQ-8: a map that dies between two fragments ends the I/O with STALE, and marks it as handed over', () => {
    const machine = makeMachine()
    const map = new FakeMap(1 << 20, 12)
    const driver = new ScriptedDriver(machine.kernel, (rq) => {
      if (rq.dmabufOffsetBytes > 0) map.dead = true
      return BlkStatus.OK
    })
    const disk = makeDisk(machine.kernel, driver, { limits: { maxSegments: 1 } })
    const end = new EndRecorder()
    const bio = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 8192 }, end)
    machine.scheduler.runSync('submit', disk.submitBioWait(bio, null))
    machine.scheduler.runUntilIdle()
    expect(end.statuses).toEqual([BlkStatus.STALE])
    expect(bioFlagged(bio, BioFlag.ISSUED)).toBe(true)
    expect(map.active).toBe(0)
    tearDown(machine, disk)
  })

  it('R-MQ-8: a map that was dead before leaves the I/O unmarked', () => {
    const machine = makeMachine()
    const map = new FakeMap(1 << 20, 12)
    map.dead = true
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, { limits: { maxSegments: 1 } })
    const end = new EndRecorder()
    const bio = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 8192 }, end)
    machine.scheduler.runSync('submit', disk.submitBioWait(bio, null))
    expect(end.statuses).toEqual([BlkStatus.STALE])
    expect(bioFlagged(bio, BioFlag.ISSUED)).toBe(false)
    expect(driver.issued).toHaveLength(0)
    tearDown(machine, disk)
  })

  it('fails as a whole where the rest cannot be cut', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const limits = { logicalBlockSizeBytes: 1024, maxSegments: 1, dmaAlignmentMask: 511 }
    const disk = makeDisk(machine.kernel, driver, { limits })
    const end = new EndRecorder()
    const bio = runBio({ op: ReqOp.READ, sector: 0, bytes: 4096 }, end)
    bio.biIoVec = [
      { frame: 1, offsetBytes: 0, lengthBytes: 2048 },
      { frame: 3, offsetBytes: 0, lengthBytes: 512 },
      { frame: 5, offsetBytes: 0, lengthBytes: 1536 },
    ]
    machine.scheduler.runSync('submit', disk.submitBioWait(bio, null))
    machine.scheduler.runUntilIdle()
    expect(end.statuses).toEqual([BlkStatus.INVAL])
    expect(driver.issued).toHaveLength(1)
    tearDown(machine, disk)
  })
})

describe('plugs', () => {
  it('gather requests for one batch of queueRqs and one commitRqs', () => {
    const machine = makeMachine()
    const driver = new BatchDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, { noMerges: true })
    const end = new EndRecorder()
    const plug = new Plug()
    for (let i = 0; i < 5; i++) disk.submitBio(readBio(i * 8, end), plug)
    expect(plug.requests).toBe(5)
    expect(driver.issued).toHaveLength(0)
    plug.finish()
    expect(driver.batches).toEqual([5])
    expect(driver.commits).toBe(1)
    expect(driver.issued.map((rq) => rq.sector)).toEqual([0, 8, 16, 24, 32])
    machine.scheduler.runUntilIdle()
    expect(end.ended).toHaveLength(5)
    tearDown(machine, disk)
  })

  it('without queueRqs the last request says so, and no commit is needed', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, { noMerges: true })
    const end = new EndRecorder()
    const plug = new Plug()
    for (let i = 0; i < 3; i++) disk.submitBio(readBio(i * 8, end), plug)
    plug.finish()
    expect(driver.issued.map((rq) => rq.last)).toEqual([false, false, true])
    expect(driver.commits).toBe(0)
    machine.scheduler.runUntilIdle()
    tearDown(machine, disk)
  })

  it('commit what was posted where the last request fails', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, (rq) =>
      rq.sector === 16 ? BlkStatus.MEDIUM : BlkStatus.OK,
    )
    const disk = makeDisk(machine.kernel, driver, { noMerges: true })
    const end = new EndRecorder()
    const plug = new Plug()
    for (let i = 0; i < 3; i++) disk.submitBio(readBio(i * 8, end), plug)
    plug.finish()
    expect(end.statuses).toEqual([BlkStatus.MEDIUM])
    expect(driver.commits).toBe(1)
    machine.scheduler.runUntilIdle()
    tearDown(machine, disk)
  })

  it('R3: what queueRqs leaves goes through queueRq, whose status counts', () => {
    const machine = makeMachine()
    const driver = new BatchDriver(machine.kernel)
    driver.leaveFirst = true
    const map = new FakeMap(1 << 20, 12)
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    const plug = new Plug()
    const stale = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 4096 }, end)
    map.dead = true
    disk.submitBio(stale, plug)
    disk.submitBio(readBio(8, end), plug)
    plug.finish()
    expect(end.ended).toEqual([stale])
    expect(end.statuses).toEqual([BlkStatus.STALE])
    expect(driver.commits).toBe(1)
    machine.scheduler.runUntilIdle()
    expect(end.statuses).toEqual([BlkStatus.STALE, BlkStatus.OK])
    tearDown(machine, disk)
  })

  it('hand over by themselves when full, and sort by hardware queue and disk', () => {
    const machine = makeMachine()
    const driver = new BatchDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, { nrHwQueues: 2, queueDepth: 16 })
    const other = new BatchDriver(machine.kernel)
    const second = makeDisk(machine.kernel, other)
    const end = new EndRecorder()
    const plug = new Plug({ cpu: 3, maxRequests: 6 })
    for (let i = 0; i < 6; i++) {
      const target = i % 2 === 0 ? disk : second
      if (i === 4) plug.cpu = 0
      target.submitBio(readBio(i * 8, end), plug)
    }
    expect(plug.requests).toBe(0)
    expect(driver.issued.map((rq) => rq.sector)).toEqual([0, 16, 32])
    expect(other.issued.map((rq) => rq.sector)).toEqual([8, 24, 40])
    machine.scheduler.runUntilIdle()
    expect(end.ended).toHaveLength(6)
    tearDown(machine, disk)
    tearDown(machine, second)
  })
})

describe('a driver without resources', () => {
  it('gets the request again at the next completion', () => {
    const machine = makeMachine()
    let refusals = 1
    const driver = new ScriptedDriver(machine.kernel, (rq) => {
      if (rq.sector === 8 && refusals-- > 0) return BlkStatus.DEV_RESOURCE
      return BlkStatus.OK
    })
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    disk.submitBio(readBio(0, end), null)
    disk.submitBio(readBio(8, end), null)
    disk.submitBio(readBio(16, end), null)
    expect(driver.issued).toHaveLength(1)
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map((rq) => rq.sector)).toEqual([0, 8, 16])
    expect(machine.scheduler.nowNs()).toBe(0)
    expect(disk.stats.requeues).toBe(1)
    expect(end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK, BlkStatus.OK])
    tearDown(machine, disk)
  })

  it('is asked again after 3 ms where nothing is in flight', () => {
    const machine = makeMachine()
    let refusals = 2
    const driver = new ScriptedDriver(machine.kernel, () =>
      refusals-- > 0 ? BlkStatus.RESOURCE : BlkStatus.OK,
    )
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    disk.submitBio(readBio(0, end), null)
    machine.scheduler.runUntilIdle()
    expect(machine.scheduler.nowNs()).toBe(6_000_000)
    expect(end.statuses).toEqual([BlkStatus.OK])
    tearDown(machine, disk)
  })

  it('R4, R-MQ-7: a preparation that fails with RESOURCE drops active, and the next one takes it again', () => {
    const machine = makeMachine()
    let refusals = 1
    const driver = new ScriptedDriver(machine.kernel, () =>
      refusals-- > 0 ? 'prepare-then-resource' : BlkStatus.OK,
    )
    const disk = makeDisk(machine.kernel, driver)
    const map = new FakeMap(1 << 20, 12)
    const end = new EndRecorder()
    disk.submitBio(dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 4096 }, end), null)
    expect(map).toMatchObject({ active: 0, activations: 1, refs: 1 })
    machine.scheduler.runUntilIdle()
    expect(map).toMatchObject({ active: 0, activations: 2, refs: 1 })
    expect(end.statuses).toEqual([BlkStatus.OK])
    tearDown(machine, disk)
  })

  it('R-MQ-7: a requeue drops active and keeps refs', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, (rq) =>
      (rq.pdu as { requeued: number }).requeued === 0 ? 'requeue' : 'hold',
    )
    const disk = makeDisk(machine.kernel, driver)
    const map = new FakeMap(1 << 20, 12)
    const end = new EndRecorder()
    disk.submitBio(dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 4096 }, end), null)
    expect(map).toMatchObject({ active: 0, activations: 1, refs: 1 })
    machine.scheduler.runUntilIdle()
    expect(map).toMatchObject({ active: 1, activations: 2, refs: 1 })
    driver.releaseHeld()
    expect(map).toMatchObject({ active: 0, refs: 1 })
    expect(disk.stats.requeues).toBe(1)
    tearDown(machine, disk)
  })

  it('a requeue without a kick waits until the requeue list is kicked', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    disk.submitBio(readBio(0, end), null)
    const rq = driver.held.pop()
    if (rq === undefined) throw new Error('nothing held')
    blkMqRequeueRequest(rq, false)
    machine.scheduler.runUntilIdle()
    expect(driver.held).toHaveLength(0)
    disk.queue.kickRequeueList()
    machine.scheduler.runUntilIdle()
    driver.releaseHeld()
    expect(end.statuses).toEqual([BlkStatus.OK])
    tearDown(machine, disk)
  })
})

describe('ends of a request', () => {
  it('R-MQ-5: every other status from queueRq ends the I/O with itself', () => {
    for (const status of [BlkStatus.IOERR, BlkStatus.TARGET, BlkStatus.STALE, BlkStatus.NOSPC]) {
      const machine = makeMachine()
      const disk = makeDisk(machine.kernel, new ScriptedDriver(machine.kernel, () => status))
      const end = new EndRecorder()
      disk.submitBio(readBio(0, end), null)
      expect(end.statuses).toEqual([status])
      expect(disk.stats.errors).toBe(1)
      tearDown(machine, disk)
    }
  })

  it('R-MQ-5: AGAIN for a request that did not ask for NOWAIT is an assertion', () => {
    const machine = makeMachine()
    const disk = makeDisk(machine.kernel, new ScriptedDriver(machine.kernel, () => BlkStatus.AGAIN))
    const nowait = runBio({ op: ReqOp.READ | ReqFlags.NOWAIT, sector: 0, bytes: 512 })
    expect(disk.submitBio(nowait, null)).toBe(BlkStatus.OK)
    expect(nowait.biStatus).toBe(BlkStatus.AGAIN)
    expect(() => disk.submitBio(readBio(0, new EndRecorder()), null)).toThrow(AssertionFailure)
  })

  it('H1, R-MQ-7: a batched completion drops active once for each request', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver)
    const map = new FakeMap(1 << 20, 12)
    const end = new EndRecorder()
    for (let i = 0; i < 4; i++) {
      const init = { op: ReqOp.READ, sector: i * 8, offset: i * 4096, bytes: 4096 }
      disk.submitBio(dmabufBio(map, init, end), null)
    }
    expect(map.active).toBe(4)
    const batch = new RqList()
    const [failed, ...rest] = driver.held.splice(0)
    if (failed === undefined) throw new Error('nothing held')
    expect(blkMqAddToBatch(failed, batch, BlkStatus.IOERR)).toBe(false)
    for (const rq of rest) expect(blkMqAddToBatch(rq, batch, BlkStatus.OK)).toBe(true)
    blkMqEndRequestBatch(batch)
    expect(map.active).toBe(1)
    blkMqEndRequest(failed, BlkStatus.IOERR)
    expect(map).toMatchObject({ active: 0, refs: 1 })
    expect(end.statuses).toEqual([0, 0, 0, BlkStatus.IOERR])
    tearDown(machine, disk)
  })

  it('complete goes to the driver where it wants it, and once only', () => {
    const machine = makeMachine()
    const completed: number[] = []
    class Completing extends ScriptedDriver {
      complete(rq: Parameters<typeof blkMqEndRequest>[0]): void {
        completed.push(rq.tag)
        if (completed.length > 1) return
        blkMqEndRequest(rq, rq.status)
      }
    }
    const driver = new Completing(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    disk.submitBio(readBio(0, end), null)
    const first = driver.held.pop()
    if (first === undefined) throw new Error('nothing held')
    blkMqCompleteRequest(first, BlkStatus.MEDIUM)
    expect(end.statuses).toEqual([BlkStatus.MEDIUM])
    expect(() => blkMqCompleteRequest(first, BlkStatus.OK)).toThrow(AssertionFailure)
    disk.submitBio(readBio(0, end), null)
    const second = driver.held.pop()
    if (second === undefined) throw new Error('nothing held')
    blkMqCompleteRequest(second, BlkStatus.OK)
    expect(() => blkMqCompleteRequest(second, BlkStatus.OK)).toThrow(AssertionFailure)
    blkMqEndRequest(second, BlkStatus.OK)
    expect(() => blkMqEndRequest(second, BlkStatus.OK)).toThrow(AssertionFailure)
    tearDown(machine, disk)
  })

  it('without complete it ends with the status given', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    disk.submitBio(readBio(0, end), null)
    for (const rq of driver.held.splice(0)) blkMqCompleteRequest(rq, BlkStatus.TIMEOUT)
    expect(end.statuses).toEqual([BlkStatus.TIMEOUT])
    tearDown(machine, disk)
  })

  it('R-MQ-7: active is taken once and dropped once: anything else is an assertion', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver)
    const map = new FakeMap(1 << 20, 12)
    disk.submitBio(dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 4096 }), null)
    const [rq] = driver.held
    if (rq === undefined) throw new Error('nothing held')
    expect(rq.dmaSegments).toBe(map.segments)
    expect(() => blkRqActivateDmabuf(rq)).toThrow(AssertionFailure)
    blkRqDeactivateDmabuf(rq)
    expect(rq.dmaSegments).toBe(null)
    expect(() => blkRqDeactivateDmabuf(rq)).toThrow(AssertionFailure)
    driver.releaseHeld()
    expect(map.active).toBe(0)
    disk.submitBio(readBio(0, new EndRecorder()), null)
    const [plain] = driver.held
    if (plain === undefined) throw new Error('nothing held')
    expect(() => blkRqActivateDmabuf(plain)).toThrow(AssertionFailure)
    driver.releaseHeld()
    tearDown(machine, disk)
  })

  it('a driver that takes a request without starting it is caught', () => {
    const machine = makeMachine()
    class Forgetful extends ScriptedDriver {
      override queueRq(): BlkStatus {
        return BlkStatus.OK
      }
    }
    const disk = makeDisk(machine.kernel, new Forgetful(machine.kernel))
    expect(() => disk.submitBio(readBio(0, new EndRecorder()), null)).toThrow(/did not start/)
  })
})

describe('freeze, quiesce, death', () => {
  it('a freeze waits for what entered and keeps the rest out', () => {
    const machine = makeMachine()
    const { scheduler } = machine
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    const log: string[] = []
    disk.submitBio(readBio(0, end), null)
    const freezer = (function* (): Op<void> {
      yield* disk.queue.freeze()
      log.push(`frozen with ${end.ended.length} ended`)
    })()
    scheduler.spawn('freezer', freezer, { daemon: true })
    scheduler.runUntilIdle()
    expect(log).toEqual([])
    expect(disk.submitBio(readBio(8, end), null)).toBe(BlkStatus.AGAIN)
    scheduler.spawn('late', disk.submitBioWait(readBio(16, end), null), { daemon: true })
    scheduler.runUntilIdle()
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(log).toEqual(['frozen with 1 ended'])
    expect(driver.held).toHaveLength(0)
    disk.queue.unfreeze()
    scheduler.runUntilIdle()
    expect(driver.held).toHaveLength(1)
    driver.releaseHeld()
    tearDown(machine, disk)
    expect(() => disk.queue.unfreeze()).not.toThrow()
    expect(() => disk.queue.unfreeze()).toThrow(AssertionFailure)
  })

  it('a quiesced queue keeps requests, one by one and in batches, until it is unquiesced', () => {
    const machine = makeMachine()
    const driver = new BatchDriver(machine.kernel)
    const tagSet = createTagSet(
      { kernel: machine.kernel },
      { ops: driver, nrHwQueues: 1, queueDepth: 8 },
    )
    const disk = createDisk(
      { kernel: machine.kernel, tagSet },
      { name: 'q0', capacitySectors: 1024, noMerges: true },
    )
    const end = new EndRecorder()
    tagSet.quiesce()
    disk.queue.quiesce()
    disk.submitBio(readBio(0, end), null)
    const plug = new Plug()
    disk.submitBio(readBio(8, end), plug)
    disk.submitBio(readBio(16, end), plug)
    plug.finish()
    machine.scheduler.runUntilIdle()
    expect(driver.issued).toHaveLength(0)
    disk.queue.unquiesce()
    machine.scheduler.runUntilIdle()
    expect(driver.issued).toHaveLength(0)
    tagSet.unquiesce()
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map((rq) => rq.sector)).toEqual([0, 8, 16])
    expect(end.statuses).toEqual([0, 0, 0])
    tearDown(machine, disk)
    expect(() => disk.queue.unquiesce()).toThrow(AssertionFailure)
  })

  it('the death of the device ends submitters that wait, with IOERR', () => {
    const machine = makeMachine()
    const { scheduler } = machine
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const disk = makeDisk(machine.kernel, driver, { queueDepth: 1 })
    const end = new EndRecorder()
    disk.submitBio(readBio(0, end), null)
    scheduler.spawn('waiter', disk.submitBioWait(readBio(8, end), null))
    expect(() => scheduler.runUntilIdle()).toThrow(/tags of hardware queue 0/)
    disk.markDead()
    scheduler.runUntilIdle()
    expect(end.statuses).toEqual([BlkStatus.IOERR])
    expect(disk.submitBio(readBio(16, end), null)).toBe(BlkStatus.IOERR)
    driver.releaseHeld()
    tearDown(machine, disk)
    scheduler.runSync('again', disk.destroy())
  })

  it('a destroyed disk has ended the fragments of submitters that waited for a tag of another disk', () => {
    const machine = makeMachine()
    const { scheduler, kernel } = machine
    const driver = new ScriptedDriver(kernel, () => 'hold')
    const tagSet = createTagSet({ kernel }, { ops: driver, nrHwQueues: 1, queueDepth: 1 })
    const [other, disk] = ['other', 'gone'].map((name) =>
      createDisk({ kernel, tagSet }, { name, capacitySectors: 1024, limits: { maxHwSectors: 8 } }),
    )
    if (other === undefined || disk === undefined) throw new Error('no disk')
    other.submitBio(readBio(0, new EndRecorder()), null)
    const end = new EndRecorder()
    for (let i = 0; i < 3; i++) {
      const bio = runBio({ op: ReqOp.READ, sector: 8, bytes: 16_384 }, end)
      scheduler.spawn(`submitter ${i}`, disk.submitBioWait(bio, null))
    }
    scheduler.runReady()
    expect([end.ended.length, disk.stats.tagWaits]).toEqual([0, 3])
    scheduler.runSync('destroy', disk.destroy())
    expect(end.statuses).toEqual([BlkStatus.IOERR, BlkStatus.IOERR, BlkStatus.IOERR])
    driver.releaseHeld()
    tearDown(machine, other)
  })

  it('two disks over one tag set share its tags, and a tag stands for its request while it is busy', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const tagSet = createTagSet(
      { kernel: machine.kernel },
      { ops: driver, nrHwQueues: 1, queueDepth: 2 },
    )
    const make = (name: string) =>
      createDisk({ kernel: machine.kernel, tagSet }, { name, capacitySectors: 1024 })
    const [one, two] = [make('n1'), make('n2')]
    const end = new EndRecorder()
    expect(one.submitBio(readBio(0, end), null)).toBe(BlkStatus.OK)
    expect(two.submitBio(readBio(8, end), null)).toBe(BlkStatus.OK)
    expect(one.submitBio(readBio(16, end), null)).toBe(BlkStatus.AGAIN)
    const sectors: number[] = []
    tagSet.busyIter((rq) => sectors.push(rq.sector))
    expect(sectors.sort()).toEqual([0, 8])
    expect(tagSet.tagToRq(0, 0)?.tag).toBe(0)
    expect(tagSet.tagToRq(0, 7)).toBe(null)
    expect(tagSet.tagToRq(3, 0)).toBe(null)
    driver.releaseHeld()
    expect(tagSet.tagToRq(0, 0)).toBe(null)
    tearDown(machine, one)
    tearDown(machine, two)
  })

  it('refuses tag sets and capacities out of range', () => {
    const { kernel } = makeMachine()
    const ops = new ScriptedDriver(kernel)
    expect(() => createTagSet({ kernel }, { ops, nrHwQueues: 0, queueDepth: 8 })).toThrow(
      /nrHwQueues is 0/,
    )
    expect(() => createTagSet({ kernel }, { ops, nrHwQueues: 1, queueDepth: 20_000 })).toThrow(
      /10240/,
    )
    const disk = makeDisk(kernel, ops)
    expect(() => disk.setCapacity(-1)).toThrow(/-1 sectors/)
    disk.setCapacity(0)
    expect(disk.submitBio(readBio(0, new EndRecorder()), null)).toBe(BlkStatus.IOERR)
    expect(disk.queue.poll()).toBe(0)
  })
})

describe('flush', () => {
  const setup = { limits: { writeCache: true } }

  it('without a write cache a flush ends at once and FUA means nothing', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver)
    const end = new EndRecorder()
    disk.submitBio(runBio({ op: ReqOp.WRITE | ReqFlags.PREFLUSH, sector: 0, bytes: 0 }, end), null)
    expect(end.statuses).toEqual([BlkStatus.OK])
    disk.submitBio(runBio({ op: ReqOp.WRITE | ReqFlags.FUA, sector: 0, bytes: 512 }, end), null)
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map((rq) => rq.op)).toEqual([ReqOp.WRITE])
    tearDown(machine, disk)
  })

  it('with one, an empty PREFLUSH is one FLUSH request', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, setup)
    const end = new EndRecorder()
    disk.submitBio(runBio({ op: ReqOp.WRITE | ReqFlags.PREFLUSH, sector: 0, bytes: 0 }, end), null)
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map((rq) => [rq.op, rq.bytes])).toEqual([[ReqOp.FLUSH, 0]])
    expect(end.statuses).toEqual([BlkStatus.OK])
    expect(disk.stats.flushes).toBe(1)
    tearDown(machine, disk)
  })

  it('a FUA write without FUA in the device is followed by a flush, dmabuf payload or not', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, setup)
    const map = new FakeMap(1 << 20, 12)
    const end = new EndRecorder()
    const opf = ReqOp.WRITE | ReqFlags.PREFLUSH | ReqFlags.FUA
    const bio = dmabufBio(map, { op: opf, sector: 8, offset: 512, bytes: 1024 }, end)
    disk.submitBio(bio, null)
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map((rq) => [rq.op & 0xff, rq.bytes, rq.offset])).toEqual([
      [ReqOp.FLUSH, 0, 0],
      [ReqOp.WRITE, 1024, 512],
      [ReqOp.FLUSH, 0, 0],
    ])
    expect(end.statuses).toEqual([BlkStatus.OK])
    expect(map).toMatchObject({ active: 0, activations: 1 })
    expect(disk.stats).toMatchObject({ requests: 1, bytesWritten: 1024 })
    tearDown(machine, disk)
  })

  it('a device with FUA gets the flag, and a failed step ends the sequence', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, { limits: { writeCache: true, fua: true } })
    const end = new EndRecorder()
    const opf = ReqOp.WRITE | ReqFlags.FUA
    disk.submitBio(runBio({ op: opf, sector: 0, bytes: 512 }, end), null)
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map((rq) => rq.op)).toEqual([opf])
    driver.issued.length = 0
    driver.endStatus = () => BlkStatus.IOERR
    const both = runBio({ op: opf | ReqFlags.PREFLUSH, sector: 0, bytes: 512 }, end)
    disk.submitBio(both, null)
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map((rq) => rq.op)).toEqual([ReqOp.FLUSH])
    expect(end.statuses).toEqual([BlkStatus.OK, BlkStatus.IOERR])
    tearDown(machine, disk)
  })
})

describe('tracepoints', () => {
  it('say what happens, with the names of the kernel', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disk = makeDisk(machine.kernel, driver, { limits: { maxHwSectors: 8 } })
    const points: string[] = []
    const stop = machine.kernel.tracer.subscribe(
      (name) => name.startsWith('block_'),
      (event) => points.push(event.point),
    )
    const bio = runBio({ op: ReqOp.READ, sector: 0, bytes: 8192 })
    machine.scheduler.runSync('submit', disk.submitBioWait(bio, null))
    machine.scheduler.runUntilIdle()
    stop()
    const count = (name: string) => points.filter((point) => point === name).length
    expect(count('block_bio_queue')).toBe(1)
    expect(count('block_split')).toBe(1)
    expect(count('block_getrq')).toBe(2)
    expect(count('block_rq_issue')).toBe(2)
    expect(count('block_rq_complete')).toBe(2)
    expect(count('block_bio_complete')).toBe(2)
    tearDown(machine, disk)
  })
})
