// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory, PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  Bio,
  BlkStatus,
  createLinearDisk,
  createRamDisk,
  createStripedDisk,
  type Disk,
  ReqFlags,
  ReqOp,
  SECTOR_SIZE,
} from '../../src/index.ts'
import { EndRecorder, type Machine, makeMachine } from '../support.ts'

const SECTORS = 96
const MEMORY_ORDER = 4

interface Geometry {
  readonly sectors: readonly number[]
  readonly chunkSectors: number
  readonly startSector: number
  readonly maxHwSectors: number
  readonly kind: 'linear' | 'striped' | 'striped over linear'
}

interface Step {
  readonly op:
    | typeof ReqOp.READ
    | typeof ReqOp.WRITE
    | typeof ReqOp.WRITE_ZEROES
    | typeof ReqOp.DISCARD
  readonly at: number
  readonly sectors: number
  readonly wait: boolean
}

const geometries: fc.Arbitrary<Geometry> = fc.record({
  sectors: fc.array(fc.integer({ min: 24, max: SECTORS }), { minLength: 1, maxLength: 4 }),
  chunkSectors: fc.integer({ min: 1, max: 20 }),
  startSector: fc.integer({ min: 0, max: 4 }),
  maxHwSectors: fc.constantFrom(8, 11, 255),
  kind: fc.constantFrom('linear', 'striped', 'striped over linear'),
})

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    op: fc.constantFrom(ReqOp.READ, ReqOp.WRITE, ReqOp.WRITE, ReqOp.WRITE_ZEROES, ReqOp.DISCARD),
    at: fc.nat(4 * SECTORS),
    sectors: fc.integer({ min: 1, max: 100 }),
    wait: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
)

interface Rig extends Machine {
  readonly memory: PhysicalMemory
  readonly frame: number
  readonly lowers: readonly Disk[]
  /** The one that is tested last. */
  readonly uppers: readonly Disk[]
}

function makeRig(geometry: Geometry): Rig {
  const machine = makeMachine()
  const memory = createPhysicalMemory(machine, { ramBytes: 256 * 1024, backing: 'plain' })
  const limits = { maxHwSectors: geometry.maxHwSectors, writeCache: true }
  const lowers = geometry.sectors.map((sectors, i) =>
    createRamDisk(
      { ...machine, memory },
      { name: `ram${i}`, sizeBytes: sectors * SECTOR_SIZE, queueDepth: 3, limits },
    ),
  )
  const uppers = makeUppers(machine, geometry, lowers)
  return { ...machine, memory, frame: memory.allocPages(MEMORY_ORDER), lowers, uppers }
}

function makeUppers(machine: Machine, geometry: Geometry, lowers: readonly Disk[]): Disk[] {
  const { chunkSectors, startSector, kind } = geometry
  const common = { name: 'striped', chunkSectors, startSector, nrRequests: 4 }
  if (kind === 'striped') return [createStripedDisk(machine, { ...common, disks: lowers })]
  if (kind === 'linear') {
    // Each disk in two pieces, the second one first.
    const targets = lowers.flatMap((disk) => [
      { disk, startSector: 12 },
      { disk, startSector, nrSectors: 12 - startSector },
    ])
    return [createLinearDisk(machine, { name: 'linear', targets, nrRequests: 4 })]
  }
  const linears = lowers.map((disk, i) =>
    createLinearDisk(machine, { name: `linear${i}`, targets: [{ disk }], nrRequests: 4 }),
  )
  return [...linears, createStripedDisk(machine, { ...common, disks: linears })]
}

function payload(rig: Rig, bio: Bio, sectors: number): void {
  bio.biIter.biSize = sectors * SECTOR_SIZE
  // From the middle of a page, in two runs.
  const lengthBytes = Math.ceil(sectors / 2) * SECTOR_SIZE
  const rest = sectors * SECTOR_SIZE - lengthBytes
  bio.biIoVec = [
    { frame: rig.frame, offsetBytes: 512, lengthBytes },
    { frame: rig.frame + 8, offsetBytes: 1024, lengthBytes: rest },
  ]
  bio.biVcnt = rest > 0 ? 2 : 1
}

function eachRun(bio: Bio, visit: (addr: number, from: number, to: number) => void): void {
  let at = 0
  for (let i = 0; i < bio.biVcnt; i++) {
    const vec = bio.biIoVec[i]
    if (vec === undefined) break
    visit(vec.frame * PAGE_SIZE + vec.offsetBytes, at, at + vec.lengthBytes)
    at += vec.lengthBytes
  }
}

function runSteps(geometry: Geometry, list: readonly Step[]): void {
  const rig = makeRig(geometry)
  const disk = rig.uppers.at(-1)
  if (disk === undefined) throw new Error('no disk')
  const model = new Uint8Array(disk.capacitySectors * SECTOR_SIZE)
  let value = 0
  const perform = ({ op, at, sectors, wait }: Step): void => {
    const sector = at % disk.capacitySectors
    const count = Math.min(sectors, disk.capacitySectors - sector)
    const expected = model.subarray(sector * SECTOR_SIZE, (sector + count) * SECTOR_SIZE)
    const end = new EndRecorder()
    const bio = new Bio()
    bio.init(op, sector, end)
    bio.biIter.biSize = count * SECTOR_SIZE
    if (op === ReqOp.READ || op === ReqOp.WRITE) payload(rig, bio, count)
    if (op === ReqOp.WRITE) {
      if (wait) bio.biOpf |= ReqFlags.PREFLUSH | ReqFlags.FUA
      for (let i = 0; i < expected.length; i++) expected[i] = (value++ * 7) & 0xff
      eachRun(bio, (addr, from, to) => rig.memory.write(addr, expected.subarray(from, to)))
    } else if (op !== ReqOp.READ) expected.fill(0)
    const tried = wait ? BlkStatus.AGAIN : disk.submitBio(bio, null)
    expect([BlkStatus.OK, BlkStatus.AGAIN]).toContain(tried)
    if (tried === BlkStatus.AGAIN) {
      rig.scheduler.runSync('submit', disk.submitBioWait(bio, null))
    }
    rig.scheduler.runUntilIdle()
    expect(end.statuses).toEqual([BlkStatus.OK])
    if (op !== ReqOp.READ) return
    const read = new Uint8Array(expected.length)
    eachRun(bio, (addr, from, to) => rig.memory.read(addr, read.subarray(from, to)))
    expect(Buffer.compare(read, expected)).toBe(0)
  }
  for (const step of list) perform(step)
  for (let at = 0; at < disk.capacitySectors; at += 100) {
    perform({ op: ReqOp.READ, at, sectors: 100, wait: true })
  }
  for (const each of [...rig.uppers.toReversed(), ...rig.lowers]) {
    rig.scheduler.runSync('destroy', each.destroy())
  }
  rig.scheduler.runUntilIdle()
  expect(rig.scheduler.outstanding()).toEqual([])
}

describe('stacked disks against one array', () => {
  it('linear, striped, and striped over linear disks of any geometry hold what an array of sectors holds', () => {
    fc.assert(fc.property(geometries, steps, runSteps), { numRuns: 120 })
  })
})
