// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, DeferredCall, Errno, type Op, type Prng, Timer, yieldNow } from '@iolayers/kernel'
import { DmaFence, type DmaFenceOps } from '../../src/index.ts'
import type { Rig } from '../support.ts'

const DELAY_NS_MAX = 300

/**
 * How the work behind a fence ends: at a time, in an interrupt, by a task; a while after somebody asked to be told; already when
 * somebody asks; or seen only by looking.
 */
const WAYS = ['timer', 'call', 'task', 'when asked', 'over when asked', 'polled'] as const
type Way = (typeof WAYS)[number]

/** One queue of a device: its work ends in order. */
export interface Timeline {
  readonly context: number
  seqno: number
  readonly pending: DmaFence[]
}

/** Makes fences of every kind, ends the work behind them, and sees that each one is released, once. */
export class FenceLab {
  made = 0
  released = 0
  readonly #rig: Rig
  readonly #prng: Prng
  readonly #live: Set<DmaFence>
  /** For whoever wants to wait for one. */
  readonly #recent: DmaFence[] = []

  constructor(rig: Rig, prng: Prng) {
    this.#rig = rig
    this.#prng = prng
    this.#live = new Set()
  }

  /** A fence without hardware: whoever asked for it signals it. */
  plain(): DmaFence {
    return this.#create({})
  }

  timeline(): Timeline {
    return { context: this.#rig.core.fenceContextAlloc(1), seqno: 0, pending: [] }
  }

  /**
   * A fence that is not initialised yet, and how to start the work behind it. The reference is the caller's; the hardware has one of its own
   * from the start until the signal.
   */
  make(timeline: Timeline | null): { readonly fence: DmaFence; start(): void } {
    const way = this.#wayFor(timeline)
    const error = this.#prng.below(6) === 0 ? -Errno.EIO : 0
    let asked = false
    let dueNs = Number.POSITIVE_INFINITY
    const finish = (): void => {
      if (timeline === null) this.#end(fence, error)
      else this.#endUpTo(timeline, fence, error)
    }
    const timer = new Timer(this.#rig.scheduler, 'fence hardware', finish)
    const fence = this.#create({
      ...(way === 'polled' ? { signaled: () => this.#rig.scheduler.nowNs() >= dueNs } : {}),
      enableSignaling: () => {
        assert(!asked, 'a driver was asked twice to signal')
        asked = true
        if (way === 'over when asked') return false
        if (way === 'when asked' || way === 'polled') {
          fence.get()
          timer.arm(this.#prng.below(DELAY_NS_MAX))
        }
        return true
      },
    })
    const start = (): void => {
      dueNs = this.#rig.scheduler.nowNs() + this.#prng.below(DELAY_NS_MAX)
      this.#start(way, fence, timer, finish)
      timeline?.pending.push(fence)
      this.publish(fence)
    }
    return { fence, start }
  }

  /** The fence is initialised and will signal: others may look at it from now on. */
  publish(fence: DmaFence): void {
    this.#recent.push(fence)
    if (this.#recent.length > 6) this.#recent.shift()
  }

  /** One of the recent fences, with a reference. */
  pick(): DmaFence | null {
    const fence = this.#recent[this.#prng.below(Math.max(1, this.#recent.length))]
    return fence?.tryGet() === true ? fence : null
  }

  assertAllReleased(): void {
    assert(this.made === this.released, 'a fence was not released, or more than once')
    assert(this.#live.size === 0, 'a fence is still referenced')
  }

  #wayFor(timeline: Timeline | null): Way {
    // What signals only when asked would hold up those behind it in its timeline.
    const ways = timeline === null ? WAYS.length : 3
    return WAYS[this.#prng.below(ways)] ?? 'timer'
  }

  #create(ops: Partial<DmaFenceOps>): DmaFence {
    const fence = new DmaFence(this.#rig.kernel, {
      getDriverName: () => 'sim',
      getTimelineName: () => 'sim',
      release: () => {
        this.released++
        this.#live.delete(fence)
        const index = this.#recent.indexOf(fence)
        if (index >= 0) this.#recent.splice(index, 1)
      },
      ...ops,
    })
    this.#live.add(fence)
    this.made++
    return fence
  }

  #start(way: Way, fence: DmaFence, timer: Timer, finish: () => void): void {
    if (way === 'when asked' || way === 'over when asked' || way === 'polled') return
    fence.get()
    if (way === 'timer') timer.arm(this.#prng.below(DELAY_NS_MAX))
    else if (way === 'call') this.#rig.scheduler.queue(new DeferredCall('fence interrupt', finish))
    else this.#rig.scheduler.spawn('fence worker', this.#work(finish))
  }

  *#work(finish: () => void): Op<void> {
    for (let i = this.#prng.below(6); i > 0; i--) yield* yieldNow(this.#rig.scheduler)
    finish()
  }

  #end(fence: DmaFence, error: number): void {
    if (error === 0) fence.signal()
    else fence.signalWithError(error)
    fence.put()
  }

  /** Hardware that has come to `fence` is through with everything before it. */
  #endUpTo(timeline: Timeline, fence: DmaFence, error: number): void {
    const index = timeline.pending.indexOf(fence)
    for (const earlier of timeline.pending.splice(0, index + 1)) this.#end(earlier, error)
  }
}
