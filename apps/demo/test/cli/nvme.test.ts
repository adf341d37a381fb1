// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { startCli } from './run-cli.ts'

function run(...args: string[]) {
  return startCli(['nvme', ...args]).ended
}

async function json(...args: string[]) {
  const { code, stdout, stderr } = await run(...args, '-o', 'json')
  expect([code, stderr]).toEqual([0, ''])
  const document = JSON.parse(stdout)
  expect(document.version).toBe(1)
  return document
}

describe('iolayers nvme', () => {
  const temp = useTempDir()

  function image(name: string, sizeBytes: number): string {
    const path = temp(name)
    writeFileSync(path, Buffer.alloc(sizeBytes, 0x5a))
    return path
  }

  it('id-ctrl and id-ns have the names of nvme-cli, in either spelling', async () => {
    const ctrl = await json('id-ctrl', 'mem:1M')
    expect(ctrl).toMatchObject({ ver: 0x2_0100, cntlid: 1, nn: 256, sqes: 0x66, cqes: 0x44 })
    expect([ctrl.sn.length, ctrl.mn.length, ctrl.fr.length]).toEqual([20, 40, 8])
    expect(await json('id', 'ctrl', 'mem:1M')).toEqual(ctrl)
    const ns = await json('id-ns', 'mem:1M')
    expect(ns).toMatchObject({ nsze: 2048, flbas: 0, nlbaf: 1, nvmcap: 1 << 20 })
    expect(ns.lbafs).toEqual([
      { ms: 0, ds: 9, rp: 0, in_use: 1 },
      { ms: 0, ds: 12, rp: 0, in_use: 0 },
    ])
    expect(await json('id', 'ns', 'mem:1M')).toEqual(ns)
  })

  it('lists, logs and descriptors', async () => {
    const path = image('disk.img', 1 << 20)
    const { Devices } = await json('list', path)
    expect(Devices).toMatchObject([{ NameSpace: 1, SectorSize: 512, PhysicalSize: 1 << 20 }])
    expect(await json('list-ns', path)).toMatchObject({ nsid_list: [{ nsid: 1 }] })
    expect(await json('smart-log', path)).toMatchObject({ critical_warning: 0, avail_spare: 100 })
    expect(await json('log', 'smart', path)).toMatchObject({ temperature: 298 })
    const { errors } = await json('error-log', path, '-e', '2')
    expect(errors).toMatchObject([{ error_count: 0 }, { error_count: 0, parm_error_location: 0 }])
    const { supported_logs: logs } = await json('supported-log-pages', path)
    expect(Object.keys(logs)).toEqual(expect.arrayContaining(['lid_0x1', 'lid_0x2', 'lid_0x5']))
    const { io_cmd_set: io } = await json('effects-log', path)
    expect(io).toMatchObject({ IOCS_1: 3, IOCS_2: 1 })
    const descs = (await json('ns-descs', path))['ns-descs']
    expect(descs.map((one: { name: string }) => one.name)).toEqual([
      'eui64',
      'nguid',
      'uuid',
      'csi',
    ])
    expect(await json('fw-log', path)).toMatchObject({
      nvme0n1: { 'Active Firmware Slot (afi)': 1 },
    })
    expect(await json('get-log', path, '-i', '2', '-l', '64')).toMatchObject({
      log_id: 2,
      log_len: 64,
    })
    expect(await json('show-regs', path)).toMatchObject({ vs: '20100', csts: '1' })
    expect(readFileSync(path).every((byte) => byte === 0x5a)).toBe(true)
  })

  it('features: read, what can be done with them, set', async () => {
    expect(await json('get-feature', '-f', '0x6', 'mem:1M')).toMatchObject({ result: 1 })
    expect(await json('get-feature', '-f', '6', '-s', '3', 'mem:1M')).toMatchObject({
      select: ['saveable', 'changeable'],
    })
    expect(await json('set-feature', '-f', '6', '-v', '0', '--save', 'mem:1M')).toMatchObject({
      feature: '0x06',
      value: 0,
    })
  })

  it('format asks for --force, and then leaves zeros in a file of the same size', async () => {
    const path = image('odd.img', 100_000)
    const refused = await run('format', path, '-l', '1')
    expect([refused.code, refused.stdout]).toEqual([2, ''])
    expect(refused.stderr).toMatch(/--force/)
    expect(readFileSync(path).every((byte) => byte === 0x5a)).toBe(true)
    expect(await json('format', path, '-l', '1', '--force')).toMatchObject({ nsid: 1, lbaf: 1 })
    const after = readFileSync(path)
    expect(after).toHaveLength(100_000)
    expect(after.every((byte) => byte === 0)).toBe(true)
  })

  describe('blocks', () => {
    const bytesOf = (length: number): Buffer =>
      Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff))

    it('write, compare, read: what was written is there, and only there', async () => {
      const path = image('blocks.img', 65_536)
      const data = bytesOf(4096)
      writeFileSync(temp('data'), data)
      const range = ['-s', '16', '-c', '7']
      expect(await json('write', path, ...range, '-d', temp('data'))).toMatchObject({
        start_block: 16,
        blocks: 8,
        bytes: 4096,
      })
      const after = readFileSync(path)
      expect(after.subarray(8192, 12_288).equals(data)).toBe(true)
      expect(after.subarray(0, 8192).every((byte) => byte === 0x5a)).toBe(true)
      expect(after.subarray(12_288).every((byte) => byte === 0x5a)).toBe(true)
      expect((await run('compare', path, ...range, '-d', temp('data'))).code).toBe(0)
      const differs = await run('compare', path, '-s', '17', '-c', '7', '-d', temp('data'))
      expect([differs.code, differs.stderr]).toEqual([
        1,
        'iolayers: compare: Compare Failure (SCT 2h SC 85h DNR)\n',
      ])
      expect((await run('read', path, ...range, '-d', temp('back'))).stdout).toBe('read: Success\n')
      expect(readFileSync(temp('back')).equals(data)).toBe(true)
      const { data: hex } = await json('io', 'read', path, ...range, '-z', '4096')
      expect(hex).toBe(data.toString('hex'))
      expect((await run('verify', path, ...range)).stdout).toBe('NVME Verify Success\n')
      expect((await run('flush', path)).stdout).toBe('NVMe Flush: success\n')
    })

    it('copy moves blocks within the namespace', async () => {
      const path = image('copy.img', 32_768)
      const data = bytesOf(1024)
      writeFileSync(temp('source'), data)
      expect((await run('write', path, '-c', '1', '-d', temp('source'))).code).toBe(0)
      // Its counts are 0's based.
      expect(await json('copy', path, '-d', '40', '-s', '1,0', '-b', '0,0')).toMatchObject({
        sdlba: 40,
        ranges: 2,
      })
      const swapped = Buffer.concat([data.subarray(512), data.subarray(0, 512)])
      expect(
        readFileSync(path)
          .subarray(40 * 512, 42 * 512)
          .equals(swapped),
      ).toBe(true)
    })

    it('what destroys asks for --force', async () => {
      const path = image('zeros.img', 32_768)
      for (const args of [
        ['write-zeroes', '-c', '3'],
        ['dsm', '-d', '-s', '0', '-b', '4'],
        ['write-uncor', '-c', '3'],
        ['delete-ns', '-n', '1'],
        ['io-passthru', '-O', '8', '-n', '1'],
        ['admin-passthru', '-O', '0x80', '-n', '1'],
      ]) {
        const refused = await run(args[0] ?? '', path, ...args.slice(1))
        expect([args[0], refused.code, refused.stdout]).toEqual([args[0], 2, ''])
        expect(refused.stderr).toMatch(/--force/)
      }
      expect(readFileSync(path).every((byte) => byte === 0x5a)).toBe(true)
      expect((await run('write-zeroes', path, '-s', '2', '-c', '3', '--force')).code).toBe(0)
      const zeros = (from: number, to: number): boolean =>
        readFileSync(path)
          .subarray(from * 512, to * 512)
          .every((byte) => byte === 0)
      expect([zeros(2, 6), zeros(1, 2), zeros(6, 7)]).toEqual([true, false, false])
      // Hints alone lose nothing.
      const hint = await json('dsm', path, '-w', '-s', '8,24', '-b', '8,8')
      expect(hint).toMatchObject({ ranges: 2, attributes: 2 })
      expect(zeros(8, 9)).toBe(false)
    })
  })

  it('namespaces are made, attached, detached, taken away', async () => {
    expect(await json('create-ns', 'mem:1M', '-s', '100', '-c', '100', '-b', '4096')).toEqual({
      version: 1,
      nsid: 2,
    })
    expect((await run('ns', 'create', 'mem:1M', '-s', '8')).stdout).toBe(
      'create-ns: Success, created nsid:2\n',
    )
    expect((await run('detach-ns', 'mem:1M')).stdout).toBe('detach-ns: Success, nsid:1\n')
    const twice = await run('attach-ns', 'mem:1M')
    expect([twice.code, twice.stderr]).toEqual([
      1,
      'iolayers: attach-ns: Namespace Already Attached (SCT 1h SC 18h DNR)\n',
    ])
    const path = image('kept.img', 4096)
    expect((await run('delete-ns', path, '--force')).stdout).toBe(
      'delete-ns: Success, deleted nsid:1\n',
    )
    expect(readFileSync(path).every((byte) => byte === 0x5a)).toBe(true)
    expect((await run('ns-rescan', 'mem:1M')).stdout).toBe('nvme0n1\n')
    expect(await json('changed-ns-list-log', 'mem:1M')).toHaveProperty([
      'Changed Namespace List Log',
    ])
    expect((await run('reset', 'mem:1M')).code).toBe(0)
  })

  it("commands of the user's own", async () => {
    const path = image('own.img', 4096)
    const read = ['-O', '2', '-n', '1', '--cdw12=1', '-l', '1024', '-r']
    expect(await json('io-passthru', path, ...read)).toMatchObject({
      opcode: 2,
      status: 0,
      result: 0,
      data: '5a'.repeat(1024),
    })
    const dumped = (await run('io-passthru', path, ...read)).stdout.split('\n')
    expect(dumped[0]).toBe('IO Command Read is Success and result: 0x00000000')
    expect(dumped[2]).toBe(`0000: ${Array(16).fill('5a').join(' ')} "${'Z'.repeat(16)}"`)
    expect((await run('io-passthru', path, ...read, '-b')).stdout).toBe('Z'.repeat(1024))
    writeFileSync(temp('own'), Buffer.alloc(512, 0x21))
    const write = ['-O', '1', '-n', '1', '--cdw10', '3', '-l', '512', '-w', '-i', temp('own')]
    expect((await run('io-passthru', path, ...write)).code).toBe(0)
    expect(readFileSync(path, 'latin1').slice(1535, 2049)).toBe(`Z${'!'.repeat(512)}Z`)
    const identify = ['-O', '6', '--cdw10', '1', '-l', '4096', '-r']
    const { data } = await json('admin-passthru', 'mem:1M', ...identify)
    expect(Buffer.from(data, 'hex').toString('latin1', 4, 16)).toBe('IOLAYERS0001')
    const dry = await run('admin-passthru', 'mem:1M', '-O', '6', '--dry-run')
    expect(dry.stdout).toMatch(/^opcode +: 06\nnsid +: 00000000\ncdw2 +: 00000000\n/)
    const odd = await run('io-passthru', path, '-O', '0x7e', '-n', '1')
    expect([odd.code, odd.stderr]).toEqual([
      1,
      'iolayers: io-passthru: Invalid Command Opcode (SCT 0h SC 01h DNR)\n',
    ])
  })

  it('-H says what bits stand for', async () => {
    const { stdout } = await run('id-ctrl', 'mem:1M', '-H')
    expect(stdout).toMatch(/^oncs +: 479\n {2}\[0:0\] : 0x1\t\w+\n/m)
    expect(stdout).toMatch(/^oaes +: 256\n {2}\[8:8\] : 0x1\tNSAN\n/m)
    expect((await run('id-ctrl', 'mem:1M')).stdout).not.toMatch(/\[0:0\]/)
  })

  it('a failure is JSON where JSON was asked for', async () => {
    const { code, stdout } = await run('get-feature', 'mem:1M', '-f', '0xee', '-o', 'json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, error: { code: 'EREFUSED' } })
  })

  it('without -o json, a line for each field', async () => {
    const { code, stdout } = await run('id-ctrl', 'mem:1M')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^vid +: 0$/m)
    expect(stdout).toMatch(/^nn +: 256$/m)
  })

  it.each([
    [['id-ctrl'], 2, /missing required argument/],
    [['id-ctrl', 'mem:nothing'], 2, /the size in TARGET/],
    [['id-ctrl', '/nowhere/disk.img'], 1, /no such file/],
    [['id-ctrl', 'mem:1M', '-o', 'xml'], 2, /normal, json/],
    [['get-feature', 'mem:1M'], 2, /missing --feature-id/],
    [['get-feature', 'mem:1M', '-f', '0xee'], 1, /get-feature: /],
    [['get-log', 'mem:1M', '-i', '2', '-l', '63'], 2, /a multiple of 4/],
    [['format', 'mem:1M', '-l', '9', '--force'], 1, /format: /],
    [['format', 'mem:1M', '-l', 'x', '--force'], 2, /--lbaf/],
    [['read', 'mem:1M', '-z', '513'], 2, /--data-size is 513; the blocks have 512 bytes/],
    [['read', 'mem:1M', '-n', '2'], 1, /there is no namespace 2/],
    [['read', 'mem:1M', '-s', '2048'], 1, /read: LBA Out of Range/],
    [['read', 'mem:64M', '-c', '65535'], 1, /at most 1048576 bytes/],
    [['write', 'mem:1M', '-d', '/nowhere/data'], 1, /no such file/],
    [['write', 'mem:1M', '-d', '/dev/null'], 1, /\/dev\/null has 0 bytes, the blocks have 512/],
    [['dsm', 'mem:1M', '-s', '1,2', '-b', '1'], 2, /--slbs has 2 and --blocks 1/],
    [['create-ns', 'mem:1M'], 2, /missing --nsze/],
    [['create-ns', 'mem:1M', '-s', '8', '-b', '520'], 2, /512, 4096/],
    [['create-ns', 'mem:1M', '-s', '8', '-c', '4'], 1, /Thin Provisioning/],
    [['create-ns', 'mem:1M', '-s', '0x7fffffff'], 1, /Insufficient Capacity/],
    [['io-passthru', 'mem:1M', '-O', '2', '-n', '1', '-l', '512'], 2, /--read or --write/],
    [['io-passthru', 'mem:1M', '-O', '2', '-r', '-w'], 2, /one way/],
  ] as const)('%j is told in one line', async (args, code, words) => {
    const result = await run(...args)
    expect(result.stderr).toMatch(words)
    expect(result.code).toBe(code)
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
  })
})
