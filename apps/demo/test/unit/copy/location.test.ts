// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { linkSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { beforeEach, describe, expect, it } from 'vitest'
import { inspectSource, inspectTarget, parseLocation } from '../../../src/copy/location.ts'
import { useTempDir } from '../../temp-dir.ts'

const dir = useTempDir()

beforeEach(() => {
  writeFileSync(dir('file'), 'content')
  mkdirSync(dir('folder'))
})

describe('parseLocation', () => {
  it('tells memory from paths', () => {
    expect(parseLocation('mem:2K', 'SRC')).toEqual({ kind: 'memory', sizeBytes: 2048 })
    expect(parseLocation('mem:0', 'SRC')).toEqual({ kind: 'memory', sizeBytes: 0 })
    expect(parseLocation('./mem:2K', 'SRC')).toEqual({ kind: 'file', path: './mem:2K' })
    expect(parseLocation('memory', 'SRC')).toEqual({ kind: 'file', path: 'memory' })
  })

  it.each(['', 'mem:', 'mem:x', 'mem:-1'])('refuses "%s"', (text) => {
    expect(() => parseLocation(text, 'SRC')).toThrow(/SRC/)
  })
})

describe('inspectSource', () => {
  it('gives what is known of a regular file, through a link too', () => {
    symlinkSync('file', dir('link'))
    expect(inspectSource(dir('file')).stats.size).toBe(7)
    expect(inspectSource(dir('link')).stats.ino).toBe(statSync(dir('file')).ino)
  })

  it.each([
    ['nosuch', 'ENOENT', /nosuch does not exist/],
    ['folder', 'EISDIR', /folder is a directory/],
    ['/dev/null', 'EINVAL', /\/dev\/null is not a regular file/],
  ])('refuses %s with %s', (name, code, message) => {
    const path = name.startsWith('/') ? name : dir(name)
    expect(() => inspectSource(path)).toThrow(expect.objectContaining({ code }))
    expect(() => inspectSource(path)).toThrow(message)
  })
})

describe('inspectTarget', () => {
  const source = (): ReturnType<typeof inspectSource> => inspectSource(dir('file'))

  it('an absent file and a regular one may be written', () => {
    writeFileSync(dir('old'), 'x')
    expect(inspectTarget(dir('new'), source())).toEqual({ path: dir('new'), stats: undefined })
    expect(inspectTarget(dir('old'), source()).stats?.size).toBe(1)
  })

  it('follows links, also to nothing, and `..` behind a link as the system does', () => {
    mkdirSync(dir('folder/inner'))
    symlinkSync('folder/target', dir('dangling'))
    symlinkSync(dir('dangling'), dir('twice'))
    symlinkSync('folder/inner', dir('inner'))
    expect(inspectTarget(dir('twice'), source()).path).toBe(dir('folder/target'))
    expect(inspectTarget(`${dir('inner')}/../x`, source()).path).toBe(dir('folder/x'))
  })

  it('refuses the source itself, by any name', () => {
    linkSync(dir('file'), dir('hard'))
    symlinkSync('file', dir('soft'))
    for (const name of ['file', 'hard', 'soft', 'folder/../file']) {
      expect(() => inspectTarget(dir(name), source())).toThrow(/are the same file/)
    }
  })

  it.each([
    ['folder', 'EINVAL', /neither absent nor a regular file/],
    ['folder/', 'EINVAL', /neither absent nor a regular file/],
    ['newfolder/', 'EINVAL', /names a directory/],
    ['/dev/null', 'EINVAL', /neither absent nor a regular file/],
    ['nowhere/x', 'ENOENT', /nowhere does not exist/],
    ['file/x', 'ENOTDIR', /file is not a directory/],
    ['loop', 'ELOOP', /passes more than 40 symbolic links/],
  ])('refuses %s with %s', (name, code, message) => {
    symlinkSync('pool', dir('loop'))
    symlinkSync('loop', dir('pool'))
    const path = name.startsWith('/') ? name : `${dir.path}/${name}`
    expect(() => inspectTarget(path, source())).toThrow(expect.objectContaining({ code }))
    expect(() => inspectTarget(path, source())).toThrow(message)
  })
})
