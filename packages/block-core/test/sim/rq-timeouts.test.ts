// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Op, type Prng, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type Bio,
  type BioEndIo,
  BlkStatus,
  blkExecuteRq,
  blkMqFreeRequest,
  blkRqMapDmabuf,
  blkRqMapKern,
  type Disk,
  Plug,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import { makeLifeDisk, makeTags } from '../rq-life-support.ts'
import { RACE_TIMEOUT_NS, RacingBatchDriver, RacingDriver } from '../rq-racing-driver.ts'
import {
  dmabufBio,
  FakeMap,
  type Machine,
  makeExploringMachine,
  makeMachine,
  prng,
  runBio,
  tearDown,
} from '../support.ts'

const MS = 1_000_000
const SEEDS = 1000
const SUBMITTERS = 3
const IOS = 4
const OPS = [ReqOp.READ, ReqOp.READ, ReqOp.WRITE, ReqOp.WRITE | ReqFlags.FUA]

/** What was met in all runs: a test that meets nothing proves nothing. */
class Met {
  asked = 0
  resets = 0
  aborts = 0
  requeues = 0
  lateEnds = 0
  losses = 0
  timeouts = 0
  slowFreezes = 0
  waitedForDriver = 0
}

class Run implements BioEndIo {
  readonly machine: Machine
  readonly driver: RacingDriver
  readonly disk: Disk
  readonly map = new FakeMap(1 << 20, 12)
  readonly trace: string[] = []
  readonly met: Met
  ended = 0
  submitted = 0
  executed = 0
  slowestNs = 0
  readonly #random: Prng
  readonly #startNs: Map<Bio, number> = new Map()

  constructor(seed: number, machine: Machine, met: Met) {
    this.machine = machine
    this.met = met
    this.#random = prng(seed ^ 0x71e0)
    const Driver = this.#random.below(2) === 0 ? RacingDriver : RacingBatchDriver
    this.driver = new Driver(machine.kernel, this.#random, seed % 2 === 0)
    const tags = makeTags(machine.kernel, this.driver, {
      timeoutNs: RACE_TIMEOUT_NS,
      queueDepth: 2 + this.#random.below(5),
      nrHwQueues: 1 + this.#random.below(2),
      hctxShared: this.#random.below(3) === 0,
      reservedTags: 1,
    })
    this.disk = makeLifeDisk(machine.kernel, tags, { writeCache: true })
    machine.kernel.tracer.subscribe(
      (name) => name.startsWith('block_rq'),
      (event) => this.trace.push(`${event.point} ${event.values.join(' ')}`),
    )
  }

  bioEndIo(bio: Bio): void {
    const startNs = this.#startNs.get(bio)
    if (startNs === undefined) throw new Error('a bio ended twice, or nobody submitted it')
    this.#startNs.delete(bio)
    this.ended++
    this.slowestNs += this.machine.scheduler.nowNs() - startNs
    this.#checkStatus(bio, bio.biStatus)
  }

  *submitter(cpu: number): Op<void> {
    const plug = new Plug({ cpu })
    for (let i = 0; i < IOS; i++) {
      if (this.#random.below(4) === 0) {
        plug.finish()
        yield* this.#execute(cpu)
        continue
      }
      const bio = this.#bio()
      this.submitted++
      this.#startNs.set(bio, this.machine.scheduler.nowNs())
      const plugged = this.#random.below(2) === 0
      if (!plugged) plug.finish()
      yield* this.disk.submitBioWait(bio, plugged ? plug : null)
    }
    plug.finish()
  }

  *aborter(): Op<void> {
    for (let i = 0; i < 6; i++) {
      yield* sleep(this.machine.scheduler, MS * this.#random.below(8))
      this.driver.abortOne()
    }
  }

  *quiescer(): Op<void> {
    const { queue } = this.disk
    const { scheduler } = this.machine
    for (let i = 0; i < 3; i++) {
      queue.quiesce()
      if (this.driver.calls > 0) this.met.waitedForDriver++
      yield* queue.waitQuiesceDone()
      expect(this.driver.calls).toBe(0)
      this.driver.quiesced = true
      yield* sleep(scheduler, MS * this.#random.below(8))
      this.driver.quiesced = false
      queue.unquiesce()
      yield* sleep(scheduler, MS * this.#random.below(8))
    }
  }

  *freezer(): Op<void> {
    const { queue, stats } = this.disk
    const { scheduler } = this.machine
    for (let i = 0; i < 2; i++) {
      yield* sleep(scheduler, MS * this.#random.below(20))
      queue.freezeStart()
      while (!(yield* queue.freezeWait(3 * MS))) this.met.slowFreezes++
      expect(stats).toMatchObject({ inFlight: 0, inFlightReads: 0, inFlightWrites: 0 })
      this.checkNoTimer()
      queue.unfreeze()
    }
  }

  checkNoTimer(): void {
    const left = this.machine.scheduler.outstanding()
    expect(left.filter((what) => what.includes('timeouts of'))).toEqual([])
  }

  *#execute(cpu: number): Op<void> {
    const { passthrough } = this.disk.queue
    if (passthrough === null) throw new Error('no passthrough')
    const own = this.#random.below(2) === 0
    const rq = yield* passthrough.allocRequest(ReqOp.DRV_OUT, {
      cpu,
      reserved: this.#random.below(2) === 0,
      ...(own ? { timeoutNs: 3 * MS } : {}),
    })
    const data = this.#random.below(3)
    if (data === 1) blkRqMapDmabuf(rq, this.map, 4096, 4096)
    if (data === 2) blkRqMapKern(rq, [{ frame: 1, offsetBytes: 0, lengthBytes: 4096 }])
    const status = yield* blkExecuteRq(rq, this.#random.below(2) === 0)
    this.executed++
    this.#checkStatus(rq, status)
    blkMqFreeRequest(rq)
  }

  #bio(): Bio {
    const init = {
      op: OPS[this.#random.below(OPS.length)] ?? ReqOp.READ,
      sector: 8 * this.#random.below(1000),
      bytes: 4096,
    }
    if (this.#random.below(2) === 0) return runBio(init, this)
    return dmabufBio(this.map, { ...init, offset: 4096 * this.#random.below(100) }, this)
  }

  #checkStatus(what: object, status: BlkStatus): void {
    const expected = this.driver.expected.get(what)
    if (expected !== status) throw new Error(`ended with ${status}, not with ${expected}`)
    this.driver.expected.delete(what)
    if (status === BlkStatus.TIMEOUT) this.met.timeouts++
  }
}

function run(seed: number, machine: Machine, met: Met): Run {
  const race = new Run(seed, machine, met)
  const { scheduler } = machine
  if (seed % 3 === 0) scheduler.runSync('elevator', race.disk.queue.setScheduler('mq-deadline'))
  for (let cpu = 0; cpu < SUBMITTERS; cpu++) {
    scheduler.spawn(`submitter ${cpu}`, race.submitter(cpu))
  }
  scheduler.spawn('aborter', race.aborter())
  scheduler.spawn('quiescer', race.quiescer())
  scheduler.spawn('freezer', race.freezer())
  scheduler.runUntilIdle()
  const { disk, driver, map } = race
  expect([race.ended, race.ended + race.executed]).toEqual([race.submitted, SUBMITTERS * IOS])
  expect(driver.held).toBe(0)
  expect(map).toMatchObject({ active: 0, refs: 1 })
  const { stats } = disk
  expect(stats).toMatchObject({ inFlight: 0, inFlightReads: 0, inFlightWrites: 0 })
  expect(stats.read.ios + stats.write.ios).toBe(race.submitted)
  expect(stats.read.timeNs + stats.write.timeNs).toBeLessThanOrEqual(race.slowestNs)
  expect(stats.busyNs).toBeLessThanOrEqual(scheduler.nowNs())
  expect(stats.requeues).toBeGreaterThanOrEqual(driver.requeues)
  for (const tags of new Set(disk.queue.tagSet?.tagMaps)) {
    expect(tags.free + tags.freeReserved).toBe(tags.depth)
  }
  met.asked += driver.asked
  met.resets += driver.resets
  met.aborts += driver.aborts
  met.requeues += driver.requeues
  met.lateEnds += driver.lateEnds
  met.losses += driver.losses
  tearDown(machine, disk)
  return race
}

describe('requests whose time runs out', () => {
  it('R-MQ-7, R3: racing with completions, aborts, requeues and freezes on other CPUs each ends once, as its driver said', () => {
    const met = new Met()
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        run(seed, seed % 4 === 0 ? makeMachine(seed) : makeExploringMachine(seed), met)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
    for (const [what, times] of Object.entries(met)) {
      expect(times, what).toBeGreaterThan(SEEDS / 100)
    }
  })

  it('the same seed runs the same', () => {
    const trace = (seed: number) =>
      run(seed, makeExploringMachine(seed), new Met()).trace.join('\n')
    expect(trace(3)).toBe(trace(3))
    expect(trace(3)).not.toBe(trace(5))
  })
})
