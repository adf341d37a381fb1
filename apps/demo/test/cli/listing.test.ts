// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { runCli } from './run-cli.ts'

interface Listed {
  inode: number
  size: number
  name: string
  exporter: string
  references: number
}

describe('iolayers dmabuf list', () => {
  it.each(['1', '64', '1000', '4096', '1M'])(
    'R-ITER: 1,000 buffers in reads of %s: each once, newest first, with the references of before',
    async (readSize) => {
      const args = ['dmabuf', 'list', '--create', '1000', '--read-size', readSize, '--json']
      const { code, stdout, stderr } = await runCli(args)
      expect(stderr).toBe('')
      expect(code).toBe(0)
      const { version, buffers } = JSON.parse(stdout) as { version: number; buffers: Listed[] }
      expect(version).toBe(1)
      expect(buffers).toHaveLength(1000)
      buffers.forEach((buffer, i) => {
        expect(buffer).toEqual({
          inode: 1000 - i,
          size: 4096,
          name: `buffer-${999 - i}`,
          exporter: 'system',
          references: 1,
        })
      })
    },
  )

  it('is a table without --json, also of nothing', async () => {
    const two = await runCli(['dmabuf', 'list', '--create', '2'])
    expect(two.stdout).toMatch(/│ +2 │ 4096 │ buffer-1 │ system +│ +1 │\n│ +1 │ 4096 │ buffer-0/)
    expect(two.stdout).toContain('2 buffers\n')
    const none = await runCli(['dmabuf', 'list', '--create', '0', '--json'])
    expect(JSON.parse(none.stdout)).toEqual({ version: 1, buffers: [] })
  })
})

describe('iolayers dmabuf list --without-resume', () => {
  // Names of 8 to 10 letters: records of 25 to 28 bytes, so the first read of 4 KiB is over with the 152nd.
  it('R-ITER-1: shows the listing that the old iterator cut short beside the whole one', async () => {
    const args = ['dmabuf', 'list', '--create', '1000', '--read-size', '4096', '--without-resume']
    const json = await runCli([...args, '--json'])
    expect(json).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(json.stdout)).toEqual({
      version: 1,
      create: 1000,
      readSize: 4096,
      withResume: { buffers: 1000, reads: 13, last: { inode: 1, name: 'buffer-0' } },
      withoutResume: { buffers: 152, reads: 2, last: { inode: 849, name: 'buffer-848' } },
      missing: 848,
    })
    const { stdout } = await runCli(args)
    expect(stdout).toMatch(/│ as it is +│ +1000 │ +13 │ buffer-0 \(inode 1\) +│\n/)
    expect(stdout).toMatch(/│ before the fix +│ +152 │ +2 │ buffer-848 \(inode 849\) +│\n/)
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(
      'read 4096 bytes at a time, the old one lost 848 of 1000 buffers: the buffer at which a full read stops was put instead of kept, so the next read found no place to go on from and reported the end',
    )
  })

  it.each([
    ['0', '1'],
    ['3', '4096'],
  ])('%s buffers in reads of %s are the same in both, or nothing', async (create, readSize) => {
    const args = ['dmabuf', 'list', '--create', create, '--read-size', readSize, '--without-resume']
    const { code, stdout } = await runCli(args)
    expect(code).toBe(0)
    expect(stdout).toContain('neither loses a buffer')
    expect(JSON.parse((await runCli([...args, '--json'])).stdout)).toMatchObject({ missing: 0 })
  })
})

interface Step {
  layer: string
  point: string
  fields: { res?: number; opcode?: string }
}

describe('iolayers trace', () => {
  async function trace(args: readonly string[]): Promise<Step[]> {
    const { code, stdout, stderr } = await runCli(['trace', ...args, '--json'])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const { version, steps } = JSON.parse(stdout) as { version: number; steps: Step[] }
    expect(version).toBe(1)
    return steps
  }

  it.each(['read', 'write'])('follows one %s from the ring to the completion', async (op) => {
    const steps = await trace(['--op', op, '--size', '64K'])
    const points = steps.map(({ point }) => point)
    const inOrder = [
      'io_uring:io_uring_submit_req',
      'dma:dma_map_sg',
      'dmabuf_map_create',
      'block_bio_queue',
      'block_getrq',
      'block_rq_issue',
      'nvme_setup_cmd',
      'nvme_complete_rq',
      'block_rq_complete',
      'block_bio_complete',
      'io_uring:io_uring_complete',
    ]
    expect(points.filter((point) => inOrder.includes(point))).toEqual(inOrder)
    expect(points).toContain('nvmet_req_init')
    expect(points).toContain('nvmet_req_complete')
    expect(points).not.toContain('block_split')
    expect(steps.at(-1)?.fields).toMatchObject({ res: 65536 })
    expect(steps.find(({ point }) => point === 'nvme_setup_cmd')?.fields.opcode).toBe(
      `nvme_cmd_${op}`,
    )
    const unnamed = steps.filter(({ layer }) => layer === 'kernel').map(({ point }) => point)
    expect(unnamed).toEqual([])
  })

  it('shows the split of an I/O that is larger than a command may be', async () => {
    const steps = await trace(['--op', 'write', '--size', '2M'])
    const count = (name: string): number => steps.filter(({ point }) => point === name).length
    expect(count('block_split')).toBe(1)
    expect(count('nvme_setup_cmd')).toBe(2)
    expect(count('nvme_complete_rq')).toBe(2)
    expect(count('io_uring:io_uring_complete')).toBe(1)
  })

  it('is a numbered line for each step without --json', async () => {
    const { stdout } = await runCli(['trace', '--size', '512'])
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toBe('read of 512 B, step by step')
    expect(lines[1]).toMatch(/^ +1 {2}io-uring +io_uring:io_uring_submit_req +user_data=1 /)
  })
})
