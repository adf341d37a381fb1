// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type Bio,
  BlkStatus,
  blkMqUpdateNrHwQueues,
  blkMqUpdateNrRequests,
  createDisk,
  createTagSet,
  IoprioClass,
  ioprioClass,
  ioprioValue,
  Plug,
  type QueueLimitsInit,
  ReqFlags,
  ReqOp,
  type SchedulerName,
} from '../../src/index.ts'
import {
  BatchDriver,
  EndRecorder,
  makeMachine,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

interface Init {
  readonly scheduler?: SchedulerName
  readonly limits?: QueueLimitsInit
  readonly queueDepth?: number
  readonly nrHwQueues?: number
  readonly noMerges?: boolean
}

/** A disk whose driver takes nothing while `busy`, and then holds each request until it is released. */
function setup(init: Init = {}) {
  const machine = makeMachine()
  const { kernel, scheduler } = machine
  const state = { busy: false }
  const driver = new ScriptedDriver(kernel, () =>
    state.busy ? BlkStatus.DEV_RESOURCE : BlkStatus.OK,
  )
  const { queueDepth = 32, nrHwQueues = 1, limits = {}, noMerges = false } = init
  const tagSet = createTagSet({ kernel }, { ops: driver, nrHwQueues, queueDepth })
  const disk = createDisk(
    { kernel, tagSet },
    {
      name: 'dd0',
      capacitySectors: 1 << 20,
      limits: { maxHwSectors: 64, ...limits },
      noMerges,
      scheduler: init.scheduler ?? 'mq-deadline',
    },
  )
  const end = new EndRecorder()
  const submit = (op: number, sector: number, ioprio = 0, plug: Plug | null = null): Bio => {
    const bio = runBio({ op, sector, bytes: 4096 }, end)
    bio.biIoprio = ioprio
    expect(disk.submitBio(bio, plug)).toBe(BlkStatus.OK)
    return bio
  }
  const read = (sector: number, ioprio = 0) => submit(ReqOp.READ, sector, ioprio)
  /** The queue runs before this returns. */
  const readNow = (sector: number): void => {
    const plug = new Plug()
    submit(ReqOp.READ, sector, 0, plug)
    plug.finish()
  }
  const write = (sector: number, ioprio = 0) => submit(ReqOp.WRITE, sector, ioprio)
  /** Lets all that came while the queue was quiesced go, and says in which order. */
  const go = (): number[] => {
    disk.queue.unquiesce()
    scheduler.runUntilIdle()
    return driver.issued.splice(0).map(({ sector }) => sector)
  }
  const wait = (ns: number): void => {
    scheduler.runSync('wait', sleep(scheduler, ns))
  }
  return { machine, driver, disk, end, state, submit, read, readNow, write, go, wait }
}

describe('the scheduler of a disk', () => {
  it('is none if not asked for, and can be changed while I/O goes on', () => {
    const { machine, disk, read, end } = setup({ scheduler: 'none' })
    expect(disk.queue.scheduler).toBe('none')
    expect(disk.queue.iosched).toBe(null)
    read(0)
    machine.scheduler.runSync('change', disk.queue.setScheduler('mq-deadline'))
    expect(end.statuses).toEqual([BlkStatus.OK])
    expect(disk.queue.scheduler).toBe('mq-deadline')
    disk.queue.iosched?.set('fifo_batch', 3)
    machine.scheduler.runSync('again', disk.queue.setScheduler('mq-deadline'))
    expect(disk.queue.iosched?.get('fifo_batch')).toBe(3)
    read(8)
    machine.scheduler.runSync('back', disk.queue.setScheduler('none'))
    expect(end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
    expect(disk.queue.iosched).toBe(null)
    tearDown(machine, disk)
  })

  it('waits for what is held, and lets the rest go on afterwards', () => {
    const { machine, driver, disk, read, end } = setup()
    const { scheduler } = machine
    driver.decide = () => 'hold'
    read(0)
    scheduler.spawn('change', disk.queue.setScheduler('none'), { daemon: true })
    scheduler.runUntilIdle()
    const late = runBio({ op: ReqOp.READ, sector: 8, bytes: 4096 }, end)
    scheduler.spawn('late', disk.submitBioWait(late, null), { daemon: true })
    scheduler.runUntilIdle()
    expect(disk.queue.scheduler).toBe('mq-deadline')
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(disk.queue.scheduler).toBe('none')
    driver.releaseHeld()
    expect(end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
    tearDown(machine, disk)
  })

  it('EINVAL names those that there are; ENOENT once the disk is destroyed', () => {
    const { machine, disk } = setup()
    const change = (name: string) =>
      machine.scheduler.runSync('change', disk.queue.setScheduler(name))
    expect(() => change('bfq')).toThrow(/scheduler is bfq, but must be one of none, mq-deadline/)
    expect(disk.queue.scheduler).toBe('mq-deadline')
    tearDown(machine, disk)
    expect(() => change('none')).toThrow(KernelError)
    expect(() => change('none')).toThrow(/destroyed/)
  })

  it('has the settings of sysfs, in its units, kept in range', () => {
    const { machine, disk } = setup({ queueDepth: 20 })
    const { iosched } = disk.queue
    if (iosched === null) throw new Error('no settings')
    expect(Object.fromEntries(iosched.names.map((name) => [name, iosched.get(name)]))).toEqual({
      read_expire: 500,
      write_expire: 5000,
      writes_starved: 2,
      front_merges: 1,
      fifo_batch: 16,
      prio_aging_expire: 10_000,
      async_depth: 20,
    })
    for (const name of iosched.names) {
      iosched.set(name, 1)
      expect(iosched.get(name)).toBe(1)
    }
    const lowest = iosched.names.map((name) => {
      iosched.set(name, -(2 ** 40))
      return iosched.get(name)
    })
    expect(lowest).toEqual([0, 0, -(2 ** 31), 0, 0, 0, 1])
    iosched.set('front_merges', 7)
    iosched.set('read_expire', 2 ** 40)
    expect([iosched.get('front_merges'), iosched.get('read_expire')]).toEqual([1, 2 ** 31 - 1])
    expect(() => iosched.set('fifo_batch', 1.5)).toThrow(/fifo_batch is 1.5/)
    expect(() => iosched.get('quantum')).toThrow(/no quantum, but read_expire/)
    expect(() => iosched.set('quantum', 1)).toThrow(KernelError)
    tearDown(machine, disk)
  })
})

describe('mq-deadline', () => {
  it('orders by sector what comes together, reads before writes', () => {
    const { machine, disk, read, write, go } = setup()
    disk.queue.quiesce()
    read(8)
    go()
    disk.queue.quiesce()
    for (const sector of [800, 100, 400]) write(sector)
    for (const sector of [900, 300, 600]) read(sector)
    expect(go()).toEqual([300, 600, 900, 100, 400, 800])
    tearDown(machine, disk)
  })

  it('goes on from where it was, and then from the oldest', () => {
    const { machine, disk, read, go } = setup()
    disk.queue.quiesce()
    read(500)
    go()
    disk.queue.quiesce()
    for (const sector of [700, 100, 600, 300]) read(sector)
    expect(go()).toEqual([600, 700, 100, 300])
    tearDown(machine, disk)
  })

  it('gives writes a turn after reads went first twice', () => {
    const { machine, disk, read, write, go } = setup({ queueDepth: 64 })
    disk.queue.iosched?.set('fifo_batch', 2)
    disk.queue.quiesce()
    for (const sector of [8, 24]) read(sector)
    go()
    disk.queue.quiesce()
    for (let i = 0; i < 8; i++) read(1000 + i * 100)
    for (let i = 0; i < 4; i++) write(5000 + i * 100)
    const order = go()
      .map((sector) => (sector >= 5000 ? 'W' : 'R'))
      .join('')
    expect(order).toBe('RRRRWWRRRRWW')
    tearDown(machine, disk)
  })

  it('begins a batch at a request that has expired', () => {
    const { machine, disk, read, go, wait } = setup()
    disk.queue.quiesce()
    read(500)
    go()
    disk.queue.quiesce()
    read(100)
    wait(499_999_999)
    for (const sector of [600, 700]) read(sector)
    disk.queue.iosched?.set('fifo_batch', 1)
    wait(1)
    expect(go()).toEqual([100, 600, 700])
    disk.queue.quiesce()
    read(100)
    wait(499_999_999)
    read(800)
    expect(go()).toEqual([800, 100])
    tearDown(machine, disk)
  })

  it('serves the urgent first, and lower ones only when those have ended', () => {
    const { machine, driver, disk, read, go } = setup()
    const { scheduler } = machine
    driver.decide = () => 'hold'
    disk.queue.quiesce()
    read(100, ioprioValue(IoprioClass.IDLE))
    read(200)
    read(300, ioprioValue(IoprioClass.RT, 7))
    expect(go()).toEqual([300])
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(driver.issued.splice(0).map(({ sector }) => sector)).toEqual([200])
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(driver.issued.map(({ sector }) => sector)).toEqual([100])
    driver.releaseHeld()
    tearDown(machine, disk)
  })

  it('lets no lower priority wait longer than prio_aging_expire', () => {
    const { machine, driver, disk, read, go, wait } = setup()
    driver.decide = () => 'hold'
    disk.queue.iosched?.set('prio_aging_expire', 20)
    disk.queue.quiesce()
    read(100, ioprioValue(IoprioClass.IDLE))
    read(200, ioprioValue(IoprioClass.RT))
    wait(20_000_000)
    read(300, ioprioValue(IoprioClass.RT))
    expect(go()).toEqual([100, 200, 300])
    driver.releaseHeld()
    tearDown(machine, disk)
  })

  it('keeps requests to itself while the driver has no resources, and sorts them', () => {
    const { machine, driver, disk, state, read, readNow, end } = setup()
    const { scheduler } = machine
    state.busy = true
    readNow(500)
    expect(disk.stats.requeues).toBe(1)
    for (const sector of [900, 700, 100]) read(sector)
    state.busy = false
    scheduler.runUntilIdle()
    expect(driver.issued.map(({ sector }) => sector)).toEqual([500, 700, 900, 100])
    expect(end.statuses).toHaveLength(4)
    tearDown(machine, disk)
  })

  it('flushes go around it', () => {
    const { machine, driver, disk, read, submit } = setup({ limits: { writeCache: true } })
    disk.queue.quiesce()
    const plug = new Plug()
    read(500)
    submit(ReqOp.WRITE | ReqFlags.FUA, 100, 0, plug)
    submit(ReqOp.READ, 300, 0, plug)
    plug.finish()
    disk.queue.unquiesce()
    machine.scheduler.runUntilIdle()
    const ops = driver.issued.map(({ op, sector }) => [op & 0xff, sector])
    expect(ops[0]).toEqual([ReqOp.WRITE, 100])
    expect(ops.slice(1)).toContainEqual([ReqOp.FLUSH, 0])
    expect(ops).toHaveLength(4)
    tearDown(machine, disk)
  })

  it('tells the driver which request is the last for now, or commits', () => {
    const { machine, driver, disk, submit } = setup()
    const plug = new Plug()
    for (const sector of [300, 100, 200]) submit(ReqOp.READ, sector, 0, plug)
    plug.finish()
    expect(driver.issued.map(({ sector, last }) => [sector, last])).toEqual([
      [100, false],
      [200, false],
      [300, true],
    ])
    expect(driver.commits).toBe(0)
    machine.scheduler.runUntilIdle()
    driver.decide = (rq) => (rq.sector === 400 ? BlkStatus.MEDIUM : BlkStatus.OK)
    for (const sector of [400, 350]) submit(ReqOp.READ, sector, 0, plug)
    plug.finish()
    expect(driver.commits).toBe(1)
    machine.scheduler.runUntilIdle()
    tearDown(machine, disk)
  })

  it('shares its requests between hardware queues, each of which gets its own', () => {
    const machine = makeMachine()
    const { kernel, scheduler } = machine
    const queues: number[][] = []
    class Noting extends BatchDriver {
      override queueRq(...args: Parameters<ScriptedDriver['queueRq']>): BlkStatus {
        const [hctx, rq] = args
        expect(rq.mqHctx).toBe(hctx)
        queues.push([hctx.queueNum, rq.sector])
        return super.queueRq(...args)
      }
    }
    const driver = new Noting(kernel)
    const tagSet = createTagSet({ kernel }, { ops: driver, nrHwQueues: 2, queueDepth: 8 })
    const disk = createDisk(
      { kernel, tagSet },
      { name: 'dd1', capacitySectors: 4096, scheduler: 'mq-deadline' },
    )
    const end = new EndRecorder()
    disk.queue.quiesce()
    const plug = new Plug()
    for (const [cpu, sector] of [
      [0, 300],
      [1, 100],
      [0, 200],
      [1, 400],
    ] as const) {
      plug.cpu = cpu
      disk.submitBio(runBio({ op: ReqOp.READ, sector, bytes: 4096 }, end), plug)
    }
    plug.finish()
    disk.queue.unquiesce()
    scheduler.runUntilIdle()
    expect(queues).toEqual([
      [1, 100],
      [0, 200],
      [0, 300],
      [1, 400],
    ])
    expect(end.statuses).toHaveLength(4)
    tearDown(machine, disk)
  })

  it('works with a single tag', () => {
    const { machine, driver, disk, end } = setup({ queueDepth: 1 })
    const { scheduler } = machine
    for (const [i, sector] of [300, 100, 200, 108].entries()) {
      const op = i % 2 === 0 ? ReqOp.READ : ReqOp.WRITE
      const bio = runBio({ op, sector, bytes: 4096 }, end)
      scheduler.spawn(`submitter ${i}`, disk.submitBioWait(bio, null))
    }
    scheduler.runUntilIdle()
    expect(end.statuses).toEqual([0, 0, 0, 0])
    expect(driver.issued).toHaveLength(4)
    tearDown(machine, disk)
  })

  it('goes on while the depth and the hardware queues change', () => {
    const { machine, disk, end, read } = setup({ queueDepth: 8, nrHwQueues: 2 })
    const { scheduler } = machine
    const { tagSet } = disk.queue
    if (tagSet === null) throw new Error('no tag set')
    read(100)
    scheduler.runSync('depth', blkMqUpdateNrRequests(disk, 3))
    expect(disk.queue.iosched?.get('async_depth')).toBe(3)
    read(200)
    scheduler.runSync('queues', blkMqUpdateNrHwQueues(tagSet, 1))
    expect(disk.queue.scheduler).toBe('mq-deadline')
    read(300)
    scheduler.runUntilIdle()
    expect(end.statuses).toEqual([0, 0, 0])
    tearDown(machine, disk)
  })

  it('leaves tags to reads where async_depth says so', () => {
    const { machine, driver, disk, submit, end } = setup({ queueDepth: 4 })
    const { scheduler } = machine
    driver.decide = () => 'hold'
    disk.queue.iosched?.set('async_depth', 2)
    submit(ReqOp.WRITE, 0)
    submit(ReqOp.WRITE, 100)
    const third = runBio({ op: ReqOp.WRITE, sector: 200, bytes: 4096 }, end)
    expect(disk.submitBio(third, null)).toBe(BlkStatus.AGAIN)
    scheduler.spawn('writer', disk.submitBioWait(third, null), { daemon: true })
    scheduler.runUntilIdle()
    submit(ReqOp.READ, 300)
    scheduler.runUntilIdle()
    expect(driver.held.map(({ sector }) => sector)).toEqual([0, 100, 300])
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(driver.held.map(({ sector }) => sector)).toEqual([200])
    driver.releaseHeld()
    expect(end.statuses).toHaveLength(4)
    tearDown(machine, disk)
  })

  it('the death of the disk ends a writer that waits for its share', () => {
    const { machine, driver, disk, submit, end } = setup({ queueDepth: 4 })
    driver.decide = () => 'hold'
    disk.queue.iosched?.set('async_depth', 1)
    submit(ReqOp.WRITE, 0)
    const second = runBio({ op: ReqOp.WRITE, sector: 200, bytes: 4096 }, end)
    machine.scheduler.spawn('writer', disk.submitBioWait(second, null), { daemon: true })
    machine.scheduler.runUntilIdle()
    disk.markDead()
    machine.scheduler.runUntilIdle()
    expect(end.statuses).toEqual([BlkStatus.IOERR])
    driver.releaseHeld()
    tearDown(machine, disk)
  })
})

describe('merging with requests that the scheduler holds', () => {
  it('behind and in front, by bios of any submitter', () => {
    const { machine, driver, disk, read, go, end } = setup()
    disk.queue.quiesce()
    for (const sector of [100, 200, 300]) read(sector)
    read(208)
    read(92)
    read(292)
    expect(disk.stats).toMatchObject({ bios: 6, requests: 3, merges: 3 })
    disk.queue.unquiesce()
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map(({ sector, bytes }) => [sector, bytes / 512])).toEqual([
      [92, 16],
      [200, 16],
      [292, 16],
    ])
    expect(end.statuses).toHaveLength(6)
    disk.queue.quiesce()
    expect(go()).toHaveLength(3)
    tearDown(machine, disk)
  })

  it('a bio that fills a gap joins two requests, and gives a tag back', () => {
    const { machine, disk, read, go, end } = setup({ queueDepth: 2 })
    const points: string[] = []
    const stop = machine.kernel.tracer.subscribe(
      (name) => name === 'block_rq_merge',
      (event) => points.push(String(event.values[2])),
    )
    disk.queue.quiesce()
    read(100)
    read(116)
    read(108)
    expect(disk.stats).toMatchObject({ requests: 2, merges: 2 })
    read(500)
    stop()
    expect(points).toHaveLength(1)
    expect(go()).toEqual([100, 500])
    expect(end.statuses).toHaveLength(4)
    tearDown(machine, disk)
  })

  it('requests of a plug join those that are there', () => {
    const { machine, disk, read, submit, go, end } = setup()
    disk.queue.quiesce()
    read(100)
    const plug = new Plug()
    for (const sector of [124, 116, 300, 108]) submit(ReqOp.READ, sector, 0, plug)
    plug.finish()
    expect(go()).toEqual([100, 300])
    expect(end.statuses).toHaveLength(5)
    tearDown(machine, disk)
  })

  it('not in front where front_merges is 0, and not at all with noMerges', () => {
    const first = setup()
    first.disk.queue.iosched?.set('front_merges', 0)
    first.disk.queue.quiesce()
    for (const sector of [100, 500, 492, 508]) first.read(sector)
    expect(first.disk.stats.merges).toBe(1)
    first.go()
    tearDown(first.machine, first.disk)
    const second = setup({ noMerges: true })
    second.disk.queue.quiesce()
    for (const sector of [100, 108, 92]) second.read(sector)
    expect(second.disk.stats.merges).toBe(0)
    second.go()
    tearDown(second.machine, second.disk)
  })

  it('a request that the driver has is left alone, refused or not', () => {
    const { machine, driver, disk, state, read, readNow, end } = setup()
    driver.decide = () => (state.busy ? BlkStatus.DEV_RESOURCE : 'hold')
    read(100)
    machine.scheduler.runUntilIdle()
    read(108)
    expect(disk.stats.merges).toBe(0)
    machine.scheduler.runUntilIdle()
    state.busy = true
    readNow(300)
    expect(disk.stats.requeues).toBe(1)
    read(308)
    expect(disk.stats.merges).toBe(0)
    state.busy = false
    machine.scheduler.runUntilIdle()
    driver.releaseHeld()
    expect(end.statuses).toHaveLength(4)
    tearDown(machine, disk)
  })

  it('discards gather wherever they lie, up to the number of ranges', () => {
    const limits = { maxHwDiscardSectors: 640, maxDiscardSegments: 2 }
    const { machine, driver, disk, submit, end } = setup({ limits })
    disk.queue.quiesce()
    const plug = new Plug()
    for (const sector of [900, 700]) submit(ReqOp.DISCARD, sector, 0, plug)
    submit(ReqOp.DISCARD, 500)
    plug.finish()
    expect(disk.stats).toMatchObject({ requests: 2, merges: 1 })
    submit(ReqOp.DISCARD, 100)
    submit(ReqOp.DISCARD, 300)
    expect(disk.stats).toMatchObject({ requests: 3, merges: 2 })
    disk.queue.unquiesce()
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map(({ sector, bytes }) => [sector, bytes / 512])).toEqual([
      [300, 8],
      [500, 16],
      [900, 16],
    ])
    expect(end.statuses).toHaveLength(5)
    tearDown(machine, disk)
  })

  it('the time of an older request that is taken over counts', () => {
    const { machine, disk, read, go, wait } = setup()
    disk.queue.iosched?.set('fifo_batch', 1)
    disk.queue.quiesce()
    read(500)
    go()
    disk.queue.quiesce()
    read(108)
    wait(300_000_000)
    for (const sector of [600, 700]) read(sector)
    read(92)
    read(100)
    wait(200_000_000)
    expect(go()).toEqual([92, 600, 700])
    tearDown(machine, disk)
  })
})

describe('I/O priorities', () => {
  it('hold a class and a level', () => {
    const value = ioprioValue(IoprioClass.IDLE, 5)
    expect([value, ioprioClass(value), ioprioClass(0)]).toEqual([(3 << 13) | 5, 3, 0])
    expect(() => ioprioValue(IoprioClass.RT, 8)).toThrow(/level is 8/)
    expect(() => ioprioValue(IoprioClass.RT, -1)).toThrow(KernelError)
  })
})
