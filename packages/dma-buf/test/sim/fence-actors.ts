// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  assert,
  Errno,
  type Op,
  PollEvents,
  pollFiles,
  WwAcquireCtx,
  yieldNow,
} from '@iolayers/kernel'
import {
  type DmaBuf,
  type DmaFence,
  DmaFenceCallback,
  DmaResvUsage,
  MAX_SCHEDULE_TIMEOUT,
} from '../../src/index.ts'
import type { Timeline } from './fence-lab.ts'
import type { SimWorld } from './world.ts'

const USAGES = Object.values(DmaResvUsage)
const { WRITE, READ } = DmaResvUsage
const TIMEOUTS_NS = [0, 1, 40, 150, 1e6, MAX_SCHEDULE_TIMEOUT]

/** Transactions that are under way, of all actors of a world. */
export type ActiveTransactions = Set<WwAcquireCtx>

/** Locks several buffers together, in any order, and leaves fences in them. */
export function* transactions(world: SimWorld, active: ActiveTransactions): Op<void> {
  const timeline = world.lab.timeline()
  for (let round = 0; round < 3; round++) {
    yield* world.pause()
    const buffers: DmaBuf[] = []
    for (let i = 1 + world.prng.below(5); i > 0; i--) {
      const dmabuf = world.pick()
      if (dmabuf !== null) buffers.push(dmabuf)
    }
    const locked = yield* lockAll(world, buffers, active)
    if (locked !== null) {
      for (const dmabuf of locked.buffers) {
        changeFences(world, dmabuf, timeline)
        if (world.prng.below(2) === 0) yield* yieldNow(world.rig.scheduler)
      }
      for (const dmabuf of locked.buffers) world.unlock(dmabuf)
      locked.ctx.fini()
      active.delete(locked.ctx)
    }
    for (const dmabuf of buffers) dmabuf.put()
  }
}

interface Locked {
  readonly ctx: WwAcquireCtx
  readonly buffers: ReadonlySet<DmaBuf>
}

/** All of them, or null when a signal came. @see Documentation/locking/ww-mutex-design.rst */
function* lockAll(
  world: SimWorld,
  wanted: readonly DmaBuf[],
  active: ActiveTransactions,
): Op<Locked | null> {
  const ctx = new WwAcquireCtx(world.rig.core.reservationWwClass)
  const older = active.size
  active.add(ctx)
  const held = new Set<DmaBuf>()
  const letGo = (): void => {
    for (const dmabuf of held) world.unlock(dmabuf)
    held.clear()
  }
  const interruptible = world.prng.below(3) === 0
  let lost: DmaBuf | null = null
  for (let retries = 0; ; retries++) {
    // Each of the older ones can send this one back once for each lock, and again after it was sent back itself.
    assert(retries <= older * (older + 1) * wanted.length, 'a ww transaction is starved')
    if (lost !== null) {
      yield* lost.resv.lockSlow(ctx)
      world.took(lost)
      held.add(lost)
    }
    const result = yield* lockRest(world, wanted, held, ctx, interruptible)
    if (result.status === 0) return { ctx, buffers: held }
    letGo()
    if (result.status === -Errno.ERESTARTSYS) {
      ctx.fini()
      active.delete(ctx)
      return null
    }
    assert(result.status === -Errno.EDEADLK, 'a ww lock failed')
    assert(older > 0, 'the oldest transaction was sent back')
    world.counts.backoffs++
    lost = result.at
  }
}

function* lockRest(
  world: SimWorld,
  wanted: readonly DmaBuf[],
  held: Set<DmaBuf>,
  ctx: WwAcquireCtx,
  interruptible: boolean,
): Op<{ readonly status: number; readonly at: DmaBuf | null }> {
  for (const dmabuf of wanted) {
    const { resv } = dmabuf
    const status = interruptible
      ? ((yield* world.signalled(resv.lockInterruptible(ctx))) ?? -Errno.ERESTARTSYS)
      : yield* resv.lock(ctx)
    if (held.has(dmabuf)) {
      assert(status === -Errno.EALREADY || status === -Errno.ERESTARTSYS, 'a lock was taken twice')
      continue
    }
    if (status !== 0) return { status, at: dmabuf }
    world.took(dmabuf)
    held.add(dmabuf)
    if (world.prng.below(3) > 0) yield* yieldNow(world.rig.scheduler)
  }
  return { status: 0, at: null }
}

/** With the lock held: adds some, replaces some. */
function changeFences(world: SimWorld, dmabuf: DmaBuf, timeline: Timeline): void {
  const { prng } = world
  const log = world.log(dmabuf)
  log.check()
  for (let i = prng.below(3); i > 0; i--) {
    try {
      dmabuf.resv.reserveFences(2)
    } catch (error) {
      world.expectError(error, 'ENOMEM')
      return
    }
    if (prng.below(2) === 0) addOfTimeline(world, dmabuf, timeline)
    else addAlone(world, dmabuf)
    log.check()
  }
}

/** One or two of a queue of a device, not always in the order in which they will signal. */
function addOfTimeline(world: SimWorld, dmabuf: DmaBuf, timeline: Timeline): void {
  const count = 1 + world.prng.below(2)
  const made = Array.from({ length: count }, () => world.lab.make(timeline))
  for (const { fence } of made) fence.init(timeline.context, ++timeline.seqno)
  if (world.prng.below(2) === 0) made.reverse()
  for (const { fence } of made) add(world, dmabuf, fence)
  made.sort((a, b) => a.fence.seqno - b.fence.seqno)
  for (const { fence, start } of made) {
    start()
    fence.put()
  }
}

function addAlone(world: SimWorld, dmabuf: DmaBuf): void {
  const { fence, start } = world.lab.make(null)
  fence.init(world.rig.core.fenceContextAlloc(1), 1)
  add(world, dmabuf, fence)
  start()
  fence.put()
  if (world.prng.below(2) === 0) replace(world, dmabuf, fence)
}

function add(world: SimWorld, dmabuf: DmaBuf, fence: DmaFence): void {
  const usage = world.oneOf(USAGES)
  dmabuf.resv.addFence(fence, usage)
  world.log(dmabuf).added(fence, usage)
}

/** The work of `old` was overtaken: another fence stands for it. */
function replace(world: SimWorld, dmabuf: DmaBuf, old: DmaFence): void {
  const { fence, start } = world.lab.make(null)
  const usage = world.oneOf(USAGES)
  fence.init(world.rig.core.fenceContextAlloc(1), 1)
  dmabuf.resv.replaceFences(old.context, fence, usage)
  world.log(dmabuf).replaced(old.context, fence, usage)
  start()
  fence.put()
}

/** Waits for whole reservation objects, without their locks, in every way. */
export function* waiter(world: SimWorld): Op<void> {
  for (let round = 0; round < 5; round++) {
    yield* world.pause()
    const dmabuf = world.pick()
    if (dmabuf === null) continue
    const log = world.log(dmabuf)
    const interruptible = world.prng.below(2) === 0
    const wait = log.wait(world.oneOf(USAGES), interruptible, world.oneOf(TIMEOUTS_NS))
    const result = (yield* interruptible ? world.signalled(wait) : wait) ?? 0
    if (result === 0) world.counts.timeouts++
    if (result < 0) world.counts.interrupted++
    world.counts.waits++
    log.check()
    dmabuf.put()
  }
}

/** Polls buffers for what the CPU may do with them. A file is ready to be written when nobody reads or writes. */
export function* poller(world: SimWorld): Op<void> {
  const { kernel, scheduler } = world.rig
  const { EPOLLIN, EPOLLOUT } = PollEvents
  for (let round = 0; round < 4; round++) {
    yield* world.pause()
    const dmabuf = world.pick()
    if (dmabuf === null) continue
    const log = world.log(dmabuf)
    const events = world.oneOf([EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT])
    const timeoutNs = world.oneOf(TIMEOUTS_NS)
    const entry = { file: dmabuf.file, events, revents: 0 }
    const startNs = scheduler.nowNs()
    const ready = yield* pollFiles(kernel, [entry], timeoutNs)
    // Nothing has run since the look that this came from.
    for (const [event, usage] of [
      [EPOLLIN, WRITE],
      [EPOLLOUT, READ],
    ] as const) {
      if ((events & event) === 0) continue
      // Not the other way round: a callback may still be on a fence that was replaced meanwhile.
      const quiet = log.pending(usage).length === 0
      assert((entry.revents & event) === 0 || quiet, 'a poll says ready, and a fence is pending')
    }
    assert(ready > 0 || scheduler.nowNs() >= startNs + timeoutNs, 'a poll ended before its time')
    world.counts.polls++
    dmabuf.put()
  }
}

/** Waits for single fences, and is there at the very moment when they signal. */
export function* fenceWaiter(world: SimWorld): Op<void> {
  const { scheduler } = world.rig
  for (let round = 0; round < 5; round++) {
    yield* world.pause()
    const fence = world.lab.pick()
    if (fence === null) continue
    const interruptible = world.prng.below(2) === 0
    const timeoutNs = world.oneOf(TIMEOUTS_NS)
    const startNs = scheduler.nowNs()
    const wait = fence.wait(interruptible, timeoutNs)
    const result = (yield* interruptible ? world.signalled(wait) : wait) ?? 0
    if (result > 0) {
      assert(fence.isSignaled(), 'a wait ended and the fence has not signalled')
      const expectedNs = Math.max(startNs, fence.timestampNs)
      assert(scheduler.nowNs() === expectedNs, 'a waiter was woken late')
    } else if (result === 0) {
      assert(scheduler.nowNs() === startNs + timeoutNs, 'a wait timed out at another time')
    } else {
      assert(interruptible && result === -Errno.ERESTARTSYS, 'a wait failed')
      world.counts.interrupted++
    }
    world.counts.waits++
    fence.put()
  }
}

/** Adds callbacks, some of which take others off again, and sees that each runs once or is taken off once. */
export function* callbackUser(world: SimWorld): Op<void> {
  for (let round = 0; round < 4; round++) {
    yield* world.pause()
    const fence = world.lab.pick()
    if (fence === null) continue
    yield* useCallbacks(world, fence)
    fence.put()
  }
}

function* useCallbacks(world: SimWorld, fence: DmaFence): Op<void> {
  const { prng, counts } = world
  const count = 1 + prng.below(4)
  const [ran, removed, added] = [new Set<number>(), new Set<number>(), new Set<number>()]
  const remove = (i: number): void => {
    const callback = callbacks[i]
    if (callback === undefined || !fence.removeCallback(callback)) return
    assert(
      added.has(i) && !ran.has(i) && !removed.has(i),
      'a callback was taken off that is not on',
    )
    removed.add(i)
    counts.removed++
  }
  const callbacks = Array.from({ length: count }, (_, i) => {
    const victim = prng.below(count * 2)
    return new DmaFenceCallback((of) => {
      assert(of === fence && added.has(i), 'a callback ran that was not added')
      assert(!ran.has(i) && !removed.has(i), 'a callback ran twice, or after it was taken off')
      ran.add(i)
      counts.callbacks++
      // The last look that it may have at the fence: others drop references meanwhile.
      remove(victim)
    })
  })
  for (const [i, callback] of callbacks.entries()) {
    added.add(i)
    if (!fence.addCallback(callback)) {
      added.delete(i)
      assert(fence.isSignaled(), 'a callback was refused by a fence that has not signalled')
    }
    if (prng.below(2) === 0) yield* yieldNow(world.rig.scheduler)
  }
  yield* world.pause()
  if (prng.below(2) === 0) remove(prng.below(count))
  const result = yield* fence.wait(false, MAX_SCHEDULE_TIMEOUT)
  assert(result > 0, 'a wait without a bound ended')
  for (const i of added) {
    assert(ran.has(i) !== removed.has(i), 'a callback neither ran nor was taken off')
  }
}

/** Sends signals to whoever waits. */
export function* signaller(world: SimWorld): Op<void> {
  for (let round = 0; round < 8; round++) {
    yield* world.pause()
    world.interrupt()
  }
}
