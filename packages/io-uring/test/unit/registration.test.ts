// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createSystemHeap } from '@iolayers/dma-buf'
import { createPhysicalMemory } from '@iolayers/dma-mapping'
import { Errno, joinTask, KernelError, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { BufferRegistration } from '../../src/index.ts'
import { Bench, SIZE } from '../bench.ts'

function codeOf(attempt: () => unknown): string {
  try {
    attempt()
  } catch (error) {
    if (error instanceof KernelError) return error.code
    throw error
  }
  return 'none'
}

describe('registration', () => {
  it('refuses a second table, an empty one, one that is too long, and what is not there', () => {
    const bench = new Bench()
    const { ring } = bench
    const none: BufferRegistration[] = []
    expect(codeOf(() => ring.registerFiles([]))).toBe('EINVAL')
    expect(codeOf(() => bench.run(ring.unregisterFiles()))).toBe('ENXIO')
    expect(codeOf(() => bench.run(ring.unregisterBuffers()))).toBe('ENXIO')
    expect(codeOf(() => bench.run(ring.updateBuffer(0, null)))).toBe('ENXIO')
    expect(codeOf(() => bench.run(ring.registerBuffers(none)))).toBe('EINVAL')
    const long = new Array<null>((1 << 14) + 1).fill(null)
    expect(codeOf(() => bench.run(ring.registerBuffers(long)))).toBe('EINVAL')
    bench.register()
    expect(codeOf(() => ring.registerFiles([bench.file]))).toBe('EBUSY')
    expect(codeOf(() => bench.run(ring.registerBuffers([null])))).toBe('EBUSY')
    expect(codeOf(() => bench.run(ring.updateBuffer(1, null)))).toBe('EINVAL')
    bench.finish()
  })

  it('registers all buffers or none', () => {
    const bench = new Bench()
    bench.ring.registerFiles([bench.file])
    const good = { dmabuf: bench.dmabuf, fileIndex: 0 }
    const attempt = () =>
      bench.run(bench.ring.registerBuffers([good, null, good, { ...good, fileIndex: 7 }]))
    expect(codeOf(attempt)).toBe('EBADF')
    expect(bench.twin.tokens.map((token) => token.released)).toEqual([true, true])
    expect(bench.dmabuf.references).toBe(1)
    bench.twin.tokenFailure = new KernelError('EOPNOTSUPP', 'no SGLs')
    expect(codeOf(() => bench.run(bench.ring.registerBuffers([good])))).toBe('EOPNOTSUPP')
    expect(bench.dmabuf.references).toBe(1)
    bench.finish()
  })

  it('R-MQ-1: one token for each registration of a buffer with a file', () => {
    const bench = new Bench()
    bench.register()
    expect(bench.twin.tokens.length).toBe(1)
    for (let i = 0; i < 3; i += 1) {
      bench.read(i)
      bench.complete(1)
    }
    expect(bench.twin.tokens.length).toBe(1)
    bench.finish()
  })

  it('H11: the target file outlives the registration, whoever lets go of it first, and of the ring', () => {
    for (const last of ['unregisterBuffers', 'close'] as const) {
      const bench = new Bench()
      const token = bench.register()
      bench.read(0)
      bench.complete(1)
      bench.run(bench.ring.unregisterFiles())
      bench.file.put()
      expect(bench.twin.released).toBe(0)
      const order: string[] = []
      const { twin } = bench
      const release = token.release.bind(token)
      token.release = function* (): Op<void> {
        yield* release()
        order.push(`token, file released ${twin.released} times`)
      }
      bench.run(bench.ring[last]())
      order.push(`file released ${twin.released} times`)
      expect(order).toEqual(['token, file released 0 times', 'file released 1 times'])
      expect(bench.dmabuf.references).toBe(1)
      if (last !== 'close') bench.run(bench.ring.close())
      bench.dmabuf.put()
      bench.scheduler.runUntilIdle()
      expect(bench.scheduler.outstanding()).toEqual([])
    }
  })

  it('replaces one slot, while I/O on the old buffer goes on with the old one', () => {
    const bench = new Bench()
    const old = bench.register()
    bench.read(0)
    bench.complete(1)
    const memory = createPhysicalMemory(
      { kernel: bench.kernel },
      { ramBytes: 1 << 20, backing: 'plain' },
    )
    const heap = createSystemHeap({ kernel: bench.kernel, memory, core: bench.core })
    const second = heap.allocate(SIZE)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    bench.ring.submit()
    bench.twin.decide = () => ({ kind: 'now' })
    function* replace(): Op<void> {
      const update = bench.scheduler.spawn(
        'update',
        bench.ring.updateBuffer(0, { dmabuf: second, fileIndex: 0 }),
      )
      for (let i = 0; i < 20; i += 1) yield* yieldNow(bench.scheduler)
      expect(update.state).toBe('parked')
      expect(old.released).toBe(false)
      bench.read(2)
      yield* bench.ring.submitAndWait(1)
      expect(bench.reap()).toEqual([[2, 512]])
      for (const end of bench.twin.held.splice(0)) end()
      yield* joinTask(bench.scheduler, update)
    }
    bench.run(replace())
    expect(bench.reap()).toEqual([[1, 512]])
    expect(old.released).toBe(true)
    expect(bench.token).not.toBe(old)
    bench.run(bench.ring.updateBuffer(0, null))
    expect(second.references).toBe(1)
    bench.read(3)
    expect(bench.complete(1)).toEqual([[3, -Errno.EFAULT]])
    second.put()
    bench.finish()
  })

  it('unregistering waits for the I/O that is under way, and refuses what is new', () => {
    for (const what of ['unregisterBuffers', 'unregisterFiles'] as const) {
      const bench = new Bench()
      const token = bench.register()
      bench.read(0)
      bench.complete(1)
      bench.twin.decide = () => ({ kind: 'hold' })
      bench.read(1)
      bench.ring.submit()
      function* unregister(): Op<void> {
        const task = bench.scheduler.spawn(what, bench.ring[what]())
        for (let i = 0; i < 20; i += 1) yield* yieldNow(bench.scheduler)
        expect(task.state).toBe('parked')
        expect(token.released).toBe(false)
        bench.read(2)
        yield* bench.ring.submitAndWait(1)
        const errno = what === 'unregisterFiles' ? Errno.EBADF : Errno.EFAULT
        expect(bench.reap()).toEqual([[2, -errno]])
        for (const end of bench.twin.held.splice(0)) end()
        yield* joinTask(bench.scheduler, task)
      }
      bench.run(unregister())
      expect(bench.reap()).toEqual([[1, 512]])
      bench.finish()
    }
  })
})

describe('close', () => {
  it('waits for what is under way, once and for all who call it', () => {
    const bench = new Bench()
    bench.register()
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    bench.ring.submit()
    bench.read(2)
    function* closeTwice(): Op<void> {
      const tasks = [1, 2].map((i) => bench.scheduler.spawn(`close ${i}`, bench.ring.close()))
      const waiter = bench.scheduler.spawn('waiter', bench.ring.waitCqes(5))
      for (let i = 0; i < 20; i += 1) yield* yieldNow(bench.scheduler)
      expect([...tasks, waiter].map((task) => task.state)).toEqual(['parked', 'parked', 'parked'])
      expect(bench.ring.submit()).toBe(-Errno.EBADF)
      for (const end of bench.twin.held.splice(0)) end()
      for (const task of tasks) yield* joinTask(bench.scheduler, task)
      expect(yield* joinTask(bench.scheduler, waiter)).toBe(1)
    }
    bench.run(closeTwice())
    expect(bench.reap()).toEqual([[1, 512]])
    expect(codeOf(() => bench.ring.registerFiles([bench.file]))).toBe('EBADF')
    expect(codeOf(() => bench.run(bench.ring.registerBuffers([null])))).toBe('EBADF')
    expect(codeOf(() => bench.run(bench.ring.updateBuffer(0, null)))).toBe('EBADF')
    expect(bench.run(bench.ring.submitAndWait(1))).toBe(-Errno.EBADF)
    bench.finish()
  })

  it('cancels what no worker has begun, and lets finish what one has', () => {
    const bench = new Bench({ workers: 1 })
    const token = bench.register()
    const makeMap = token.getMap.bind(token)
    let go = false
    token.getMap = function* () {
      while (!go) yield* yieldNow(bench.scheduler)
      return yield* makeMap()
    }
    for (let i = 1; i <= 3; i += 1) bench.read(i)
    function* closeNow(): Op<void> {
      bench.ring.submit()
      for (let i = 0; i < 20; i += 1) yield* yieldNow(bench.scheduler)
      const task = bench.scheduler.spawn('close', bench.ring.close())
      for (let i = 0; i < 20; i += 1) yield* yieldNow(bench.scheduler)
      go = true
      yield* joinTask(bench.scheduler, task)
    }
    bench.run(closeNow())
    expect(bench.reap()).toEqual([
      [2, -Errno.ECANCELED],
      [3, -Errno.ECANCELED],
      [1, 512],
    ])
    bench.finish()
  })
})
