// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Both ends of NVMe/TCP, each in a process of its own.

import { randomBytes } from 'node:crypto'
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { createPhysicalMemory } from '@iolayers/dma-mapping'
import { createEventLoopScheduler, createKernel } from '@iolayers/kernel'
import { createMemoryStore } from '@iolayers/nvme/controller'
import { serve as tcpServe } from '@iolayers/nvme/tcp'
import { afterEach, describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { firstLine } from './first-line.ts'
import { type RunningCli, runCli, startCli, until } from './run-cli.ts'

const NQN = 'nqn.2026-11.org.iolayers:serve'

describe('nvme+tcp://', () => {
  const temp = useTempDir()
  const running: RunningCli[] = []

  afterEach(async () => {
    for (const one of running.splice(0)) {
      one.child.kill('SIGTERM')
      await one.ended
    }
  })

  /** Its port. */
  async function serve(...args: string[]): Promise<number> {
    const one = startCli(['serve', ...args, '--json'])
    running.push(one)
    return JSON.parse(await firstLine(one)).port
  }

  async function stop(): Promise<void> {
    for (const one of running.splice(0)) {
      one.child.kill('SIGTERM')
      await one.ended
    }
  }

  it.each([[[]], [['--hdr-digest']], [['--hdr-digest', '--data-digest', '--nr-io-queues', '2']]])(
    'is copied to and from, with %j',
    async (options) => {
      const bytes = randomBytes(5_000_001)
      const source = temp('source.img')
      const disk = temp('disk.img')
      const back = temp('back.img')
      writeFileSync(source, bytes)
      writeFileSync(disk, '')
      truncateSync(disk, 8 << 20)
      const address = `nvme+tcp://127.0.0.1:${await serve(disk, '--port', '0')}/${NQN}`
      const out = await runCli(['copy', source, address, ...options, '--json'])
      expect([out.code, out.stderr]).toEqual([0, ''])
      const { sha256, bytes: copied } = JSON.parse(out.stdout)
      expect([copied, sha256.target]).toEqual([bytes.length, sha256.source])
      const home = await runCli(['copy', `${address}/1`, back, ...options, '--quiet'])
      expect([home.code, home.stderr]).toEqual([0, ''])
      const result = readFileSync(back)
      expect(result.length).toBe(8 << 20)
      expect(result.subarray(0, bytes.length).equals(bytes)).toBe(true)
      expect(result.subarray(bytes.length).every((byte) => byte === 0)).toBe(true)
    },
  )

  it('may have larger blocks than the file has bytes for: the rest is zeros', async () => {
    const scheduler = createEventLoopScheduler()
    const kernel = createKernel({ scheduler })
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 16 << 20, backing: 'plain' })
    const store = createMemoryStore({ kernel, memory }, { sizeBytes: 8 << 20 })
    store.segments[0]?.fill(0xff)
    const namespaces = [{ nsid: 1, store, logicalBlockBytes: 4096 }]
    const target = await tcpServe({ kernel }, { subsystems: [{ nqn: NQN, namespaces }], port: 0 })
    const address = `nvme+tcp://127.0.0.1:${target.port}/${NQN}`
    const bytes = randomBytes(5_000_001)
    const source = temp('source.img')
    const back = temp('back.img')
    writeFileSync(source, bytes)
    const out = await runCli(['copy', source, address, '--quiet'])
    expect(out).toEqual({ code: 0, stdout: '', stderr: '' })
    const end = Math.ceil(bytes.length / 4096) * 4096
    const medium = store.segments[0] ?? new Uint8Array()
    expect(Buffer.compare(medium.subarray(0, bytes.length), bytes)).toBe(0)
    expect(medium.subarray(bytes.length, end).every((byte) => byte === 0)).toBe(true)
    expect(medium[end]).toBe(0xff)
    expect((await runCli(['copy', address, back, '--quiet'])).code).toBe(0)
    // Nothing was written yet: the target is as complete as it was.
    const small = await runCli(['copy', source, address, '--block-size', '512', '--json'])
    expect(JSON.parse(small.stdout)).toEqual({
      version: 1,
      error: { code: 'EINVAL', message: expect.stringMatching(/at least 4096, a logical block$/) },
    })
    expect(Buffer.compare(readFileSync(back), medium)).toBe(0)
    await target.close()
  })

  it('is asked as nvme-cli asks', async () => {
    const port = await serve('mem:4M', 'mem:1M', '--port', '0')
    const address = `nvme+tcp://127.0.0.1:${port}/${NQN}`
    const found = await runCli([
      'nvme',
      'discover',
      '-t',
      'tcp',
      '-a',
      '127.0.0.1',
      '-s',
      `${port}`,
      '--json',
    ])
    expect(JSON.parse(found.stdout)).toEqual({
      version: 1,
      genctr: 1,
      records: [
        {
          trtype: 'tcp',
          adrfam: 'ipv4',
          subtype: 'nvm',
          portid: 1,
          trsvcid: String(port),
          subnqn: NQN,
          traddr: '127.0.0.1',
        },
      ],
    })
    const id = await runCli(['nvme', 'id-ctrl', address, '-o', 'json'])
    expect(JSON.parse(id.stdout)).toMatchObject({ subnqn: NQN, cntrltype: 1 })
    const data = temp('data')
    writeFileSync(data, Buffer.alloc(4096, 0x21))
    const write = [
      'nvme',
      'write',
      address,
      '-n',
      '2',
      '-s',
      '0',
      '-c',
      '7',
      '-z',
      '4096',
      '-d',
      data,
    ]
    expect((await runCli(write)).code).toBe(0)
    const compare = [
      'nvme',
      'compare',
      address,
      '-n',
      '2',
      '-s',
      '0',
      '-c',
      '7',
      '-z',
      '4096',
      '-d',
      data,
    ]
    expect((await runCli(compare)).code).toBe(0)
  })

  it.each([
    ['nvme+tcp://127.0.0.1', 2, /it takes nvme\+tcp:\/\/HOST/],
    ['nvme+tcp://127.0.0.1:99999/nqn.x', 2, /a port from 1 to 65535/],
    ['nvme+tcp://127.0.0.1/nqn.x/disk', 2, /a namespace identifier or urn:uuid/],
    ['nvme+tcp://127.0.0.1:1/nqn.x', 1, /ECONNREFUSED/],
  ])('%s is refused', async (address, code, why) => {
    const { code: found, stderr } = await runCli(['copy', 'mem:1M', address])
    expect(found).toBe(code)
    expect(stderr).toMatch(why)
  })

  it('names no namespace where there are several, and none that is not there, or too small', async () => {
    const address = `nvme+tcp://127.0.0.1:${await serve('mem:1M', 'mem:2M', '--port', '0')}/${NQN}`
    const words = async (to: string): Promise<string> => {
      const { code, stdout } = await runCli(['copy', 'mem:2M', to, '--json'])
      expect(code).toBe(1)
      return JSON.parse(stdout).error.message
    }
    expect(await words(address)).toMatch(/several namespaces \(1, 2\)/)
    expect(await words(`${address}/3`)).toMatch(/no such namespace/)
    expect(await words(`${address}/1`)).toMatch(/holds 1048576 bytes/)
  })

  /** A copy that has begun to write, one I/O after the other. */
  async function begunCopy(disk: string, port: number, ...options: string[]): Promise<RunningCli> {
    const address = `nvme+tcp://127.0.0.1:${port}/${NQN}`
    const slowly = ['--block-size', '4K', '--queue-depth', '1', '--json']
    const copy = startCli(['copy', 'mem:64M', address, ...slowly, ...options])
    await until('something is written', () => statSync(disk).blocks > 0)
    return copy
  }

  function emptyDisk(): string {
    const disk = temp('disk.img')
    writeFileSync(disk, '')
    truncateSync(disk, 64 << 20)
    return disk
  }

  it('says that a target is left incomplete when it does not come back', async () => {
    const disk = emptyDisk()
    const port = await serve(disk, '--port', '0')
    const copy = await begunCopy(disk, port, '--ctrl-loss-tmo', '0')
    await stop()
    const { code, stdout } = await copy.ended
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      complete: false,
      error: { message: expect.stringMatching(/is left incomplete$/) },
    })
  })

  it('says so too when it is interrupted', async () => {
    const disk = emptyDisk()
    const copy = await begunCopy(disk, await serve(disk, '--port', '0'))
    copy.child.kill('SIGINT')
    const { code, stdout } = await copy.ended
    expect(code).toBe(130)
    expect(JSON.parse(stdout)).toMatchObject({ complete: false, error: { code: 'EINTR' } })
  })

  it('goes on where it was when the target comes back', async () => {
    const disk = emptyDisk()
    const port = await serve(disk, '--port', '0')
    const copy = await begunCopy(disk, port)
    await stop()
    await until('the loss is noticed', () => copy.stderr().includes('connecting again'))
    expect(await serve(disk, '--port', String(port))).toBe(port)
    const { code, stdout, stderr } = await copy.ended
    expect(stderr).toMatch(/connecting again\niolayers: connected again/)
    expect(code).toBe(0)
    const { sha256 } = JSON.parse(stdout)
    expect(sha256.target).toBe(sha256.source)
  }, 60_000)
})
