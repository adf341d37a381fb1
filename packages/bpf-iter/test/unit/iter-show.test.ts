// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createKernel, createVirtualScheduler, KernelError, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createBpfIter,
  ITER_BUFFER_BYTES,
  type IterContext,
  IterFeature,
  type IterSeqOperations,
  type IterTarget,
  MAX_ITER_OBJECTS,
  SEQ_SKIP,
} from '../../src/index.ts'
import { Bench, E2BIG, EAGAIN, readText } from '../support.ts'

/** A target over the numbers 0..count-1; the rest is as told. */
function numbers(
  count: number,
  init: Partial<IterSeqOperations<number, null>> & { endCall?: boolean; feature?: number } = {},
): IterTarget<number, null> {
  const { endCall = false, feature = 0, ...ops } = init
  const at = (index: number): number | null => (index < count ? index : null)
  return {
    target: 'numbers',
    endCall,
    feature,
    seqInfo: {
      initSeqPrivate: () => null,
      finiSeqPrivate: () => {},
      seqOps: {
        start: (seq) => at(seq.index),
        next: (seq) => {
          seq.index += 1
          return at(seq.index)
        },
        stop: () => {},
        ...ops,
      },
    },
  }
}

const line = ({ meta, item }: IterContext<number>): number => {
  meta.seq.puts(item === null ? 'end\n' : `${meta.seqNum}:${item}\n`)
  return 0
}

describe('what show of a target answers', () => {
  it('a positive number passes over the object, drops what was written, and gives its number to the next', () => {
    const bench = new Bench()
    for (const skipped of [[0], [2], [0, 1], [1, 3], [0, 1, 2, 3], [3]]) {
      for (const size of [1, 5, 64]) {
        const target = numbers(4, {
          *show(seq, item, _priv, run): Op<number> {
            const result = yield* run(item)
            if (!skipped.includes(item)) return result
            seq.puts('x'.repeat(ITER_BUFFER_BYTES))
            return SEQ_SKIP
          },
        })
        const file = bench.open(target, line)
        const kept = [0, 1, 2, 3].filter((item) => !skipped.includes(item))
        expect(bench.readToEnd(file, size).text).toBe(
          kept.map((item, i) => `${i}:${item}\n`).join(''),
        )
        file.put()
      }
    }
  })

  it('a negative errno stops before the object, and comes after what is held', () => {
    const bench = new Bench()
    let failures = 3
    const target = numbers(3, {
      show(seq, item, _priv, run) {
        if (item !== 1 || failures === 0) return run(item)
        failures -= 1
        seq.puts('half')
        return -5
      },
    })
    const file = bench.open(target, line)
    expect(bench.read(file, 64)).toBe('0:0\n')
    expect([bench.read(file, 64), bench.read(file, 64)]).toEqual([-5, -5])
    expect(bench.read(file, 64)).toBe('1:1\n2:2\n')
    file.put()
  })

  it('run gives 0 or EAGAIN, whatever else a program returns', () => {
    const bench = new Bench()
    const answers: number[] = []
    const target = numbers(4, {
      *show(_seq, item, _priv, run): Op<number> {
        answers.push(yield* run(item))
        return 0
      },
    })
    const file = bench.open(target, ({ item }) => [0, 1, -5, 42][item ?? 0] ?? 0)
    expect(bench.read(file, 64)).toBe('')
    expect(answers).toEqual([0, EAGAIN, EAGAIN, EAGAIN])
    file.put()
  })
})

describe('the reading loop', () => {
  it('R-ITER-7: after an error of next, no end call is made and no byte is handed out that was not written', () => {
    for (const endRecord of [8, ITER_BUFFER_BYTES]) {
      const bench = new Bench()
      let broken = true
      const target = numbers(3, {
        endCall: true,
        next(seq) {
          seq.index += 1
          if (seq.index === 2 && broken) throw new KernelError('EIO', 'number 2 cannot be read')
          return seq.index < 3 ? seq.index : null
        },
        start(seq) {
          if (seq.index === 2 && broken) throw new KernelError('EIO', 'number 2 cannot be read')
          return seq.index < 3 ? seq.index : null
        },
        // What the end call of a target may do in its own stop.
        stop(seq, current) {
          if (current === null) seq.puts('g'.repeat(ITER_BUFFER_BYTES))
        },
      })
      const file = bench.open(target, ({ meta, item }) => {
        meta.seq.puts(item === null ? 'e'.repeat(endRecord) : `${item}\n`)
        return 0
      })
      expect(bench.read(file, 1 << 20)).toBe('0\n1\n')
      expect(bench.read(file, 1 << 20)).toBe(-5)
      expect(bench.read(file, 1 << 20)).toBe(-5)
      broken = false
      expect(bench.read(file, 1 << 20)).toBe(endRecord === 8 ? '2\neeeeeeee' : '2\n')
      expect(bench.read(file, 1 << 20)).toBe(endRecord === 8 ? '' : E2BIG)
      file.put()
    }
  })

  it('an end call that overflows after records is made again by the next read', () => {
    const bench = new Bench()
    let ends = 0
    const file = bench.open(numbers(2, { endCall: true }), ({ meta, item }) => {
      if (item === null) ends += 1
      meta.seq.puts(item === null ? 'e'.repeat(ITER_BUFFER_BYTES - 1) : `${item}`)
      return 0
    })
    expect(bench.read(file, 64)).toBe('01')
    expect(String(bench.read(file, 1 << 20)).length).toBe(ITER_BUFFER_BYTES - 1)
    expect([bench.read(file, 64), ends]).toEqual(['', 2])
    file.put()
  })

  it('an end call that throws leaves nothing of what it wrote', () => {
    const bench = new Bench()
    let broken = true
    const file = bench.open(numbers(1, { endCall: true }), ({ meta, item }) => {
      meta.seq.puts(item === null ? 'end' : 'item,')
      if (item === null && broken) throw new TypeError('a bug in the end call')
      return 0
    })
    expect(() => bench.read(file, 64)).toThrow('a bug in the end call')
    expect(bench.read(file, 64)).toBe('item,')
    broken = false
    expect(bench.readToEnd(file, 64).text).toBe('end')
    file.put()
  })

  it('what the program answers to the end call is of no account', () => {
    const bench = new Bench()
    const file = bench.open(numbers(1, { endCall: true }), (context) =>
      context.item === null ? line(context) + 1 : 0,
    )
    expect(bench.readToEnd(file, 64).text).toBe('end\n')
    file.put()
  })

  it('a read of nothing holds the first record for the next', () => {
    const bench = new Bench()
    const file = bench.open(numbers(2), line)
    expect(bench.read(file, 0)).toBe('')
    expect(bench.read(file, 0)).toBe('')
    expect(bench.read(file, 64)).toBe('0:0\n')
    expect(bench.read(file, 64)).toBe('1:1\n')
    file.put()
    const silent = bench.open(numbers(2), () => 0)
    expect([bench.read(silent, 0), bench.read(silent, 0)]).toEqual(['', ''])
    silent.put()
  })

  it('hands out what it holds after a million objects, and goes on in the next read', () => {
    const bench = new Bench()
    const file = bench.open(numbers(MAX_ITER_OBJECTS + 2), ({ meta, item }) => {
      if (item === 0 || item === MAX_ITER_OBJECTS) meta.seq.printf('%d,', item)
      return 0
    })
    expect(bench.read(file, 64)).toBe('0,')
    expect(bench.read(file, 64)).toBe(`${MAX_ITER_OBJECTS},`)
    expect(bench.read(file, 64)).toBe('')
    file.put()
  })

  it('lets other tasks run between objects only where the target says that it may', () => {
    for (const feature of [0, IterFeature.BPF_ITER_RESCHED]) {
      const scheduler = createVirtualScheduler({ seed: 1 })
      const target = numbers(500, { feature })
      const file = createBpfIter({ kernel: createKernel({ scheduler }) })
        .registerTarget(target)
        .attach(() => 0)
        .open()
      const before = scheduler.steps
      expect(scheduler.runSync('reader', readText(file, 64))).toBe('')
      expect(scheduler.steps - before > 5).toBe(feature !== 0)
      file.put()
    }
  })

  it('every start has one stop, at the object that was not consumed', () => {
    const bench = new Bench()
    const log: string[] = []
    const target = numbers(3, {
      stop: (_seq, current) => {
        log.push(`stop ${current}`)
      },
      start: (seq) => {
        log.push(`start ${seq.index}`)
        return seq.index < 3 ? seq.index : null
      },
    })
    const file = bench.open(target, line)
    bench.readToEnd(file, 5)
    expect(log).toEqual(['start 0', 'stop 2', 'start 2', 'stop null', 'start 3', 'stop null'])
    file.put()
  })
})
