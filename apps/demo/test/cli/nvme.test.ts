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
  ] as const)('%j is told in one line', async (args, code, words) => {
    const result = await run(...args)
    expect(result.stderr).toMatch(words)
    expect(result.code).toBe(code)
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
  })
})
