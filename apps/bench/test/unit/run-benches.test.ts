// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { summarize } from '../../src/measure/slices.ts'
import { runBenches, selectBenches } from '../../src/run-benches.ts'

describe('the bench', () => {
  it('runs every row tiny, checks every byte that it reads, and reports in the shape that JSON shows', async () => {
    const seen: string[] = []
    const report = await runBenches(selectBenches([]) ?? [], { smoke: true }, (row) =>
      seen.push(row.name),
    )
    expect(report).toMatchObject({ version: 1, node: process.version, smoke: true })
    expect(report.rows.map(({ name }) => name)).toEqual(['ring-read 512 B', 'ring-read 4096 B'])
    expect(seen).toEqual(report.rows.map(({ name }) => name))
    for (const row of report.rows) {
      expect(row.hash).toMatch(/^[0-9a-f]{8}$/)
      for (const value of [
        row.measured.medianNs,
        row.bareCopyNs,
        row.addedNs,
        row.allocatedBytes,
      ]) {
        expect(Number.isFinite(value)).toBe(true)
      }
    }
  })

  it('knows its benches by name', () => {
    expect(selectBenches(['ring-read'])?.length).toBe(1)
    expect(selectBenches(['ring-read', 'nothing'])).toBeUndefined()
  })

  it('summarises by order statistics', () => {
    const samples = Array.from({ length: 11 }, (_, i) => 100 - i * 10)
    expect(summarize(samples)).toEqual({ medianNs: 50, p10Ns: 10, p90Ns: 90 })
  })
})
