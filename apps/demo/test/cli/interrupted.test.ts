// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { type CliResult, type RunningCli, runCli, startCli, until } from './run-cli.ts'

const dir = useTempDir()
const SOURCE_BYTES = 8 * 1024 ** 3
const UNDER_WAY_BYTES = 16 * 1024 ** 2

const running: RunningCli[] = []

beforeEach(() => {
  writeFileSync(dir('s'), '')
  // So long that no machine is through with it before the test comes.
  truncateSync(dir('s'), SOURCE_BYTES)
  writeFileSync(dir('d'), 'old')
})

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
})

/** A copy that has written some of its target. */
async function copyUnderWay(options: readonly string[] = []): Promise<RunningCli> {
  const cli = startCli(['copy', dir('s'), dir('d'), '--json', ...options])
  running.push(cli)
  const partial = dir('d.partial')
  await until(
    'the copy is under way',
    () => existsSync(partial) && statSync(partial).size > UNDER_WAY_BYTES,
  )
  return cli
}

function expectNothingLeft(): void {
  expect(readdirSync(dir.path).sort()).toEqual(['d', 's'])
  expect(readFileSync(dir('d'), 'utf8')).toBe('old')
}

function errorOf({ stdout }: CliResult): unknown {
  const { version, error } = JSON.parse(stdout)
  expect(version).toBe(1)
  return error
}

describe('a copy that a signal ends takes back what it wrote', () => {
  it.each([
    ['SIGINT', 130, 'interrupted'],
    ['SIGTERM', 143, 'terminated'],
  ] as const)('%s: exit %d', async (signal, code, message) => {
    const { child, ended } = await copyUnderWay()
    child.kill(signal)
    const result = await ended
    expect(result.code).toBe(code)
    expect(errorOf(result)).toEqual({ code: 'EINTR', message })
    expect(result.stderr).toBe(`iolayers: ${message}\n`)
    expectNothingLeft()
  })

  it('a second signal at once', async () => {
    const { child, ended } = await copyUnderWay()
    child.kill('SIGINT')
    child.kill('SIGTERM')
    const result = await ended
    expect([130, 143]).toContain(result.code)
    expect(errorOf(result)).toMatchObject({ code: 'EINTR' })
    expectNothingLeft()
  })
})

it('a source that shrinks is an error with both sizes, and no target', async () => {
  const { ended } = await copyUnderWay()
  truncateSync(dir('s'), 1_000_001)
  const result = await ended
  expect(result.code).toBe(1)
  expect(errorOf(result)).toEqual({
    code: 'EIO',
    message: `SRC ${dir('s')} shrank while it was read: it had ${SOURCE_BYTES} bytes, now it has 1000001`,
  })
  expectNothingLeft()
})

it('a target that does not read back as the source was is EIO, and no target', async () => {
  truncateSync(dir('s'), 192 * 1024 ** 2)
  // Slow enough that the damage is done before the target is read back.
  const { child, ended } = await copyUnderWay(['--block-size', '64K', '--queue-depth', '1'])
  child.kill('SIGSTOP')
  const damaged = openSync(dir('d.partial'), 'r+')
  writeSync(damaged, 'X', 0)
  closeSync(damaged)
  child.kill('SIGCONT')
  const result = await ended
  expect(result.code).toBe(1)
  expect(errorOf(result)).toMatchObject({
    code: 'EIO',
    message: expect.stringMatching(
      /^the digests differ: source [0-9a-f]{64}, target [0-9a-f]{64}$/,
    ),
  })
  expectNothingLeft()
})

it('a target that is being written is EBUSY for another copy, and free when its writer was killed', async () => {
  const first = await copyUnderWay()
  const refused = await runCli(['copy', 'mem:1000', dir('d'), '--json'])
  expect(refused.code).toBe(1)
  expect(errorOf(refused)).toEqual({
    code: 'EBUSY',
    message: `${dir('d.partial')} belongs to a copy that runs as process ${first.child.pid}; wait for it, or end it`,
  })
  first.child.kill('SIGKILL')
  await first.ended
  expect(readdirSync(dir.path).sort()).toEqual(['d', 'd.partial', 'd.partial.lock', 's'])
  expect((await runCli(['copy', 'mem:1000', dir('d'), '--quiet'])).code).toBe(0)
  expect(readdirSync(dir.path).sort()).toEqual(['d', 's'])
  expect(statSync(dir('d')).size).toBe(1000)
})

/** Tells on stderr when the command has a handler of its own for SIGTERM. */
const TELL_WHEN_LISTENING = `process.on('newListener', (event) => {
  if (event === 'SIGTERM') setImmediate(() => process.stderr.write('listening\\n'))
})`

it('a signal also ends commands that write nothing, with the same words', async () => {
  const tell = `data:text/javascript,${encodeURIComponent(TELL_WHEN_LISTENING)}`
  const cli = startCli(['dmabuf', 'list', '--create', '65536', '--read-size', '1', '--json'], {
    nodeOptions: ['--import', tell],
  })
  running.push(cli)
  await until('it listens for signals', () => cli.stderr().includes('listening'))
  cli.child.kill('SIGTERM')
  const result = await cli.ended
  expect(result.code).toBe(143)
  expect(errorOf(result)).toEqual({ code: 'EINTR', message: 'terminated' })
})
