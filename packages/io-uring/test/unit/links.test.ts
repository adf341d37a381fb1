// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { Errno } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { SetupFlags, SqeFlags } from '../../src/index.ts'
import { Bench } from '../bench.ts'

const { IO_LINK, IO_HARDLINK, CQE_SKIP_SUCCESS, IO_DRAIN, FIXED_FILE, ASYNC } = SqeFlags
const { ECANCELED, EINVAL, EIO, EOPNOTSUPP } = Errno

describe('links', () => {
  it('run one after the other, each when the one before is over', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    for (let i = 1; i <= 3; i += 1) {
      bench.read(i)
      bench.ring.setSqeFlags(i, FIXED_FILE | (i < 3 ? IO_LINK : 0))
    }
    expect(bench.ring.submit()).toBe(3)
    for (let i = 1; i <= 3; i += 1) {
      expect(bench.twin.held.length).toBe(1)
      bench.twin.held.shift()?.()
      bench.run(bench.ring.waitCqes(1))
      expect(bench.reap()).toEqual([[i, 512]])
      bench.scheduler.runUntilIdle()
    }
    bench.finish()
  })

  it('a failure cancels the rest of its chain, in order, and no other chain', () => {
    const bench = new Bench()
    bench.nop(1, IO_LINK)
    bench.nop(2, IO_LINK, -EIO)
    bench.nop(3, IO_LINK)
    bench.nop(4)
    bench.nop(5, IO_LINK)
    bench.nop(6)
    const ends = bench.complete(6)
    expect(ends.filter(([id]) => id <= 4)).toEqual([
      [1, 0],
      [2, -EIO],
      [3, -ECANCELED],
      [4, -ECANCELED],
    ])
    expect(ends.filter(([id]) => id > 4)).toEqual([
      [5, 0],
      [6, 0],
    ])
    bench.finish()
  })

  it('a hard link goes on after a failure', () => {
    const bench = new Bench()
    bench.nop(1, IO_HARDLINK, -EIO)
    bench.nop(2, IO_HARDLINK, -EIO)
    bench.nop(3, IO_LINK, -EIO)
    bench.nop(4)
    expect(bench.complete(4)).toEqual([
      [1, -EIO],
      [2, -EIO],
      [3, -EIO],
      [4, -ECANCELED],
    ])
    bench.finish()
  })

  it('a short read breaks a chain, and not one that is linked hard', () => {
    for (const link of [IO_LINK, IO_HARDLINK]) {
      const bench = new Bench()
      bench.register()
      bench.read(0)
      bench.complete(1)
      bench.twin.decide = () => ({ kind: 'later', result: 100 })
      bench.read(1)
      bench.ring.setSqeFlags(1, FIXED_FILE | link)
      bench.nop(2)
      expect(bench.complete(2)).toEqual([
        [1, 100],
        [2, link === IO_LINK ? -ECANCELED : 0],
      ])
      bench.finish()
    }
  })

  it('a refused entry fails its whole chain: nothing of it runs', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    const attempts = bench.twin.attempts
    for (const bad of [0, 1, 2]) {
      for (let i = 0; i < 3; i += 1) {
        const sqe = bench.ring.getSqe()
        bench.ring.prepReadFixed(sqe, 0, 0, 0, 0, 512, i)
        const invalid = i === bad ? 0x80 : 0
        bench.ring.setSqeFlags(sqe, FIXED_FILE | invalid | (i < 2 ? IO_HARDLINK : 0))
      }
      expect(bench.complete(3)).toEqual([0, 1, 2].map((i) => [i, i === bad ? -EINVAL : -ECANCELED]))
    }
    expect(bench.twin.attempts).toBe(attempts)
    bench.finish()
  })

  it('a chain ends with its batch', () => {
    const bench = new Bench()
    bench.nop(1, IO_LINK, -EIO)
    expect(bench.ring.submit()).toBe(1)
    bench.nop(2)
    expect(bench.complete(2)).toEqual([
      [1, -EIO],
      [2, 0],
    ])
    bench.finish()
  })

  it('of more requests than a stack is deep run to their end within the submission', () => {
    const bench = new Bench({ entries: 32_768 })
    const count = 30_000
    for (let i = 0; i < count; i += 1) bench.nop(i, i < count - 1 ? IO_LINK : 0)
    expect(bench.ring.submit()).toBe(count)
    expect(bench.ring.cqReady).toBe(count)
    bench.finish()
  })

  it('a worker runs what asks for one, and what follows it waits', () => {
    const bench = new Bench()
    bench.nop(1, ASYNC | IO_LINK)
    bench.nop(2)
    expect(bench.complete(2)).toEqual([
      [1, 0],
      [2, 0],
    ])
    expect(bench.ring.stats.asyncWork).toBe(1)
    bench.finish()
  })
})

describe('a batch', () => {
  it('ends with an entry that is refused, unless the ring submits all', () => {
    for (const flags of [0, SetupFlags.SUBMIT_ALL]) {
      const bench = new Bench({ flags })
      bench.nop(1)
      bench.nop(2, 0x80)
      bench.nop(3)
      expect(bench.ring.submit()).toBe(flags === 0 ? 2 : 3)
      expect(bench.ring.sqReady).toBe(flags === 0 ? 1 : 0)
      expect(bench.reap().slice(0, 2)).toEqual([
        [1, 0],
        [2, -EINVAL],
      ])
      bench.ring.submit()
      bench.finish()
    }
  })

  it('refuses flags, priorities, personalities and buffers to select that are not there', () => {
    const bench = new Bench({ flags: SetupFlags.SUBMIT_ALL })
    bench.nop(1, SqeFlags.BUFFER_SELECT)
    bench.nop(2)
    bench.ring.sqes.setUint16(64 + 2, 1, true)
    bench.nop(3)
    bench.ring.sqes.setUint16(2 * 64 + 42, 1, true)
    bench.nop(4)
    bench.ring.setRwFlags(3, 0x100)
    bench.read(5)
    bench.ring.sqes.setUint16(4 * 64 + 42, 7, true)
    const expected = [EOPNOTSUPP, EINVAL, EINVAL, EINVAL, EINVAL]
    expect(bench.complete(5).map(([, res]) => -res)).toEqual(expected)
    bench.register()
    bench.read(6)
    bench.ring.sqes.setUint16(5 * 64 + 42, 7, true)
    expect(bench.complete(1)).toEqual([[6, -EINVAL]])
    bench.finish()
  })
})

describe('completions that are skipped', () => {
  it('only where all went well; a failure shows, and hides what it cancels', () => {
    const bench = new Bench()
    bench.nop(1, CQE_SKIP_SUCCESS)
    bench.nop(2, CQE_SKIP_SUCCESS, -EIO)
    bench.nop(3, CQE_SKIP_SUCCESS | IO_LINK)
    bench.nop(4)
    bench.nop(5, CQE_SKIP_SUCCESS | IO_LINK, -EIO)
    bench.nop(6, IO_LINK)
    bench.nop(7)
    bench.nop(8, IO_LINK, -EIO)
    bench.ring.submit()
    bench.nop(9, CQE_SKIP_SUCCESS)
    bench.ring.submit()
    expect(bench.reap()).toEqual(
      [
        [2, -EIO],
        [5, -EIO],
        [8, -EIO],
        [4, 0],
        [9, 0],
      ].filter(([id]) => id !== 9),
    )
    expect(bench.ring.inflight).toBe(0)
    bench.finish()
  })

  it('do not go with a drain', () => {
    const bench = new Bench()
    bench.nop(1, CQE_SKIP_SUCCESS)
    bench.nop(2, IO_DRAIN)
    bench.ring.submit()
    expect(bench.reap()).toEqual([[2, -EOPNOTSUPP]])
    bench.finish()
  })
})

describe('drain', () => {
  it('starts when all before is over, and holds back all after', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    bench.read(2)
    bench.read(3)
    bench.ring.setSqeFlags(3, FIXED_FILE | IO_DRAIN)
    bench.nop(4)
    bench.nop(5)
    expect(bench.ring.submit()).toBe(5)
    expect(bench.twin.held.length).toBe(2)
    bench.twin.held.pop()?.()
    bench.scheduler.runUntilIdle()
    expect(bench.twin.held.length).toBe(1)
    bench.twin.held.pop()?.()
    bench.scheduler.runUntilIdle()
    expect(bench.reap().map(([id]) => id)).toEqual([2, 1])
    expect(bench.twin.held.length).toBe(1)
    bench.twin.held.pop()?.()
    bench.scheduler.runUntilIdle()
    expect(bench.reap().map(([id]) => id)).toEqual([3, 4, 5])
    // The drain has gone through: what comes now takes the short way again.
    bench.nop(6)
    bench.ring.submit()
    expect(bench.reap()).toEqual([[6, 0]])
    bench.finish()
  })

  it('in the midst of a chain drains its head and what comes after the chain', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    bench.nop(2, IO_LINK)
    bench.nop(3, IO_LINK | IO_DRAIN)
    bench.read(4)
    bench.nop(5)
    expect(bench.ring.submit()).toBe(5)
    expect(bench.ring.cqReady).toBe(0)
    bench.twin.held.pop()?.()
    bench.scheduler.runUntilIdle()
    expect(bench.reap().map(([id]) => id)).toEqual([1, 2, 3])
    bench.twin.held.pop()?.()
    bench.scheduler.runUntilIdle()
    expect(bench.reap().map(([id]) => id)).toEqual([4, 5])
    bench.finish()
  })

  it('a flush that drains goes to the disk when the writes before it are over', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = (_form, posBytes) => ({ kind: posBytes === 512 ? 'hold' : 'now' })
    bench.write(1, 512)
    const flush = bench.ring.getSqe()
    bench.ring.prepFsync(flush, 0, 0, 2)
    bench.ring.setSqeFlags(flush, FIXED_FILE | IO_DRAIN)
    const before = bench.twin.attempts
    bench.ring.submit()
    expect(bench.twin.attempts).toBe(before + 1)
    bench.twin.held.pop()?.()
    expect(bench.complete(2)).toEqual([
      [1, 512],
      [2, 0],
    ])
    bench.finish()
  })

  it('the time of a linked timeout begins when its request does', () => {
    const bench = new Bench()
    bench.timeout(1, 5000)
    bench.timeout(2, 5000, 0, 0, IO_LINK | IO_DRAIN)
    const timeout = bench.ring.getSqe()
    bench.ring.prepLinkTimeout(timeout, bench.timespec(4000, bench.userAddr + 32), 0, 3)
    bench.run(bench.ring.submitAndWait(3))
    expect(bench.scheduler.nowNs()).toBe(9000)
    expect(new Map(bench.reap())).toEqual(
      new Map([
        [1, -Errno.ETIME],
        [2, -ECANCELED],
        [3, -Errno.ETIME],
      ]),
    )
    bench.finish()
  })

  it('what is held back is cancelled when the ring closes, chains included', () => {
    const bench = new Bench()
    bench.timeout(1, 1e9)
    bench.nop(2, IO_DRAIN)
    bench.nop(3, IO_HARDLINK)
    bench.nop(4)
    bench.ring.submit()
    bench.run(bench.ring.close())
    expect(new Map(bench.reap())).toEqual(new Map([1, 2, 3, 4].map((id) => [id, -ECANCELED])))
    bench.finish()
  })
})
