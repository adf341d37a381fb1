// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { KernelError } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { dmabufTextProgram } from '../../src/dmabuf/index.ts'
import {
  createOpenCodedIter,
  createSourceIterTarget,
  createTextProgram,
  ITER_BUFFER_BYTES,
  type IterContext,
  type IterTarget,
} from '../../src/index.ts'
import { Bench, E2BIG, EAGAIN, type TestBuffer, TestSource } from '../support.ts'

/** A target over the numbers 0..count-1, whose start and next fail where told. */
function numbers(
  count: number,
  init: { endCall?: boolean; failAt?: number; stuck?: boolean } = {},
): IterTarget<number, null> {
  const at = (index: number): number | null => {
    if (index === init.failAt) throw new KernelError('EIO', `number ${index} cannot be read`)
    return index < count ? index : null
  }
  return {
    target: 'numbers',
    endCall: init.endCall ?? false,
    showFdinfo: () => 'numbers iter\n',
    seqInfo: {
      initSeqPrivate: () => null,
      finiSeqPrivate: () => {},
      seqOps: {
        start: (seq) => at(seq.index),
        next: (seq, current) => {
          if (init.stuck !== true) seq.index += 1
          return at(current + 1)
        },
        stop: () => {},
      },
    },
  }
}

const line = (context: IterContext<number>): number => {
  context.meta.seq.puts(context.item === null ? 'end\n' : `${context.item}\n`)
  return 0
}

describe('iterator core', () => {
  it('hands out what is left over alone, before it walks on', () => {
    const bench = new Bench()
    const file = bench.open(numbers(4), line)
    expect(bench.read(file, 3)).toBe('0\n1')
    expect(bench.read(file, 100)).toBe('\n')
    expect(bench.read(file, 100)).toBe('2\n3\n')
    expect(bench.read(file, 100)).toBe('')
    file.put()
  })

  it('stops at what fits the buffer, and goes on with it', () => {
    const bench = new Bench()
    const record = 'r'.repeat(10_000)
    const file = bench.open(numbers(5), (context) => {
      context.meta.seq.puts(record)
      return 0
    })
    expect(String(bench.read(file, 1 << 20)).length).toBe(30_000)
    expect(String(bench.read(file, 1 << 20)).length).toBe(20_000)
    file.put()
  })

  it('calls the program once more with a null item, for a target that wants it', () => {
    const bench = new Bench()
    const file = bench.open(numbers(2, { endCall: true }), line)
    expect(bench.readToEnd(file, 64).text).toBe('0\n1\nend\n')
    expect(bench.read(file, 64)).toBe('')
    file.put()
  })

  it('repeats an end call that did not fit, alone it is E2BIG', () => {
    const bench = new Bench()
    let length = ITER_BUFFER_BYTES - 10
    const file = bench.open(numbers(1, { endCall: true }), (context) => {
      context.meta.seq.puts(context.item === null ? 'e'.repeat(length) : '0123456789')
      return 0
    })
    expect(bench.read(file, 64)).toBe('0123456789')
    length = ITER_BUFFER_BYTES
    expect(bench.read(file, 64)).toBe(E2BIG)
    length = 5
    expect(bench.readToEnd(file, 64).text).toBe('eeeee')
    file.put()
  })

  it('gives sessions their own numbers, and objects theirs, kept over a retry', () => {
    const bench = new Bench()
    const seen: string[] = []
    let retry = true
    const target = bench.iters.registerTarget(numbers(3))
    const link = target.attach((context) => {
      seen.push(`${context.meta.sessionId}:${context.meta.seqNum}:${context.item}`)
      if (context.item !== 1 || !retry) return 0
      retry = false
      return 1
    })
    const [a, b] = [link.open(), link.open()]
    expect(bench.read(a, 64)).toBe(EAGAIN)
    expect(bench.read(a, 64)).toBe('')
    expect(bench.read(b, 64)).toBe('')
    expect(seen).toEqual(['1:0:0', '1:1:1', '1:1:1', '1:2:2', '2:0:0', '2:1:1', '2:2:2'])
    a.put()
    b.put()
  })

  it('moves the position for a next that forgets to', () => {
    const bench = new Bench()
    const file = bench.open(numbers(3, { stuck: true }), line)
    expect(bench.readToEnd(file, 1).text).toBe('0\n1\n2\n')
    file.put()
  })

  it('passes on what start and next throw, after the records before it', () => {
    const bench = new Bench()
    const atStart = bench.open(numbers(3, { failAt: 0 }), line)
    expect(bench.read(atStart, 64)).toBe(-5)
    atStart.put()
    const atNext = bench.open(numbers(3, { failAt: 2 }), line)
    expect(bench.read(atNext, 64)).toBe('0\n1\n')
    expect(bench.read(atNext, 64)).toBe(-5)
    atNext.put()
    const bug = bench.open(
      {
        ...numbers(1),
        seqInfo: {
          ...numbers(1).seqInfo,
          seqOps: {
            ...numbers(1).seqInfo.seqOps,
            start: () => {
              throw new TypeError('a bug')
            },
          },
        },
      },
      line,
    )
    expect(() => bench.read(bug, 64)).toThrow('a bug')
    bug.put()
  })

  it('keeps the references right when a program throws', () => {
    const bench = new Bench()
    const source = new TestSource()
    source.export()
    let broken = true
    const file = bench.open(createSourceIterTarget('test', source), (context) => {
      context.meta.seq.puts('half')
      if (broken) throw new TypeError('a bug in the program')
      return 0
    })
    expect(() => bench.read(file, 64)).toThrow('a bug in the program')
    broken = false
    expect(bench.readToEnd(file, 64).text).toBe('half')
    file.put()
    expect(source.list.map((b) => b.refs)).toEqual([1])
  })

  it('gives up its turn after a million objects that wrote nothing', () => {
    const bench = new Bench()
    const file = bench.open(numbers(1_000_001), () => 0)
    expect(bench.read(file, 64)).toBe(EAGAIN)
    expect(bench.read(file, 64)).toBe('')
    file.put()
  })

  it('refuses a second target of a name, and links of one that is gone', () => {
    const bench = new Bench()
    const registered = bench.iters.registerTarget(numbers(1))
    expect(bench.iters.targetNames).toEqual(['numbers'])
    expect(() => bench.iters.registerTarget(numbers(1))).toThrow('numbers is already registered')
    const link = registered.attach(line)
    expect([link.targetName, registered.name]).toEqual(['numbers', 'numbers'])
    registered.unregister()
    registered.unregister()
    expect(() => registered.attach(line)).toThrow('not registered')
    const file = link.open()
    link.replaceProgram(() => 0)
    expect(bench.read(file, 64)).toBe('0\n')
    file.put()
    const other = link.open()
    expect(bench.read(other, 64)).toBe('')
    other.put()
    expect(bench.iters.targetNames).toEqual([])
  })

  it('leaves nothing behind when private state cannot be made', () => {
    const bench = new Bench()
    const target = numbers(1)
    const link = bench.iters
      .registerTarget({
        ...target,
        seqInfo: {
          ...target.seqInfo,
          initSeqPrivate: () => {
            throw new KernelError('ENOMEM', 'no memory for the private state')
          },
        },
      })
      .attach(line)
    expect(() => link.open()).toThrow('no memory')
    expect(bench.iters.open).toBe(0)
  })

  it('writes what the source shows, with the default text program, and nothing for the end call', () => {
    const bench = new Bench()
    const source = new TestSource()
    source.export({ name: 'one' })
    const target = { ...createSourceIterTarget('test', source), endCall: true }
    const file = bench.open(target, createTextProgram(source))
    expect(bench.readToEnd(file, 64).text).toBe(source.text())
    file.put()
    const again = bench.open(target, dmabufTextProgram)
    expect(bench.readToEnd(again, 64).text).toBe(source.text())
    again.put()
  })
})

describe('open-coded iterator', () => {
  function three(): TestSource {
    const source = new TestSource()
    for (let i = 0; i < 3; i += 1) source.export()
    return source
  }

  it('R-ITER-9: walks the same list from inside a program, without a file', () => {
    const bench = new Bench()
    const source = three()
    const inner: number[] = []
    const file = bench.open(createSourceIterTarget('test', source), (context) => {
      if (context.item?.inode !== 2) return 0
      const iter = createOpenCodedIter<TestBuffer>(source)
      for (let item = iter.next(); item !== null; item = iter.next()) inner.push(item.inode)
      expect(iter.next()).toBeNull()
      iter.destroy()
      return 0
    })
    bench.readToEnd(file, 64)
    expect(inner).toEqual([3, 2, 1])
    file.put()
    expect(source.list.map((b) => b.refs)).toEqual([1, 1, 1])
  })

  it('R-ITER-9: destroy at any point drops the current reference, once', () => {
    for (let steps = 0; steps <= 4; steps += 1) {
      const source = three()
      const iter = createOpenCodedIter(source)
      for (let i = 0; i < steps; i += 1) iter.next()
      iter.destroy()
      iter.destroy()
      expect(iter.next()).toBeNull()
      expect(source.list.map((b) => b.refs)).toEqual([1, 1, 1])
    }
  })
})
