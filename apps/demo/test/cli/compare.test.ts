// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { firstLine } from './first-line.ts'
import { runCli, startCli } from './run-cli.ts'

const SIZE = 5_000_003

describe('iolayers compare', () => {
  const temp = useTempDir()

  function files(change: (bytes: Buffer) => Buffer): [string, string] {
    const bytes = randomBytes(SIZE)
    const [a, b] = [temp('a'), temp('b')]
    writeFileSync(a, bytes)
    writeFileSync(b, change(Buffer.from(bytes)))
    return [a, b]
  }

  function flip(...offsets: number[]): (bytes: Buffer) => Buffer {
    return (bytes) => {
      for (const at of offsets) bytes[at] = (bytes[at] ?? 0) ^ 0x80
      return bytes
    }
  }

  it('is content with two that are equal', async () => {
    const found = await runCli(['compare', ...files((bytes) => bytes)])
    expect(found).toEqual({ code: 0, stdout: '', stderr: '' })
    const json = await runCli(['compare', ...files((bytes) => bytes), '--json'])
    expect(JSON.parse(json.stdout)).toEqual({
      version: 1,
      equal: true,
      bytes: SIZE,
      firstDifference: null,
      sizes: [SIZE, SIZE],
    })
  })

  it.each([
    [[0], 0],
    [[SIZE - 1], SIZE - 1],
    [[3_000_000, 1 << 20, 4_000_000], 1 << 20],
    [[4095], 4095],
  ])('finds the first of %j', async (offsets, first) => {
    const [a, b] = files(flip(...offsets))
    const found = await runCli(['compare', a, b])
    expect(found).toEqual({
      code: 1,
      stdout: '',
      stderr: `iolayers: ${a} ${b} differ: byte ${first + 1}\n`,
    })
    const json = await runCli(['compare', a, b, '--json'])
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({
      equal: false,
      bytes: first,
      firstDifference: first,
    })
  })

  it('says where the shorter one ends', async () => {
    const [a, b] = files((bytes) => bytes.subarray(0, 4_000_000))
    const found = await runCli(['compare', a, b])
    expect([found.code, found.stderr]).toEqual([1, `iolayers: EOF on ${b} after byte 4000000\n`])
    const quiet = await runCli(['compare', a, b, '--quiet'])
    expect(quiet).toEqual({ code: 1, stdout: '', stderr: '' })
  })

  it('has trouble with what cannot be read', async () => {
    const [a] = files((bytes) => bytes)
    const found = await runCli(['compare', a, temp('nothing')])
    expect([found.code, found.stderr]).toEqual([
      2,
      `iolayers: B ${temp('nothing')} does not exist\n`,
    ])
    const away = await runCli(['compare', a, 'nvme+tcp://127.0.0.1:1/nqn.x', '--json'])
    expect(away.code).toBe(2)
    expect(JSON.parse(away.stdout).error.code).toBe('ECONNREFUSED')
  })

  it('compares a file with a namespace over NVMe/TCP', async () => {
    const [a, b] = files((bytes) => bytes)
    const serving = startCli(['serve', b, '--port', '0', '--json'])
    const { port, nqn } = JSON.parse(await firstLine(serving))
    const address = `nvme+tcp://127.0.0.1:${port}/${nqn}`
    const found = await runCli(['compare', a, address, '--data-digest'])
    // A namespace has whole blocks: the file ends first.
    expect([found.code, found.stderr]).toEqual([1, `iolayers: EOF on ${a} after byte ${SIZE}\n`])
    serving.child.kill('SIGTERM')
    expect((await serving.ended).code).toBe(0)
  })
})
