// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { Errno, joinTask, KernelError, type Op, sleep, WaitQueue } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { CancelFlags, IoUringOp, SetupFlags, SqeFlags } from '../../src/index.ts'
import { Bench } from '../bench.ts'

const { ALL, ANY, FD, FD_FIXED, OP, USERDATA } = CancelFlags
const { EALREADY, EBADF, ECANCELED, EINTR, EINVAL, ENOENT, ETIME } = Errno
const MS = 1_000_000

/** One worker, which is kept busy by the first read for 5 ms, or until a signal comes. */
function busyBench(): Bench {
  const bench = new Bench({ workers: 1, entries: 16 })
  const token = bench.register()
  const makeMap = token.getMap.bind(token)
  const never = new WaitQueue(bench.scheduler, 'nothing')
  let first = true
  token.getMap = function* () {
    const isFirst = first
    first = false
    const left = isFirst ? yield* never.waitEventInterruptibleTimeout(() => false, 5 * MS) : 0
    if (left < 0) throw new KernelError('ERESTARTSYS', 'a signal came')
    return yield* makeMap()
  }
  return bench
}

/** Submits what is ready and lets the worker begin. */
function begin(bench: Bench): void {
  bench.ring.submit()
  bench.run(sleep(bench.scheduler, 1))
}

describe('cancelling', () => {
  it('a request that waits for a worker: 0, and ECANCELED for it', () => {
    const bench = busyBench()
    for (const id of [1, 2, 3]) bench.read(id)
    begin(bench)
    bench.cancel(10, 2)
    bench.cancel(11, 2)
    bench.ring.submit()
    expect(bench.reap()).toEqual([
      [2, -ECANCELED],
      [10, 0],
      [11, -ENOENT],
    ])
    expect(bench.complete(2)).toEqual([
      [1, 512],
      [3, 512],
    ])
    bench.finish()
  })

  it('one that a worker has begun: EALREADY, and what it waits for is interrupted', () => {
    const bench = busyBench()
    bench.read(1)
    bench.read(2)
    begin(bench)
    bench.cancel(10, 1)
    expect(bench.complete(3)).toEqual([
      [10, -EALREADY],
      [1, -EINTR],
      [2, 512],
    ])
    expect(bench.scheduler.nowNs()).toBeLessThan(MS)
    bench.finish()
  })

  it('one that a device has is not found', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    bench.cancel(2, 1)
    expect(bench.complete(1)).toEqual([[2, -ENOENT]])
    bench.twin.held.pop()?.()
    bench.complete(1)
    bench.finish()
  })

  it('all of one user data, or any at all: how many', () => {
    const bench = busyBench()
    for (const id of [1, 2, 2, 2, 3]) bench.read(id)
    bench.timeout(2, 1000 * MS)
    begin(bench)
    bench.cancel(10, 2, ALL)
    bench.cancel(11, 2, ALL | USERDATA)
    bench.ring.submit()
    expect(bench.reap().filter(([id]) => id >= 10)).toEqual([
      [10, 4],
      [11, 0],
    ])
    bench.timeout(4, 1000 * MS)
    bench.timeout(5, 1000 * MS, 100)
    bench.cancel(12, 0, ANY)
    expect(new Map(bench.complete(5))).toEqual(
      new Map([
        [1, -EINTR],
        [3, -ECANCELED],
        [4, -ECANCELED],
        [5, -ECANCELED],
        [12, 4],
      ]),
    )
    bench.finish()
  })

  it('by file, registered or by descriptor, and by operation', () => {
    const bench = busyBench()
    const { ring } = bench
    const fd = bench.openFd()
    for (const id of [1, 2, 3, 4]) bench.read(id)
    ring.prepWriteFixed(ring.getSqe(), 0, 0, 0, 0, 512, 5)
    bench.timeout(6, 1000 * MS)
    begin(bench)
    ring.prepCancelFd(ring.getSqe(), 0, FD | FD_FIXED, 10)
    ring.prepCancelFd(ring.getSqe(), 7, FD | FD_FIXED, 11)
    ring.prepCancelFd(ring.getSqe(), fd, FD, 12)
    ring.prepCancelFd(ring.getSqe(), 99, FD, 13)
    const byOp = ring.getSqe()
    ring.prepCancel(byOp, 0, OP | ALL, 14)
    ring.sqes.setInt32(byOp * 64 + 24, IoUringOp.WRITE_FIXED, true)
    const byOpAndData = ring.getSqe()
    ring.prepCancel(byOpAndData, 9, OP | USERDATA, 15)
    ring.sqes.setInt32(byOpAndData * 64 + 24, IoUringOp.READ_FIXED, true)
    const timeouts = ring.getSqe()
    ring.prepCancel(timeouts, 0, OP, 16)
    ring.sqes.setInt32(timeouts * 64 + 24, IoUringOp.TIMEOUT, true)
    ring.submit()
    expect(new Map(bench.reap())).toEqual(
      new Map([
        [2, -ECANCELED],
        [10, 0],
        [11, -EBADF],
        [3, -ECANCELED],
        [12, 0],
        [13, -EBADF],
        [5, -ECANCELED],
        [14, 1],
        [15, -ENOENT],
        [6, -ECANCELED],
        [16, 0],
      ]),
    )
    bench.complete(2)
    bench.finish()
  })

  it('never itself, in a worker too', () => {
    const bench = new Bench()
    bench.cancel(1, 0, ANY)
    bench.ring.setSqeFlags(0, SqeFlags.ASYNC)
    expect(bench.complete(1)).toEqual([[1, 0]])
    bench.finish()
  })

  it('refuses what makes no sense', () => {
    const bench = new Bench({ flags: SetupFlags.SUBMIT_ALL })
    for (const flags of [0x40, ANY | FD, ANY | OP]) bench.cancel(1, 1, flags)
    for (const offset of [8, 12, 44]) {
      bench.cancel(1, 1)
      bench.ring.sqes.setInt32((bench.ring.sqReady - 1) * 64 + offset, 1, true)
    }
    expect(bench.complete(6).map(([, res]) => -res)).toEqual(new Array(6).fill(EINVAL))
    bench.finish()
  })
})

describe('a synchronous cancellation', () => {
  it('waits for what a worker has begun, for as long as it is told', () => {
    const bench = busyBench()
    const { ring } = bench
    for (const id of [1, 2]) bench.read(id)
    begin(bench)
    function* main(): Op<void> {
      expect(yield* ring.syncCancel({ userData: 2 })).toBe(0)
      expect(yield* ring.syncCancel({ userData: 2 })).toBe(-ENOENT)
      expect(yield* ring.syncCancel({ flags: FD, fd: 55 })).toBe(-EBADF)
      expect(yield* ring.syncCancel({ flags: FD | FD_FIXED, fd: 55 })).toBe(-EBADF)
      expect(yield* ring.syncCancel({ flags: OP, opcode: IoUringOp.FSYNC })).toBe(-ENOENT)
      expect(yield* ring.syncCancel({ userData: 1, timeoutNs: MS })).toBe(0)
    }
    bench.run(main())
    expect(bench.reap()).toEqual([
      [2, -ECANCELED],
      [1, -EINTR],
    ])
    bench.finish()
  })

  it('times out where the worker cannot be interrupted, and is itself', () => {
    const bench = new Bench({ workers: 1 })
    const token = bench.register()
    const fd = bench.openFd()
    const makeMap = token.getMap.bind(token)
    token.getMap = function* () {
      yield* sleep(bench.scheduler, 5 * MS)
      return yield* makeMap()
    }
    bench.read(1)
    begin(bench)
    function* main(): Op<void> {
      expect(yield* bench.ring.syncCancel({ flags: FD, fd, timeoutNs: MS })).toBe(-ETIME)
      const task = bench.scheduler.spawn('cancel', bench.ring.syncCancel({ userData: 1 }))
      yield* sleep(bench.scheduler, 10)
      task.signal()
      expect(yield* joinTask(bench.scheduler, task)).toBe(-EINTR)
    }
    bench.run(main())
    expect(bench.complete(1)).toEqual([[1, 512]])
    bench.finish()
  })
})

describe('workers', () => {
  it('can be made more, and fewer, while they run', () => {
    const bench = new Bench({ workers: 1, entries: 16 })
    const token = bench.register()
    const makeMap = token.getMap.bind(token)
    let inside = 0
    let most = 0
    token.getMap = function* () {
      inside += 1
      most = Math.max(most, inside)
      yield* sleep(bench.scheduler, MS)
      inside -= 1
      token.invalidate()
      return yield* makeMap()
    }
    for (let i = 0; i < 6; i += 1) bench.read(i)
    bench.ring.submit()
    expect(bench.ring.registerIowqMaxWorkers(3)).toBe(1)
    bench.run(bench.ring.waitCqes(6))
    expect(most).toBe(3)
    expect(bench.ring.registerIowqMaxWorkers(0)).toBe(3)
    expect(bench.ring.registerIowqMaxWorkers(1)).toBe(3)
    most = 0
    token.invalidate()
    for (let i = 0; i < 6; i += 1) bench.read(i)
    bench.run(bench.ring.submitAndWait(12))
    expect(most).toBe(1)
    bench.finish()
  })
})
