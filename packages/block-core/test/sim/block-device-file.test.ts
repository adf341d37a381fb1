// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type Op, OpenFlags, type Prng, type Scheduler, yieldNow } from '@iolayers/kernel'
import { IocbFlags, type IovIter, Kiocb, type KiocbCompletion } from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import {
  BlkStatus,
  createBlockDeviceFile,
  type Disk,
  type DmabufFile,
  type DmabufIoMap,
  Plug,
} from '../../src/index.ts'
import { apart, fileOf, vecIter } from '../file-support.ts'
import {
  type Action,
  BatchDriver,
  dmabufIter,
  FakeMap,
  type Machine,
  makeDisk,
  makeExploringMachine,
  makeMachine,
  prng,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

const SEEDS = 120
const TASKS = 4
const IOS_EACH = 6
const CAPACITY_SECTORS = 4096

const ACTIONS: readonly Action[] = [
  BlkStatus.OK,
  BlkStatus.OK,
  'inline',
  'requeue',
  BlkStatus.RESOURCE,
  BlkStatus.MEDIUM,
]

/** One I/O from its issue to its end, which it insists on seeing once. */
class Attempt implements KiocbCompletion {
  readonly kiocb: Kiocb<Plug>
  readonly iter: IovIter<DmabufIoMap>
  readonly asked: number
  readonly posBytes: number
  readonly sync: boolean
  results: number[] = []

  constructor(iter: IovIter<DmabufIoMap>, posBytes: number, sync: boolean) {
    this.kiocb = new Kiocb<Plug>(sync ? null : this)
    this.iter = iter
    this.asked = iter.countBytes
    this.posBytes = posBytes
    this.sync = sync
  }

  kiComplete(_kiocb: Kiocb, result: number): void {
    this.results.push(result)
  }

  returned(result: number): void {
    if (result !== -Errno.EIOCBQUEUED) this.results.push(result)
    else if (this.sync) throw new Error('a synchronous I/O went on without its caller')
  }
}

const MET_ERRORS = [
  -Errno.EAGAIN,
  -Errno.ENODATA,
  -Errno.ENOLINK,
  -Errno.EIO,
  -Errno.ENOSPC,
  -Errno.ESTALE,
]

function checkAttempt({ kiocb, iter, asked, posBytes, results, sync }: Attempt): void {
  expect(results).toHaveLength(1)
  const result = results[0] ?? Number.NaN
  if (result < 0) {
    expect(MET_ERRORS).toContain(result)
    // The flush after a write may fail where the write did not.
    const moved = kiocb.posBytes - posBytes
    if (sync) expect(moved).toBe(asked - iter.countBytes)
    if (!sync || (kiocb.flags & IocbFlags.DSYNC) === 0) expect(moved).toBe(0)
    return
  }
  expect(result % 512).toBe(0)
  expect(result).toBeLessThanOrEqual(asked)
  expect(kiocb.posBytes).toBe(posBytes + result)
  expect(iter.countBytes).toBe(asked - result)
}

function randomIter(random: Prng, map: FakeMap, write: boolean): IovIter<DmabufIoMap> {
  const pages = 1 + random.below(12)
  if (random.below(2) === 0) return dmabufIter(map, 4096 * random.below(20), 4096 * pages, write)
  // Sometimes more runs than a bio has entries.
  if (random.below(4) === 0) return vecIter('iovec', apart(300, 512), write)
  return vecIter('kvec', apart(pages, 4096), write)
}

function* issue(
  random: Prng,
  io: DmabufFile,
  attempt: Attempt,
  write: boolean,
  plug: Plug,
): Op<void> {
  const { kiocb, iter } = attempt
  if (!attempt.sync && random.below(2) === 0) {
    kiocb.plug = plug
    const result = write ? io.writeIter(kiocb, iter) : io.readIter(kiocb, iter)
    if (random.below(2) === 0) plug.finish()
    if (result !== -Errno.EAGAIN) {
      attempt.returned(result)
      return
    }
    expect(iter.countBytes).toBe(attempt.asked)
    kiocb.plug = null
  }
  plug.finish()
  const wait = write ? io.writeIterWait(kiocb, iter) : io.readIterWait(kiocb, iter)
  attempt.returned(yield* wait)
}

/** Freezes, shrinks and grows the disk, loses the map, and in the end perhaps the device. */
function* disturb(
  scheduler: Scheduler,
  random: Prng,
  disk: Disk,
  map: FakeMap,
  seed: number,
): Op<void> {
  for (let i = 0; i < 4; i++) {
    yield* yieldNow(scheduler)
    yield* disk.queue.freeze()
    disk.setCapacity(random.below(2) === 0 ? CAPACITY_SECTORS : CAPACITY_SECTORS / 2)
    disk.queue.unfreeze()
    yield* yieldNow(scheduler)
    map.dead = random.below(4) === 0
    disk.queue.quiesce()
    yield* yieldNow(scheduler)
    disk.queue.unquiesce()
  }
  map.dead = false
  if (seed % 5 === 0) disk.markDead()
}

function run(seed: number, machine: Machine): string {
  const { kernel, scheduler } = machine
  const random = prng(seed ^ 0xf11e)
  const Driver = seed % 2 === 0 ? BatchDriver : ScriptedDriver
  const driver = new Driver(kernel, () => ACTIONS[random.below(ACTIONS.length)] ?? BlkStatus.OK)
  driver.endStatus = () => (random.below(10) === 0 ? BlkStatus.TRANSPORT : BlkStatus.OK)
  const disk = makeDisk(kernel, driver, {
    queueDepth: 1 + random.below(5),
    capacitySectors: CAPACITY_SECTORS,
    limits: { maxSegments: 4, maxHwSectors: 64, writeCache: random.below(2) === 0 },
  })
  const flags = OpenFlags.O_RDWR | OpenFlags.O_DIRECT
  const file = createBlockDeviceFile({ kernel, disk }, { flags, maxIos: 1 + random.below(3) })
  const io = fileOf(file)
  const map = new FakeMap(1 << 20, 12)
  const attempts: Attempt[] = []
  for (let task = 0; task < TASKS; task++) {
    const plug = new Plug({ cpu: task })
    scheduler.spawn(
      `task ${task}`,
      (function* () {
        for (let i = 0; i < IOS_EACH; i++) {
          const write = random.below(2) === 0
          const pos = 4096 * random.below(CAPACITY_SECTORS / 8 + 4)
          const attempt = new Attempt(randomIter(random, map, write), pos, random.below(2) === 0)
          attempts.push(attempt)
          attempt.kiocb.init(file, pos)
          if (random.below(3) === 0) attempt.kiocb.flags |= IocbFlags.DSYNC
          if (random.below(6) === 0) attempt.kiocb.flags |= IocbFlags.NOWAIT
          yield* issue(random, io, attempt, write, plug)
        }
        plug.finish()
      })(),
    )
  }
  scheduler.spawn('disturber', disturb(scheduler, random, disk, map, seed))
  scheduler.runUntilIdle()
  expect(attempts).toHaveLength(TASKS * IOS_EACH)
  for (const attempt of attempts) checkAttempt(attempt)
  expect(map).toMatchObject({ refs: 1, active: 0 })
  file.put()
  tearDown(machine, disk)
  return attempts.map(({ results }) => results.join()).join(' ')
}

describe('the block device file under everything at once', () => {
  it('every I/O ends once, with bytes or an error that was met, whatever runs beside it', () => {
    const met = new Set<number>()
    for (let seed = 1; seed <= SEEDS; seed++) {
      const machine = seed % 3 === 0 ? makeExploringMachine(seed) : makeMachine(seed)
      try {
        for (const each of run(seed, machine).split(' ')) met.add(Math.min(1, Number(each)))
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
    expect(met).toEqual(new Set([0, 1, ...MET_ERRORS]))
  })

  it('the same seed gives the same results', () => {
    expect(run(7, makeMachine(7))).toBe(run(7, makeMachine(7)))
  })
})
