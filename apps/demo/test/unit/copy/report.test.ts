// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { type CopyResult, printCopyReport } from '../../../src/copy/report.ts'
import { fakeIo } from '../../fake-io.ts'

const RESULT: CopyResult = {
  bytes: 1024,
  seconds: 0.5,
  sha256: { source: 'aa', target: 'aa' },
  resumedBytes: 0,
  resubmitted: 0,
  layers: { uio: { dmabufIterators: 3 }, 'block-core': { bios: 4, splits: 1 } },
}

function print(init: { json?: boolean; quiet?: boolean }, result: CopyResult, tty = false): string {
  const io = fakeIo({ tty })
  printCopyReport(io, { json: init.json ?? false, quiet: init.quiet ?? false }, result)
  expect(io.err()).toBe('')
  return io.out()
}

describe('the report of a copy', () => {
  it('has a row for each counter, the rate, and both digests', () => {
    const text = print({}, RESULT)
    expect(text).toMatch(/│ uio +│ dmabufIterators +│ +3 │/)
    expect(text).toMatch(/│ block-core +│ bios +│ +4 │/)
    expect(text).toMatch(/│ +│ splits +│ +1 │/)
    expect(text).toContain('copied 1024 bytes in 0.500 s, 2.0 KiB/s')
    expect(text).toContain(
      'sha256 of the source: aa\nsha256 of the target: aa\nthe digests are equal\n',
    )
    expect(text).not.toContain('resubmitted')
    expect(text).not.toContain('\u001b')
  })

  it('claims nothing about digests that were not computed', () => {
    const text = print({}, { ...RESULT, seconds: 0, sha256: { source: null, target: null } })
    expect(text).toContain('sha256 of the target: not computed')
    expect(text).not.toContain('equal')
    expect(text).toContain('in 0.000 s\n')
  })

  it('tells of ranges that were sent again', () => {
    expect(print({}, { ...RESULT, resubmitted: 7 })).toContain('resubmitted after ESTALE: 7\n')
  })

  it('is one document with --json, also with --quiet', () => {
    expect(JSON.parse(print({ json: true, quiet: true }, RESULT))).toEqual({
      version: 1,
      ...RESULT,
    })
  })

  it('is nothing with --quiet, and coloured on a terminal', () => {
    expect(print({ quiet: true }, RESULT)).toBe('')
    expect(print({}, RESULT, true)).toContain('\u001b[')
  })
})
