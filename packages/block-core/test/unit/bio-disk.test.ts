// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type Bio,
  type BioDisk,
  type BioDriver,
  type BioSubmission,
  BlkStatus,
  bioInitClone,
  createBioDisk,
  createRequestSource,
  type Disk,
  type Plug,
  type QueueLimitsInit,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import {
  EndRecorder,
  type Machine,
  makeDisk,
  makeMachine,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

/** Keeps what it is given until it is told to end it. */
class Keeper implements BioDriver {
  readonly kept: Bio[] = []
  readonly got: [number, number][] = []
  answer: BlkStatus = BlkStatus.OK
  maxIoSectors?: (bio: Bio) => number

  trySubmitBio(bio: Bio): BlkStatus {
    if (this.answer !== BlkStatus.OK) return this.answer
    this.take(bio)
    return BlkStatus.OK
  }

  *submitBio(bio: Bio): Op<void> {
    this.take(bio)
  }

  take(bio: Bio): void {
    this.got.push([bio.biIter.biSector, bio.biIter.biSize])
    this.kept.push(bio)
  }
}

interface Rig extends Machine {
  readonly driver: Keeper
  readonly disk: BioDisk
  readonly end: EndRecorder
}

function makeRig(limits: QueueLimitsInit = {}, maxIoSectors?: (bio: Bio) => number): Rig {
  const machine = makeMachine()
  const driver = new Keeper()
  if (maxIoSectors !== undefined) driver.maxIoSectors = maxIoSectors
  const disk = createBioDisk(machine, {
    name: 'bio0',
    capacitySectors: 1024,
    driver,
    limits,
    nrRequests: 4,
  })
  return { ...machine, driver, disk, end: new EndRecorder() }
}

function endAll({ driver, disk }: Rig, status: BlkStatus = BlkStatus.OK): void {
  for (const bio of driver.kept.splice(0)) disk.endBio(bio, status)
}

/** Lets tasks run that may then wait for what only the test does. */
function settle({ scheduler }: Machine): void {
  function* steps(): Op<void> {
    for (let i = 0; i < 50; i++) yield* yieldNow(scheduler)
  }
  scheduler.runSync('settle', steps())
}

function read(bytes: number, end: EndRecorder, flags = 0, sector = 0): Bio {
  return runBio({ op: ReqOp.READ | flags, sector, bytes }, end)
}

describe('a disk without requests', () => {
  it('R-BIO-5: the plain form takes a bio that fits, and refuses one that would have to be cut', () => {
    const rig = makeRig({ maxHwSectors: 8 })
    expect(rig.disk.submitBio(read(4096, rig.end), null)).toBe(BlkStatus.OK)
    expect(rig.disk.submitBio(read(8192, rig.end), null)).toBe(BlkStatus.AGAIN)
    expect(rig.disk.submitBio(read(8192, rig.end, ReqFlags.ATOMIC), null)).toBe(BlkStatus.INVAL)
    expect(rig.disk.submitBio(read(512, rig.end, 0, 1024), null)).toBe(BlkStatus.IOERR)
    expect(rig.disk.submitBio(read(0, rig.end), null)).toBe(BlkStatus.OK)
    expect(rig.disk.stats).toMatchObject({ bios: 2, again: 1, inFlight: 1, completions: 0 })
    endAll(rig)
    expect(rig.end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
    expect(rig.disk.stats).toMatchObject({
      inFlight: 0,
      completions: 1,
      bytesRead: 4096,
      errors: 0,
    })
    tearDown(rig, rig.disk)
  })

  it('what the driver refuses was never in flight', () => {
    const rig = makeRig()
    for (const answer of [BlkStatus.AGAIN, BlkStatus.STALE]) {
      rig.driver.answer = answer
      expect(rig.disk.submitBio(read(512, rig.end), null)).toBe(answer)
    }
    expect(rig.disk.stats).toMatchObject({ bios: 0, again: 1, inFlight: 0 })
    expect(rig.end.statuses).toEqual([])
    tearDown(rig, rig.disk)
  })

  it('the waiting form cuts to the limits and to what the driver takes, in order, and ends once with the first error', () => {
    const rig = makeRig({ maxHwSectors: 8 }, (bio) => 6 - (bio.biIter.biSector % 6))
    rig.scheduler.runSync(
      'read',
      rig.disk.submitBioWait(read(8192, rig.end, ReqFlags.POLLED, 2), null),
    )
    expect(rig.driver.got).toEqual([
      [2, 2048],
      [6, 3072],
      [12, 3072],
    ])
    expect(rig.disk.stats).toMatchObject({ bios: 1, splits: 2, inFlight: 3 })
    expect(rig.driver.kept.map((bio) => bio.biOpf & ReqFlags.POLLED)).toEqual([0, 0, 0])
    const [first, second, third] = rig.driver.kept.splice(0) as [Bio, Bio, Bio]
    rig.disk.endBio(third, BlkStatus.OK)
    rig.disk.endBio(first, BlkStatus.MEDIUM)
    expect(rig.end.statuses).toEqual([])
    rig.disk.endBio(second, BlkStatus.IOERR)
    expect(rig.end.statuses).toEqual([BlkStatus.MEDIUM])
    tearDown(rig, rig.disk)
  })

  it.each([
    [ReqFlags.NOWAIT, BlkStatus.AGAIN],
    [ReqFlags.ATOMIC, BlkStatus.INVAL],
  ])('R-BIO-5: flag %i and a cut that only the driver asks for is status %i', (flag, status) => {
    const rig = makeRig({ atomicWriteHwMaxBytes: 32_768 }, () => 1)
    const bio = runBio({ op: ReqOp.WRITE | flag, sector: 0, bytes: 1024 }, rig.end)
    rig.scheduler.runSync('write', rig.disk.submitBioWait(bio, null))
    expect([rig.end.statuses, rig.driver.got]).toEqual([[status], []])
    tearDown(rig, rig.disk)
  })

  it('a driver that takes less than a logical block is EINVAL', () => {
    const rig = makeRig({ logicalBlockSizeBytes: 4096 }, () => 7)
    rig.scheduler.runSync('read', rig.disk.submitBioWait(read(8192, rig.end), null))
    expect(rig.end.statuses).toEqual([BlkStatus.INVAL])
    tearDown(rig, rig.disk)
  })

  it('more parts than there are bios to split with wait for those before', () => {
    const rig = makeRig({}, () => 1)
    const task = rig.scheduler.spawn('read', rig.disk.submitBioWait(read(4096, rig.end), null))
    settle(rig)
    expect([task.state === 'done', rig.driver.got.length]).toEqual([false, 4])
    while (rig.driver.kept.length > 0) {
      endAll(rig)
      settle(rig)
    }
    expect([rig.driver.got.length, rig.end.statuses]).toEqual([8, [BlkStatus.OK]])
    tearDown(rig, rig.disk)
  })

  it('freeze waits for the bios that the driver has, and holds up new ones; NOWAIT does not wait', () => {
    const rig = makeRig()
    const { scheduler, disk, end } = rig
    disk.submitBio(read(512, end), null)
    const freezing = scheduler.spawn('freeze', disk.queue.freeze())
    settle(rig)
    expect(freezing.state).not.toBe('done')
    const waiting = scheduler.spawn('read', disk.submitBioWait(read(512, end), null))
    scheduler.runSync('nowait', disk.submitBioWait(read(512, end, ReqFlags.NOWAIT), null))
    expect(disk.submitBio(read(512, end), null)).toBe(BlkStatus.AGAIN)
    settle(rig)
    expect([end.statuses, rig.driver.got.length]).toEqual([[BlkStatus.AGAIN], 1])
    expect(waiting.state).not.toBe('done')
    endAll(rig)
    settle(rig)
    expect(freezing.state).toBe('done')
    disk.queue.unfreeze()
    settle(rig)
    expect(rig.driver.got.length).toBe(2)
    endAll(rig)
    expect(end.statuses).toEqual([BlkStatus.AGAIN, BlkStatus.OK, BlkStatus.OK])
    tearDown(rig, disk)
  })

  it('a dead disk takes nothing; destroy waits for what the driver has, and is idempotent', () => {
    const rig = makeRig()
    const { scheduler, disk, end } = rig
    disk.submitBio(read(512, end), null)
    const destroying = scheduler.spawn('destroy', disk.destroy())
    settle(rig)
    expect(destroying.state).not.toBe('done')
    expect(disk.submitBio(read(512, end), null)).toBe(BlkStatus.IOERR)
    scheduler.runSync('read', disk.submitBioWait(read(512, end), null))
    expect(end.statuses).toEqual([BlkStatus.IOERR])
    endAll(rig)
    settle(rig)
    expect(destroying.state).toBe('done')
    tearDown(rig, disk)
  })

  it('has no requests, tags or scheduler, and says so', () => {
    const rig = makeRig()
    const { scheduler, disk } = rig
    expect([disk.queue.tagSet, disk.queue.scheduler, disk.queue.iosched]).toEqual([
      null,
      'none',
      null,
    ])
    expect(() => scheduler.runSync('set', disk.queue.setScheduler('mq-deadline'))).toThrow(
      /EINVAL|mq-deadline/,
    )
    expect(createRequestSource(() => [disk]).begin()).toBeNull()
    expect(() => disk.setCapacity(-1)).toThrow('-1')
    disk.queue.quiesce()
    disk.queue.unquiesce()
    disk.queue.runHwQueues()
    expect(disk.queue.poll()).toBe(0)
    disk.setReadOnly(true)
    const write = runBio({ op: ReqOp.WRITE, sector: 0, bytes: 512 })
    expect(disk.submitBio(write, null)).toBe(BlkStatus.IOERR)
    tearDown(rig, disk)
  })
})

/** Hands every bio on to the next disk, as a clone, and sees how deep the call stack is. */
class PassOn implements BioDriver {
  readonly #lower: Disk
  #disk: BioDisk | null = null

  constructor(lower: Disk) {
    this.#lower = lower
  }

  attach(disk: BioDisk): BioDisk {
    this.#disk = disk
    return disk
  }

  #clone(bio: Bio): Bio {
    const clone = runBio({ op: ReqOp.READ, sector: 0, bytes: 512 })
    bioInitClone(clone, bio, { bioEndIo: (it) => this.#disk?.endBio(bio, it.biStatus) })
    return clone
  }

  trySubmitBio(bio: Bio, plug: Plug | null): BlkStatus {
    return this.#lower.submitBio(this.#clone(bio), plug)
  }

  *submitBio(bio: Bio, submission: BioSubmission): Op<void> {
    submission.submit(this.#clone(bio), this.#lower)
  }
}

function makeStack(machine: Machine, bottom: Disk, layers: number): Disk[] {
  const disks = [bottom]
  for (let i = 0; i < layers; i++) {
    const driver = new PassOn(disks.at(-1) as Disk)
    const init = { name: `layer${i}`, capacitySectors: 1024, driver }
    disks.push(driver.attach(createBioDisk(machine, init)))
  }
  return disks
}

describe('a stack of disks', () => {
  it('100 layers deep: both forms arrive below, and end above', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disks = makeStack(machine, makeDisk(machine.kernel, driver), 100)
    const top = disks.at(-1) as Disk
    const end = new EndRecorder()
    expect(top.submitBio(read(512, end), null)).toBe(BlkStatus.OK)
    machine.scheduler.runSync('read', top.submitBioWait(read(4096, end, 0, 8), null))
    machine.scheduler.runUntilIdle()
    expect([end.statuses, driver.issued.length]).toEqual([[BlkStatus.OK, BlkStatus.OK], 2])
    for (const disk of disks.toReversed()) tearDown(machine, disk)
  })

  it('2,000 layers deep, the form that waits still does not recurse', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const disks = makeStack(machine, makeDisk(machine.kernel, driver), 2000)
    const top = disks.at(-1) as Disk
    const depths: number[] = []
    driver.decide = () => {
      const { stackTraceLimit } = Error
      Error.stackTraceLimit = Number.POSITIVE_INFINITY
      depths.push(new Error('depth').stack?.split('\n').length ?? 0)
      Error.stackTraceLimit = stackTraceLimit
      return BlkStatus.OK
    }
    const submit = top.submitBioWait(read(512, new EndRecorder()), null)
    machine.scheduler.runSync('read', submit)
    expect(depths).toHaveLength(1)
    expect(depths[0]).toBeLessThan(100)
    machine.scheduler.runUntilIdle()
    for (const disk of disks.toReversed()) machine.scheduler.runSync('destroy', disk.destroy())
  })
})
