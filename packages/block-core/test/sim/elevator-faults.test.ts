// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  BlkStatus,
  createDisk,
  createTagSet,
  IoprioClass,
  ioprioValue,
  Plug,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import {
  type Action,
  BatchDriver,
  dmabufBio,
  EndRecorder,
  FakeMap,
  type Machine,
  makeExploringMachine,
  makeMachine,
  prng,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

const ACTIONS: readonly Action[] = [
  BlkStatus.OK,
  BlkStatus.OK,
  BlkStatus.OK,
  'inline',
  'requeue',
  'prepare-then-resource',
  BlkStatus.RESOURCE,
  BlkStatus.DEV_RESOURCE,
  BlkStatus.MEDIUM,
]
const OPS = [
  ReqOp.READ,
  ReqOp.READ,
  ReqOp.READ,
  ReqOp.READ,
  ReqOp.WRITE,
  ReqOp.WRITE,
  ReqOp.WRITE,
  ReqOp.WRITE | ReqFlags.FUA,
  ReqOp.WRITE | ReqFlags.PREFLUSH,
  ReqOp.DISCARD,
]
const PRIOS = [0, 0, 0, 0, 0, 0, ioprioValue(IoprioClass.RT), ioprioValue(IoprioClass.IDLE)]
const SUBMITTERS = 4
const BIOS = 12
const SEEDS = 120

interface Outcome {
  readonly trace: string
  readonly merges: number
}

/** Several submitters whose bios lie close together, while one changes the scheduler, freezes and quiesces. */
function run(seed: number, machine: Machine = makeMachine(seed)): Outcome {
  const { scheduler, kernel } = machine
  const random = prng(seed ^ 0xe1e)
  const pick = <T>(list: readonly T[], otherwise: T): T =>
    list[random.below(list.length)] ?? otherwise
  const Driver = seed % 2 === 0 ? BatchDriver : ScriptedDriver
  const driver = new Driver(kernel, () => pick(ACTIONS, BlkStatus.OK))
  driver.endStatus = () => (random.below(8) === 0 ? BlkStatus.TRANSPORT : BlkStatus.OK)
  const tagSet = createTagSet(
    { kernel },
    { ops: driver, nrHwQueues: 1 + random.below(3), queueDepth: 2 + random.below(14) },
  )
  const limits = {
    maxSegments: 4,
    maxHwSectors: 40,
    maxHwDiscardSectors: 64,
    maxDiscardSegments: 1 + random.below(3),
    writeCache: true,
  }
  const disk = createDisk(
    { kernel, tagSet },
    { name: 'dd', capacitySectors: 1 << 12, limits, scheduler: 'mq-deadline' },
  )
  const map = new FakeMap(1 << 20, 12)
  const trace: string[] = []
  let goneRequests = 0
  kernel.tracer.subscribe(
    (name) => name.startsWith('block_'),
    (event) => {
      if (event.point === 'block_rq_merge') goneRequests++
      trace.push(`${event.point} ${event.values.join(' ')}`)
    },
  )
  const ends: EndRecorder[] = []
  const submitter = function* (cpu: number): Op<void> {
    const plug = new Plug({ cpu })
    for (let i = 0; i < BIOS; i++) {
      const end = new EndRecorder()
      ends.push(end)
      const init = {
        op: pick(OPS, 0),
        sector: 8 * random.below(12),
        bytes: 4096 * (1 + random.below(2)),
      }
      const bio =
        random.below(6) === 0 && init.op < ReqOp.DISCARD
          ? dmabufBio(map, { ...init, offset: 4096 * random.below(100) }, end)
          : runBio(init, end)
      bio.biIoprio = pick(PRIOS, 0)
      if (random.below(2) === 0 && disk.submitBio(bio, plug) === BlkStatus.OK) continue
      const plugged = random.below(3) !== 0
      if (!plugged) plug.finish()
      yield* disk.submitBioWait(bio, plugged ? plug : null)
    }
    plug.finish()
  }
  const controller = function* (): Op<void> {
    for (const name of ['none', 'mq-deadline', 'none', 'mq-deadline']) {
      disk.queue.iosched?.set('async_depth', 1 + random.below(16))
      disk.queue.iosched?.set('fifo_batch', random.below(4))
      yield* disk.queue.setScheduler(name)
      expect(disk.queue.scheduler).toBe(name)
      disk.queue.quiesce()
      yield* sleep(scheduler, random.below(3) * 1_000_000)
      disk.queue.unquiesce()
    }
  }
  for (let cpu = 0; cpu < SUBMITTERS; cpu++) scheduler.spawn(`submitter ${cpu}`, submitter(cpu))
  scheduler.spawn('controller', controller())
  scheduler.runUntilIdle()
  for (const end of ends) expect(end.ended).toHaveLength(1)
  expect(ends).toHaveLength(SUBMITTERS * BIOS)
  expect(map).toMatchObject({ active: 0, refs: 1 })
  expect(disk.stats.completions + goneRequests).toBe(disk.stats.requests)
  tearDown(machine, disk)
  return { trace: trace.join('\n'), merges: disk.stats.merges }
}

describe('schedulers under faults', () => {
  for (const exploring of [false, true]) {
    const title = exploring ? 'where other actors run in between' : 'whatever the driver does'
    it(`R-MQ-7: every bio ends exactly once, tags and active balance, ${title}`, () => {
      let merges = 0
      for (let seed = 1; seed <= SEEDS; seed++) {
        try {
          merges += run(seed, exploring ? makeExploringMachine(seed) : makeMachine(seed)).merges
        } catch (error) {
          throw new Error(`seed ${seed}; exploring ${exploring}`, { cause: error })
        }
      }
      expect(merges).toBeGreaterThan(SEEDS)
    })
  }

  it('the same seed runs the same', () => {
    expect(run(7).trace).toBe(run(7).trace)
    expect(run(7).trace).not.toBe(run(8).trace)
  })
})
