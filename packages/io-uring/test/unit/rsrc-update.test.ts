// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { Errno, joinTask, KernelError, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  CLONE_DST_REPLACE,
  createIoUring,
  type IoUring,
  REGISTER_FILES_SKIP,
} from '../../src/index.ts'
import { Bench } from '../bench.ts'

function codeOf(attempt: () => unknown): string {
  try {
    attempt()
  } catch (error) {
    if (error instanceof KernelError) return error.code
    throw error
  }
  return 'none'
}

const MEMORY = { segments: [{ frame: 1, offsetBytes: 0, lengthBytes: 4096 }] }

describe('registered files', () => {
  it('can be a sparse table, that is filled, emptied and skipped slot by slot', () => {
    const bench = new Bench()
    const { ring } = bench
    const fd = bench.openFd()
    ring.registerFiles([null, bench.file, -1, fd])
    bench.run(ring.registerBuffers([MEMORY]))
    const read = (index: number): number => {
      ring.prepReadFixed(ring.getSqe(), index, 0, 0, 0, 512, index)
      return bench.complete(1)[0]?.[1] ?? Number.NaN
    }
    expect([0, 1, 2, 3].map(read)).toEqual([-Errno.EBADF, 512, -Errno.EBADF, 512])
    const update = ring.updateFiles(0, [bench.file, REGISTER_FILES_SKIP, fd, null])
    expect(bench.run(update)).toBe(4)
    expect([0, 1, 2, 3].map(read)).toEqual([512, 512, 512, -Errno.EBADF])
    expect(bench.file.references).toBe(5)
    bench.finish()
  })

  it('an update stops at what is wrong, and says how far it came', () => {
    const bench = new Bench()
    const { ring } = bench
    expect(codeOf(() => bench.run(ring.updateFiles(0, [null])))).toBe('ENXIO')
    expect(codeOf(() => ring.registerFiles([bench.file, 99]))).toBe('EBADF')
    expect(codeOf(() => ring.registerFiles([null], [5]))).toBe('EINVAL')
    expect(codeOf(() => ring.registerFiles(new Array<null>((1 << 20) + 1).fill(null)))).toBe(
      'EMFILE',
    )
    expect(bench.file.references).toBe(1)
    ring.registerFiles([null, null])
    expect(bench.run(ring.updateFiles(0, [bench.file, 99]))).toBe(1)
    expect(codeOf(() => bench.run(ring.updateFiles(0, [99])))).toBe('EBADF')
    expect(codeOf(() => bench.run(ring.updateFiles(0, [REGISTER_FILES_SKIP], [4])))).toBe('EINVAL')
    expect(codeOf(() => bench.run(ring.updateFiles(0, [-1], [4])))).toBe('EINVAL')
    expect(codeOf(() => bench.run(ring.updateFiles(1, [null, null])))).toBe('EINVAL')
    expect(codeOf(() => bench.run(ring.updateFiles(0, [])))).toBe('EINVAL')
    expect(codeOf(() => bench.run(ring.updateFiles(0xffff_ffff, [null])))).toBe('EOVERFLOW')
    expect(bench.file.references).toBe(2)
    bench.finish()
  })
})

describe('tags', () => {
  it('come when what they name is free, and not before the I/O on it is over', () => {
    const bench = new Bench()
    const { ring } = bench
    ring.registerFiles([bench.file, bench.file], [100, 0])
    bench.run(
      ring.registerBuffers([{ dmabuf: bench.dmabuf, fileIndex: 0 }, MEMORY], [200, 2 ** 40]),
    )
    bench.read(0)
    bench.complete(1)
    bench.twin.decide = () => ({ kind: 'hold' })
    bench.read(1)
    ring.submit()
    function* main(): Op<void> {
      const tasks = [
        bench.scheduler.spawn('files', ring.updateFiles(0, [null, null])),
        bench.scheduler.spawn('buffers', ring.updateBuffers(0, [null])),
      ]
      for (let i = 0; i < 20; i += 1) yield* yieldNow(bench.scheduler)
      expect(ring.cqReady).toBe(0)
      bench.twin.held.pop()?.()
      for (const task of tasks) yield* joinTask(bench.scheduler, task)
    }
    bench.run(main())
    const ends = bench.reap()
    expect(ends[0]).toEqual([1, 512])
    expect(new Map(ends.slice(1))).toEqual(
      new Map([
        [100, 0],
        [200, 0],
      ]),
    )
    bench.run(ring.unregisterBuffers())
    expect(bench.reap()).toEqual([[2 ** 40, 0]])
    bench.finish()
  })

  it('of a slot that is replaced comes once, with the new one in its place', () => {
    const bench = new Bench()
    const { ring } = bench
    ring.registerFiles([bench.file])
    bench.run(ring.registerBuffers([MEMORY, null], [7]))
    expect(bench.run(ring.updateBuffers(0, [MEMORY, MEMORY], [8, 9]))).toBe(2)
    expect(bench.reap()).toEqual([[7, 0]])
    bench.read(1)
    expect(bench.complete(1)).toEqual([[1, 512]])
    bench.run(ring.close())
    expect(bench.reap()).toEqual([
      [8, 0],
      [9, 0],
    ])
    bench.finish()
  })

  it('an update of buffers stops at what is wrong, and says how far it came', () => {
    const bench = new Bench()
    const { ring } = bench
    ring.registerFiles([bench.file])
    expect(codeOf(() => bench.run(ring.registerBuffers([null], [1])))).toBe('EINVAL')
    bench.run(ring.registerBuffers([null, null, null]))
    const bad = { dmabuf: bench.dmabuf, fileIndex: 5 }
    expect(bench.run(ring.updateBuffers(0, [MEMORY, bad, MEMORY]))).toBe(1)
    expect(codeOf(() => bench.run(ring.updateBuffers(1, [bad])))).toBe('EBADF')
    expect(codeOf(() => bench.run(ring.updateBuffers(1, [null], [3])))).toBe('EINVAL')
    expect(codeOf(() => bench.run(ring.updateBuffers(2, [null, null])))).toBe('EINVAL')
    bench.finish()
  })
})

describe('cloning buffers into another ring', () => {
  function other(bench: Bench): IoUring {
    const { kernel } = bench
    const ring = createIoUring({ kernel }, { entries: 8 })
    ring.registerFiles([bench.file])
    return ring
  }
  function readFrom(bench: Bench, ring: IoUring, bufIndex: number): number {
    ring.prepReadFixed(ring.getSqe(), 0, 0, bufIndex, 0, 512, 1)
    bench.run(ring.submitAndWait(1))
    const results = new Int32Array(1)
    ring.reap(new Int32Array(1), results, 1)
    return results[0] ?? Number.NaN
  }

  it('memory is shared, and stays there when the first ring lets go of it', () => {
    const bench = new Bench()
    const second = other(bench)
    bench.ring.registerFiles([bench.file])
    bench.run(bench.ring.registerBuffers([MEMORY, null, MEMORY], [50]))
    bench.run(second.cloneBuffers(bench.ring))
    bench.run(bench.ring.unregisterBuffers())
    expect(bench.reap()).toEqual([[50, 0]])
    expect([0, 1, 2].map((i) => readFrom(bench, second, i))).toEqual([512, -Errno.EFAULT, 512])
    bench.run(second.close())
    expect(second.cqReady).toBe(0)
    bench.finish()
  })

  it('a part of them, at an offset, and in place of others', () => {
    const bench = new Bench()
    const second = other(bench)
    bench.ring.registerFiles([bench.file])
    bench.run(bench.ring.registerBuffers([null, MEMORY, MEMORY]))
    bench.run(second.cloneBuffers(bench.ring, { srcOff: 1, dstOff: 2, nr: 1 }))
    expect([0, 1, 2, 3].map((i) => readFrom(bench, second, i))).toEqual(
      [Errno.EFAULT, Errno.EFAULT, -512, Errno.EFAULT].map((res) => -res),
    )
    expect(codeOf(() => bench.run(second.cloneBuffers(bench.ring)))).toBe('EBUSY')
    bench.run(second.cloneBuffers(bench.ring, { srcOff: 1, nr: 2, flags: CLONE_DST_REPLACE }))
    expect([0, 1, 2].map((i) => readFrom(bench, second, i))).toEqual([512, 512, 512])
    bench.run(second.close())
    bench.finish()
  })

  it('S9: a dma-buf cannot be taken by another ring, and ranges have to fit', () => {
    const bench = new Bench()
    const second = other(bench)
    const clone =
      (init = {}) =>
      () =>
        bench.run(second.cloneBuffers(bench.ring, init))
    expect(codeOf(clone())).toBe('ENXIO')
    bench.register()
    expect(codeOf(clone())).toBe('EOPNOTSUPP')
    expect(codeOf(clone({ flags: 1 }))).toBe('EINVAL')
    expect(codeOf(clone({ nr: 2 }))).toBe('EINVAL')
    expect(codeOf(clone({ nr: 1, srcOff: 1 }))).toBe('EOVERFLOW')
    expect(codeOf(clone({ dstOff: 1 << 14 }))).toBe('EINVAL')
    const fake: IoUring = { ...second }
    expect(codeOf(() => bench.run(second.cloneBuffers(fake)))).toBe('EBADF')
    expect(readFrom(bench, second, 0)).toBe(-Errno.EFAULT)
    expect(bench.token.released).toBe(false)
    bench.run(second.close())
    expect(codeOf(clone())).toBe('EBADF')
    bench.finish()
  })
})
