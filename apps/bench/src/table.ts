// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BenchRow } from './bench.ts'

const COLUMNS = ['bench', 'median', 'p10', 'p90', 'bare', 'added', 'B/op', 'hash', 'goal'] as const

export function renderTable(rows: readonly BenchRow[]): string {
  const lines = [[...COLUMNS], ...rows.map(cells)]
  const widths = COLUMNS.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  const text = lines.map((line) =>
    line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '),
  )
  return text.map((line) => `${line.trimEnd()}\n`).join('')
}

function cells(row: BenchRow): string[] {
  const { measured } = row
  const ns = [measured.medianNs, measured.p10Ns, measured.p90Ns, row.bareNs, row.addedNs]
  return [
    row.name,
    ...ns.map((value) => value.toFixed(1)),
    row.allocatedBytes.toFixed(2),
    row.hash,
    [`${row.met ? 'met' : 'missed'}: ${row.goal}`, ...alsoOf(row)].join('; '),
  ]
}

function alsoOf({ also = {} }: BenchRow): string[] {
  return Object.entries(also).map(([name, value]) => `${name} ${value}`)
}
