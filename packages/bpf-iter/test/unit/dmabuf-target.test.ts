// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createDmabufIterTarget, dmabufTextProgram, formatDmabuf } from '../../src/dmabuf/index.ts'
import type { IterContext, IterProgram } from '../../src/index.ts'
import { Bench, E2BIG, EAGAIN, type TestBuffer, TestSource } from '../support.ts'

function setUp(count: number): { bench: Bench; source: TestSource } {
  const source = new TestSource()
  for (let i = 0; i < count; i += 1)
    source.export({ name: `buffer ${i}`, sizeBytes: 4096 * (i + 1) })
  return { bench: new Bench(), source }
}

const READ_SIZES = [1, 7, 46, 64, 1000, 4096, 32_768, 1 << 20]

describe('dmabuf target', () => {
  for (const size of READ_SIZES) {
    it(`R-ITER-1, R-ITER-3: reads of ${size} list 900 buffers once, newest first, in 901 calls`, () => {
      const { bench, source } = setUp(900)
      const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
      const { text } = bench.readToEnd(file, size)
      expect(text).toBe(source.text())
      expect(source.calls).toBe(901)
      file.put()
      expect(source.list.every((b) => b.refs === 1)).toBe(true)
    })
  }

  it('R-ITER-1: a thousand buffers with 4 KiB reads are not truncated', () => {
    const { bench, source } = setUp(1000)
    const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
    const { text } = bench.readToEnd(file, 4096)
    expect(text.split('\n').length - 1).toBe(4000)
    file.put()
  })

  it('R-ITER-2, R-ITER-4: stop parks the buffer with its reference, closing drops it', () => {
    const { bench, source } = setUp(3)
    const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
    bench.read(file, 1)
    expect(source.list.map((b) => b.refs)).toEqual([1, 2, 1])
    file.put()
    expect(source.list.map((b) => b.refs)).toEqual([1, 1, 1])
  })

  it('R-ITER-4: closing at any point leaves every count as it was', () => {
    for (let reads = 0; reads < 12; reads += 1) {
      const { bench, source } = setUp(5)
      const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
      for (let i = 0; i < reads; i += 1) bench.read(file, 20)
      file.put()
      expect(source.list.map((b) => b.refs)).toEqual([1, 1, 1, 1, 1])
      expect(bench.iters.open).toBe(0)
    }
  })

  it('R-ITER-5: a parked buffer outlives its last user, and a closed one ahead is skipped', () => {
    const { bench, source } = setUp(4)
    const [, second, third, fourth] = source.list
    const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
    const first = bench.read(file, 1)
    for (const buffer of [second, third]) if (buffer !== undefined) source.put(buffer)
    source.export({ name: 'too late' })
    const { text } = bench.readToEnd(file, 4096)
    expect(String(first) + text).toBe(
      [{ inode: 4, sizeBytes: 16_384, name: 'buffer 3', exporterName: 'system' }, second, fourth]
        .map((b) => (b === undefined ? '' : formatDmabuf(b)))
        .join(''),
    )
    expect(second?.refs).toBe(0)
    file.put()
  })

  it('R-ITER-5: the program may sleep', () => {
    const { bench, source } = setUp(3)
    const program: IterProgram<TestBuffer> = function* (context): Op<number> {
      yield* sleep(bench.scheduler, 1000)
      return dmabufTextProgram(context)
    }
    const file = bench.open(createDmabufIterTarget(source), program)
    const expected = source.text()
    expect(bench.readToEnd(file, 4096).text).toBe(expected)
    file.put()
  })

  it('R-ITER-6: private state is made once at open and ended once at close; fdinfo says dmabuf iter', () => {
    const { bench, source } = setUp(2)
    const target = createDmabufIterTarget(source)
    let inits = 0
    let finis = 0
    const counted = {
      ...target,
      seqInfo: {
        ...target.seqInfo,
        initSeqPrivate: () => {
          inits += 1
          return target.seqInfo.initSeqPrivate()
        },
        finiSeqPrivate: (priv: ReturnType<typeof target.seqInfo.initSeqPrivate>) => {
          finis += 1
          target.seqInfo.finiSeqPrivate(priv)
        },
      },
    }
    const file = bench.open(counted, dmabufTextProgram)
    expect([inits, finis]).toEqual([1, 0])
    bench.readToEnd(file, 10)
    expect([inits, finis]).toEqual([1, 0])
    expect(file.ops.showFdinfo?.(file)).toBe('target_name:\tdmabuf\ndmabuf iter\n')
    file.put()
    expect([inits, finis]).toEqual([1, 1])
  })

  it('R-ITER-7: a retry on the element at each place gives EAGAIN only where nothing is held', () => {
    for (let at = 1; at <= 3; at += 1) {
      const { bench, source } = setUp(3)
      let retries = 3
      const program = (context: IterContext<TestBuffer>): number => {
        if (context.item?.inode !== at || retries === 0) return dmabufTextProgram(context)
        retries -= 1
        context.meta.seq.puts('discarded')
        return 1
      }
      const file = bench.open(createDmabufIterTarget(source), program)
      const { text, errors } = bench.readToEnd(file, 4096, 3)
      expect(text).toBe(source.text())
      expect(errors).toEqual(at === 3 ? [EAGAIN, EAGAIN, EAGAIN] : [EAGAIN, EAGAIN])
      expect(source.calls).toBe(4)
      file.put()
      expect(source.list.map((b) => b.refs)).toEqual([1, 1, 1])
    }
  })

  it('R-ITER-7: a record larger than the iterator buffer is E2BIG, and neither lost nor doubled', () => {
    for (let at = 1; at <= 3; at += 1) {
      const { bench, source } = setUp(3)
      let refusals = 2
      const program = (context: IterContext<TestBuffer>): number => {
        if (context.item?.inode !== at || refusals === 0) return dmabufTextProgram(context)
        refusals -= 1
        context.meta.seq.puts('x'.repeat(32_768))
        return 0
      }
      const file = bench.open(createDmabufIterTarget(source), program)
      const { text, errors } = bench.readToEnd(file, 4096, 2)
      expect(text).toBe(source.text())
      expect(errors).toEqual(at === 3 ? [E2BIG, E2BIG] : [E2BIG])
      file.put()
      expect(source.list.map((b) => b.refs)).toEqual([1, 1, 1])
    }
  })

  it('R-ITER-8: four lines a buffer, empty and odd names included', () => {
    const bench = new Bench()
    const source = new TestSource()
    source.export({ name: 'a\nb\n', sizeBytes: 40_960, exporterName: 'udmabuf' })
    source.export({ name: '' })
    source.export({ name: 'n'.repeat(40) })
    const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
    expect(bench.read(file, 4096)).toBe(
      `3\n4096\n${'n'.repeat(31)}\nsystem\n2\n4096\n\nsystem\n1\n40960\na b \nudmabuf\n`,
    )
    file.put()
  })

  it('R-ITER-8: once at the end every further read gives 0, also of a list that was empty then', () => {
    for (const count of [0, 1, 2]) {
      const { bench, source } = setUp(count)
      const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
      bench.readToEnd(file, 256)
      source.export()
      for (let i = 0; i < 3; i += 1) expect(bench.read(file, 256)).toBe('')
      expect(source.calls).toBe(count + 1)
      file.put()
    }
  })
})
