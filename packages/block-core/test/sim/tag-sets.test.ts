// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op, Prng } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type Bio,
  type BioEndIo,
  BlkStatus,
  blkMqEndRequest,
  blkMqMapQueues,
  blkMqUpdateNrHwQueues,
  blkMqUpdateNrRequests,
  createDisk,
  createTagSet,
  type Disk,
  type MapQueues,
  Plug,
  ReqOp,
  type Request,
  type TagSet,
} from '../../src/index.ts'
import type { TagMap } from '../../src/mq/tag-map.ts'
import {
  type Action,
  BatchDriver,
  EndRecorder,
  type Machine,
  makeExploringMachine,
  makeMachine,
  prng,
  runBio,
} from '../support.ts'

const SEEDS = 520
const NR_CPUS = 4
const CLAIM_NS = 1_000_000_000

const ACTIONS: readonly Action[] = [
  'hold',
  'hold',
  'hold',
  'hold',
  'inline',
  'requeue',
  BlkStatus.RESOURCE,
]

/** Counts what it makes and what it gives back. */
class CountingDriver extends BatchDriver {
  requests = 0
  hctxs = 0
  /** Makes that many more requests, then fails. */
  memory = Number.POSITIVE_INFINITY

  override initRequest(): { requeued: number } {
    if (this.memory-- <= 0) throw new Error('no memory')
    this.requests++
    return { requeued: 0 }
  }

  exitRequest(): void {
    this.requests--
  }

  initHctx(): void {
    this.hctxs++
  }

  exitHctx(): void {
    this.hctxs--
  }
}

/** Reads have queues of their own where there are several. */
const readsApart: MapQueues = (maps, nrHwQueues) => {
  const [map, readMap] = maps
  if (map === undefined || readMap === undefined) return
  readMap.nrQueues = Math.floor(nrHwQueues / 2)
  map.nrQueues = nrHwQueues - readMap.nrQueues
  readMap.queueOffset = map.nrQueues
  blkMqMapQueues(map)
  if (readMap.nrQueues > 0) blkMqMapQueues(readMap)
}

interface Rig {
  readonly machine: Machine
  readonly random: Prng
  readonly driver: CountingDriver
  readonly tagSet: TagSet
  readonly disks: Disk[]
  readonly ends: EndRecorder[]
  running: number
}

function makeRig(seed: number, machine: Machine): Rig {
  const random = prng(seed ^ 0x7a65)
  const { kernel } = machine
  const driver = new CountingDriver(kernel, () => ACTIONS[random.below(ACTIONS.length)] ?? 'hold')
  const kinds = random.below(3) === 0 ? { nrMaps: 2, mapQueues: readsApart } : {}
  const reservedTags = random.below(2)
  const tagSet = createTagSet(
    { kernel },
    {
      ops: driver,
      nrHwQueues: 1 + random.below(NR_CPUS),
      queueDepth: reservedTags + 1 + random.below(12),
      reservedTags,
      nrCpus: NR_CPUS,
      hctxShared: random.below(4) === 0,
      ...kinds,
    },
  )
  const disks = ['a', 'b', 'c'].slice(0, 1 + random.below(3)).map((name) =>
    createDisk(
      { kernel, tagSet },
      {
        name,
        capacitySectors: 1 << 20,
        limits: { maxHwSectors: 16 },
        scheduler: random.below(4) === 0 ? 'mq-deadline' : 'none',
      },
    ),
  )
  return { machine, random, driver, tagSet, disks, ends: [], running: 0 }
}

/** Submits to one disk, from a CPU that changes, now plugged and now not, now waiting and now not. */
function* submitter(rig: Rig, disk: Disk): Op<void> {
  const { random } = rig
  const plug = new Plug({ cpu: random.below(NR_CPUS) })
  for (let i = 0; i < 5; i++) {
    const end = new EndRecorder()
    rig.ends.push(end)
    const op = random.below(2) === 0 ? ReqOp.READ : ReqOp.WRITE
    const bytes = 4096 * (1 + random.below(3))
    const bio = runBio({ op, sector: 8 * random.below(1000), bytes }, end)
    if (random.below(2) === 0 && disk.submitBio(bio, plug) === BlkStatus.OK) continue
    const plugged = random.below(2) === 0
    if (!plugged) plug.finish()
    yield* disk.submitBioWait(bio, plugged ? plug : null)
    if (random.below(4) === 0) {
      plug.finish()
      plug.cpu = random.below(NR_CPUS)
    }
  }
  plug.finish()
  rig.running--
}

/** Changes the number of queues and the depth, sometimes in vain, freezes a disk, and destroys one. */
function* controller(rig: Rig): Op<void> {
  const { random, tagSet, disks, driver } = rig
  for (let i = 0; i < 3; i++) {
    const disk = disks[random.below(disks.length)]
    if (disk === undefined) break
    switch (random.below(4)) {
      case 0:
        driver.memory = random.below(2) === 0 ? random.below(8) : Number.POSITIVE_INFINITY
        yield* changeQueues(rig, 1 + random.below(NR_CPUS))
        break
      case 1: {
        const most = tagSet.queueDepth - tagSet.reservedTags
        yield* blkMqUpdateNrRequests(disk, tagSet.reservedTags + 1 + random.below(most))
        break
      }
      case 2:
        yield* disk.queue.freeze()
        expect(disk.stats.inFlight).toBe(0)
        disk.queue.unfreeze()
        break
      default:
        yield* changeQueues(rig, 1 + random.below(NR_CPUS))
    }
  }
  if (random.below(3) === 0) yield* disks[0]?.destroy() ?? changeQueues(rig, 1)
  rig.running--
}

function* changeQueues({ tagSet, driver }: Rig, wanted: number): Op<void> {
  const before = tagSet.nrHwQueues
  try {
    yield* blkMqUpdateNrHwQueues(tagSet, wanted)
    expect(tagSet.nrHwQueues).toBe(wanted)
  } catch (error) {
    expect(error).toMatchObject({ message: 'no memory' })
    expect(tagSet.nrHwQueues).toBe(before)
  } finally {
    driver.memory = Number.POSITIVE_INFINITY
  }
}

function distinctMaps(tagSet: TagSet): Set<TagMap> {
  return new Set(tagSet.tagMaps)
}

/** With nothing left to run: tags balance, shares are what they should be, nobody sleeps who could go on. */
function checkQuiet({ tagSet, machine }: Rig): void {
  const nowNs = machine.scheduler.nowNs()
  for (const tags of distinctMaps(tagSet)) {
    const { users, depth, nrReservedTags: reserved } = tags
    const inUse = (rq: Request) => rq.mqHctx !== null
    const ordinary = tags.requests.slice(reserved, depth)
    const idle = ordinary.filter((rq) => !inUse(rq)).length
    if (tags.free !== idle) throw new Error(`${tags.free} tags are free, ${idle} not in use`)
    const active = users.reduce((sum, user) => sum + user.active, 0)
    const busy = tags.requests.filter(inUse).length
    if (active !== busy) throw new Error(`users have ${active} tags, ${busy} are in use`)
    const wanting = users.filter(
      (user) =>
        user.active > 0 || user.sleepers > 0 || (user.busy && nowNs - user.refusedNs < CLAIM_NS),
    )
    const share = Math.max(Math.ceil((depth - reserved) / wanting.length), 4)
    const divided = users.length > 1 && depth - reserved > 1
    for (const user of users) {
      const mayTake = tags.free > 0 && (!divided || user.active < share)
      if (user.wait.hasWaiters && mayTake) throw new Error(`${user.name} sleeps in vain`)
    }
  }
}

/** Runs until nothing can run, ends some of what the driver holds, and so on to the end. */
function drive(rig: Rig): void {
  const { machine, random, driver } = rig
  const going = () => rig.running > 0 || rig.ends.some(({ ended }) => ended.length === 0)
  for (let round = 0; going(); round++) {
    if (round > 2000) throw new Error('it does not end')
    machine.scheduler.runReady()
    checkQuiet(rig)
    const count = 1 + random.below(3)
    for (let i = 0; i < count && driver.held.length > 0; i++) {
      const [rq] = driver.held.splice(random.below(driver.held.length), 1)
      if (rq !== undefined) blkMqEndRequest(rq, BlkStatus.OK)
    }
    if (random.below(4) === 0) machine.scheduler.advance(3_000_000)
  }
}

function run(seed: number, machine: Machine): string {
  const rig = makeRig(seed, machine)
  const { scheduler } = machine
  for (const disk of rig.disks) {
    const submitters = 1 + rig.random.below(4)
    for (let i = 0; i < submitters; i++) {
      rig.running++
      scheduler.spawn(`submitter ${i} of ${disk.name}`, submitter(rig, disk))
    }
  }
  rig.running++
  scheduler.spawn('controller', controller(rig))
  drive(rig)
  for (const { ended } of rig.ends) expect(ended).toHaveLength(1)
  for (const disk of rig.disks) {
    scheduler.runSync('destroy', disk.destroy())
    const { completions, requests } = disk.stats
    // A scheduler merges requests into others, and those never come to an end of their own.
    if (disk.queue.scheduler === 'none') expect(completions).toBe(requests)
    else expect(completions).toBeLessThanOrEqual(requests)
  }
  scheduler.runUntilIdle()
  expect(scheduler.outstanding()).toEqual([])
  rig.tagSet.destroy()
  expect([rig.driver.requests, rig.driver.hctxs]).toEqual([0, 0])
  return rig.driver.issued.map(({ sector, op }) => `${op}:${sector}`).join(' ')
}

function runSeeds(make: (seed: number) => Machine): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      run(seed, make(seed))
    } catch (error) {
      throw new Error(`seed ${seed}; replay with run(${seed}, …)`, { cause: error })
    }
  }
}

describe('disks over one tag set while its queues and depth change', () => {
  it('every bio ends once, tags balance, and nobody sleeps while there is a tag for him', () => {
    runSeeds(makeMachine)
  })

  it('the same where other actors run between any two requests', () => {
    runSeeds(makeExploringMachine)
  })

  it('the same seed runs the same', () => {
    expect(run(42, makeMachine(42))).toBe(run(42, makeMachine(42)))
    expect(run(42, makeMachine(42))).not.toBe(run(43, makeMachine(43)))
  })
})

/** Submits again whenever one of its bios ends, without ever sleeping. */
class Greedy implements BioEndIo {
  completions = 0
  readonly #disk: Disk
  #left: number

  constructor(disk: Disk, bios: number) {
    this.#disk = disk
    this.#left = bios
  }

  fill(): void {
    while (this.#left > 0) {
      const bio = runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }, this)
      if (this.#disk.submitBio(bio, null) !== BlkStatus.OK) return
      this.#left--
    }
  }

  bioEndIo(_bio: Bio): void {
    this.completions++
  }
}

describe('fairness', () => {
  it('a disk with one submitter gets its tags beside disks that take all they can', () => {
    for (let seed = 1; seed <= 25; seed++) {
      const machine = makeMachine(seed)
      const { kernel, scheduler } = machine
      const random = prng(seed)
      const driver = new CountingDriver(kernel, () => 'hold')
      const depth = 12 + 4 * random.below(4)
      const tagSet = createTagSet({ kernel }, { ops: driver, nrHwQueues: 1, queueDepth: depth })
      const disks = ['greedy', 'greedier', 'modest'].map((name) =>
        createDisk({ kernel, tagSet }, { name, capacitySectors: 1 << 20 }),
      )
      const greedy = disks.slice(0, 2).map((disk) => new Greedy(disk, 200))
      for (const each of greedy) each.fill()
      expect(tagSet.tagMaps[0]?.free).toBe(0)
      const done: number[] = []
      const total = () => greedy.reduce((sum, each) => sum + each.completions, 0)
      const modest = function* (): Op<void> {
        for (let i = 0; i < 20; i++) {
          yield* disks[2]?.submitBioWait(runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }), null) ??
            blkMqUpdateNrHwQueues(tagSet, 1)
          done.push(total())
        }
      }
      scheduler.spawn('modest', modest())
      while (driver.held.length > 0) {
        scheduler.runReady()
        const [rq] = driver.held.splice(random.below(driver.held.length), 1)
        if (rq !== undefined) blkMqEndRequest(rq, BlkStatus.OK)
        for (const each of greedy) each.fill()
      }
      scheduler.runUntilIdle()
      // The greedy ones drain to their shares first; from then on a tag is always left.
      expect(done).toHaveLength(20)
      expect(done[0]).toBeLessThanOrEqual(depth)
      expect(done[19]).toBeLessThan(400)
      for (const disk of disks) scheduler.runSync('destroy', disk.destroy())
      expect(scheduler.outstanding()).toEqual([])
    }
  })
})
