// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import type { Fault, Pick, Row } from '../../src/search/contracts.ts'
import { explore } from '../../src/search/explore.ts'
import { scriptStrategy } from '../../src/search/script-strategy.ts'
import { shrink } from '../../src/search/shrink.ts'
import { ladder } from '../../src/show/ladder.ts'
import { toMermaid } from '../../src/show/mermaid.ts'
import { SHIVIZ_PARSER, toShiViz } from '../../src/show/shiviz.ts'
import type { Told } from '../../src/show/story.ts'
import { checkThenAct } from '../search/programs.ts'

const FAULT: Fault = {
  check: 'deadlock',
  message: 'a cycle of waiting',
  details: [
    'io worker waits for resv, held by exporter',
    'exporter waits for a fence of io worker',
  ],
}

function row(actor: string, init: Partial<Row> = {}): Row {
  return { actor, at: null, chosen: false, depth: 0, nowNs: 0, notes: [], ...init }
}

const SCRIPT: readonly Pick[] = [
  { actor: 'io worker', at: null },
  { actor: '', at: 'first look' },
  { actor: 'exporter', at: 'looked up' },
  { actor: 'io worker#2', at: null },
]

const ROWS: readonly Row[] = [
  row('exporter', { step: 0, notes: ['exports'] }),
  row('io worker', { step: 1, notes: ['takes a request; #7'] }),
  row('exporter', { step: 2, depth: 1, notes: ['moves the buffer'] }),
  row('io worker', { step: 1, notes: ['goes on with the old address'] }),
  row('irq', { step: 3, notes: ['raised'] }),
  row('io worker#2', { step: 4, nowNs: 2_500_000, notes: ['waits for resv'] }),
]

const TOLD: Told = { script: SCRIPT, pickedSteps: [1, 1, 2, 4] }

describe('a ladder', () => {
  it('has a line for each choice, and notes for what followed', () => {
    expect(
      ladder(ROWS, FAULT, { told: TOLD, width: 70 }),
    ).toBe(`iw = io worker, exp = exporter, iw2 = io worker#2

  iw exp iw2
             exporter: exports
1 ●   ·   ·  io worker
  ·   ·   ·    takes a request; #7
2 →   ·   ·  io worker passes "first look"
3 ┆   ●   ·  exporter, inside io worker, at "looked up"
  ·   ·   ·    moves the buffer
  ·   ·   ·    io worker: goes on with the old address
  ·   ·   ·    irq: raised
4 ·   ·   ●  [2.5 ms] io worker#2
  ·   ·   ·    waits for resv

deadlock: a cycle of waiting
  io worker waits for resv, held by exporter
  exporter waits for a fence of io worker
`)
  })

  it('takes the rows that are marked as chosen when there is no script', () => {
    const rows = [
      row('a', { chosen: true }),
      row('b', { notes: ['x'] }),
      row('b', { chosen: true }),
    ]
    const text = ladder(rows, null)
    expect(text).toContain('1 ● · a\n')
    expect(text).toContain('  · ·   b: x\n')
    expect(text).toContain('2 · ● b\n')
    expect(text).toContain('No fault.')
  })

  it.each([40, 60, 120])('keeps to a width of %i', (width) => {
    const words = Array.from({ length: 60 }, (_, i) => `word${i}`).join(' ')
    const rows = [
      row('first', { chosen: true, notes: [words, 'x'.repeat(300)] }),
      row('second', { chosen: true, nowNs: 7, notes: [words] }),
    ]
    const fault = { check: 'leak', message: words, details: [words] }
    for (const line of ladder(rows, fault, { width }).split('\n')) {
      expect(line.length).toBeLessThanOrEqual(width)
    }
  })

  it('leaves the middle of a long stretch out', () => {
    const notes = Array.from({ length: 100 }, (_, i) => `note ${i}.`)
    const text = ladder([row('a', { chosen: true, notes })], null, { notesMax: 6 })
    const shown = [0, 1, 2, 97, 98, 99]
    expect(notes.filter((note) => text.includes(note))).toEqual(shown.map((i) => `note ${i}.`))
    expect(text).toContain('… 94 more lines')
  })

  it('indents what it breaks', () => {
    const rows = [row('a', { chosen: true, notes: ['one two three four five six seven'] })]
    expect(ladder(rows, null, { width: 36 })).toContain(
      '  ·   one two three four five six\n  ·     seven\n',
    )
  })

  it('gives every actor a short name of its own', () => {
    const actors = ['io worker', 'irq way', 'io-worker', 'worker', 'work', '%', 'a b c d e f']
    const rows = actors.map((actor) => row(actor, { chosen: true }))
    const [legend] = ladder(rows, null).split('\n')
    const shorts = legend!.split(', ').map((part) => part.split(' = ')[0])
    expect(new Set(shorts).size).toBe(actors.length)
    expect(shorts).toEqual(['iw', 'iw2', 'iw3', 'wor', 'wor2', '%', 'abcd'])
  })

  it('shows the times in units that fit', () => {
    const times = [0, 500, 1_500, 3_000_000, 2_000_000_000]
    const text = ladder(
      times.map((nowNs) => row('a', { chosen: true, nowNs })),
      null,
    )
    for (const time of ['[500 ns]', '[1.5 µs]', '[3 ms]', '[2 s]']) expect(text).toContain(time)
  })

  it('shows a run without choices too', () => {
    expect(ladder([], FAULT)).toContain('deadlock: a cycle')
    expect(toMermaid([], FAULT)).toBe('sequenceDiagram\n')
    expect(toShiViz([], FAULT)).toBe(`${SHIVIZ_PARSER}\n\n`)
  })

  it('shows a script as it was found and shrunk: a line for each pick', () => {
    const { program } = checkThenAct(3)
    const { found } = explore(program, { scheduler: 'random', schedules: 1000 })
    const { script } = shrink(program, found!.choices)!
    const strategy = scriptStrategy(script)
    const { rows, fault } = program(strategy, { rows: true })
    const told = { script, pickedSteps: strategy.pickedSteps }
    const text = ladder(rows, fault, { told })
    expect(text.match(/^\d/gm)).toHaveLength(script.length)
    expect(text).toContain('freer, inside user, at "looked"')
    expect(text).toContain('frees it')
    expect(text).toContain('use-after-free: the check use-after-free')
  })
})

describe('a diagram of Mermaid', () => {
  it('has a note for each choice, and an arrow for who interrupts', () => {
    expect(toMermaid(ROWS, FAULT, TOLD)).toBe(`sequenceDiagram
  participant a0 as io worker
  participant a1 as exporter
  participant a2 as io worker#35;2
  Note over a0,a2: exporter: exports
  Note over a0: 1.<br/>takes a request#59; #35;7
  Note over a0: 2. passes "first look"
  a0-)a1: 3. interrupted "looked up"
  Note over a1: 3.<br/>moves the buffer<br/>io worker: goes on with the old address<br/>irq: raised
  Note over a2: 4.<br/>waits for resv
  Note over a0,a2: deadlock: a cycle of waiting<br/>io worker waits for resv, held by exporter<br/>exporter waits for a fence of io worker
`)
  })

  it('lets no text end a statement', () => {
    const rows = [row('a;b', { chosen: true, notes: ['<br/>; end\nNote over a0: x'] })]
    const lines = toMermaid(rows, { check: 'x', message: 'a\nb' }).trim().split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[1]).toBe('  participant a0 as a#59;b')
    expect(lines[2]).toContain('#60;br/#62;#59; end Note')
  })
})

describe('a log for ShiViz', () => {
  it('is what its parser reads, with clocks that count each host and know all before', () => {
    const text = toShiViz(ROWS, FAULT, TOLD)
    const [parser, delimiter, ...log] = text.split('\n')
    expect(parser).toBe(SHIVIZ_PARSER)
    expect(delimiter).toBe('')
    const events = [...log.join('\n').matchAll(new RegExp(SHIVIZ_PARSER, 'g'))]
    expect(events).toHaveLength(SCRIPT.length)
    const clocks = events.map(([, , , clock]) => JSON.parse(clock!))
    expect(events.map(([, , host]) => host)).toEqual([
      'io_worker',
      'io_worker',
      'exporter',
      'io_worker#2',
    ])
    expect(clocks).toEqual([
      { io_worker: 1 },
      { io_worker: 2 },
      { io_worker: 2, exporter: 1 },
      { io_worker: 2, exporter: 1, 'io_worker#2': 1 },
    ])
    expect(events.at(-1)?.[1]).toContain('deadlock: a cycle of waiting')
  })

  it('keeps hosts apart whose names differ by a space', () => {
    const rows = ['a b', 'a_b'].map((actor) => row(actor, { chosen: true }))
    expect(toShiViz(rows, null)).toContain('a_b_2 {"a_b":1,"a_b_2":1}')
  })
})
