// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { icReq } from '@iolayers/nvme/tcp'
import { describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { type RunningCli, startCli } from './run-cli.ts'

/** Lines of its stdout, as they come. */
function lines(running: RunningCli): () => Promise<string> {
  const found: string[] = []
  const waiting: ((line: string) => void)[] = []
  let rest = ''
  running.child.stdout?.on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const next = waiting.shift()
      if (next === undefined) found.push(part)
      else next(part)
    }
  })
  return async () => found.shift() ?? (await new Promise((resolve) => waiting.push(resolve)))
}

/** The answer to the first PDU of a connection. */
async function greet(port: number): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1')
  const wants = { headerDigest: true, dataDigest: true, dataAlignmentBytes: 4 }
  socket.write(icReq({ ...wants, maxR2t: 1 }))
  const answer = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve)
    socket.once('error', reject)
  })
  socket.destroy()
  return answer
}

describe('iolayers serve', () => {
  const temp = useTempDir()

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'listens, answers, and ends well at %s',
    async (signal) => {
      const path = temp('served.img')
      writeFileSync(path, Buffer.alloc(8192, 0x5a))
      const running = startCli(['serve', path, 'mem:1M', '--port', '0', '--json'])
      const next = lines(running)
      const listening = JSON.parse(await next())
      expect(listening).toMatchObject({
        version: 1,
        event: 'listening',
        host: '127.0.0.1',
        nqn: 'nqn.2026-11.org.iolayers:serve',
        sizes: [8192, 1 << 20],
      })
      const answer = await greet(listening.port)
      expect([answer[0], answer.length, (answer[11] ?? 0) & 3]).toEqual([1, 128, 3])
      running.child.kill(signal)
      const { code, stderr } = await running.ended
      expect([code, stderr]).toEqual([0, ''])
      expect(JSON.parse(await next())).toEqual({ version: 1, event: 'closed' })
      expect(readFileSync(path).every((byte) => byte === 0x5a)).toBe(true)
    },
  )

  it('says for people what it does', async () => {
    const running = startCli(['serve', 'mem:1M', '--port', '0', '--nqn', 'nqn.2026-11.org.test:a'])
    const next = lines(running)
    expect(await next()).toMatch(/^listening on 127\.0\.0\.1:\d+ as nqn\.2026-11\.org\.test:a$/)
    expect(await next()).toBe('  namespace 1: 1.0 MiB')
    running.child.kill('SIGINT')
    expect((await running.ended).stdout).toMatch(/closed\n$/)
  })

  it.each([
    [[], 2, /missing required argument/],
    [['mem:1M', '--port', '70000'], 2, /--port/],
    [['mem:1M', '--nqn', 'disk'], 2, /begins with nqn/],
    [['/nowhere/disk.img', '--port', '0'], 1, /no such file/],
    [['mem:1M', '--host', '203.0.113.1', '--port', '0'], 1, /EADDRNOTAVAIL|address/],
  ] as const)('%j is told in one line', async (args, code, words) => {
    const result = await startCli(['serve', ...args]).ended
    expect(result.stderr).toMatch(words)
    expect(result.code).toBe(code)
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
  })
})
