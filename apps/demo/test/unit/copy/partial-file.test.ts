// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { describe, expect, it } from 'vitest'
import { openSource, openTarget } from '../../../src/copy/ends.ts'
import { createPartialFile } from '../../../src/copy/partial-file.ts'
import { useTempDir } from '../../temp-dir.ts'

const dir = useTempDir()
/** No process can have it: the largest process id is 2^22. */
const DEAD_PID = 2 ** 30

const target = (): { path: string; stats: undefined } => ({ path: dir('d'), stats: undefined })
const lockOf = (owner: unknown): void => writeFileSync(dir('d.partial.lock'), JSON.stringify(owner))

describe('a partial file', () => {
  it('becomes the target, cut to its length, with its mode, and leaves nothing beside it', () => {
    writeFileSync(dir('d'), 'an older and longer content')
    const partial = createPartialFile(target(), 0o640)
    expect(partial.path).toBe(dir('d.partial'))
    expect(statSync(partial.path).mode & 0o777).toBe(0o600)
    writeFileSync(partial.path, 'content and padding')
    partial.commit(7)
    partial.discard()
    expect(readdirSync(dir.path)).toEqual(['d'])
    expect(readFileSync(dir('d'), 'utf8')).toBe('content')
    expect(statSync(dir('d')).mode & 0o777).toBe(0o640)
  })

  it('discarded, leaves the target as it was', () => {
    writeFileSync(dir('d'), 'old')
    const partial = createPartialFile(target(), 0o644)
    partial.discard()
    partial.discard()
    expect(readdirSync(dir.path)).toEqual(['d'])
    expect(readFileSync(dir('d'), 'utf8')).toBe('old')
  })

  it("is EBUSY while a live process holds it, and stays that process's", () => {
    const first = createPartialFile(target(), 0o644)
    const again = (): unknown => createPartialFile(target(), 0o644)
    expect(again).toThrow(expect.objectContaining({ code: 'EBUSY' }))
    expect(again).toThrow(`d.partial belongs to a copy that runs as process ${process.pid}`)
    expect(readdirSync(dir.path).sort()).toEqual(['d.partial', 'd.partial.lock'])
    first.discard()
    createPartialFile(target(), 0o644).discard()
    expect(readdirSync(dir.path)).toEqual([])
  })

  it.each([
    ['a process that is gone', { pid: DEAD_PID, started: null }],
    ['another process that has the same number now', { pid: process.pid, started: '1' }],
    ['nobody', { pid: 'x' }],
    ['nothing that can be read', null],
  ])('is taken over from %s', (_whom, owner) => {
    lockOf(owner)
    writeFileSync(dir('d.partial'), 'left behind')
    const partial = createPartialFile(target(), 0o644)
    expect(readFileSync(partial.path, 'utf8')).toBe('')
    expect(readdirSync(dir.path).sort()).toEqual(['d.partial', 'd.partial.lock'])
    partial.discard()
    expect(readdirSync(dir.path)).toEqual([])
  })

  it('never writes through a link that lies in its place', () => {
    writeFileSync(dir('precious'), 'precious')
    symlinkSync('precious', dir('d.partial'))
    const partial = createPartialFile(target(), 0o644)
    writeFileSync(partial.path, 'x')
    partial.commit(1)
    expect(readFileSync(dir('precious'), 'utf8')).toBe('precious')
  })

  it('gives its lock back when its place is taken by a directory', () => {
    mkdirSync(dir('d.partial'))
    expect(() => createPartialFile(target(), 0o644)).toThrow(/EISDIR|EPERM/)
    expect(readdirSync(dir.path)).toEqual(['d.partial'])
  })

  it('names the folder that takes no file', () => {
    const nowhere = { path: dir('nowhere/d'), stats: undefined }
    expect(() => createPartialFile(nowhere, 0o644)).toThrow(
      `no file can be made in ${dir('nowhere')}: no such file or directory`,
    )
  })
})

describe('the target of a copy', () => {
  it('a copy does not eat the partial file that it is to save', () => {
    writeFileSync(dir('d.partial'), 'most of it')
    const source = openSource({ kind: 'file', path: dir('d.partial') })
    const open = (): unknown => openTarget({ kind: 'file', path: dir('d') }, source)
    expect(open).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(open).toThrow(/is the file that a copy to DST .* writes first; rename it/)
    expect(readFileSync(dir('d.partial'), 'utf8')).toBe('most of it')
  })

  it('a new file takes the permissions of the source, a file that is there keeps its own', () => {
    writeFileSync(dir('s'), 'x')
    chmodSync(dir('s'), 0o500)
    writeFileSync(dir('old'), 'y')
    chmodSync(dir('old'), 0o604)
    const source = openSource({ kind: 'file', path: dir('s') })
    for (const [name, mode] of [
      ['new', 0o500],
      ['old', 0o604],
    ] as const) {
      const end = openTarget({ kind: 'file', path: dir(name) }, source)
      end.commit()
      expect(statSync(dir(name)).mode & 0o777).toBe(mode)
      expect(statSync(dir(name)).size).toBe(1)
    }
  })
})
