// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Device, IommuMode, PAGE_SIZE } from '@iolayers/dma-mapping'
import {
  assert,
  createPrng,
  KernelError,
  Mutex,
  type Op,
  type Prng,
  sleep,
  type Task,
  yieldNow,
} from '@iolayers/kernel'
import { expect } from 'vitest'
import {
  createMovableHeap,
  createSystemHeap,
  type DmaBuf,
  type DmaHeap,
  type MovableHeap,
} from '../../src/index.ts'
import { createRig, expectNothingOutstanding, type Rig } from '../support.ts'
import { FenceLab } from './fence-lab.ts'
import { PageGuard } from './page-guard.ts'
import { ReservationLog } from './reservation-log.ts'

const RAM_PAGES = [8, 12, 20]
const BUFFER_PAGES_MAX = 2
const WORD_STEP_BYTES = 16

/** What a run came to, summed over seeds to see that they show something. */
export interface SimCounts {
  moves: number
  pinned: number
  maps: number
  increments: number
  noMemory: number
  tooLate: number
  backoffs: number
  timeouts: number
  interrupted: number
  callbacks: number
  removed: number
  waits: number
  polls: number
}

export function createCounts(): SimCounts {
  return {
    moves: 0,
    pinned: 0,
    maps: 0,
    increments: 0,
    noMemory: 0,
    tooLate: 0,
    backoffs: 0,
    timeouts: 0,
    interrupted: 0,
    callbacks: 0,
    removed: 0,
    waits: 0,
    polls: 0,
  }
}

export interface SimWorldInit {
  readonly seed: number
  readonly counts: SimCounts
  /** Whether some device does not snoop the CPU's caches. */
  readonly nonCoherent: boolean
}

/** One small machine: memory, heaps, devices, and the buffers that live now. All chance comes from the seed. */
export class SimWorld {
  readonly rig: Rig
  readonly prng: Prng
  readonly counts: SimCounts
  readonly guard: PageGuard
  readonly lab: FenceLab
  readonly heap: MovableHeap
  readonly #pinnedHeap: DmaHeap
  /** The last one has a driver that is told of nothing and pins what it maps. */
  readonly devices: readonly Device[]
  readonly nonCoherent: boolean
  /** Tasks that can take a signal now. */
  readonly interruptible: Set<Task>
  /** Locks of reservation objects that actors hold. */
  readonly holders: Map<DmaBuf, Task>
  firstError: unknown
  readonly #freeBefore: number
  readonly #logs: Map<number, ReservationLog>
  readonly #userOrders: Map<number, Mutex>
  readonly #words: Map<string, number>
  readonly #signalledNs: Map<Task, number>

  constructor({ seed, counts, nonCoherent }: SimWorldInit) {
    const prng = createPrng(seed * 7 + 3)
    const unlucky = prng.below(4) === 0
    this.prng = prng
    this.counts = counts
    this.nonCoherent = nonCoherent
    const failReserveFences = (): boolean => unlucky && prng.below(4) === 0
    const ramPages = RAM_PAGES[prng.below(RAM_PAGES.length)] ?? 0
    this.rig = createRig({ seed, ramBytes: ramPages * PAGE_SIZE, failReserveFences })
    this.guard = new PageGuard(this.rig.memory)
    this.lab = new FenceLab(this.rig, prng)
    this.heap = createMovableHeap(this.rig, prng.below(4) === 0 ? { timeoutNs: 100 } : {})
    this.#pinnedHeap = createSystemHeap(this.rig)
    this.#freeBefore = this.rig.memory.stats.pagesFree
    this.devices = ['a', 'b', 'pinning'].map((name, i) => {
      const iommuMode = this.oneOf(Object.values(IommuMode))
      return this.rig.device(name, {
        iommuMode,
        coherent: i === 2 || !nonCoherent || i === prng.below(2),
      })
    })
    this.firstError = null
    this.interruptible = new Set()
    this.holders = new Map()
    this.#logs = new Map()
    this.#userOrders = new Map()
    this.#words = new Map()
    this.#signalledNs = new Map()
  }

  oneOf<T>(all: readonly T[]): T {
    const one = all[this.prng.below(all.length)]
    assert(one !== undefined, 'one of nothing')
    return one
  }

  /** A buffer with one reference, or null when there is no memory. */
  allocate(): DmaBuf | null {
    const { prng, rig } = this
    const heap = prng.below(8) === 0 ? this.#pinnedHeap : this.heap
    try {
      const dmabuf = heap.allocate((1 + prng.below(BUFFER_PAGES_MAX)) * PAGE_SIZE)
      this.#logs.set(dmabuf.inode, new ReservationLog(rig.kernel, dmabuf.resv))
      this.#userOrders.set(dmabuf.inode, new Mutex(rig.scheduler, "the users' own order"))
      return dmabuf
    } catch (error) {
      this.expectError(error, 'ENOMEM')
      this.counts.noMemory++
      return null
    }
  }

  /** A buffer of those on the list, with a reference; null when there is none. */
  pick(): DmaBuf | null {
    const { core } = this.rig
    let left = this.prng.below(Math.max(1, core.stats.live))
    let dmabuf = core.begin()
    for (; dmabuf !== null && left > 0; left--) dmabuf = core.next(dmabuf)
    return dmabuf
  }

  log({ inode }: DmaBuf): ReservationLog {
    const log = this.#logs.get(inode)
    assert(log !== undefined, 'a buffer without a log')
    return log
  }

  /** Held by users whose accesses touch the whole buffer's ownership: the kernel leaves it to them not to overlap. */
  userOrder({ inode }: DmaBuf): Mutex {
    const mutex = this.#userOrders.get(inode)
    assert(mutex !== undefined, 'a buffer without a users order')
    return mutex
  }

  /** A word that belongs to the actor with that slot. */
  wordOffset(dmabuf: DmaBuf, slot: number): number {
    return this.prng.below(dmabuf.sizeBytes / PAGE_SIZE) * PAGE_SIZE + slot * WORD_STEP_BYTES
  }

  /** The word had `before` in it, and has one more now. */
  counted(dmabuf: DmaBuf, offset: number, before: number): void {
    const key = `${dmabuf.inode} ${offset}`
    const expected = this.#words.get(key) ?? 0
    assert(before === expected, `the word at ${offset} was ${before} and not ${expected}`)
    this.#words.set(key, expected + 1)
    this.counts.increments++
  }

  *pause(): Op<void> {
    const { prng } = this
    const { scheduler } = this.rig
    if (prng.below(3) > 0) yield* yieldNow(scheduler)
    else yield* sleep(scheduler, prng.below(200))
  }

  /** Runs `body` as one whom a signal may hit; null when one did. */
  *signalled<T>(body: Op<T>): Op<T | null> {
    const task = this.rig.scheduler.current
    assert(task !== null, 'no task')
    this.interruptible.add(task)
    try {
      return yield* body
    } catch (error) {
      this.expectError(error, 'ERESTARTSYS')
      assert(task.signalPending, 'interrupted by nothing')
      this.counts.interrupted++
      return null
    } finally {
      const late = task.signalPending && this.#signalledNs.get(task) !== this.rig.scheduler.nowNs()
      this.interruptible.delete(task)
      task.clearSignal()
      assert(!late, 'a wait went on though a signal had come')
    }
  }

  /** Keeps the first failure of all: what comes after it is often only somebody who waits for the one who failed. */
  *watched(actor: Op<void>): Op<void> {
    try {
      yield* actor
    } catch (error) {
      this.firstError ??= error
      throw error
    }
  }

  /** Sends a signal to one of those who can take one. */
  interrupt(): void {
    const tasks = [...this.interruptible]
    const task = tasks[this.prng.below(Math.max(1, tasks.length))]
    if (task === undefined || task.signalPending) return
    this.#signalledNs.set(task, this.rig.scheduler.nowNs())
    task.signal()
  }

  expectError(error: unknown, ...codes: readonly string[]): void {
    if (error instanceof KernelError && codes.includes(error.code)) return
    throw error
  }

  took(dmabuf: DmaBuf): void {
    const { current } = this.rig.scheduler
    assert(current !== null && dmabuf.resv.held, 'a lock was taken that is not held')
    assert(!this.holders.has(dmabuf), 'two tasks hold one reservation lock')
    this.holders.set(dmabuf, current)
  }

  unlock(dmabuf: DmaBuf): void {
    assert(this.holders.delete(dmabuf), 'a lock was dropped that was not held')
    dmabuf.resv.unlock()
  }

  /** Everything has ended: nothing waits, no page, map or fence is left, and no byte was written where it should not. */
  finish(): void {
    const { rig, guard, lab, heap, counts } = this
    expectNothingOutstanding(rig)
    assert(this.holders.size === 0, 'a lock is still held')
    lab.assertAllReleased()
    assert(heap.stats.retired === 0, 'old pages are left')
    for (const device of this.devices) {
      expect(device.bus.faultCount).toBe(0)
      device.destroy()
    }
    rig.scheduler.runUntilIdle()
    assert(guard.allocated === 0, 'pages are left')
    assert(rig.memory.stats.pagesFree === this.#freeBefore, 'pages are not back')
    guard.assertPoison()
    counts.moves += heap.stats.moves
    counts.pinned += heap.stats.pinned
  }
}
