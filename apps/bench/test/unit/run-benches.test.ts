// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { allocatedBytesPerOperation } from '../../src/measure/allocation.ts'
import { differences, interleave, median, summarize } from '../../src/measure/slices.ts'
import { runEvictions } from '../../src/rigs/evictions.ts'
import { ListedBuffers } from '../../src/rigs/listed-buffers.ts'
import {
  createBenchKernel,
  WithChoicePoints,
  WithoutChoicePoints,
} from '../../src/rigs/map-references.ts'
import { SectorCheck } from '../../src/rigs/numbered-sectors.ts'
import { runBenches, selectBenches } from '../../src/run-benches.ts'

describe('the bench', () => {
  it('runs every row tiny, checks every byte that it reads, and reports in the shape that JSON shows', async () => {
    const report = await runBenches(selectBenches([]) ?? [], { smoke: true })
    expect(report).toMatchObject({ version: 1, node: process.version, smoke: true })
    expect(report.machine).toEqual({
      cpu: expect.any(String),
      cores: expect.any(Number),
      platform: `${process.platform} ${process.arch}`,
    })
    expect(report.rows.map(({ name }) => name)).toEqual([
      'ring-read 512 B',
      'ring-read 4096 B',
      'iter-list-10k',
      'iter-list-100k',
      'weave H2 ours fence random',
      'weave H2 ours drain random',
      'weave H2 mutant fence random',
      'weave H2 ours fence exhaustive',
      'weave H2 ours drain exhaustive',
      'weave H2 mutant fence exhaustive',
      'choice-points',
      'eviction fence, 10 us',
      'eviction drain, 10 us',
    ])
    for (const { also, ...row } of report.rows) {
      for (const figure of Object.values(also ?? {})) expect(figure).toBeGreaterThanOrEqual(0)
      expect(row).toEqual({
        name: expect.any(String),
        goal: expect.any(String),
        met: expect.any(Boolean),
        measured: {
          medianNs: expect.any(Number),
          p10Ns: expect.any(Number),
          p90Ns: expect.any(Number),
        },
        bareNs: expect.any(Number),
        addedNs: expect.any(Number),
        allocatedBytes: expect.any(Number),
        hash: expect.stringMatching(/^[0-9a-f]{8}$/),
      })
    }
  })

  it('an eviction waits for the hardware: in the call under drain, after it under fence', () => {
    const init = {
      latencyNs: 1000,
      slowNs: 9000,
      inFlight: 8,
      evictions: 5,
      everyNs: 3700,
      rounds: 40,
    }
    const [fence, drain] = (['fence', 'drain'] as const).map((policy) =>
      runEvictions({ ...init, policy }),
    )
    expect(fence?.ioNs).toHaveLength(320)
    expect(fence?.callNs).toEqual([0, 0, 0, 0, 0])
    expect(drain?.callNs).toEqual(drain?.ownNs)
    for (const result of [fence, drain]) {
      expect(Math.max(...(result?.ownNs ?? []))).toBeLessThanOrEqual(9000)
      expect(Math.max(...(result?.ownNs ?? []))).toBeGreaterThan(0)
    }
  })

  it('gives the same hash for the same reads', async () => {
    const hashes = async (): Promise<string[]> => {
      const { rows } = await runBenches(selectBenches(['ring-read']) ?? [], { smoke: true })
      return rows.map(({ hash }) => hash)
    }
    expect(await hashes()).toEqual(await hashes())
  })

  it('R-ITER-3: listing n buffers takes n + 1 calls of begin and next, and memory that does not grow', async () => {
    const { rows } = await runBenches(selectBenches(['iter-list']) ?? [], { smoke: true })
    const figures = rows.map(({ also = {} }) => also)
    expect(figures).toMatchObject([
      { buffers: 100, beginAndNextCalls: 101 },
      { buffers: 1000, beginAndNextCalls: 1001, timesOf10k: expect.any(Number) },
    ])
    for (const { heldBytes } of figures) expect(heldBytes).toBeLessThan(256 * 1024)
  })

  it('finds a listing that is not what it has to be', async () => {
    const buffers = new ListedBuffers(50)
    expect(buffers.list()).toBe(50)
    expect(buffers.walk()).toBe(50)
    expect(buffers.listSome()).toBe(50)
    const other = new ListedBuffers(49)
    expect(other.hash).not.toBe(buffers.hash)
    Object.assign(other, { hash: buffers.hash })
    expect(() => other.list()).toThrow('a listing of 49 buffers is not what it has to be')
    expect(() => other.walk()).toThrow('is not what it has to be')
    await buffers.destroy()
    await other.destroy()
  })

  it('holds the references on a map with choice points against the same without', () => {
    const kernel = createBenchKernel()
    for (const map of [new WithChoicePoints(kernel), new WithoutChoicePoints(kernel)]) {
      expect([map.takeAndGive(), map.takeAndGive()]).toEqual([4, 4])
      map.kill()
      expect(map.tryGetActive()).toBe(false)
      map.put()
      expect(map.tryGetMap()).toBe(false)
      expect(map.takeAndGive()).toBe(0)
    }
  })

  it('knows its benches by name', () => {
    expect(selectBenches(['ring-read'])?.length).toBe(1)
    expect(selectBenches(['ring-read', 'nothing'])).toBeUndefined()
  })
})

describe('what the bench measures with', () => {
  it('summarises by order statistics', () => {
    const samples = Array.from({ length: 11 }, (_, i) => 100 - i * 10)
    expect(summarize(samples)).toEqual({ medianNs: 50, p10Ns: 10, p90Ns: 90 })
    expect(median(differences([5, 9, 4], [1, 2, 3]))).toBe(4)
  })

  it('runs the pieces in turn', () => {
    const ran: string[] = []
    const piece = (name: string) => (): number => ran.push(name)
    const samples = interleave([piece('a'), piece('b')], 3)
    expect(ran).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
    expect(samples.map((of) => of.length)).toEqual([3, 3])
  })

  it('sees what is allocated, to a few bytes', () => {
    const kept: Float64Array[] = []
    const work = (): number => {
      for (let i = 0; i < 1000; i++) kept[i] = new Float64Array(0)
      return 1000
    }
    expect(allocatedBytesPerOperation(work, 9)).toBeGreaterThan(20)
    expect(allocatedBytesPerOperation(() => 1000, 9)).toBeLessThan(2)
  })

  it('finds a sector that is not the one that was asked for', () => {
    const bytes = new DataView(new ArrayBuffer(1024))
    bytes.setInt32(0, 7, true)
    bytes.setInt32(512, 9, true)
    const check = new SectorCheck()
    check.sectors(bytes, 0, 7, 1)
    expect(() => check.sectors(bytes, 0, 7, 2)).toThrow('sector 8 was read as 9')
  })
})
