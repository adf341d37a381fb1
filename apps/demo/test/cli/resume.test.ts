// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createHash, randomFillSync } from 'node:crypto'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { type CliResult, type RunningCli, runCli, startCli, until } from './run-cli.ts'

const dir = useTempDir()
const EXTENT_BYTES = 64 << 20
const TAIL_BYTES = 1001
const running: RunningCli[] = []
let digest = ''

beforeEach(() => {
  const bytes = Buffer.alloc(2 * EXTENT_BYTES + TAIL_BYTES)
  randomFillSync(bytes)
  writeFileSync(dir('s'), bytes)
  digest = createHash('sha256').update(bytes).digest('hex')
})

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
})

const COPY = ['copy', '--resume', '--json']

/** A copy that has noted its first extent, and is still at it. */
async function copyUnderWay(): Promise<RunningCli> {
  const cli = startCli([...COPY, dir('s'), dir('d'), '--block-size', '4K', '--queue-depth', '1'])
  running.push(cli)
  await until('an extent is noted', () => existsSync(dir('d.journal')) && notedLines() > 1)
  return cli
}

function notedLines(): number {
  return readFileSync(dir('d.journal'), 'utf8').split('\n').length - 1
}

async function killedCopy(): Promise<void> {
  const { child, ended } = await copyUnderWay()
  child.kill('SIGKILL')
  await ended
  expect(existsSync(dir('d'))).toBe(false)
  expect(existsSync(dir('d.partial'))).toBe(true)
}

function overwrite(path: string, text: string): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, text, 0)
  closeSync(fd)
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

function expectWhole({ code, stdout, stderr }: CliResult, resumedBytes: number): void {
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr:
      resumedBytes === 0
        ? ''
        : `iolayers: continuing after ${resumedBytes} bytes, which are proven\n`,
  })
  const sha256 = { source: digest, target: digest }
  expect(JSON.parse(stdout)).toMatchObject({ resumedBytes, sha256 })
  expect(digestOf(dir('d'))).toBe(digest)
  expect(readdirSync(dir.path).sort()).toEqual(['d', 's'])
}

describe('copy --resume', () => {
  it('leaves nothing but the target when nothing goes wrong', async () => {
    expectWhole(await runCli([...COPY, dir('s'), dir('d')]), 0)
  })

  it('continues after a kill, from the last extent that was noted', async () => {
    await killedCopy()
    expectWhole(await runCli([...COPY, dir('s'), dir('d')]), EXTENT_BYTES)
  })

  it('after a signal too, which says what is kept', async () => {
    const { child, ended } = await copyUnderWay()
    child.kill('SIGINT')
    const { code, stdout } = await ended
    expect(code).toBe(130)
    const kept = `${dir('d')}.partial and ${dir('d')}.journal are kept, --resume continues from them`
    expect(JSON.parse(stdout).error.message).toBe(`interrupted; ${kept}`)
    expectWhole(await runCli([...COPY, dir('s'), dir('d')]), EXTENT_BYTES)
  })

  it('copies again what does not have the digest that was noted', async () => {
    await killedCopy()
    overwrite(dir('d.partial'), 'damaged')
    expectWhole(await runCli([...COPY, dir('s'), dir('d')]), 0)
  })

  it('a torn line of the journal says nothing', async () => {
    await killedCopy()
    const text = readFileSync(dir('d.journal'), 'utf8')
    writeFileSync(dir('d.journal'), text.slice(0, -3))
    expectWhole(await runCli([...COPY, dir('s'), dir('d')]), 0)
  })

  it('begins anew where the source was written since', async () => {
    await killedCopy()
    utimesSync(dir('s'), 1, 1)
    expectWhole(await runCli([...COPY, dir('s'), dir('d')]), 0)
  })

  it('without it, what is kept is gone', async () => {
    await killedCopy()
    const { code, stdout } = await runCli(['copy', '--json', dir('s'), dir('d')])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ resumedBytes: 0 })
    expect(readdirSync(dir.path).sort()).toEqual(['d', 's'])
  })
})

it('a target in place has no place for what is kept', async () => {
  const { code, stderr } = await runCli(['copy', '--resume', dir('s'), 'mem:256M'])
  expect(code).toBe(2)
  expect(stderr).toContain('--resume takes a DST that is a file; mem:256M is written in place')
})

it('--progress json tells each phase on stderr, beside the document on stdout', async () => {
  const { code, stdout, stderr } = await runCli([...COPY, 'mem:4M', dir('d'), '--progress', 'json'])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ bytes: 4 << 20 })
  const told = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).progress)
  expect(new Set(told.map(({ phase }) => phase))).toEqual(new Set(['copying', 'verifying']))
  expect(told.at(-1)).toEqual({ phase: 'verifying', doneBytes: 4 << 20, totalBytes: 4 << 20 })
})
