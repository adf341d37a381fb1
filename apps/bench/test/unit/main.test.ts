// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { type MainIo, main } from '../../src/main.ts'

function capture(): { io: MainIo; out: string[]; err: string[] } {
  const out: string[] = []
  const err: string[] = []
  return {
    io: {
      stdout: { write: (text) => out.push(text) },
      stderr: { write: (text) => err.push(text) },
    },
    out,
    err,
  }
}

describe('the command line of the bench', () => {
  it('ends with 2 and the list for a name that is not there', async () => {
    const { io, out, err } = capture()
    expect(await main(['ring-read', 'nothing'], io)).toBe(2)
    expect(out).toEqual([])
    expect(err.join('')).toContain('nothing; there are: ring-read, iter-list')
  })

  it('ends with 2 for an option that is not there', async () => {
    const { io, err } = capture()
    expect(await main(['--quick'], io)).toBe(2)
    expect(err.join('')).toContain('--quick')
  })

  it('prints help with an example first', async () => {
    const { io, out } = capture()
    expect(await main(['--help'], io)).toBe(0)
    expect(out.join('')).toMatch(/^Example: bench ring-read/)
    expect(out.join('')).toContain('  ring-read  ')
    expect(out.join('')).toContain('  iter-list  ')
  })

  it('prints the machine, and a line for each row', async () => {
    const { io, out } = capture()
    expect(await main(['ring-read', '--smoke'], io)).toBe(0)
    const lines = out.join('').trimEnd().split('\n')
    expect(lines[0]).toContain(`Node ${process.version}`)
    expect(lines[1]).toContain('smoke')
    expect(lines[2]).toMatch(/^bench +median +p10 +p90 +bare +added +B\/op +hash +goal$/)
    expect(lines.slice(3).map((line) => line.slice(0, 14))).toEqual([
      'ring-read 512 ',
      'ring-read 4096',
    ])
  })

  it('prints one JSON document', async () => {
    const { io, out } = capture()
    expect(await main(['--json', '--smoke'], io)).toBe(0)
    const document: unknown = JSON.parse(out.join(''))
    expect(document).toMatchObject({ version: 1, node: process.version, smoke: true })
  })
})
