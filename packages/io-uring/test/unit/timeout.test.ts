// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { Errno, joinTask, type Op, sleep, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { CqeFlags, SetupFlags, SqeFlags, TimeoutFlags } from '../../src/index.ts'
import { Bench } from '../bench.ts'

const { ECANCELED, EFAULT, EINVAL, ENOENT, ETIME } = Errno
const MS = 1_000_000

/** Waits for `count` completions: them, and how long it took. */
function timed(bench: Bench, count: number): [(readonly [number, number])[], number] {
  const from = bench.scheduler.nowNs()
  const ends = bench.complete(count)
  return [ends, bench.scheduler.nowNs() - from]
}

describe('a timeout', () => {
  it('ends with ETIME when its time has come, from now or on the clock', () => {
    const bench = new Bench()
    bench.timeout(1, 5 * MS)
    expect(timed(bench, 1)).toEqual([[[1, -ETIME]], 5 * MS])
    bench.timeout(2, 8 * MS, 0, TimeoutFlags.ABS)
    expect(timed(bench, 1)).toEqual([[[2, -ETIME]], 3 * MS])
    bench.timeout(3, MS, 0, TimeoutFlags.ABS | TimeoutFlags.BOOTTIME)
    expect(timed(bench, 1)).toEqual([[[3, -ETIME]], 0])
    bench.timeout(4, 2 * MS + 1, 0, TimeoutFlags.REALTIME)
    expect(timed(bench, 1)).toEqual([[[4, -ETIME]], 2 * MS + 1])
    bench.finish()
  })

  it('those with less time end first, whatever the order in which they came', () => {
    const bench = new Bench()
    for (const id of [3, 1, 2]) {
      bench.timeout(id, id * MS)
      bench.ring.submit()
    }
    bench.run(bench.ring.waitCqes(3))
    expect(bench.reap().map(([id]) => id)).toEqual([1, 2, 3])
    bench.finish()
  })

  it('ends with 0 when as many others have completed as it counts, the nearest first', () => {
    const bench = new Bench()
    bench.timeout(1, 1000 * MS, 3)
    bench.timeout(2, 1000 * MS, 1)
    bench.nop(10)
    bench.nop(11)
    bench.ring.submit()
    expect(bench.reap()).toEqual([
      [10, 0],
      [2, 0],
      [11, 0],
    ])
    // What a timeout completed does not count.
    bench.nop(12)
    bench.ring.submit()
    expect(bench.reap()).toEqual([
      [12, 0],
      [1, 0],
    ])
    expect(bench.scheduler.nowNs()).toBe(0)
    bench.finish()
  })

  it('that counts still ends by the clock', () => {
    const bench = new Bench()
    bench.timeout(1, MS, 2)
    bench.nop(2)
    expect(timed(bench, 2)).toEqual([
      [
        [2, 0],
        [1, -ETIME],
      ],
      MS,
    ])
    bench.finish()
  })

  it('breaks a chain with ETIME, not with ETIME_SUCCESS', () => {
    for (const flags of [0, TimeoutFlags.ETIME_SUCCESS]) {
      const bench = new Bench()
      bench.timeout(1, MS, 0, flags, SqeFlags.IO_LINK)
      bench.nop(2)
      expect(bench.complete(2)).toEqual([
        [1, -ETIME],
        [2, flags === 0 ? -ECANCELED : 0],
      ])
      bench.finish()
    }
  })

  it('multishot comes again and again, and says that there is more', () => {
    const bench = new Bench()
    bench.timeout(1, MS, 3, TimeoutFlags.MULTISHOT)
    bench.run(bench.ring.submitAndWait(3))
    const [userData, results, flags] = [new Int32Array(8), new Int32Array(8), new Int32Array(8)]
    expect(bench.ring.reap(userData, results, 8, flags)).toBe(3)
    expect([...results.slice(0, 3)]).toEqual([-ETIME, -ETIME, -ETIME])
    expect([...flags.slice(0, 3)]).toEqual([CqeFlags.MORE, CqeFlags.MORE, 0])
    expect([bench.scheduler.nowNs(), bench.ring.inflight]).toEqual([3 * MS, 0])
    bench.timeout(2, MS, 0, TimeoutFlags.MULTISHOT)
    bench.run(bench.ring.submitAndWait(5))
    bench.cancel(3, 2)
    bench.run(bench.ring.submitAndWait(7))
    expect(bench.reap().slice(-2)).toEqual([
      [2, -ECANCELED],
      [3, 0],
    ])
    bench.finish()
  })

  it('refuses what makes no sense', () => {
    const bench = new Bench({ flags: SetupFlags.SUBMIT_ALL, entries: 16 })
    const { ring } = bench
    const at = bench.timespec(MS)
    const both = TimeoutFlags.BOOTTIME | TimeoutFlags.REALTIME
    const absMultishot = TimeoutFlags.ABS | TimeoutFlags.MULTISHOT
    for (const flags of [both, absMultishot, 0x1000, TimeoutFlags.UPDATE]) {
      ring.prepTimeout(ring.getSqe(), at, 0, flags, 1)
    }
    for (const [offset, value] of [
      [24, 2],
      [40, 1],
      [44, 1],
    ] as const) {
      const sqe = ring.getSqe()
      ring.prepTimeout(sqe, at, 0, 0, 1)
      ring.sqes.setUint16(sqe * 64 + offset, value, true)
    }
    expect(bench.complete(7).map(([, res]) => -res)).toEqual(new Array(7).fill(EINVAL))
    ring.prepTimeout(ring.getSqe(), 2 ** 50, 0, 0, 1)
    const negative = bench.userBytes(bench.userAddr + 64, new Uint8Array(16).fill(255))
    ring.prepTimeout(ring.getSqe(), negative, 0, 0, 2)
    expect(bench.complete(2)).toEqual([
      [1, -EFAULT],
      [2, -EINVAL],
    ])
    bench.finish()
  })

  it('is cancelled when the ring closes', () => {
    const bench = new Bench()
    bench.timeout(1, 1000 * MS)
    bench.timeout(2, 1000 * MS, 5)
    bench.timeout(3, 1000 * MS, 0, TimeoutFlags.MULTISHOT)
    bench.ring.submit()
    bench.run(bench.ring.close())
    expect(new Map(bench.reap())).toEqual(new Map([1, 2, 3].map((id) => [id, -ECANCELED])))
    expect(bench.scheduler.nowNs()).toBe(0)
    bench.finish()
  })
})

describe('removing and changing a timeout', () => {
  it('removes the one with that user data: 0 for the removal, ECANCELED for the timeout', () => {
    const bench = new Bench()
    const { ring } = bench
    bench.timeout(1, 1000 * MS)
    bench.timeout(2, 1000 * MS, 1)
    ring.prepTimeoutRemove(ring.getSqe(), 1, 10)
    ring.prepTimeoutRemove(ring.getSqe(), 9, 11)
    ring.submit()
    expect(new Map(bench.reap())).toEqual(
      new Map([
        [1, -ECANCELED],
        [10, 0],
        [2, 0],
        [11, -ENOENT],
      ]),
    )
    bench.finish()
  })

  it('updates the time, and from then on no completion ends it', () => {
    const bench = new Bench()
    const { ring } = bench
    bench.timeout(1, 1000 * MS, 2)
    const at = bench.timespec(2 * MS, bench.userAddr + 32)
    ring.prepTimeoutUpdate(ring.getSqe(), at, 1, TimeoutFlags.UPDATE, 10)
    ring.prepTimeoutUpdate(ring.getSqe(), at, 7, TimeoutFlags.UPDATE, 11)
    bench.nop(12)
    bench.nop(13)
    expect(timed(bench, 5)).toEqual([
      [
        [10, 0],
        [11, -ENOENT],
        [12, 0],
        [13, 0],
        [1, -ETIME],
      ],
      2 * MS,
    ])
    bench.finish()
  })

  it('refuses what makes no sense', () => {
    const bench = new Bench({ flags: SetupFlags.SUBMIT_ALL, entries: 16 })
    const { ring } = bench
    const at = bench.timespec(MS)
    const updates = [
      TimeoutFlags.MULTISHOT,
      TimeoutFlags.UPDATE | TimeoutFlags.MULTISHOT,
      TimeoutFlags.UPDATE | TimeoutFlags.BOOTTIME | TimeoutFlags.REALTIME,
    ]
    for (const flags of updates) ring.prepTimeoutUpdate(ring.getSqe(), at, 1, flags, 1)
    for (const offset of [24, 40, 44]) {
      const sqe = ring.getSqe()
      ring.prepTimeoutRemove(sqe, 1, 1)
      ring.sqes.setUint16(sqe * 64 + offset, 1, true)
    }
    const fixed = ring.getSqe()
    ring.prepTimeoutRemove(fixed, 1, 1)
    ring.setSqeFlags(fixed, SqeFlags.FIXED_FILE)
    expect(bench.complete(7).map(([, res]) => -res)).toEqual(new Array(7).fill(EINVAL))
    ring.prepTimeoutUpdate(ring.getSqe(), 2 ** 50, 1, TimeoutFlags.UPDATE, 1)
    expect(bench.complete(1)).toEqual([[1, -EFAULT]])
    bench.finish()
  })
})

describe('a linked timeout', () => {
  it('is cancelled when its request ends in time', () => {
    const bench = new Bench()
    bench.nop(1, SqeFlags.IO_LINK)
    bench.ring.prepLinkTimeout(bench.ring.getSqe(), bench.timespec(MS), 0, 2)
    expect(timed(bench, 2)).toEqual([
      [
        [1, 0],
        [2, -ECANCELED],
      ],
      0,
    ])
    bench.finish()
  })

  it('cancels a request that waits for a worker, and what follows', () => {
    const bench = new Bench({ workers: 1 })
    const token = bench.register()
    const makeMap = token.getMap.bind(token)
    token.getMap = function* () {
      yield* sleep(bench.scheduler, 5 * MS)
      return yield* makeMap()
    }
    bench.read(1)
    bench.read(2)
    bench.ring.setSqeFlags(1, SqeFlags.FIXED_FILE | SqeFlags.IO_LINK)
    const timeout = bench.ring.getSqe()
    bench.ring.prepLinkTimeout(timeout, bench.timespec(MS), 0, 3)
    bench.ring.setSqeFlags(timeout, SqeFlags.IO_LINK)
    bench.nop(4)
    bench.ring.submit()
    bench.run(bench.ring.waitCqes(3))
    expect(bench.reap()).toEqual([
      [2, -ECANCELED],
      [4, -ECANCELED],
      [3, -ETIME],
    ])
    expect(bench.complete(1)).toEqual([[1, 512]])
    bench.finish()
  })

  it('finds nothing to cancel of a request that a device has', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    bench.ring.setSqeFlags(1, SqeFlags.FIXED_FILE | SqeFlags.IO_LINK)
    bench.ring.prepLinkTimeout(bench.ring.getSqe(), bench.timespec(MS), 0, 2)
    expect(timed(bench, 1)).toEqual([[[2, -ENOENT]], MS])
    bench.twin.held.pop()?.()
    expect(bench.complete(1)).toEqual([[1, 512]])
    bench.finish()
  })

  it('can be given other time, and is found by nobody else', () => {
    const bench = new Bench()
    const { ring } = bench
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    ring.setSqeFlags(1, SqeFlags.FIXED_FILE | SqeFlags.IO_LINK)
    ring.prepLinkTimeout(ring.getSqe(), bench.timespec(MS), 0, 2)
    ring.submit()
    const at = bench.timespec(5 * MS, bench.userAddr + 32)
    ring.prepTimeoutUpdate(ring.getSqe(), at, 2, TimeoutFlags.LINK_TIMEOUT_UPDATE, 3)
    ring.prepTimeoutUpdate(ring.getSqe(), at, 8, TimeoutFlags.LINK_TIMEOUT_UPDATE, 4)
    ring.prepTimeoutRemove(ring.getSqe(), 2, 5)
    const [ends, tookNs] = timed(bench, 4)
    expect([ends, tookNs]).toEqual([
      [
        [3, 0],
        [4, -ENOENT],
        [5, -ENOENT],
        [2, -ENOENT],
      ],
      5 * MS,
    ])
    bench.twin.held.pop()?.()
    bench.complete(1)
    bench.finish()
  })

  it('has to follow a request, and only one may', () => {
    const bench = new Bench({ flags: SetupFlags.SUBMIT_ALL })
    const { ring } = bench
    const at = bench.timespec(MS)
    ring.prepLinkTimeout(ring.getSqe(), at, 0, 1)
    expect(bench.complete(1)).toEqual([[1, -EINVAL]])
    bench.nop(2, SqeFlags.IO_LINK)
    const first = ring.getSqe()
    ring.prepLinkTimeout(first, at, 0, 3)
    ring.setSqeFlags(first, SqeFlags.IO_LINK)
    ring.prepLinkTimeout(ring.getSqe(), at, 0, 4)
    expect(new Map(bench.complete(3))).toEqual(
      new Map([
        [2, -ECANCELED],
        [3, -ECANCELED],
        [4, -EINVAL],
      ]),
    )
    const counting = ring.getSqe()
    bench.nop(5, SqeFlags.IO_LINK)
    ring.prepNop(counting, 9)
    ring.setSqeFlags(counting, SqeFlags.IO_LINK)
    const sqe = ring.getSqe()
    ring.prepLinkTimeout(sqe, at, 0, 6)
    ring.sqes.setInt32(sqe * 64 + 8, 1, true)
    expect(new Map(bench.complete(3)).get(6)).toBe(-EINVAL)
    bench.finish()
  })
})

describe('waiting with a timeout', () => {
  it('ends with ETIME when nothing came, and tells what did where something came', () => {
    const bench = new Bench()
    function* main(): Op<void> {
      expect(yield* bench.ring.waitCqes(1, MS)).toBe(-ETIME)
      expect(bench.scheduler.nowNs()).toBe(MS)
      bench.nop(1)
      expect(yield* bench.ring.submitAndWait(2, MS)).toBe(1)
      expect(yield* bench.ring.waitCqes(2, MS)).toBe(1)
      expect(yield* bench.ring.waitCqes(1, MS)).toBe(1)
      expect(bench.scheduler.nowNs()).toBe(3 * MS)
      bench.reap()
      const task = bench.scheduler.spawn('waiter', bench.ring.waitCqes(1, MS))
      yield* yieldNow(bench.scheduler)
      yield* yieldNow(bench.scheduler)
      task.signal()
      expect(yield* joinTask(bench.scheduler, task)).toBe(-Errno.EINTR)
      expect(yield* bench.ring.submitAndWait(1, MS)).toBe(-ETIME)
    }
    bench.run(main())
    bench.finish()
  })
})
