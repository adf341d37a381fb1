// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory, type PhysicalMemory } from '@iolayers/dma-mapping'
import type { BioVec } from '@iolayers/uio'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  Bio,
  type BlkMqHwCtx,
  BlkStatus,
  createRamDisk,
  type Disk,
  Plug,
  type QueueLimits,
  type QueueLimitsInit,
  ReqFlags,
  ReqOp,
  type Request,
  reqOp,
} from '../../src/index.ts'
import {
  EndRecorder,
  type Machine,
  makeDisk,
  makeMachine,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

const SECTORS = 128
const FRAMES = 512

function runsOf(bio: Bio): BioVec[] {
  const runs: BioVec[] = []
  let skip = bio.biIter.biBvecDone
  let left = bio.biIter.biSize
  for (const vec of bio.biIoVec.slice(bio.biIter.biIdx, bio.biVcnt)) {
    const lengthBytes = Math.min(vec.lengthBytes - skip, left)
    const offsetBytes = vec.offsetBytes + skip
    if (lengthBytes > 0) runs.push({ frame: vec.frame, offsetBytes, lengthBytes })
    left -= lengthBytes
    skip = 0
  }
  return runs
}

/** Segments from scratch, sector by sector. */
function naiveSegments(runs: readonly BioVec[], limits: QueueLimits): number {
  let segments = 0
  for (const run of runs) {
    let inSegment = limits.maxSegmentSizeBytes
    for (let done = 0; done < run.lengthBytes; done += 512) {
      const addr = run.frame * 4096 + run.offsetBytes + done
      const atBoundary = addr % (limits.segBoundaryMask + 1) === 0
      if (done === 0 || atBoundary || inSegment + 512 > limits.maxSegmentSizeBytes) {
        segments++
        inSegment = 0
      }
      inSegment += 512
    }
  }
  return segments
}

/** What is wrong with a request, by the limits alone. */
function faultOf(rq: Request, limits: QueueLimits): string | null {
  if (reqOp(rq.cmdFlags) === ReqOp.FLUSH) return null
  const bios: Bio[] = []
  for (let bio = rq.bio; bio !== null; bio = bio.biNext) bios.push(bio)
  const bytes = bios.reduce((sum, bio) => sum + bio.biIter.biSize, 0)
  if (bytes !== rq.dataBytes) return 'bytes'
  if (bios[0]?.biIter.biSector !== rq.sector || bios.at(-1) !== rq.bioTail) return 'ends'
  const alike = bios.every((bio) => reqOp(bio.biOpf) === reqOp(rq.cmdFlags))
  if (!alike) return 'operations'
  const alone = ReqFlags.NOMERGE | ReqFlags.FUA | ReqFlags.PREFLUSH
  if (bios.length > 1 && bios.some((bio) => (bio.biOpf & alone) !== 0)) return 'flags'
  if (new Set(bios.map((bio) => bio.biIoprio)).size > 1) return 'priority'
  if (reqOp(rq.cmdFlags) === ReqOp.DISCARD) return discardFault(bios, bytes, limits)
  for (const [i, bio] of bios.slice(1).entries()) {
    const { biSector, biSize } = (bios[i] ?? bio).biIter
    if (biSector + biSize / 512 !== bio.biIter.biSector) return 'place'
  }
  return readWriteFault(rq, bios.flatMap(runsOf), limits)
}

function discardFault(bios: readonly Bio[], bytes: number, limits: QueueLimits): string | null {
  if (bytes > limits.maxDiscardSectors * 512) return 'max discard sectors'
  let ranges = 1
  for (const [i, bio] of bios.slice(1).entries()) {
    const { biSector, biSize } = (bios[i] ?? bio).biIter
    if (biSector + biSize / 512 !== bio.biIter.biSector) ranges++
  }
  return ranges > limits.maxDiscardSegments ? 'max discard segments' : null
}

function readWriteFault(rq: Request, runs: readonly BioVec[], limits: QueueLimits): string | null {
  const sectors = rq.dataBytes / 512
  const atomic = (rq.cmdFlags & ReqFlags.ATOMIC) !== 0
  if (sectors > (atomic ? limits.atomicWriteMaxSectors : limits.maxSectors)) return 'max sectors'
  const ofAtomic = limits.atomicWriteBoundarySectors
  const chunk = atomic && ofAtomic > 0 ? ofAtomic : limits.chunkSectors
  const crosses = Math.floor(rq.sector / chunk) !== Math.floor((rq.sector + sectors - 1) / chunk)
  if (chunk > 0 && crosses) return 'chunk'
  const segments = naiveSegments(runs, limits)
  if (segments > limits.maxSegments) return 'segments'
  if (segments > rq.nrPhysSegments) return 'count of segments'
  const unit = limits.virtBoundaryMask + 1
  for (const [i, run] of runs.entries()) {
    const start = run.frame * 4096 + run.offsetBytes
    if (i > 0 && start % unit !== 0) return 'virtual boundary at a start'
    if (i < runs.length - 1 && (start + run.lengthBytes) % unit !== 0) return 'at an end'
  }
  return null
}

/** Checks each request from scratch; ends it in a call of its own. */
class CheckingDriver extends ScriptedDriver {
  readonly faults: string[] = []
  limits: QueueLimits | null = null
  most = 0

  override queueRq(hctx: BlkMqHwCtx, rq: Request<{ requeued: number }>, last: boolean): BlkStatus {
    const fault = this.limits === null ? null : faultOf(rq, this.limits)
    if (fault !== null) this.faults.push(fault)
    let bios = 0
    for (let bio = rq.bio; bio !== null; bio = bio.biNext) bios++
    this.most = Math.max(this.most, bios)
    return super.queueRq(hctx, rq, last)
  }
}

interface Command {
  /** Of the kind of the one before. */
  readonly again: boolean
  readonly op: number
  readonly near: boolean
  readonly sector: number
  readonly back: boolean
  readonly vecs: readonly { frame: number; offset: number; sectors: number }[]
  readonly ioprio: number
  readonly finish: boolean
  readonly onOther: boolean
}

const commands: fc.Arbitrary<Command[]> = fc
  .array(
    fc.record({
      again: fc.constantFrom(true, true, true, true, false),
      op: fc.constantFrom<number>(
        ReqOp.WRITE,
        ReqOp.WRITE,
        ReqOp.WRITE,
        ReqOp.READ,
        ReqOp.DISCARD,
        ReqOp.DISCARD,
        ReqOp.WRITE | ReqFlags.NOMERGE,
        ReqOp.WRITE | ReqFlags.FUA,
        ReqOp.WRITE | ReqFlags.ATOMIC,
        ReqOp.WRITE | ReqFlags.PREFLUSH,
      ),
      near: fc.constantFrom(true, true, true, true, false),
      sector: fc.nat(SECTORS - 24),
      back: fc.constantFrom(true, true, false),
      vecs: fc.array(
        fc.record({
          frame: fc.nat(6),
          offset: fc.constantFrom(0, 0, 0, 1, 5),
          sectors: fc.constantFrom(1, 2, 8),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      ioprio: fc.constantFrom(0, 0, 0, 0, 0, 1 << 13),
      finish: fc.constantFrom(false, false, false, false, false, false, true),
      onOther: fc.constantFrom(false, false, false, false, true),
    }),
    { minLength: 1, maxLength: 30, size: 'max' },
  )
  .map(settled)

function settled(list: readonly Command[]): Command[] {
  let before = list[0]
  return list.map((command) => {
    const { op, ioprio } = command.again && before !== undefined ? before : command
    before = { ...command, op, ioprio }
    return before
  })
}

const limitInits: fc.Arbitrary<QueueLimitsInit> = fc
  .record({
    maxSegments: fc.integer({ min: 3, max: 12 }),
    maxSegmentSizeBytes: fc.constantFrom(4096, 8192, 65_536),
    segBoundaryMask: fc.constantFrom(4095, 8191, 0xffff_ffff),
    virtBoundaryMask: fc.constantFrom(0, 0, 511, 4095),
    maxHwSectors: fc.integer({ min: 24, max: 80 }),
    chunkSectors: fc.constantFrom(0, 0, 40),
    maxHwDiscardSectors: fc.integer({ min: 24, max: 60 }),
    maxDiscardSegments: fc.integer({ min: 1, max: 4 }),
    atomicWriteHwMaxBytes: fc.constantFrom(24 * 512, 40 * 512),
    atomicWriteHwBoundaryBytes: fc.constantFrom(0, 64 * 512),
    writeCache: fc.boolean(),
    fua: fc.boolean(),
  })
  .map(({ maxSegmentSizeBytes, atomicWriteHwBoundaryBytes: boundary, ...rest }) => ({
    ...rest,
    ...(rest.virtBoundaryMask === 0 ? { maxSegmentSizeBytes } : {}),
    atomicWriteHwBoundaryBytes: rest.chunkSectors === 0 ? boundary : 0,
  }))

/** Only an atomic write that cannot be whole is refused. */
function mayEndSo(bio: Bio): boolean {
  const atomic = (bio.biOpf & ReqFlags.ATOMIC) !== 0
  return bio.biStatus === BlkStatus.OK || (atomic && bio.biStatus === BlkStatus.INVAL)
}

/** Makes bios of commands, each with memory of its own, most of them next to the one before. */
class BioMaker {
  readonly end = new EndRecorder()
  made = 0
  #frame: number
  #last: Bio | null = null

  constructor(firstFrame: number) {
    this.#frame = firstFrame
  }

  bioOf(command: Command): Bio {
    const bio = new Bio()
    const total = command.vecs.reduce((sum, vec) => sum + vec.sectors, 0)
    bio.init(command.op, this.#sectorFor(command, total), this.end)
    bio.biIoprio = command.ioprio
    bio.biIter.biSize = total * 512
    this.made++
    if (!command.onOther) this.#last = bio
    if (reqOp(command.op) === ReqOp.DISCARD) return bio
    bio.biIoVec = command.vecs.map(({ offset, sectors, frame }) => {
      this.#frame += frame % 3
      const vec = { frame: this.#frame, offsetBytes: offset * 512, lengthBytes: sectors * 512 }
      this.#frame += Math.ceil((offset + sectors) / 8)
      return vec
    })
    bio.biVcnt = command.vecs.length
    return bio
  }

  #sectorFor(command: Command, total: number): number {
    const last = this.#last
    if (!command.near || last === null) return command.sector
    const { biSector, biSize } = last.biIter
    const sector = command.back ? biSector + biSize / 512 : biSector - total
    return sector >= 0 && sector + total <= SECTORS ? sector : command.sector
  }
}

describe('merging', () => {
  it('requests obey every limit, and each bio ends exactly once', () => {
    let most = 0
    fc.assert(
      fc.property(limitInits, commands, (limits, list) => {
        const machine = makeMachine()
        const driver = new CheckingDriver(machine.kernel)
        const setup = { limits, queueDepth: 32, capacitySectors: SECTORS }
        const disk = makeDisk(machine.kernel, driver, setup)
        const other = makeDisk(machine.kernel, driver, setup)
        driver.limits = disk.limits
        const plug = new Plug({ maxRequests: 8 })
        const maker = new BioMaker(1)
        for (const command of list) {
          const bio = maker.bioOf(command)
          const target = command.onOther ? other : disk
          machine.scheduler.runSync('submit', target.submitBioWait(bio, plug))
          if (command.finish) plug.finish()
        }
        plug.finish()
        machine.scheduler.runUntilIdle()
        expect(driver.faults).toEqual([])
        expect(maker.end.ended).toHaveLength(maker.made)
        expect(new Set(maker.end.ended).size).toBe(maker.made)
        for (const bio of maker.end.ended) expect(mayEndSo(bio)).toBe(true)
        most = Math.max(most, driver.most)
        tearDown(machine, disk)
        tearDown(machine, other)
      }),
      { numRuns: 1500 },
    )
    expect(most).toBeGreaterThan(2)
  })

  it('data through a plug to a RAM disk is that of a byte array', () => {
    let merges = 0
    const memory = createPhysicalMemory(makeMachine(), {
      ramBytes: FRAMES * 8192,
      backing: 'plain',
    })
    const frame = memory.allocPages(Math.log2(FRAMES))
    fc.assert(
      fc.property(limitInits, commands, (limits, list) => {
        const machine = makeMachine()
        const disk = createRamDisk(
          { kernel: machine.kernel, memory },
          { name: 'ram0', sizeBytes: SECTORS * 512, limits: { ...limits, maxDiscardSegments: 1 } },
        )
        const model = new Uint8Array(SECTORS * 512)
        const plug = new Plug({ maxRequests: 8 })
        const maker = new BioMaker(frame)
        const reads: [readonly BioVec[], Uint8Array][] = []
        const touched = new Touched()
        let fill = 1
        for (const command of list) {
          // The data of a PREFLUSH write goes after what follows it in the plug.
          if ((command.op & ReqFlags.PREFLUSH) !== 0) continue
          const bio = maker.bioOf(command)
          const from = bio.biIter.biSector * 512
          const runs = runsOf(bio)
          const bytes = model.subarray(from, from + bio.biIter.biSize)
          // What overlaps and is under way at once has no order: a queue that is being run is overtaken.
          if (touched.overlaps(from, bytes.length)) {
            plug.finish()
            machine.scheduler.runUntilIdle()
            touched.clear()
          }
          touched.add(from, bytes.length)
          const written = bytes.slice()
          if (reqOp(command.op) === ReqOp.WRITE) fill = writeRuns(memory, runs, written, fill)
          else if (reqOp(command.op) === ReqOp.READ) reads.push([runs, written])
          else written.fill(0)
          machine.scheduler.runSync('submit', disk.submitBioWait(bio, plug))
          expect(mayEndSo(bio)).toBe(true)
          if (bio.biStatus === BlkStatus.OK) bytes.set(written)
          if (command.finish) plug.finish()
        }
        plug.finish()
        machine.scheduler.runUntilIdle()
        for (const [runs, expected] of reads) {
          expect(sameBytes(readRuns(memory, runs), expected)).toBe(true)
        }
        merges += disk.stats.merges
        expect(sameBytes(diskBytes(machine, disk, memory, frame), model)).toBe(true)
        tearDown(machine, disk)
      }),
      { numRuns: 300 },
    )
    expect(merges).toBeGreaterThan(300)
  })
})

/** Ranges of the disk with I/O under way. */
class Touched {
  readonly #ranges: [from: number, to: number][] = []

  overlaps(from: number, length: number): boolean {
    return this.#ranges.some(([start, end]) => from < end && from + length > start)
  }

  add(from: number, length: number): void {
    this.#ranges.push([from, from + length])
  }

  clear(): void {
    this.#ranges.length = 0
  }
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i])
}

/** Gives each run bytes of its own, in memory and in the model. */
function writeRuns(
  memory: PhysicalMemory,
  runs: readonly BioVec[],
  model: Uint8Array,
  fill: number,
): number {
  let at = 0
  let next = fill
  for (const { frame, offsetBytes, lengthBytes } of runs) {
    for (let done = 0; done < lengthBytes; done += 512) {
      const sector = model.subarray(at, at + 512).fill(next % 256)
      sector[0] = Math.floor(next / 256)
      memory.write(frame * 4096 + offsetBytes + done, sector)
      at += 512
      next++
    }
  }
  return next
}

function readRuns(memory: PhysicalMemory, runs: readonly BioVec[]): Uint8Array {
  const bytes = new Uint8Array(runs.reduce((sum, run) => sum + run.lengthBytes, 0))
  let at = 0
  for (const { frame, offsetBytes, lengthBytes } of runs) {
    memory.read(frame * 4096 + offsetBytes, bytes.subarray(at, at + lengthBytes))
    at += lengthBytes
  }
  return bytes
}

function diskBytes(
  machine: Machine,
  disk: Disk,
  memory: PhysicalMemory,
  frame: number,
): Uint8Array {
  const bio = new Bio()
  bio.init(ReqOp.READ, 0, new EndRecorder())
  bio.biIoVec = [{ frame, offsetBytes: 0, lengthBytes: SECTORS * 512 }]
  bio.biVcnt = 1
  bio.biIter.biSize = SECTORS * 512
  machine.scheduler.runSync('read', disk.submitBioWait(bio, null))
  machine.scheduler.runUntilIdle()
  expect(bio.biStatus).toBe(BlkStatus.OK)
  return readRuns(memory, bio.biIoVec)
}
