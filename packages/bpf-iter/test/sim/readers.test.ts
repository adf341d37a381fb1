// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createKernel, createVirtualScheduler, joinTask, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createDmabufIterTarget, dmabufTextProgram } from '../../src/dmabuf/index.ts'
import { createBpfIter, type IterContext } from '../../src/index.ts'
import { readText, type TestBuffer, TestSource } from '../support.ts'

/** Readers of one file and of their own, while buffers come and go and the program sleeps. */
function simulate(seed: number): number {
  const scheduler = createVirtualScheduler({ seed })
  const source = new TestSource()
  const steady = Array.from({ length: 8 }, (_, i) => source.export({ name: `steady ${i}` }))
  const link = createBpfIter({ kernel: createKernel({ scheduler }) })
    .registerTarget(createDmabufIterTarget(source))
    .attach(function* (context: IterContext<TestBuffer>): Op<number> {
      yield* yieldNow(scheduler)
      return dmabufTextProgram(context)
    })
  const shared = link.open()
  const own = link.open()
  const sharedTexts: string[] = []
  let ownText = ''
  function* reader(file: typeof shared, size: number, take: (text: string) => void): Op<void> {
    for (;;) {
      const got = yield* readText(file, size)
      if (got === '') return
      take(String(got))
    }
  }
  function* churn(): Op<void> {
    for (let i = 0; i < 6; i += 1) {
      const buffer = source.export({ name: `passing ${i}` })
      yield* yieldNow(scheduler)
      source.put(buffer)
    }
  }
  function* main(): Op<void> {
    const tasks = [
      scheduler.spawn(
        'a',
        reader(shared, 40, (t) => sharedTexts.push(t)),
      ),
      scheduler.spawn(
        'b',
        reader(shared, 13, (t) => sharedTexts.push(t)),
      ),
      scheduler.spawn(
        'c',
        reader(own, 70, (t) => {
          ownText += t
        }),
      ),
      scheduler.spawn('churn', churn()),
    ]
    for (const task of tasks) yield* joinTask(scheduler, task)
  }
  scheduler.runSync('main', main())
  shared.put()
  own.put()
  for (const text of [ownText, sharedTexts.join('')]) {
    const inodes = text
      .split('\n')
      .filter((_, i) => i % 4 === 0 && text !== '')
      .slice(0, -1)
    expect(new Set(inodes).size, `seed ${seed}`).toBe(inodes.length)
    for (const { inode } of steady) expect(inodes, `seed ${seed}`).toContain(String(inode))
  }
  expect(
    source.list.map((b) => b.refs),
    `seed ${seed}`,
  ).toEqual(steady.map(() => 1))
  expect(scheduler.outstanding(), `seed ${seed}`).toEqual([])
  return scheduler.steps
}

describe('iterators on the virtual scheduler', () => {
  it('R-ITER-1, R-ITER-4, R-ITER-5: readers share a file while buffers come and go', () => {
    for (let seed = 1; seed <= 300; seed += 1) simulate(seed)
  })

  it('the same seed takes the same steps', () => {
    expect(simulate(42)).toBe(simulate(42))
  })
})
