// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import {
  createKernel,
  createVirtualScheduler,
  type File,
  joinAll,
  type Op,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createBpfIter,
  createSeqReader,
  createSourceIterTarget,
  type IterContext,
  SeekWhence,
  type SeqReader,
} from '../../src/index.ts'
import { type TestRecord, TestSequence } from '../seq-support.ts'
import { EAGAIN, readText, type TestBuffer, TestSource } from '../support.ts'

const RECORDS = Array.from({ length: 12 }, (_, i) => `record ${i} ${'.'.repeat(i * 3)}\n`)

/** One reads the file on, one reads at places of its own, one seeks in another file of the same sequence. */
function seqSim(seed: number): number {
  const scheduler = createVirtualScheduler({ seed })
  const kernel = createKernel({ scheduler })
  const sequences: TestSequence[] = []
  const open = (records: readonly TestRecord[]): SeqReader => {
    const priv = new TestSequence(records)
    priv.sleeps = true
    sequences.push(priv)
    return createSeqReader({ kernel }, { name: 'sim', seqOps: priv.ops(scheduler), priv })
  }
  const first = open(RECORDS)
  const second = open([...RECORDS, 'skip!'])
  const text = RECORDS.join('')
  let got = ''
  function* readOn(): Op<void> {
    for (;;) {
      const piece = yield* readText(first.file, 17)
      if (piece === '') return
      got += piece
    }
  }
  function* readAnywhere(): Op<void> {
    const target = new Uint8Array(30)
    for (let pos = 0; pos < text.length; pos += 41) {
      const count = yield* first.pread(target, 0, 30, pos)
      expect(new TextDecoder().decode(target.subarray(0, count))).toBe(text.slice(pos, pos + count))
      expect(count).toBeGreaterThan(0)
    }
  }
  function* seek(): Op<void> {
    for (const pos of [200, 5, 90]) {
      expect(yield* second.lseek(pos, SeekWhence.SEEK_SET)).toBe(pos)
      expect(yield* readText(second.file, 8)).toBe(text.slice(pos, pos + 8))
    }
  }
  function* main(): Op<void> {
    yield* joinAll(scheduler, [
      scheduler.spawn('reads on', readOn()),
      scheduler.spawn('reads anywhere', readAnywhere()),
      scheduler.spawn('seeks', seek()),
    ])
  }
  scheduler.runSync('main', main())
  expect(got, `seed ${seed}`).toBe(text)
  for (const { starts, stops } of sequences) expect(stops, `seed ${seed}`).toBe(starts)
  first.file.put()
  second.file.put()
  expect(scheduler.outstanding(), `seed ${seed}`).toEqual([])
  return scheduler.steps
}

/** Iterators of one link, whose program sleeps and wants some objects again; it is replaced, and the link released, under them. */
function linkSim(seed: number): void {
  const scheduler = createVirtualScheduler({ seed })
  const source = new TestSource()
  const inodes = Array.from({ length: 9 }, () => source.export().inode)
  const iters = createBpfIter({ kernel: createKernel({ scheduler }) })
  let shows = 0
  function* program({ meta, item }: IterContext<TestBuffer>): Op<number> {
    yield* yieldNow(scheduler)
    meta.seq.puts(`${item?.inode},`)
    shows += 1
    return shows % 4 === seed % 4 ? 1 : 0
  }
  const link = iters.registerTarget(createSourceIterTarget('sim', source)).attach(program)
  function* reader(file: File, size: number): Op<void> {
    let text = ''
    for (;;) {
      const piece = yield* readText(file, size)
      if (piece === '') break
      if (piece !== EAGAIN) text += piece
    }
    file.put()
    expect(text, `seed ${seed}`).toBe(`${inodes.toReversed().join(',')},`)
  }
  function* leaver(file: File): Op<void> {
    yield* readText(file, 1)
    file.put()
  }
  function* main(): Op<void> {
    const tasks = [1, 3, 64].map((size) =>
      scheduler.spawn(`reads ${size}`, reader(link.open(), size)),
    )
    tasks.push(scheduler.spawn('leaves', leaver(link.open())))
    yield* yieldNow(scheduler)
    link.replaceProgram(() => 0)
    yield* yieldNow(scheduler)
    link.release()
    yield* joinAll(scheduler, tasks)
  }
  scheduler.runSync('main', main())
  expect(
    source.list.every(({ refs }) => refs === 1),
    `seed ${seed}`,
  ).toBe(true)
  expect([iters.open, iters.links], `seed ${seed}`).toEqual([0, 0])
  expect(scheduler.outstanding(), `seed ${seed}`).toEqual([])
}

describe('seq_file and links on the virtual scheduler', () => {
  it('readers of one file, each at its place, and a seeker, see the same text', () => {
    for (let seed = 1; seed <= 150; seed += 1) seqSim(seed)
    expect(seqSim(7)).toBe(seqSim(7))
  })

  it('R-ITER-1, R-ITER-4, R-ITER-7: iterators of one link under a replaced program and a released link', () => {
    for (let seed = 1; seed <= 150; seed += 1) linkSim(seed)
  })
})
