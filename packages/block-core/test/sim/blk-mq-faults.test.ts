// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { BlkStatus, Plug, ReqOp } from '../../src/index.ts'
import {
  type Action,
  BatchDriver,
  dmabufBio,
  EndRecorder,
  FakeMap,
  type Machine,
  makeDisk,
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

const SEEDS = 150

interface Outcome {
  readonly trace: string
  readonly ended: number
}

/** Several submitters, one of which freezes and quiesces, over a driver that does anything at any time. */
function run(seed: number, machine: Machine = makeMachine(seed)): Outcome {
  const { scheduler, kernel } = machine
  const random = prng(seed ^ 0x5eed)
  const Driver = seed % 2 === 0 ? BatchDriver : ScriptedDriver
  const driver = new Driver(kernel, () => ACTIONS[random.below(ACTIONS.length)] ?? BlkStatus.OK)
  driver.endStatus = () => (random.below(8) === 0 ? BlkStatus.TRANSPORT : BlkStatus.OK)
  const disk = makeDisk(kernel, driver, {
    queueDepth: 1 + random.below(6),
    nrHwQueues: 1 + random.below(2),
    limits: { maxSegments: 2, maxHwSectors: 32 },
  })
  const map = new FakeMap(1 << 20, 12)
  const trace: string[] = []
  kernel.tracer.subscribe(
    (name) => name.startsWith('block_rq'),
    (event) => trace.push(`${event.point} ${event.values.join(' ')}`),
  )
  const ends: EndRecorder[] = []
  const submitter = function* (cpu: number): Op<void> {
    const plug = new Plug({ cpu })
    for (let i = 0; i < 6; i++) {
      const end = new EndRecorder()
      ends.push(end)
      const bytes = 4096 * (1 + random.below(6))
      const sector = 8 * random.below(1000)
      const op = random.below(2) === 0 ? ReqOp.READ : ReqOp.WRITE
      const offset = 4096 * random.below(100)
      const bio =
        random.below(2) === 0
          ? dmabufBio(map, { op, sector, offset, bytes }, end)
          : runBio({ op, sector, bytes }, end)
      const tryFirst = random.below(2) === 0
      if (tryFirst && disk.submitBio(bio, plug) === BlkStatus.OK) continue
      const plugged = random.below(2) === 0
      if (!plugged) plug.finish()
      yield* disk.submitBioWait(bio, plugged ? plug : null)
    }
    plug.finish()
  }
  const controller = function* (): Op<void> {
    yield* disk.queue.freeze()
    expect(disk.stats.inFlight).toBe(0)
    disk.queue.unfreeze()
    disk.queue.quiesce()
    disk.queue.unquiesce()
  }
  for (let cpu = 0; cpu < 4; cpu++) scheduler.spawn(`submitter ${cpu}`, submitter(cpu))
  scheduler.spawn('controller', controller())
  scheduler.runUntilIdle()
  for (const end of ends) expect(end.ended).toHaveLength(1)
  expect(map).toMatchObject({ active: 0, refs: 1 })
  expect(disk.stats.completions).toBe(disk.stats.requests)
  tearDown(machine, disk)
  return { trace: trace.join('\n'), ended: ends.length }
}

describe('blk-mq under faults', () => {
  it('R-MQ-7, R4: every bio ends exactly once, tags and active balance, whatever the driver does', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        expect(run(seed).ended).toBe(24)
      } catch (error) {
        throw new Error(`seed ${seed}; replay with run(${seed})`, { cause: error })
      }
    }
  })

  it('R-MQ-8: the same where other actors run between any two fragments', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        expect(run(seed, makeExploringMachine(seed)).ended).toBe(24)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
  })

  it('the same seed runs the same', () => {
    expect(run(42).trace).toBe(run(42).trace)
    expect(run(42).trace).not.toBe(run(43).trace)
  })
})
