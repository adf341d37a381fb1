// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { describe, expect, it } from 'vitest'
import { createDmabufIterTarget, dmabufTextProgram } from '../../src/dmabuf/index.ts'
import {
  createOpenCodedIter,
  createSourceIterTarget,
  ITER_BUFFER_BYTES,
  type IterContext,
  seqPrintf,
  seqWrite,
} from '../../src/index.ts'
import { Bench, E2BIG, EAGAIN, type TestBuffer, TestSource } from '../support.ts'

// The behaviours that tools/testing/selftests/bpf checks of iterators in general and of the dmabuf iterator.

const PAGE = 4096
const UDMABUF = {
  name: 'udmabuf_test_buffer_for_iter',
  sizeBytes: 10 * PAGE,
  exporterName: 'udmabuf',
}
const SYSHEAP = {
  name: 'sysheap_test_buffer_for_iter',
  sizeBytes: 20 * PAGE,
  exporterName: 'system',
}

function testBuffers(): { bench: Bench; source: TestSource } {
  const source = new TestSource()
  source.export(UDMABUF)
  source.export(SYSHEAP)
  return { bench: new Bench(), source }
}

function expectBalanced(source: TestSource): void {
  expect(source.list.every((buffer) => buffer.refs === 1)).toBe(true)
}

describe('dmabuf iterator, as its selftest asks', () => {
  it('no infinite reads: once drained in reads of 256, the next read gives 0', () => {
    const { bench, source } = testBuffers()
    const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
    bench.readToEnd(file, 256)
    expect(bench.read(file, 256)).toBe('')
    file.put()
    expectBalanced(source)
  })

  it('default iterator: four lines a buffer, with the size, name and exporter of each', () => {
    const { bench, source } = testBuffers()
    const file = bench.open(createDmabufIterTarget(source), ({ meta, item }) => {
      if (item === null) return 0
      const { inode, sizeBytes, name, exporterName } = item
      return seqPrintf(meta.seq, '%lu\n%llu\n%s\n%s\n', [inode, sizeBytes, name, exporterName])
    })
    const { text } = bench.readToEnd(file, 64)
    const lines = text.split('\n').slice(0, -1)
    expect(lines.length % 4).toBe(0)
    const listed = Array.from({ length: lines.length / 4 }, (_, i) =>
      lines.slice(4 * i + 1, 4 * i + 4),
    )
    for (const { sizeBytes, name, exporterName } of [UDMABUF, SYSHEAP]) {
      expect(listed).toContainEqual([String(sizeBytes), name, exporterName])
    }
    expect(text).toBe(source.text())
    file.put()
    expectBalanced(source)
  })

  it('lots of buffers: 100 buffers in reads of 1024 are more than a page, and all there', () => {
    const { bench, source } = testBuffers()
    for (let i = 0; i < 100; i += 1) source.export({ ...SYSHEAP, sizeBytes: PAGE })
    const file = bench.open(createDmabufIterTarget(source), dmabufTextProgram)
    const { text } = bench.readToEnd(file, 1024)
    expect(text.length).toBeGreaterThan(PAGE)
    expect(text).toBe(source.text())
    file.put()
    expectBalanced(source)
  })

  it('open-coded: a program that walks them finds both buffers by name', () => {
    const { source } = testBuffers()
    const found = new Map([
      [UDMABUF.name, false],
      [SYSHEAP.name, false],
    ])
    for (const buffer of createOpenCodedIter(source)) {
      if (found.has(buffer.name)) found.set(buffer.name, true)
    }
    expect([...found.values()]).toEqual([true, true])
    expectBalanced(source)
  })
})

describe('iterators in general, as their selftest asks', () => {
  /** Objects that write what a script says. */
  function tasks(count: number): { bench: Bench; source: TestSource } {
    const source = new TestSource()
    for (let i = 0; i < count; i += 1) source.export()
    return { bench: new Bench(), source }
  }
  const letters = (first: string) => {
    let count = 0
    return ({ meta, item }: IterContext<TestBuffer>): number => {
      if (item === null || count >= 4) return 0
      count += 1
      const letter = first.charCodeAt(0) + count - 1
      return seqWrite(meta.seq, Uint8Array.of(letter)) === 0 ? 0 : 1
    }
  }

  for (const size of [16, 1]) {
    it(`anonymous iterator: reads of ${size} give what the program wrote for the first four objects`, () => {
      const { bench, source } = tasks(8)
      const file = bench.open(createSourceIterTarget('task', source), letters('a'))
      expect(bench.readToEnd(file, size).text).toBe('abcd')
      file.put()
      expectBalanced(source)
    })
  }

  it('replaced program: what is opened from the same link after an update shows the new one', () => {
    const { bench, source } = tasks(8)
    const registered = bench.iters.registerTarget(createSourceIterTarget('task', source))
    const link = registered.attach(letters('a'))
    for (const expected of ['abcd', 'ABCD']) {
      const file = link.open()
      expect(bench.readToEnd(file, 16).text).toBe(expected)
      file.put()
      link.replaceProgram(letters('A'))
    }
    link.release()
    expectBalanced(source)
  })

  /** Two objects; each writes `count` times 8 bytes; the second may want to be seen again. */
  function overflow(
    count: number,
    retry: boolean,
  ): {
    lengths: number[]
    error: number
    accessed: number[]
    seqNums: number[]
    source: TestSource
  } {
    const { bench, source } = tasks(2)
    const accessed = [0, 0]
    const seqNums: number[] = []
    let retries = retry ? 1 : 0
    const file = bench.open(createSourceIterTarget('bpf_map', source), ({ meta, item }) => {
      if (item === null) return 0
      const second = item.inode === 1
      accessed[second ? 1 : 0] = (accessed[second ? 1 : 0] ?? 0) + 1
      if (second) seqNums.push(meta.seqNum)
      for (let i = 0; i < count; i += 1) seqWrite(meta.seq, new Uint8Array(8).fill(46))
      if (!second || retries === 0) return 0
      retries -= 1
      return 1
    })
    const lengths: number[] = []
    let error = 0
    for (let reads = 0; reads < 5; reads += 1) {
      const got = bench.read(file, 4 * ITER_BUFFER_BYTES)
      if (got === '') break
      if (typeof got === 'string') lengths.push(got.length)
      else if (got !== EAGAIN) error = got
      if (error !== 0) break
    }
    file.put()
    return { lengths, error, accessed, seqNums, source }
  }

  it('overflow: the second object almost fills a buffer again, and is shown twice with one number', () => {
    const bytes = ITER_BUFFER_BYTES - 8
    const result = overflow(bytes / 8, false)
    expect(result.lengths).toEqual([bytes, bytes])
    expect(result.accessed).toEqual([1, 2])
    expect(result.seqNums).toEqual([1, 1])
    expectBalanced(result.source)
  })

  it('overflow with E2BIG: a record larger than the buffer is an error at once', () => {
    const result = overflow((ITER_BUFFER_BYTES + 8) / 8, false)
    expect([result.lengths, result.error]).toEqual([[], E2BIG])
    expectBalanced(result.source)
  })

  it('retry: a program that returns 1 is shown the object again, with the same number', () => {
    const result = overflow(1, true)
    expect(result.lengths).toEqual([8, 8])
    expect(result.accessed).toEqual([1, 2])
    expect(result.seqNums).toEqual([1, 1])
    expectBalanced(result.source)
  })
})
