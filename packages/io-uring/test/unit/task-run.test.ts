// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { Errno, joinTask, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createIoUring, SetupFlags, SqeFlags, SqRingFlags } from '../../src/index.ts'
import { Bench, SIZE } from '../bench.ts'
import { PolledTwinFile } from '../twin.ts'

const { CLAMP, COOP_TASKRUN, CQSIZE, DEFER_TASKRUN, IOPOLL, SINGLE_ISSUER, TASKRUN_FLAG } =
  SetupFlags
const { EEXIST, EINVAL, EOPNOTSUPP, ETIME } = Errno
const DEFER = DEFER_TASKRUN | SINGLE_ISSUER

function* pause(bench: Bench): Op<void> {
  for (let i = 0; i < 20; i += 1) yield* yieldNow(bench.scheduler)
}

describe('setup flags', () => {
  it('contradictions and what is not supported are refused; too many entries are cut with CLAMP', () => {
    const { kernel, ring } = new Bench()
    const make =
      (flags: number, entries = 8) =>
      () =>
        createIoUring({ kernel }, { entries, flags })
    expect(make(DEFER_TASKRUN)).toThrow('without SINGLE_ISSUER')
    expect(make(TASKRUN_FLAG)).toThrow('with nothing to tell')
    expect(make(0x2)).toThrow('not supported')
    expect(make(0, 100_000)).toThrow('from 1 to 32768')
    expect(make(CLAMP | CQSIZE, 100_000)().sqEntries).toBe(32_768)
    expect(ring.sqFlags).toBe(0)
  })
})

describe('DEFER_TASKRUN', () => {
  it('posts what a device ends only when the owner looks', () => {
    const bench = new Bench({ flags: DEFER | TASKRUN_FLAG })
    bench.register()
    function* main(): Op<void> {
      bench.read(1)
      yield* bench.ring.submitAndWait(1)
      expect(bench.reap()).toEqual([[1, 512]])
      bench.twin.decide = () => ({ kind: 'later' })
      bench.read(2)
      bench.read(3)
      bench.ring.submit()
      yield* pause(bench)
      expect([bench.ring.cqReady, bench.ring.sqFlags]).toEqual([0, SqRingFlags.TASKRUN])
      // What ends inside the submission is posted by it, and runs no task work.
      bench.nop(4)
      bench.ring.submit()
      expect(bench.reap()).toEqual([[4, 0]])
      expect(yield* bench.ring.waitCqes(0)).toBe(2)
      expect([...bench.reap(), bench.ring.sqFlags]).toEqual([[2, 512], [3, 512], 0])
      yield* bench.ring.close()
    }
    bench.run(main())
    bench.finish()
  })

  it('F4, R-MQ-7: what the I/O used is let go at once, whether the owner looks or not', () => {
    const bench = new Bench({ flags: DEFER })
    const token = bench.register()
    function* main(): Op<void> {
      bench.read(1)
      yield* bench.ring.submitAndWait(1)
      bench.twin.decide = () => ({ kind: 'later' })
      bench.read(2)
      bench.ring.submit()
      yield* pause(bench)
      expect(token.maps.map((map) => map.refs)).toEqual([0])
      // So that this returns although nobody runs task work.
      yield* bench.ring.unregisterBuffers()
      expect([token.released, bench.ring.cqReady]).toEqual([true, 1])
      yield* bench.ring.close()
    }
    bench.run(main())
    expect(bench.reap().map(([id]) => id)).toEqual([1, 2])
    bench.finish()
  })

  it('wakes its owner for task work, timeouts and chains included', () => {
    const bench = new Bench({ flags: DEFER })
    function* main(): Op<void> {
      bench.timeout(1, 1000, 0, 0, SqeFlags.IO_HARDLINK)
      bench.nop(2, SqeFlags.IO_LINK)
      bench.nop(3)
      yield* bench.ring.submitAndWait(3)
      expect(bench.reap()).toEqual([
        [1, -ETIME],
        [2, 0],
        [3, 0],
      ])
      yield* bench.ring.close()
    }
    bench.run(main())
    bench.finish()
  })

  it('what a worker ends, or cancels, waits for the owner too', () => {
    const bench = new Bench({ flags: DEFER })
    function* main(): Op<void> {
      bench.timeout(1, 1e9)
      bench.cancel(2, 1)
      bench.ring.setSqeFlags(1, SqeFlags.ASYNC)
      bench.ring.submit()
      yield* pause(bench)
      expect([bench.ring.cqReady, bench.ring.inflight]).toEqual([0, 2])
      expect(yield* bench.ring.waitCqes(2)).toBe(2)
      expect(bench.reap()).toEqual([
        [1, -Errno.ECANCELED],
        [2, 0],
      ])
      yield* bench.ring.close()
    }
    bench.run(main())
    bench.finish()
  })

  it('no other task may submit or wait', () => {
    const bench = new Bench({ flags: DEFER })
    function* other(): Op<readonly number[]> {
      bench.nop(2)
      return [
        bench.ring.submit(),
        yield* bench.ring.waitCqes(1),
        yield* bench.ring.submitAndWait(1),
      ]
    }
    function* main(): Op<void> {
      bench.nop(1)
      expect(bench.ring.submit()).toBe(1)
      const task = bench.scheduler.spawn('other', other())
      expect(yield* joinTask(bench.scheduler, task)).toEqual([-EEXIST, -EEXIST, -EEXIST])
      expect(yield* bench.ring.submitAndWait(2)).toBe(1)
      yield* bench.ring.close()
    }
    bench.run(main())
    expect(bench.reap().length).toBe(2)
    bench.finish()
  })
})

describe('COOP_TASKRUN', () => {
  it('runs task work at the next submission or wait, and says that there is some', () => {
    const bench = new Bench({ flags: COOP_TASKRUN | TASKRUN_FLAG })
    bench.register()
    function* main(): Op<void> {
      bench.read(1)
      yield* bench.ring.submitAndWait(1)
      bench.reap()
      bench.twin.decide = () => ({ kind: 'later' })
      bench.read(2)
      bench.ring.submit()
      yield* pause(bench)
      expect([bench.ring.cqReady, bench.ring.sqFlags]).toEqual([0, SqRingFlags.TASKRUN])
      bench.nop(3)
      bench.ring.submit()
      expect([bench.ring.cqReady, bench.ring.sqFlags]).toEqual([2, 0])
      yield* bench.ring.close()
    }
    bench.run(main())
    bench.finish()
  })
})

describe('IOPOLL', () => {
  const polledBench = (): Bench =>
    new Bench({ flags: IOPOLL }, undefined, (kernel) => new PolledTwinFile(kernel, SIZE))

  it('completions are found by who waits, and by nobody else', () => {
    const bench = polledBench()
    bench.register()
    bench.read(0)
    bench.twin.decide = () => ({ kind: 'hold' })
    function* main(): Op<void> {
      bench.ring.submit()
      yield* pause(bench)
      expect([bench.twin.held.length, bench.ring.cqReady]).toEqual([1, 0])
      expect(yield* bench.ring.waitCqes(1)).toBe(1)
      for (const id of [1, 2, 3]) bench.read(id)
      expect(yield* bench.ring.submitAndWait(2)).toBe(3)
      expect(bench.ring.cqReady).toBe(2)
      bench.twin.decide = () => ({ kind: 'later' })
      bench.read(4)
      expect(yield* bench.ring.submitAndWait(5)).toBe(1)
    }
    bench.run(main())
    expect(bench.reap().map(([id, res]) => [id, res])).toEqual(
      [0, 1, 2, 3, 4].map((id) => [id, 512]),
    )
    expect(bench.twin.flags.every((flags) => (flags & 1) === 1)).toBe(true)
    bench.finish()
  })

  it('looks in vain for as long as it is told', () => {
    const bench = polledBench()
    bench.register()
    function* main(): Op<void> {
      expect(yield* bench.ring.waitCqes(1, 50_000)).toBe(-ETIME)
      const task = bench.scheduler.spawn('waiter', bench.ring.waitCqes(1))
      yield* pause(bench)
      task.signal()
      expect(yield* joinTask(bench.scheduler, task)).toBe(-Errno.EINTR)
    }
    bench.run(main())
    expect(bench.scheduler.nowNs()).toBeGreaterThanOrEqual(50_000)
    bench.finish()
  })

  it('R6, R2: what could not be done at once goes to a worker, what has gone out does not', () => {
    const bench = polledBench()
    bench.register()
    let first = true
    bench.twin.decide = () => {
      const outcome = first
        ? ({ kind: 'fail-later', result: -Errno.EAGAIN, issued: false } as const)
        : ({ kind: 'fail-later', result: -Errno.ESTALE, issued: true } as const)
      first = false
      return outcome
    }
    bench.read(1)
    expect(bench.complete(1)).toEqual([[1, -Errno.EAGAIN]])
    bench.read(2)
    expect(bench.complete(1)).toEqual([[2, -Errno.ESTALE]])
    bench.finish()
  })

  it('only what can be polled: EINVAL for other operations, EOPNOTSUPP for files that cannot', () => {
    const bench = new Bench({ flags: IOPOLL | SetupFlags.SUBMIT_ALL })
    bench.register()
    bench.ring.prepFsync(bench.ring.getSqe(), 0, 0, 1)
    bench.timeout(2, 1000)
    bench.cancel(3, 1)
    bench.read(4)
    bench.nop(5)
    expect(bench.complete(5).map(([, res]) => -res)).toEqual([
      EINVAL,
      EINVAL,
      EINVAL,
      EOPNOTSUPP,
      -0,
    ])
    bench.finish()
    const polled = polledBench()
    polled.register()
    polled.file.flags = 2
    polled.read(1)
    expect(polled.complete(1)).toEqual([[1, -EOPNOTSUPP]])
    polled.finish()
  })

  it('unregistering and closing poll for what is under way', () => {
    for (const what of ['unregisterBuffers', 'close'] as const) {
      const bench = polledBench()
      bench.register()
      bench.read(0)
      bench.complete(1)
      bench.twin.decide = () => ({ kind: 'hold' })
      bench.read(1)
      bench.ring.submit()
      bench.run(bench.ring[what]())
      expect(bench.reap()).toEqual([[1, 512]])
      bench.finish()
    }
  })
})
