// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { Errno, joinTask, type Op, type TraceEvent, yieldNow } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CompletionQueue } from '../../src/completion-queue.ts'
import { CQE_BYTES, CqeOffset, SqRingFlags } from '../../src/index.ts'
import { Bench } from '../bench.ts'

function nops(bench: Bench, first: number, count: number): void {
  for (let i = 0; i < count; i += 1) bench.ring.prepNop(bench.ring.getSqe(), first + i)
  bench.ring.submit()
}

describe('completions', () => {
  it('are struct io_uring_cqe in the queue', () => {
    const bench = new Bench()
    bench.read(2 ** 40 + 1)
    bench.ring.submit()
    const { cqes } = bench.ring
    expect(cqes.getUint32(CqeOffset.USER_DATA, true)).toBe(1)
    expect(cqes.getUint32(CqeOffset.USER_DATA + 4, true)).toBe(256)
    expect(cqes.getInt32(CqeOffset.RES, true)).toBe(-Errno.EBADF)
    expect(cqes.getUint32(CqeOffset.FLAGS, true)).toBe(0)
    expect(cqes.byteLength).toBe(bench.ring.cqEntries * CQE_BYTES)
    bench.finish()
  })

  it('are reaped in batches of any size, into integers or doubles', () => {
    const bench = new Bench()
    nops(bench, 0, 8)
    const userData = new Int32Array(3)
    const results = new Int32Array(8)
    expect(bench.ring.reap(userData, results, 100)).toBe(3)
    expect([...userData]).toEqual([0, 1, 2])
    expect(bench.ring.reap(userData, results, 0)).toBe(0)
    expect(bench.reap(2).map(([id]) => id)).toEqual([3, 4])
    expect(bench.reap().map(([id]) => id)).toEqual([5, 6, 7])
    expect(bench.reap()).toEqual([])
    bench.finish()
  })

  it('overflow without loss and in order', () => {
    const bench = new Bench({ entries: 4, cqEntries: 4 })
    for (let round = 0; round < 100; round += 1) nops(bench, round * 4, 4)
    expect([bench.ring.cqReady, bench.ring.cqOverflowed]).toEqual([400, true])
    expect(bench.ring.stats.cqOverflows).toBe(396)
    const seen = [...bench.reap(7), ...bench.reap()]
    nops(bench, 400, 4)
    while (bench.ring.cqReady > 0) seen.push(...bench.reap(5))
    expect(seen.map(([id]) => id)).toEqual(Array.from({ length: 404 }, (_, i) => i))
    expect(bench.ring.cqOverflowed).toBe(false)
    bench.finish()
  })

  it('set a flag while they overflow', () => {
    const bench = new Bench({ entries: 4, cqEntries: 4 })
    nops(bench, 0, 4)
    expect(bench.ring.sqFlags).toBe(0)
    nops(bench, 4, 1)
    expect(bench.ring.sqFlags).toBe(SqRingFlags.CQ_OVERFLOW)
    expect(bench.reap().map(([id]) => id)).toEqual([0, 1, 2, 3, 4])
    expect(bench.ring.sqFlags).toBe(0)
    bench.finish()
  })

  it('bound the requests in flight: what finds none is not taken', () => {
    const bench = new Bench({ entries: 4, cqEntries: 4 })
    bench.register()
    bench.read(99)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    for (let i = 0; i < 4; i += 1) bench.read(i)
    expect(bench.ring.submit()).toBe(4)
    bench.read(4)
    bench.read(5)
    expect([bench.ring.submit(), bench.ring.sqReady]).toEqual([-Errno.EAGAIN, 2])
    bench.twin.held.shift()?.()
    expect([bench.ring.submit(), bench.ring.sqReady, bench.ring.inflight]).toEqual([1, 1, 4])
    for (const end of bench.twin.held.splice(0)) end()
    bench.ring.submit()
    for (const end of bench.twin.held.splice(0)) end()
    expect(bench.reap().map(([id]) => id)).toEqual([0, 1, 2, 3, 4, 5])
    bench.finish()
  })

  it('against a plain list: posts and reaps of any size', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 8, 64),
        fc.array(fc.tuple(fc.boolean(), fc.nat(200)), { maxLength: 40 }),
        (entries, steps) => {
          const queue = new CompletionQueue(entries)
          const model: number[] = []
          const userData = new Float64Array(200)
          const results = new Int32Array(200)
          let posted = 0
          for (const [isPost, count] of steps) {
            if (isPost) {
              for (let i = 0; i < count; i += 1) {
                posted += 1
                model.push(posted)
                queue.post(posted, 1, -posted, 0)
              }
            } else {
              const taken = queue.reap(userData, results, count, null)
              const expected = model.splice(0, count)
              expect(Array.from(userData.subarray(0, taken), (id) => id - 2 ** 32)).toEqual(
                expected,
              )
              expect(Array.from(results.subarray(0, taken), (res) => -res)).toEqual(expected)
            }
            expect(queue.ready).toBe(model.length)
          }
        },
      ),
    )
  })
})

describe('waiting', () => {
  it('wakes each waiter when as many as it asked for are ready', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    for (let i = 0; i < 4; i += 1) bench.read(i)
    const woken: number[] = []
    function* waiter(count: number): Op<void> {
      yield* bench.ring.waitCqes(count)
      woken.push(count)
    }
    function* main(): Op<void> {
      bench.ring.submit()
      const tasks = [3, 1, 4, 2].map((n) => bench.scheduler.spawn(`wait ${n}`, waiter(n)))
      for (let done = 1; done <= 4; done += 1) {
        for (let i = 0; i < 20; i += 1) yield* yieldNow(bench.scheduler)
        expect(woken).toEqual([1, 2, 3, 4].slice(0, done - 1))
        bench.twin.held.shift()?.()
      }
      for (const task of tasks) yield* joinTask(bench.scheduler, task)
    }
    bench.run(main())
    expect(woken).toEqual([1, 2, 3, 4])
    bench.finish()
  })

  it('is interrupted by a signal, and the completions stay', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    function* main(): Op<void> {
      const ends = []
      for (const op of [bench.ring.submitAndWait(1), bench.ring.waitCqes(1)]) {
        const task = bench.scheduler.spawn('waiter', op)
        for (let i = 0; i < 5; i += 1) yield* yieldNow(bench.scheduler)
        task.signal()
        ends.push(yield* joinTask(bench.scheduler, task))
      }
      // What was submitted is told before what befell the wait.
      expect(ends).toEqual([1, -Errno.EINTR])
      bench.twin.held.shift()?.()
    }
    bench.run(main())
    expect(bench.reap()).toEqual([[1, 512]])
    bench.finish()
  })

  it('returns at once for what is there, and never asks for more than the queue holds', () => {
    const bench = new Bench({ entries: 2, cqEntries: 2 })
    nops(bench, 0, 2)
    expect(bench.run(bench.ring.waitCqes(0))).toBe(2)
    expect(bench.run(bench.ring.waitCqes(1000))).toBe(2)
    bench.finish()
  })
})

describe('tracing', () => {
  it('shows a request going in, to a worker, and out', () => {
    const bench = new Bench()
    bench.register()
    const events: TraceEvent[] = []
    const end = bench.kernel.tracer.subscribe(
      (name) => name.startsWith('io_uring:'),
      (event) => events.push(event),
    )
    bench.read(7, 512, 1024)
    bench.complete(1)
    end()
    expect(events.map((event) => [event.point, ...event.values])).toEqual([
      ['io_uring:io_uring_submit_req', 7, 4, 512, 512, 1024],
      ['io_uring:io_uring_queue_async_work', 7, 4],
      ['io_uring:io_uring_complete', 7, 1024],
    ])
    bench.finish()
  })

  it('counts', () => {
    const bench = new Bench()
    bench.register()
    bench.read(1)
    bench.read(2)
    bench.complete(2)
    expect(bench.ring.stats).toEqual({
      submitted: 2,
      completed: 2,
      submitCalls: 1,
      asyncWork: 2,
      staleImports: 0,
      cqOverflows: 0,
    })
    bench.finish()
  })
})
