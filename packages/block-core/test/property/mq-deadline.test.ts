// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Elevator, ElevatorHost } from '../../src/elevator/elevator.ts'
import { createMqDeadline } from '../../src/elevator/mq-deadline.ts'
import { type Bio, type QueueLimits, ReqOp, RqList } from '../../src/index.ts'
import { ElvMerge } from '../../src/merge/elv-merge.ts'
import { rqInitFromBio } from '../../src/mq/flush-sequence.ts'
import { Request } from '../../src/mq/request.ts'
import { EndRecorder, limitsOf, runBio } from '../support.ts'

const MS = 1_000_000
const BY_CLASS = [1, 0, 1, 2, 1, 1, 1, 1]

interface Entry {
  readonly rq: Request
  bios: Bio[]
  sector: number
  sectors: number
  readonly write: boolean
  readonly prio: number
  expiresNs: number
  /** Something did not fit: nothing is tried again. */
  nomerge: boolean
  /** Order among those of one sector; of those that end together, the newest is found. */
  placed: number
  hashed: number
}

interface Settings {
  readonly read_expire: number
  readonly write_expire: number
  readonly writes_starved: number
  readonly fifo_batch: number
  readonly prio_aging_expire: number
  readonly front_merges: number
}

/** The documented algorithm with lists that are scanned from end to end. */
class Model {
  /** In the order of the FIFOs. */
  fifo: Entry[] = []
  readonly atHead: Entry[] = []
  /** Inserted and not ended, by priority. */
  readonly queued = [0, 0, 0]
  readonly freed: Request[] = []
  readonly #latest = [
    [0, 0],
    [0, 0],
    [0, 0],
  ]
  readonly #set: Settings
  readonly #limits: QueueLimits
  readonly #noMerges: boolean
  #last: Entry | null = null
  #lastWrite = true
  #batching = 0
  #starved = 0
  #sequence = 0

  constructor(settings: Settings, limits: QueueLimits, noMerges: boolean) {
    this.#set = settings
    this.#limits = limits
    this.#noMerges = noMerges
  }

  insert(rq: Request, bio: Bio, atHead: boolean, nowNs: number): void {
    const write = bio.biOpf === ReqOp.WRITE
    const prio = BY_CLASS[bio.biIoprio >> 13] ?? 1
    const { biSector: sector, biSize } = bio.biIter
    this.#count(prio, 1)
    const expire = (write ? this.#set.write_expire : this.#set.read_expire) * MS
    const expiresNs = nowNs + (atHead ? 0 : expire)
    const sectors = biSize / 512
    const order = { nomerge: false, placed: this.#sequence, hashed: this.#sequence }
    this.#sequence++
    const entry = { rq, bios: [bio], sector, sectors, write, prio, expiresNs, ...order }
    if (atHead) {
      this.atHead.unshift(entry)
      return
    }
    if (!this.#noMerges && this.#insertMerge(entry)) return
    this.fifo.push(entry)
    this.#last ??= entry
  }

  bioMerge(bio: Bio): boolean {
    const fits = (entry: Entry): boolean => this.#alike(entry, bio)
    const { biSector: sector, biSize } = bio.biIter
    const sectors = biSize / 512
    const last = this.#last
    let found: Entry | undefined
    if (last !== null && fits(last) && this.#touches(last, sector, sectors)) found = last
    found ??= this.#endingAt(sector, fits)
    if (found === undefined && this.#set.front_merges === 1) {
      const starts = this.fifo.filter((entry) => entry.sector === sector + sectors)
      const ofKind = starts.filter(
        (entry) =>
          entry.write === (bio.biOpf === ReqOp.WRITE) &&
          entry.prio === BY_CLASS[bio.biIoprio >> 13],
      )
      const first = ofKind.sort((a, b) => a.placed - b.placed)[0]
      if (first !== undefined && fits(first)) found = first
    }
    if (found === undefined) return false
    if (found.sectors + sectors > this.#limits.maxSectors) {
      found.nomerge = true
      return false
    }
    if (found.sector + found.sectors === sector) {
      found.bios.push(bio)
      found.sectors += sectors
      const next = this.#neighbour(found, 1)
      if (next !== undefined && this.#join(found, next)) return true
    } else {
      const previous = this.#neighbour(found, -1)
      found.bios.unshift(bio)
      found.sector = sector
      found.sectors += sectors
      if (previous !== undefined && this.#join(previous, found)) return true
      found.placed = this.#sequence++
    }
    this.#grown(found)
    return true
  }

  dispatch(nowNs: number): Entry | null {
    const first = this.atHead.shift()
    if (first !== undefined) return this.#started(first)
    const busy = this.queued.filter((count) => count > 0).length
    const aged = nowNs - this.#set.prio_aging_expire * MS
    for (const prio of busy < 2 ? [] : [1, 2]) {
      const entry = this.#dispatchFrom(prio, nowNs, aged)
      if (entry !== null) return entry
    }
    for (const prio of [0, 1, 2]) {
      const entry = this.#dispatchFrom(prio, nowNs, nowNs)
      if (entry !== null || (this.queued[prio] ?? 0) > 0) return entry
    }
    return null
  }

  ended(entry: Entry): void {
    this.#count(entry.prio, -1)
  }

  #count(prio: number, by: number): void {
    this.queued[prio] = (this.queued[prio] ?? 0) + by
  }

  #alike(entry: Entry, bio: Bio): boolean {
    const first = entry.bios[0]
    return !entry.nomerge && first?.biOpf === bio.biOpf && first.biIoprio === bio.biIoprio
  }

  #touches(entry: Entry, sector: number, sectors: number): boolean {
    return entry.sector + entry.sectors === sector || entry.sector - sectors === sector
  }

  /** Of all that end there and can merge at all, the newest is the one that is asked. */
  #endingAt(sector: number, fits: (entry: Entry) => boolean): Entry | undefined {
    const ending = this.fifo.filter(
      (entry) => !entry.nomerge && entry.sector + entry.sectors === sector,
    )
    const newest = ending.sort((a, b) => b.hashed - a.hashed)[0]
    return newest !== undefined && fits(newest) ? newest : undefined
  }

  #insertMerge(entry: Entry): boolean {
    if (this.#last !== null && this.#join(this.#last, entry)) return true
    let merged = entry
    for (;;) {
      const from = merged
      const ahead = this.#endingAt(from.sector, () => true)
      if (ahead === undefined || !this.#join(ahead, from)) return merged !== entry
      merged = ahead
    }
  }

  #join(entry: Entry, next: Entry): boolean {
    const bio = next.bios[0]
    if (bio === undefined || !this.#alike(entry, bio)) return false
    if (next.nomerge) return false
    if (entry.sector + entry.sectors !== next.sector) return false
    if (entry.sectors + next.sectors > this.#limits.maxSectors) return false
    entry.bios.push(...next.bios)
    entry.sectors += next.sectors
    const at = this.fifo.indexOf(next)
    if (at >= 0 && next.expiresNs < entry.expiresNs) {
      this.fifo[at] = entry
      this.fifo = this.fifo.filter((each, i) => each !== entry || i === at)
      entry.expiresNs = next.expiresNs
    } else this.fifo = this.fifo.filter((each) => each !== next)
    this.#count(next.prio, -1)
    this.freed.push(next.rq)
    this.#grown(entry)
    return true
  }

  #grown(entry: Entry): void {
    entry.hashed = this.#sequence++
    this.#last = entry
  }

  #of(prio: number, write: boolean): Entry[] {
    return this.fifo.filter((entry) => entry.prio === prio && entry.write === write)
  }

  #sorted(prio: number, write: boolean): Entry[] {
    return this.#of(prio, write).sort((a, b) => a.sector - b.sector || a.placed - b.placed)
  }

  #neighbour(entry: Entry, by: number): Entry | undefined {
    const sorted = this.#sorted(entry.prio, entry.write)
    return sorted[sorted.indexOf(entry) + by]
  }

  #dispatchFrom(prio: number, nowNs: number, latestNs: number): Entry | null {
    const following = (write: boolean): Entry | undefined => {
      const from = this.#latest[prio]?.[write ? 1 : 0] ?? 0
      return this.#sorted(prio, write).find((entry) => entry.sector >= from)
    }
    const next = following(this.#lastWrite)
    if (next !== undefined && this.#batching < this.#set.fifo_batch) {
      return this.#dispatchOne(next, latestNs)
    }
    const [reads, writes] = [this.#of(prio, false), this.#of(prio, true)]
    if (reads.length === 0 && writes.length === 0) return null
    let write = reads.length === 0
    if (reads.length > 0 && writes.length > 0) write = this.#starved++ >= this.#set.writes_starved
    if (write) this.#starved = 0
    const oldest = (write ? writes : reads)[0]
    if (oldest === undefined) throw new Error('the model lost a request')
    const chosen = oldest.expiresNs <= nowNs ? oldest : (following(write) ?? oldest)
    this.#lastWrite = write
    this.#batching = 0
    return this.#dispatchOne(chosen, latestNs)
  }

  #dispatchOne(entry: Entry, latestNs: number): Entry | null {
    const expire = (entry.write ? this.#set.write_expire : this.#set.read_expire) * MS
    if (entry.expiresNs - expire > latestNs) return null
    this.#batching++
    this.fifo = this.fifo.filter((each) => each !== entry)
    if (this.#last === entry) this.#last = null
    return this.#started(entry)
  }

  #started(entry: Entry): Entry {
    const latest = this.#latest[entry.prio]
    if (latest !== undefined) latest[entry.write ? 1 : 0] = entry.sector
    return entry
  }
}

type Step =
  | {
      readonly kind: 'insert'
      readonly sector: number
      readonly sectors: number
      readonly write: boolean
      readonly ioClass: number
      readonly atHead: boolean
    }
  | { readonly kind: 'dispatch' | 'end'; readonly count: number }
  | { readonly kind: 'wait'; readonly ms: number }

const insert = fc.record({
  kind: fc.constant('insert' as const),
  sector: fc.oneof(fc.nat(24), fc.nat(24), fc.nat(24), fc.nat(4000)),
  sectors: fc.integer({ min: 1, max: 4 }),
  write: fc.constantFrom(true, true, true, false),
  ioClass: fc.constantFrom(2, 2, 2, 2, 2, 2, 2, 0, 1, 3, 5),
  atHead: fc.constantFrom(...Array.from({ length: 15 }, (_, i) => i === 0)),
})
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: insert },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('dispatch' as const, 'dispatch' as const, 'end' as const),
        count: fc.integer({ min: 1, max: 6 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('wait' as const),
        ms: fc.constantFrom(0, 1, 10, 60, 499, 500, 5000, 10_001),
      }),
    },
  ),
  { minLength: 1, maxLength: 80, size: 'max' },
)
const settings: fc.Arbitrary<Settings> = fc.record({
  read_expire: fc.constantFrom(500, 0, 20),
  write_expire: fc.constantFrom(5000, 0, 50),
  writes_starved: fc.constantFrom(2, 0, 1, 5),
  fifo_batch: fc.constantFrom(16, 0, 1, 3),
  prio_aging_expire: fc.constantFrom(10_000, 0, 30),
  front_merges: fc.constantFrom(1, 1, 0),
})

function biosOf(rq: Request): Bio[] {
  const bios: Bio[] = []
  for (let bio = rq.bio; bio !== null; bio = bio.biNext) bios.push(bio)
  return bios
}

/** The scheduler and the model, fed the same. */
class Pair {
  nowNs = 0
  dispatched = 0
  merged = 0
  readonly limits = limitsOf({ maxHwSectors: 12, maxSegments: 65_535 })
  readonly elevator: Elevator
  readonly model: Model
  readonly freed: Request[] = []
  readonly #withDriver: Entry[] = []
  readonly #noMerges: boolean
  #tag = 0

  constructor(set: Settings, noMerges: boolean) {
    this.#noMerges = noMerges
    const host: ElevatorHost = {
      limits: this.limits,
      noMerges,
      nrRequests: 64,
      nowNs: () => this.nowNs,
      freeMerged: (rq) => {
        this.freed.push(rq)
        this.elevator.completed(rq)
      },
    }
    this.elevator = createMqDeadline(host)
    for (const [name, value] of Object.entries(set)) this.elevator.tunables.set(name, value)
    this.model = new Model(set, this.limits, noMerges)
  }

  apply(step: Step): void {
    if (step.kind === 'insert') this.insert(step)
    else if (step.kind === 'wait') this.nowNs += step.ms * MS
    else if (step.kind === 'dispatch') for (let i = 0; i < step.count; i++) this.dispatch()
    else for (let i = 0; i < step.count; i++) this.end()
    expect(this.freed).toEqual(this.model.freed)
    expect(this.elevator.hasWork(0)).toBe(this.model.fifo.length + this.model.atHead.length > 0)
  }

  insert(step: Step & { readonly kind: 'insert' }): void {
    const op = step.write ? ReqOp.WRITE : ReqOp.READ
    const bio = runBio({ op, sector: step.sector, bytes: step.sectors * 512 }, new EndRecorder())
    bio.biIoprio = step.ioClass << 13
    bio.biNrSegments = 1
    if (!this.#noMerges && this.model.bioMerge(bio)) {
      expect(this.elevator.bioMerge(bio)).not.toBe(ElvMerge.NO_MERGE)
      this.merged++
      return
    }
    if (!this.#noMerges) expect(this.elevator.bioMerge(bio)).toBe(ElvMerge.NO_MERGE)
    const rq = new Request(this.#tag++, null)
    rqInitFromBio(rq, bio)
    const list = new RqList()
    list.addTail(rq)
    this.model.insert(rq, bio, step.atHead, this.nowNs)
    this.elevator.insertRequests(0, list, step.atHead)
  }

  dispatch(): boolean {
    const expected = this.model.dispatch(this.nowNs)
    const rq = this.elevator.dispatchRequest(0)
    expect(rq?.tag).toBe(expected?.rq.tag)
    if (rq === null || expected === null) return false
    expect(biosOf(rq)).toEqual(expected.bios)
    expect([rq.sector, rq.dataBytes / 512]).toEqual([expected.sector, expected.sectors])
    this.#withDriver.push(expected)
    this.dispatched++
    return true
  }

  end(): void {
    const entry = this.#withDriver.shift()
    if (entry === undefined) return
    this.model.ended(entry)
    this.elevator.completed(entry.rq)
  }

  /** All that is left goes, in the same order. */
  drain(): void {
    while (this.elevator.hasWork(0)) if (!this.dispatch()) this.end()
    expect(this.elevator.dispatchRequest(0)).toBe(null)
  }
}

/** How many requests go before the oldest of a direction does, once it has expired. */
class HeadWatch {
  readonly #write: boolean
  readonly #most: number
  #head: Entry | null = null
  #passed = 0
  longest = 0

  constructor(write: boolean, most: number) {
    this.#write = write
    this.#most = most
  }

  check(pair: Pair): void {
    const oldest = pair.model.fifo.find(({ write }) => write === this.#write) ?? null
    const expired = oldest !== null && oldest.expiresNs <= pair.nowNs
    if (!expired || oldest !== this.#head) this.#passed = 0
    else this.#passed++
    this.#head = oldest
    this.longest = Math.max(this.longest, this.#passed)
    expect(this.#passed).toBeLessThanOrEqual(this.#most)
  }
}

describe('mq-deadline', () => {
  for (const noMerges of [true, false]) {
    it(`dispatches as lists scanned from end to end do, ${noMerges ? 'without' : 'with'} merging`, () => {
      let dispatched = 0
      let merged = 0
      fc.assert(
        fc.property(settings, steps, (set, list) => {
          const pair = new Pair(set, noMerges)
          for (const step of list) pair.apply(step)
          pair.drain()
          dispatched += pair.dispatched
          merged += pair.merged + pair.freed.length
        }),
        { numRuns: 250 },
      )
      expect(dispatched).toBeGreaterThan(2500)
      if (!noMerges) expect(merged).toBeGreaterThan(150)
    })
  }

  it('no request waits for ever, whatever comes after it', () => {
    let longest = 0
    const arrival = fc.record({
      count: fc.nat(3),
      write: fc.boolean(),
      ahead: fc.integer({ min: 1, max: 9 }),
      back: fc.constantFrom(...Array.from({ length: 12 }, (_, i) => i === 0)),
    })
    fc.assert(
      fc.property(fc.array(arrival, { minLength: 150, maxLength: 250, size: 'max' }), (list) => {
        const set = { read_expire: 50, write_expire: 100, writes_starved: 2, fifo_batch: 4 }
        const pair = new Pair({ ...set, prio_aging_expire: 10_000, front_merges: 0 }, true)
        // The batch that goes on, then for a read one of writes, for a write three of reads.
        const watches = [new HeadWatch(false, 2 * 4), new HeadWatch(true, 4 * 4)]
        let head = 1000
        for (const { count, write, ahead, back } of list) {
          for (let i = 0; i < count && pair.model.fifo.length < 24; i++) {
            head += ahead
            const sector = back ? ahead : head
            pair.insert({ kind: 'insert', sector, sectors: 1, write, ioClass: 2, atHead: false })
          }
          pair.dispatch()
          pair.end()
          pair.nowNs += MS
          for (const watch of watches) watch.check(pair)
        }
        pair.drain()
        longest = Math.max(longest, ...watches.map((watch) => watch.longest))
      }),
      { numRuns: 25 },
    )
    expect(longest).toBeGreaterThan(5)
  })
})
