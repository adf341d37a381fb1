// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { useTempDir } from '../temp-dir.ts'
import { startCli, until } from './run-cli.ts'

function run(...args: string[]) {
  return startCli(['weave', ...args]).ended
}

describe('iolayers weave', () => {
  const temp = useTempDir()

  it('list names every hazard, and what replays it', async () => {
    const { code, stdout } = await run('list', '--json')
    const { version, hazards } = JSON.parse(stdout)
    expect([code, version]).toEqual([0, 1])
    expect(hazards.length).toBeGreaterThanOrEqual(60)
    expect(hazards).toContainEqual(expect.objectContaining({ id: 'H2', scenarios: ['H2'] }))
    expect((await run('list')).stdout).toContain('H2')
  })

  it('run finds the mutant, and saves what replay reproduces', async () => {
    const dir = temp('failures')
    const found = await run('run', 'H2', '--schedules', '300', '--save', dir, '--json')
    expect(found.code).toBe(0)
    const { good, hazards } = JSON.parse(found.stdout)
    expect(good).toBe(true)
    expect(hazards).toMatchObject([
      { id: 'H2', scenario: 'H2', mutant: { found: true }, ours: { clean: true } },
    ])
    const file = `${dir}/H2.json`
    expect(readFileSync(file).length).toBeLessThan(2048)
    const replayed = await run('replay', file)
    expect(replayed.code).toBe(1)
    expect(replayed.stdout).toContain('dma-after-drain')
    expect(replayed.stderr).toMatch(/H2 was reproduced/)
    const json = await run('replay', file, '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ hazard: 'H2', reproduced: true })
    expect((await run('replay', file, '--format', 'mermaid')).stdout).toMatch(/^sequenceDiagram/)
    expect((await run('replay', file, '--format', 'shiviz')).stdout).toContain('exporter')
  })

  it('replay of a schedule that does not fail any more exits 0', async () => {
    const file = temp('none.json')
    const script = { actors: [], labels: [], picks: [] }
    const failure = { version: 1, hazard: 'H2', design: 'ours', check: 'data', script }
    writeFileSync(file, JSON.stringify(failure))
    const { code, stdout, stderr } = await run('replay', file)
    expect(code).toBe(0)
    expect(stdout).toContain('No fault.')
    expect(stderr).toMatch(/H2 was not reproduced: nothing fails/)
  })

  it('replay of a schedule that fails in another way exits 0, and says how', async () => {
    const file = temp('other.json')
    const script = { actors: [], labels: [], picks: [] }
    const failure = { version: 1, hazard: 'F12', design: 'mutant', check: 'data', script }
    writeFileSync(file, JSON.stringify(failure))
    const { code, stderr } = await run('replay', file)
    expect(code).toBe(0)
    expect(stderr).toMatch(/F12 was not reproduced: it fails by [a-z-]+ instead: /)
  })

  it('a failure of ours is saved too, and replayed: the canary fails in both designs', async () => {
    const dir = temp('ours')
    const { code, stderr } = await run('run', 'canary', '--schedules', '200', '--save', dir)
    expect([code, stderr]).toEqual([0, ''])
    expect(readdirSync(dir).toSorted()).toEqual(['CANARY.json', 'CANARY.ours.fence.json'])
    for (const name of readdirSync(dir))
      expect((await run('replay', `${dir}/${name}`)).code).toBe(1)
  })

  it('a mutant that is not found in time is exit 1, with its name', async () => {
    const few = ['run', 'F9', '--scheduler', 'exhaustive', '--schedules', '5', '--json']
    const { code, stdout, stderr } = await run(...few)
    expect(code).toBe(1)
    expect(stderr).toMatch(/F9: the mutant was not found/)
    expect(JSON.parse(stdout)).toMatchObject({
      good: false,
      wrong: ['F9: the mutant was not found'],
    })
  })

  it.each([
    [['run'], 2, /missing ID/],
    [['run', 'H99'], 2, /no scenario for "H99"/],
    [['run', '--all', 'H2'], 2, /do not go together/],
    [['run', 'H2', '--schedules', '0'], 2, /--schedules/],
    [['run', 'H2', '--scheduler', 'magic'], 2, /exhaustive, random, uniform, pct/],
    [['replay', '/nowhere/at/all.json'], 2, /no such file/],
    [['replay', '/dev/null'], 2, /no JSON/],
    [['run', 'H2', '--save', '/dev/null'], 2, /--save \/dev\/null: it is no directory/],
    [['report', '--out', '/tmp'], 2, /--out \/tmp: it is a directory/],
  ] as const)('%j is told in one line', async (args, code, words) => {
    const result = await run(...args)
    expect(result.code).toBe(code)
    expect(result.stderr).toMatch(words)
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
  })

  it('Ctrl-C ends it, with every thread, and leaves nothing half written', async () => {
    const dir = temp('none')
    const args = ['weave', 'run', 'F9', 'R8', '--schedules', '100000', '--save', dir]
    const cli = startCli(args, { nodeOptions: ['--import', TELL_OF_SIGINT] })
    await until('it listens for SIGINT', () => cli.stderr().includes('listening'))
    cli.child.kill('SIGINT')
    const { code, stderr } = await cli.ended
    expect(code).toBe(130)
    expect(stderr).toContain('interrupted')
    expect(readdirSync(dir)).toEqual([])
  })
})

/** Says so once the command has taken SIGINT over: before that the signal would just end it. */
const TELL_OF_SIGINT = `data:text/javascript,${encodeURIComponent(`
  process.on('newListener', (name) => {
    if (name === 'SIGINT') setImmediate(() => process.stderr.write('listening\\n'))
  })
`)}`
