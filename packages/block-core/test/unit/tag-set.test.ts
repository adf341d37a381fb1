// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  BLK_MQ_NO_HCTX_IDX,
  type BlkMqHwCtx,
  BlkStatus,
  blkMqCompleteRequest,
  blkMqEndRequest,
  blkMqTagsetCountCompletedRqs,
  blkMqTagsetWaitCompletedRequest,
  createDisk,
  createRequestSource,
  createTagSet,
  type Disk,
  Plug,
  ReqOp,
  type Request,
  type TagSet,
  type TagSetInit,
} from '../../src/index.ts'
import {
  EndRecorder,
  type Machine,
  makeMachine,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

type Pdu = { requeued: number }

function setUp(
  init: Partial<TagSetInit<Pdu>> = {},
  decide: () => 'hold' | BlkStatus = () => 'hold',
) {
  const machine = makeMachine()
  const driver = new ScriptedDriver(machine.kernel, decide)
  const tagSet = createTagSet(
    { kernel: machine.kernel },
    { ops: driver, nrHwQueues: 1, queueDepth: 8, ...init },
  )
  const addDisk = (name: string) => makeDiskOver(machine, tagSet, name)
  return { machine, driver, tagSet, addDisk }
}

function makeDiskOver({ kernel }: Machine, tagSet: TagSet, name: string): Disk {
  return createDisk({ kernel, tagSet }, { name, capacitySectors: 1 << 20 })
}

function submit(disk: Disk, sector: number, end: EndRecorder, cpu = 0): BlkStatus {
  const plug = new Plug({ cpu })
  const status = disk.submitBio(runBio({ op: ReqOp.WRITE, sector, bytes: 512 }, end), plug)
  plug.finish()
  return status
}

describe('a tag set', () => {
  it('refuses reserved tags that leave no other', () => {
    expect(() => setUp({ reservedTags: 8 })).toThrow(/queueDepth is 8, but must be from 9 to 10240/)
    expect(() => setUp({ reservedTags: -1 })).toThrow(/reservedTags is -1/)
    expect(() => setUp({ reservedTags: 0.5 })).toThrow(/reservedTags is 0.5/)
  })

  it('reserved tags are not for bios', () => {
    const { machine, driver, tagSet, addDisk } = setUp({ reservedTags: 3, queueDepth: 5 })
    const disk = addDisk('a')
    expect(disk.nrRequests).toBe(2)
    const end = new EndRecorder()
    expect([0, 1, 2].map((sector) => submit(disk, sector, end))).toEqual([
      BlkStatus.OK,
      BlkStatus.OK,
      BlkStatus.AGAIN,
    ])
    const tags: number[] = []
    tagSet.busyIter((rq) => tags.push(rq.tag))
    expect(tags).toEqual([3, 4])
    driver.releaseHeld()
    tearDown(machine, disk)
  })

  it('is destroyed once no disk uses it, and gives all requests back once', () => {
    const exited: string[] = []
    const { machine, driver, tagSet, addDisk } = setUp({ nrHwQueues: 2, queueDepth: 2 })
    const ops = Object.assign(driver, {
      exitRequest: (rq: Request, hctxIndex: number) => exited.push(`${hctxIndex}/${rq.tag}`),
    })
    expect(ops).toBe(driver)
    const disk = addDisk('a')
    expect(() => tagSet.destroy()).toThrow(AssertionFailure)
    tearDown(machine, disk)
    tagSet.destroy()
    tagSet.destroy()
    expect(exited).toEqual(['0/0', '0/1', '1/0', '1/1'])
    expect(() => addDisk('b')).toThrow(AssertionFailure)
  })

  it('gives back the requests of the first queue where those of the second cannot be made', () => {
    const machine = makeMachine()
    const exited: string[] = []
    const ops = Object.assign(new ScriptedDriver(machine.kernel), {
      initRequest: (hctxIndex: number) => {
        if (hctxIndex === 1) throw new Error('no memory')
        return { requeued: 0 }
      },
      exitRequest: (rq: Request, hctxIndex: number) => exited.push(`${hctxIndex}/${rq.tag}`),
    })
    const init = { ops, nrHwQueues: 2, queueDepth: 2 }
    expect(() => createTagSet({ kernel: machine.kernel }, init)).toThrow('no memory')
    expect(exited).toEqual(['0/0', '0/1'])
  })
})

describe('hardware queues', () => {
  it('are made known to the driver when a disk comes and when it goes', () => {
    const log: string[] = []
    const { machine, driver, addDisk } = setUp({ nrHwQueues: 2 })
    Object.assign(driver, {
      initHctx: (hctx: BlkMqHwCtx, index: number) => log.push(`+${hctx.disk.name}/${index}`),
      exitHctx: (hctx: BlkMqHwCtx, index: number) => log.push(`-${hctx.disk.name}/${index}`),
    })
    const disk = addDisk('a')
    expect(log).toEqual(['+a/0', '+a/1'])
    tearDown(machine, disk)
    expect(log).toEqual(['+a/0', '+a/1', '-a/1', '-a/0'])
  })

  it('a disk is not made where the driver fails, and leaves nothing', () => {
    const log: string[] = []
    const { machine, driver, tagSet, addDisk } = setUp({ nrHwQueues: 3 })
    Object.assign(driver, {
      initHctx: (_hctx: BlkMqHwCtx, index: number) => {
        if (index === 2 && log.length === 0) throw new Error('no vector')
      },
      exitHctx: (_hctx: BlkMqHwCtx, index: number) => log.push(`-${index}`),
    })
    expect(() => addDisk('a')).toThrow('no vector')
    expect(log).toEqual(['-1', '-0'])
    expect(tagSet.queues.size).toBe(0)
    expect(tagSet.tagMaps.map(({ users }) => users.length)).toEqual([0, 0, 0])
    tearDown(machine, addDisk('b'))
    tagSet.destroy()
  })

  it('say how many tags they have', () => {
    const hctxs: BlkMqHwCtx[] = []
    const { machine, driver, addDisk } = setUp({ nrHwQueues: 2 })
    Object.assign(driver, { initHctx: (hctx: BlkMqHwCtx) => hctxs.push(hctx) })
    const disk = addDisk('a')
    const end = new EndRecorder()
    for (const cpu of [0, 1, 1]) submit(disk, cpu, end, cpu)
    expect(hctxs.map(({ nrActive }) => nrActive)).toEqual([1, 2])
    driver.releaseHeld()
    expect(hctxs.map(({ nrActive }) => nrActive)).toEqual([0, 0])
    tearDown(machine, disk)
  })
})

describe('disks that share tags', () => {
  it('each get their part while both want tags', () => {
    const { machine, driver, tagSet, addDisk } = setUp({ queueDepth: 16 })
    const disks = [addDisk('a'), addDisk('b')]
    const end = new EndRecorder()
    const [a, b] = disks.map((disk) => () => submit(disk, 0, end))
    expect([b?.(), ...Array.from({ length: 9 }, () => a?.())].filter((s) => s === 0)).toHaveLength(
      9,
    )
    expect(tagSet.tagMaps[0]?.users.map(({ active, limit }) => [active, limit])).toEqual([
      [8, 8],
      [1, 8],
    ])
    driver.releaseHeld()
    for (const disk of disks) tearDown(machine, disk)
  })
})

describe('host-wide tags', () => {
  it('are one lot for all hardware queues, whose requests belong to none of them', () => {
    const made: number[] = []
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const ops = Object.assign(driver, {
      initRequest: (hctxIndex: number) => {
        made.push(hctxIndex)
        return { requeued: 0 }
      },
    })
    const init = { ops, nrHwQueues: 3, queueDepth: 4, hctxShared: true }
    const tagSet = createTagSet({ kernel: machine.kernel }, init)
    expect(made).toEqual(new Array(4).fill(BLK_MQ_NO_HCTX_IDX))
    const disk = makeDiskOver(machine, tagSet, 'a')
    expect([disk.nrRequests, tagSet.nrHwQueues]).toEqual([4, 3])
    const end = new EndRecorder()
    const statuses = [0, 1, 2, 0, 1].map((cpu) => submit(disk, cpu, end, cpu))
    expect(statuses).toEqual([0, 0, 0, 0, BlkStatus.AGAIN])
    const seen: [number | undefined, number][] = []
    tagSet.busyIter((rq) => seen.push([rq.mqHctx?.queueNum, rq.tag]))
    expect(seen).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [0, 3],
    ])
    expect(listed(disk)).toEqual(['0/0', '0/3', '1/1', '2/2'])
    driver.releaseHeld()
    tearDown(machine, disk)
    tagSet.destroy()
  })

  it('are divided between disks, not between hardware queues', () => {
    const init = { nrHwQueues: 4, queueDepth: 16, hctxShared: true }
    const { machine, driver, tagSet, addDisk } = setUp(init)
    const disks = [addDisk('a'), addDisk('b')]
    const end = new EndRecorder()
    for (let i = 0; i < 4; i++) for (const disk of disks) submit(disk, i, end, i)
    for (let i = 0; i < 9; i++) for (const disk of disks) submit(disk, i, end, 0)
    expect(tagSet.tagMaps[0]?.users.map(({ name, active }) => [name, active])).toEqual([
      ['a', 8],
      ['b', 8],
    ])
    driver.releaseHeld()
    for (const disk of disks) tearDown(machine, disk)
  })
})

function listed(disk: Disk): string[] {
  const source = createRequestSource(() => [disk])
  const places: string[] = []
  for (let rq = source.begin(); rq !== null; rq = source.next(rq))
    places.push(`${rq.hctx}/${rq.tag}`)
  return places
}

describe('iterating over busy requests', () => {
  it('visits each started request once, and the visitor may end any of them', () => {
    const { machine, driver, tagSet, addDisk } = setUp({ nrHwQueues: 2, queueDepth: 4 })
    const disk = addDisk('a')
    const end = new EndRecorder()
    for (const cpu of [0, 0, 0, 1, 1]) submit(disk, 8, end, cpu)
    const visited: string[] = []
    tagSet.busyIter((rq) => {
      visited.push(`${rq.mqHctx?.queueNum}/${rq.tag}`)
      const next = tagSet.tagToRq(0, 1)
      if (next !== null && rq !== next) blkMqEndRequest(next, BlkStatus.TIMEOUT)
      blkMqEndRequest(rq, BlkStatus.IOERR)
    })
    expect(visited).toEqual(['0/0', '0/2', '1/0', '1/1'])
    expect(end.statuses.toSorted((a, b) => a - b)).toEqual(
      [BlkStatus.TIMEOUT, ...new Array(4).fill(BlkStatus.IOERR)].toSorted((a, b) => a - b),
    )
    driver.held.length = 0
    tearDown(machine, disk)
  })

  it('the visitor may submit anew from the end of a bio, and nothing ends twice', () => {
    const { machine, driver, tagSet, addDisk } = setUp({ queueDepth: 4 })
    const disk = addDisk('a')
    const again = new EndRecorder()
    let ended = 0
    const resubmit = {
      bioEndIo: () => {
        ended++
        expect(submit(disk, 64, again)).toBe(BlkStatus.OK)
      },
    }
    for (let i = 0; i < 3; i++) {
      disk.submitBio(runBio({ op: ReqOp.READ, sector: i, bytes: 512 }, resubmit), null)
    }
    const first = driver.held.splice(0)
    tagSet.busyIter((rq) => {
      if (first.includes(rq) && rq.sector !== 64) blkMqEndRequest(rq, BlkStatus.IOERR)
    })
    expect([ended, again.ended.length]).toEqual([3, 0])
    driver.releaseHeld()
    expect(again.ended).toHaveLength(3)
    tearDown(machine, disk)
  })

  it('leaves out what the driver has not started', () => {
    const { machine, driver, tagSet, addDisk } = setUp({})
    const disk = addDisk('a')
    disk.queue.quiesce()
    submit(disk, 0, new EndRecorder())
    let visited = 0
    tagSet.busyIter(() => visited++)
    expect(visited).toBe(0)
    disk.queue.unquiesce()
    machine.scheduler.runUntilIdle()
    tagSet.busyIter(() => visited++)
    expect(visited).toBe(1)
    driver.releaseHeld()
    tearDown(machine, disk)
  })
})

describe('cancelling all requests', () => {
  it('waits until those that are complete have ended', () => {
    const { machine, driver, tagSet, addDisk } = setUp({})
    const { scheduler } = machine
    const completed: Request[] = []
    Object.assign(driver, { complete: (rq: Request) => completed.push(rq) })
    const disk = addDisk('a')
    const end = new EndRecorder()
    for (let i = 0; i < 3; i++) submit(disk, i, end)
    tagSet.busyIter((rq) => blkMqCompleteRequest(rq, BlkStatus.TRANSPORT))
    expect(blkMqTagsetCountCompletedRqs(tagSet)).toBe(3)
    const waiter = scheduler.spawn('wait', blkMqTagsetWaitCompletedRequest(tagSet))
    scheduler.advance(12_000_000)
    expect(waiter.state).not.toBe('done')
    for (const rq of completed) blkMqEndRequest(rq, rq.status)
    scheduler.runUntilIdle()
    expect([waiter.state, scheduler.nowNs()]).toEqual(['done', 15_000_000])
    expect(end.statuses).toEqual([BlkStatus.TRANSPORT, BlkStatus.TRANSPORT, BlkStatus.TRANSPORT])
    tearDown(machine, disk)
  })

  it('does not wait for requests that the device still has', () => {
    const { machine, driver, tagSet, addDisk } = setUp({})
    const disk = addDisk('a')
    submit(disk, 0, new EndRecorder())
    machine.scheduler.runSync('wait', blkMqTagsetWaitCompletedRequest(tagSet))
    expect(machine.scheduler.nowNs()).toBe(0)
    driver.releaseHeld()
    tearDown(machine, disk)
  })
})
