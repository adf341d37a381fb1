// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/cli/failure.ts'
import { prepareDir, prepareFile, writeWhole } from '../../src/cli/write-whole.ts'
import { useTempDir } from '../temp-dir.ts'

describe('a file that is written at the end', () => {
  const temp = useTempDir()

  it('takes the place of the old one, and touches no other name', () => {
    const dir = temp('')
    const path = join(dir, 'page.md')
    for (const name of ['page.md', 'page.md.partial']) writeFileSync(join(dir, name), 'old')
    prepareFile('--out', path)
    expect(readFileSync(path, 'utf8')).toBe('old')
    writeWhole(path, 'new')
    expect(readFileSync(path, 'utf8')).toBe('new')
    expect(readFileSync(join(dir, 'page.md.partial'), 'utf8')).toBe('old')
    expect(readdirSync(dir).toSorted()).toEqual(['page.md', 'page.md.partial'])
  })

  it('that cannot be put in its place leaves nothing behind', () => {
    const dir = temp('')
    const path = join(dir, 'page.md')
    mkdirSync(path)
    expect(() => writeWhole(path, 'new')).toThrow(/EISDIR|ENOTEMPTY|EEXIST/)
    expect(readdirSync(dir)).toEqual(['page.md'])
  })

  it('makes the directories above it, and says what is in the way', () => {
    const dir = temp('')
    prepareFile('--out', join(dir, 'a', 'b', 'page.md'))
    prepareDir('--save', join(dir, 'a', 'c'))
    expect(readdirSync(join(dir, 'a')).toSorted()).toEqual(['b', 'c'])
    expect(readdirSync(join(dir, 'a', 'c'))).toEqual([])
    writeFileSync(join(dir, 'file'), '')
    expect(() => prepareDir('--save', join(dir, 'file'))).toThrow(UsageError)
    expect(() => prepareFile('--out', join(dir, 'a'))).toThrow(UsageError)
  })
})
