// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createHash, randomFillSync } from 'node:crypto'
import {
  chmodSync,
  createReadStream,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { runCli } from './run-cli.ts'

const dir = useTempDir()

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

function randomFile(name: string, bytes: number): string {
  writeFileSync(dir(name), randomFillSync(Buffer.alloc(bytes)))
  return dir(name)
}

const LAYERS = [
  'io-uring',
  'uio',
  'block-core',
  'blk-mq-token',
  'nvme',
  'dma-mapping',
  'dma-buf',
  'bpf-iter',
  'kernel',
]

describe('iolayers copy --json', () => {
  it.each([0, 1, 511, 512, 4097, 1024 ** 2 + 1])('copies %d bytes exactly', async (bytes) => {
    const source = randomFile('s', bytes)
    const digest = await digestOf(source)
    const { code, stdout, stderr } = await runCli(['copy', source, dir('d'), '--json'])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const result = JSON.parse(stdout)
    expect(Object.keys(result)).toEqual([
      'version',
      'bytes',
      'seconds',
      'resumedBytes',
      'sha256',
      'resubmitted',
      'layers',
    ])
    expect(result).toMatchObject({
      version: 1,
      bytes,
      resumedBytes: 0,
      resubmitted: 0,
      sha256: { source: digest, target: digest },
    })
    expect(result.seconds).toBeGreaterThan(0)
    expect(Object.keys(result.layers)).toEqual(LAYERS)
    for (const counters of Object.values(result.layers)) {
      for (const count of Object.values(counters as object)) expect(count).toBeGreaterThanOrEqual(0)
    }
    expect(result.layers['dma-mapping'].cpuCopyBytes).toBe(0)
    expect(readFileSync(dir('d')).equals(readFileSync(source))).toBe(true)
    expect(readdirSync(dir.path).sort()).toEqual(['d', 's'])
  })

  it('copies 300 MiB, and the pattern of a memory source is what it is said to be', async () => {
    const made = await runCli(['copy', 'mem:300M', dir('s'), '--verify', 'none', '--json'])
    expect(JSON.parse(made.stdout).sha256).toEqual({ source: null, target: null })
    const source = readFileSync(dir('s'))
    expect(source.length).toBe(300 * 1024 ** 2)
    for (let at = 0; at < source.length; at += 8 * 4099) {
      expect(source.readUIntLE(at, 6)).toBe(at)
      expect(source.readUInt16LE(at + 6)).toBe(0x6f69)
    }
    const copied = await runCli(['copy', dir('s'), dir('d'), '--json'])
    const digest = createHash('sha256').update(source).digest('hex')
    expect(JSON.parse(copied.stdout).sha256).toEqual({ source: digest, target: digest })
    expect(await digestOf(dir('d'))).toBe(digest)
  })

  it('--verify source computes one digest', async () => {
    const { stdout } = await runCli([
      'copy',
      randomFile('s', 5000),
      dir('d'),
      '--verify',
      'source',
      '--json',
    ])
    expect(JSON.parse(stdout).sha256).toEqual({ source: await digestOf(dir('d')), target: null })
  })

  it('strict, lazy and passthrough give the same bytes, with IOMMU maps for buffers and not for I/Os', async () => {
    const source = randomFile('s', 6_000_001)
    const digest = await digestOf(source)
    for (const blockSize of ['256K', '16K']) {
      const maps: number[] = []
      for (const iommu of ['strict', 'lazy', 'passthrough']) {
        const args = [
          'copy',
          source,
          dir('d'),
          '--iommu',
          iommu,
          '--block-size',
          blockSize,
          '--json',
        ]
        const { layers, sha256 } = JSON.parse((await runCli(args)).stdout)
        expect(sha256.target).toBe(digest)
        expect(layers['dma-mapping'].mapsPerIo).toBe(0)
        expect(layers['dma-mapping'].sgtablesMapped).toBe(8)
        maps.push(layers['dma-mapping'].iommuMaps)
      }
      const [strict = 0, lazy = 0, passthrough = -1] = maps
      expect(strict).toBe(lazy)
      expect(strict).toBeGreaterThan(0)
      expect(strict).toBeLessThan(40)
      expect(passthrough).toBe(0)
    }
  })

  it('buffers that move after every N requests change no byte', async () => {
    const source = randomFile('s', 20_000_003)
    const digest = await digestOf(source)
    for (const [every, blockSize] of [
      ['1', '1M'],
      ['1', '4M'],
      ['3', '64K'],
    ] as const) {
      const args = [
        'copy',
        source,
        dir('d'),
        '--evict-every',
        every,
        '--block-size',
        blockSize,
        '--json',
      ]
      const { code, stdout } = await runCli(args)
      expect(code).toBe(0)
      const { sha256, layers } = JSON.parse(stdout)
      expect(sha256).toEqual({ source: digest, target: digest })
      expect(layers['dma-buf'].moves).toBeGreaterThan(0)
      expect(layers['blk-mq-token'].mapsLost).toBeGreaterThan(0)
      expect(layers['blk-mq-token'].mapsMade).toBeGreaterThan(8)
      expect(layers['dma-mapping'].iommuFaults).toBe(0)
    }
    expect(await digestOf(dir('d'))).toBe(digest)
  })

  it('--policy: drain leaves no fences, fence leaves one for each map that is taken away, and both the same bytes', async () => {
    const source = randomFile('s', 3_000_000)
    for (const policy of ['fence', 'drain']) {
      const moving = ['--evict-every', '1', '--block-size', '64K', '--policy', policy]
      const { stdout } = await runCli(['copy', source, dir('d'), ...moving, '--json'])
      const { layers, sha256 } = JSON.parse(stdout)
      expect(sha256.target).toBe(await digestOf(source))
      const { mapsLost, drainFences } = layers['blk-mq-token']
      expect(mapsLost).toBeGreaterThan(0)
      if (policy === 'drain') expect(drainFences).toBe(0)
      else expect(drainFences).toBeGreaterThanOrEqual(mapsLost)
    }
  })

  it('--noncoherent gives syncs work, and the same bytes', async () => {
    const source = randomFile('s', 300_000)
    const { stdout } = await runCli(['copy', source, dir('d'), '--noncoherent', '--json'])
    const { layers, sha256 } = JSON.parse(stdout)
    expect(sha256.target).toBe(await digestOf(source))
    expect(layers['dma-mapping'].syncCopyBytes).toBeGreaterThan(600_000)
  })
})

describe('iolayers copy', () => {
  it('prints the table and equal digests on stdout, and nothing on stderr that is no terminal', async () => {
    const source = randomFile('s', 100_000)
    const digest = await digestOf(source)
    const { code, stdout, stderr } = await runCli(['copy', source, dir('d')])
    expect(code).toBe(0)
    expect(stderr).toBe('')
    for (const layer of LAYERS) expect(stdout).toContain(`│ ${layer} `)
    expect(stdout).toContain(
      `sha256 of the source: ${digest}\nsha256 of the target: ${digest}\nthe digests are equal`,
    )
    expect(stdout).not.toContain('\u001b')
  })

  it('replaces a longer file, which keeps its permissions, through a link that stays', async () => {
    const source = randomFile('s', 4097)
    randomFile('d', 10_000)
    chmodSync(dir('d'), 0o640)
    symlinkSync('d', dir('link'))
    expect((await runCli(['copy', 's', 'link', '--quiet'], { cwd: dir.path })).code).toBe(0)
    expect(readFileSync(dir('d')).equals(readFileSync(source))).toBe(true)
    expect(statSync(dir('d')).mode & 0o777).toBe(0o640)
    expect(readlinkSync(dir('link'))).toBe('d')
  })

  it('writes where a link to nothing points', async () => {
    randomFile('s', 513)
    mkdirSync(dir('folder'))
    symlinkSync('folder/new', dir('link'))
    expect(await runCli(['copy', dir('s'), dir('link'), '--quiet'])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
    expect(statSync(dir('folder/new')).size).toBe(513)
    expect(readdirSync(dir('folder'))).toEqual(['new'])
  })

  it('copies between memory and files', async () => {
    randomFile('s', 70_000)
    expect((await runCli(['copy', dir('s'), 'mem:100K', '--quiet'])).code).toBe(0)
    expect((await runCli(['copy', 'mem:70000', dir('d'), '--quiet'])).code).toBe(0)
    expect(statSync(dir('d')).size).toBe(70_000)
  })
})

describe('iolayers copy refuses', () => {
  it.each([
    ['a missing source', 'nosuch', 'd', 'ENOENT', 'SRC nosuch does not exist'],
    ['a directory as source', 'folder', 'd', 'EISDIR', 'SRC folder is a directory'],
    ['a device as source', '/dev/zero', 'd', 'EINVAL', 'SRC /dev/zero is not a regular file'],
    ['the source as target', 's', 's', 'EINVAL', 'SRC s and DST s are the same file'],
    ['a hard link to the source', 's', 'hard', 'EINVAL', 'SRC s and DST hard are the same file'],
    ['a link to the source', 's', 'soft', 'EINVAL', 'SRC s and DST soft are the same file'],
    [
      'a directory as target',
      's',
      'folder',
      'EINVAL',
      'DST folder is neither absent nor a regular file',
    ],
    ['a device as target', 's', '/dev/null', 'EINVAL', 'DST /dev/null is neither'],
    ['a target in no directory', 's', 'nowhere/d', 'ENOENT', 'nowhere does not exist'],
    ['too little memory', 's', 'mem:1', 'ENOSPC', 'DST mem:1 holds 1 bytes, SRC s has 1000'],
  ])('%s', async (_what, from, to, code, message) => {
    randomFile('s', 1000)
    linkSync(dir('s'), dir('hard'))
    symlinkSync('s', dir('soft'))
    mkdirSync(dir('folder'))
    const before = readdirSync(dir.path)
    const result = await runCli(['copy', from, to, '--json'], { cwd: dir.path })
    expect(result.code).toBe(1)
    const { version, error } = JSON.parse(result.stdout)
    expect({ version, code: error.code }).toEqual({ version: 1, code })
    expect(error.message).toContain(message)
    expect(result.stderr).toBe(`iolayers: ${error.message}\n`)
    expect(readdirSync(dir.path)).toEqual(before)
    expect(statSync(dir('s')).size).toBe(1000)
  })

  it('a source that this user may not read', async () => {
    randomFile('s', 1000)
    chmodSync(dir('s'), 0)
    // Root may read anything, unless it gives that ability up.
    const root = process.getuid?.() === 0
    const through = root ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []
    const { code, stdout } = await runCli(['copy', dir('s'), dir('d'), '--json'], { through })
    expect(code).toBe(1)
    expect(JSON.parse(stdout).error).toEqual({
      code: 'EACCES',
      message: `SRC ${dir('s')} may not be read by this user`,
    })
  })

  it('wrong usage, with exit code 2', async () => {
    const plain = await runCli(['copy', 'a', 'b', '--block-size', '100'])
    expect(plain).toEqual({
      code: 2,
      stdout: '',
      stderr: 'iolayers: --block-size is 100; it takes a power of two from 512 to 67108864 bytes\n',
    })
    const json = await runCli(['copy', '--json'])
    expect(json.code).toBe(2)
    expect(JSON.parse(json.stdout).error.code).toBe('EUSAGE')
  })
})

it('peak memory does not grow with the file: 1 GiB, sparse', async () => {
  writeFileSync(dir('s'), '')
  truncateSync(dir('s'), 1024 ** 3)
  const report =
    'process.on("exit", () => process.stderr.write(String(process.resourceUsage().maxRSS)))'
  const { code, stderr } = await runCli(
    ['copy', dir('s'), dir('d'), '--verify', 'none', '--quiet'],
    {
      nodeOptions: ['--import', `data:text/javascript,${encodeURIComponent(report)}`],
    },
  )
  expect(code).toBe(0)
  expect(statSync(dir('d')).size).toBe(1024 ** 3)
  const peakKib = Number(stderr)
  expect(peakKib).toBeGreaterThan(10_000)
  expect(peakKib).toBeLessThan(400 * 1024)
})
