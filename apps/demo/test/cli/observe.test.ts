// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { existsSync, lstatSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import {
  type CliInit,
  type CliResult,
  type RunningCli,
  runCli,
  startCli,
  until,
} from './run-cli.ts'

const dir = useTempDir()
/** So long that no machine is through with it before the test comes. */
const SOURCE_BYTES = 8 * 1024 ** 3

const running: RunningCli[] = []

beforeEach(() => {
  writeFileSync(dir('s'), '')
  truncateSync(dir('s'), SOURCE_BYTES)
})

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
})

/** A copy of a large file that is being observed, at `socket` in the test's folder. */
async function observedCopy(
  options: readonly string[] = [],
  socket = 'sock',
  init: CliInit = {},
): Promise<RunningCli> {
  const args = ['copy', dir('s'), dir(`d-${socket}`), '--json', '--observe', dir(socket)]
  const cli = startCli([...args, ...options], init)
  running.push(cli)
  await until('it listens', () => existsSync(dir(socket)))
  return cli
}

async function stop(
  { child, ended }: RunningCli,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<CliResult> {
  child.kill(signal)
  return await ended
}

function iter(name: string, options: readonly string[] = []): Promise<CliResult> {
  return runCli(['iter', name, '--from', dir('sock'), ...options])
}

async function items(name: string, options: readonly string[] = []): Promise<unknown[]> {
  const { code, stdout, stderr } = await iter(name, ['--format', 'json', ...options])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const document = JSON.parse(stdout)
  expect(Object.keys(document)).toEqual(['version', 'iter', 'items'])
  expect(document).toMatchObject({ version: 1, iter: name })
  return document.items
}

function errorOf({ stdout }: CliResult): { code: string; message: string } {
  const { version, error } = JSON.parse(stdout)
  expect(version).toBe(1)
  return error
}

const COUNT = 3
const BUFFER_BYTES = 2 * 64 * 1024

interface Shown {
  readonly device: string
  readonly tag: number
  readonly op: string
  readonly ageNs: number
}

describe('a copy that is observed', () => {
  const options = ['--buffers', String(COUNT), '--queue-depth', '6', '--block-size', '64K']

  it('R-ITER-1, R-ITER-8: other processes list exactly its buffers, in reads of any size', async () => {
    const copy = await observedCopy(options)
    const names = [2, 1, 0]
    const text = names.map((n) => `${n + 1}\n${BUFFER_BYTES}\ncopy-${n}\nsystem\n`).join('')
    const sizes = ['1', '50', '4096', '1M']
    const read = sizes.map((size) => iter('dmabuf', ['--read-size', size]))
    for (const result of await Promise.all(read)) {
      expect(result).toEqual({ code: 0, stdout: text, stderr: '' })
    }
    expect(await items('dmabuf', ['--read-size', '7'])).toEqual(
      names.map((n) => ({
        inode: n + 1,
        size: BUFFER_BYTES,
        name: `copy-${n}`,
        exporter: 'system',
        references: expect.any(Number),
      })),
    )
    expect((await stop(copy)).code).toBe(143)
  })

  it('another process lists exactly its registrations, with the maps that they have', async () => {
    const copy = await observedCopy(options)
    const mapped = (item: unknown): boolean => (item as { map: unknown }).map !== null
    let tokens: unknown[] = []
    while (tokens.length === 0 || !tokens.every(mapped)) tokens = await items('dmabuf_token')
    const expected = [6, 5, 4, 3, 2, 1].map((id) => ({
      id,
      parent: null,
      device: id % 2 === 0 ? 'nvme1' : 'nvme0',
      inode: Math.ceil(id / 2),
      size: BUFFER_BYTES,
      direction: 'BIDIRECTIONAL',
      policy: 'fence',
      state: 'mapped',
      generations: 1,
      mapsLive: 1,
      map: {
        generation: 1,
        refs: expect.any(Number),
        active: expect.any(Number),
        segments: 1,
        granule: BUFFER_BYTES,
      },
    }))
    expect(tokens).toEqual(expected)
    const { stdout } = await iter('dmabuf_token')
    expect(
      stdout.match(/^id=\d parent=- dev=nvme[01] inode=\d bytes=131072 .*state=mapped/gm),
    ).toHaveLength(6)
    await stop(copy, 'SIGINT')
  })

  it('another process lists its requests in flight, no more than there can be', async () => {
    const copy = await observedCopy(options)
    let requests: Shown[] = []
    // Between two I/Os there may be none.
    while (requests.length === 0) requests = (await items('request')) as Shown[]
    expect(requests.length).toBeLessThanOrEqual(6)
    for (const request of requests) {
      const reading = request.device === 'nvme0n1'
      expect(request).toEqual({
        device: reading ? 'nvme0n1' : 'nvme1n1',
        hctx: 0,
        tag: expect.any(Number),
        op: reading ? 'READ' : 'WRITE',
        sector: expect.any(Number),
        bytes: 64 * 1024,
        state: expect.stringMatching(/^(idle|in_flight|complete)$/),
        dmabuf: true,
        ageNs: expect.any(Number),
      })
      expect(request.ageNs).toBeGreaterThanOrEqual(0)
    }
    const places = new Set(requests.map(({ device, tag }) => `${device} ${tag}`))
    expect(places.size).toBe(requests.length)
    const { code } = await iter('request', ['--read-size', '1'])
    expect(code).toBe(0)
    await stop(copy)
  })

  it('sees a generation after the other while the exporter moves the buffers', async () => {
    const copy = await observedCopy([...options, '--evict-every', '5'])
    let most = 0
    while (most < 3) {
      for (const token of (await items('dmabuf_token')) as { generations: number }[]) {
        most = Math.max(most, token.generations)
      }
    }
    await stop(copy)
  })

  it('ends as one that is not, whoever reads slowly, goes away or sends nonsense', async () => {
    const args = ['copy', 'mem:64M', 'mem:64M', '--json', '--block-size', '64K']
    const alone = await runCli(args)
    const observed = startCli([...args, '--observe', dir('sock')])
    running.push(observed)
    await until('it listens', () => existsSync(dir('sock')))
    const sockets = ['{"version":1,"iter":"dmabuf","readSize":1}\n', 'nonsense\n', ''].map(send)
    sockets.push(send('{"version":1,"iter":"request"}\n'))
    sockets.at(-1)?.destroy()
    const { code, stdout, stderr } = await observed.ended
    for (const socket of sockets) socket.destroy()
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(withoutTimes(stdout)).toEqual(withoutTimes(alone.stdout))
    expect(readdirSync(dir.path)).toEqual(['s'])
  })

  /** Sends, and never reads. */
  function send(text: string): Socket {
    const socket = connect({ path: dir('sock') })
    socket.pause()
    socket.on('error', () => undefined)
    socket.write(text)
    return socket
  }
})

/** What a copy tells, without what depends on when things happen: batches and interrupts are fewer when the machine is slow. */
function withoutTimes(stdout: string): unknown {
  const { bytes, sha256, resubmitted, layers } = JSON.parse(stdout)
  const { bios, splits, errors } = layers['block-core']
  return { bytes, sha256, resubmitted, bios, splits, errors, tokens: layers['blk-mq-token'] }
}

describe('the socket of a copy', () => {
  it('is for its user alone, whatever the umask', async () => {
    const through = ['/bin/sh', '-c', 'umask 000; exec "$0" "$@"']
    const copy = await observedCopy([], 'sock', { through })
    expect(lstatSync(dir('sock')).isSocket()).toBe(true)
    expect(lstatSync(dir('sock')).mode & 0o777).toBe(0o600)
    await stop(copy)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('is gone after %s', async (signal, code) => {
    const copy = await observedCopy()
    const { child, ended } = copy
    child.kill(signal)
    expect((await ended).code).toBe(code)
    expect(readdirSync(dir.path)).toEqual(['s'])
  })

  it('is gone after a second signal at once', async () => {
    const { child, ended } = await observedCopy()
    child.kill('SIGINT')
    child.kill('SIGTERM')
    expect([130, 143]).toContain((await ended).code)
    expect(readdirSync(dir.path)).toEqual(['s'])
  })

  it('is gone after the copy, done or failed', async () => {
    const done = await runCli(['copy', 'mem:1M', dir('d'), '--quiet', '--observe', dir('sock')])
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(statSync(dir('d')).size).toBe(1024 ** 2)
    const failed = await runCli(['copy', 'mem:1M', dir('no/d'), '--json', '--observe', dir('sock')])
    expect(failed.code).toBe(1)
    expect(errorOf(failed).code).toBe('ENOENT')
    const copy = await observedCopy()
    await until('it has begun', () => existsSync(dir('d-sock.partial')))
    truncateSync(dir('s'), 1000)
    expect(errorOf(await copy.ended).code).toBe('EIO')
    expect(readdirSync(dir.path).sort()).toEqual(['d', 's'])
  })

  it('of a copy that was killed is replaced; while the copy lived it was not', async () => {
    const first = await observedCopy()
    const refused = await runCli(['copy', 'mem:1M', 'mem:1M', '--json', '--observe', dir('sock')])
    expect(refused.code).toBe(1)
    expect(errorOf(refused)).toEqual({
      code: 'EBUSY',
      message: `a process listens at ${dir('sock')} already; name another path`,
    })
    expect((await iter('dmabuf')).code).toBe(0)
    await stop(first, 'SIGKILL')
    const stale = lstatSync(dir('sock'))
    expect(stale.isSocket()).toBe(true)
    const nobody = await iter('dmabuf', ['--format', 'json'])
    expect(nobody.code).toBe(1)
    expect(errorOf(nobody)).toEqual({
      code: 'ECONNREFUSED',
      message: `nothing listens at ${dir('sock')}: the copy that made it has ended`,
    })
    const next = await runCli(['copy', 'mem:1M', 'mem:1M', '--quiet', '--observe', dir('sock')])
    expect(next).toMatchObject({ code: 0, stderr: '' })
    expect(existsSync(dir('sock'))).toBe(false)
  })

  it.each([
    ['a file', 's', 'EEXIST'],
    ['a directory', '', 'EEXIST'],
    ['a path that is too long', 'x'.repeat(120), 'ENAMETOOLONG'],
    ['a place that is not there', 'no/sock', 'ENOENT'],
  ])('is refused for %s, before the target is touched', async (_what, name, code) => {
    writeFileSync(dir('d'), 'old')
    const path = name === '' ? dir.path : dir(name)
    const refused = await runCli(['copy', 'mem:1M', dir('d'), '--json', '--observe', path])
    expect(refused.code).toBe(1)
    expect(errorOf(refused)).toMatchObject({ code, message: expect.stringContaining(path) })
    expect(readdirSync(dir.path).sort()).toEqual(['d', 's'])
    expect(statSync(dir('d')).size).toBe(3)
  })
})

describe('iolayers iter', () => {
  it('says what is wrong where nothing listens', async () => {
    const none = await iter('dmabuf')
    expect(none).toMatchObject({ code: 1, stdout: '' })
    expect(none.stderr).toBe(
      `iolayers: nothing listens at ${dir('sock')}: there is no such socket; iolayers copy SRC DST --observe ${dir('sock')} makes one\n`,
    )
    const file = await runCli(['iter', 'request', '--from', dir('s'), '--format', 'json'])
    expect(file.code).toBe(1)
    expect(errorOf(file)).toEqual({ code: 'ENOTSOCK', message: `${dir('s')} is not a socket` })
  })

  it.each([
    ['iter'],
    ['iter', 'nothing', '--from', 'x'],
    ['iter', 'dmabuf'],
    ['iter', 'dmabuf', '--from', 'x', '--format', 'xml'],
    ['iter', 'dmabuf', '--from', 'x', '--read-size', '0'],
    ['iter', 'dmabuf', '--from', 'x', '--read-size', '2M'],
  ])('%s %s %s %s %s %s is wrong usage', async (...args) => {
    const { code, stdout, stderr } = await runCli(args.filter((arg) => arg !== undefined))
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^iolayers: .+\n$/)
  })

  it('has help with an example first', async () => {
    const { code, stdout } = await runCli(['iter', 'request', '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Example:\n {2}iolayers copy disk\.img mem:1G --observe copy\.sock &\n/)
  })
})
