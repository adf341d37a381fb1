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
