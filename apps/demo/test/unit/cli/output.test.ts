// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  formatBytes,
  tableHead,
  wantsColor,
  wantsJson,
  writeJson,
} from '../../../src/cli/output.ts'
import { createProgress } from '../../../src/cli/progress.ts'
import { fakeIo } from '../../fake-io.ts'

it('a JSON document says its version first and ends with a line feed', () => {
  const io = fakeIo()
  writeJson(io, { buffers: [] })
  expect(io.out()).toBe('{\n  "version": 1,\n  "buffers": []\n}\n')
})

it('bytes for people', () => {
  expect(formatBytes(0)).toBe('0 B')
  expect(formatBytes(1023)).toBe('1023 B')
  expect(formatBytes(1024)).toBe('1.0 KiB')
  expect(formatBytes(98932688)).toBe('94.3 MiB')
  expect(formatBytes(2 ** 60)).toBe('1048576.0 TiB')
})

it('--json counts only before a bare --', () => {
  expect(wantsJson(['copy', 'a', 'b', '--json'])).toBe(true)
  expect(wantsJson(['copy', '--', '--json', 'b'])).toBe(false)
})

describe('colour', () => {
  it('is for terminals', () => {
    const terminal = fakeIo({ tty: true })
    const pipe = fakeIo()
    expect(wantsColor(terminal, terminal.stdout)).toBe(true)
    expect(wantsColor(pipe, pipe.stdout)).toBe(false)
    expect(tableHead(terminal, ['layer'])).toEqual(['\u001b[1mlayer\u001b[22m'])
    expect(tableHead(pipe, ['layer'])).toEqual(['layer'])
  })

  it('is off with NO_COLOR, which counts only when it is not empty', () => {
    const off = fakeIo({ tty: true, env: { NO_COLOR: '1' } })
    const empty = fakeIo({ tty: true, env: { NO_COLOR: '' } })
    expect(wantsColor(off, off.stdout)).toBe(false)
    expect(tableHead(off, ['layer'])).toEqual(['layer'])
    expect(wantsColor(empty, empty.stdout)).toBe(true)
  })
})

describe('progress', () => {
  it('is shown on a terminal, on stderr, and cleared', () => {
    const io = fakeIo({ tty: true })
    const progress = createProgress(io, { quiet: false, form: 'bar' })
    progress.start('copying', 2048)
    progress.update(1024)
    progress.stop()
    progress.stop()
    progress.update(2048)
    expect(io.err()).toContain('copying')
    expect(io.err()).toContain('of 2.0 KiB')
    expect(io.out()).toBe('')
  })

  it.each([
    ['no terminal', { tty: false }, { quiet: false, form: 'bar' }],
    ['--quiet', { tty: true }, { quiet: true, form: 'json' }],
    ['--progress none', { tty: true }, { quiet: false, form: 'none' }],
  ] as const)('is not shown: %s', (_why, init, how) => {
    const io = fakeIo(init)
    const progress = createProgress(io, how)
    progress.start('copying', 2048)
    progress.update(1024)
    progress.stop()
    expect(io.err()).toBe('')
  })

  it('json: an object a line, at each hundredth and at the end, wherever stderr goes', () => {
    const io = fakeIo({ tty: false })
    const progress = createProgress(io, { quiet: false, form: 'json' })
    progress.start('copying', 1000)
    for (let done = 1; done <= 1000; done++) progress.update(done)
    progress.update(1000)
    progress.stop()
    const told = io
      .err()
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line).progress)
    expect(told).toHaveLength(101)
    expect(told[0]).toEqual({ phase: 'copying', doneBytes: 0, totalBytes: 1000 })
    expect(told[1]).toEqual({ phase: 'copying', doneBytes: 10, totalBytes: 1000 })
    expect(told[100]).toEqual({ phase: 'copying', doneBytes: 1000, totalBytes: 1000 })
    expect(io.out()).toBe('')
  })
})
