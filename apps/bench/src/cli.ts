// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { parseArgs } from 'node:util'
import type { BenchRow } from './bench.ts'
import { BENCHES, runBenches, selectBenches } from './run-benches.ts'

const HELP = `Example: bench ring-read --json

Usage: bench [NAME…] [--json] [--smoke]

  --json   print one JSON document
  --smoke  run everything tiny: shows that it works, says nothing about speed
  --help   print this

Benches:
${BENCHES.map(({ name, summary }) => `  ${name}  ${summary}`).join('\n')}
`

const COLUMNS = [
  'bench',
  'median',
  'p10',
  'p90',
  'bare copy',
  'added',
  'B/op',
  'hash',
  'goal',
] as const

function cells(row: BenchRow): string[] {
  const { measured } = row
  const ns = [measured.medianNs, measured.p10Ns, measured.p90Ns, row.bareCopyNs, row.addedNs]
  return [
    row.name,
    ...ns.map((value) => value.toFixed(1)),
    String(row.allocatedBytes),
    row.hash,
    row.goal,
  ]
}

function table(rows: readonly BenchRow[]): string {
  const lines = [[...COLUMNS], ...rows.map(cells)]
  const widths = COLUMNS.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

async function main(): Promise<number> {
  let parsed: { values: { json?: boolean; smoke?: boolean; help?: boolean }; positionals: string[] }
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        smoke: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
    return 2
  }
  const { values, positionals } = parsed
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const benches = selectBenches(positionals)
  if (benches === undefined) {
    const known = BENCHES.map(({ name }) => name).join(', ')
    process.stderr.write(
      `bench: no bench of one of these names: ${positionals.join(', ')}; there are: ${known}\n`,
    )
    return 2
  }
  const report = await runBenches(benches, { smoke: values.smoke === true })
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    return 0
  }
  const { machine, node, smoke } = report
  process.stdout.write(
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${node}; nanoseconds of CPU time per I/O\n`,
  )
  if (smoke) process.stdout.write('smoke run: the figures mean nothing\n')
  process.stdout.write(`${table(report.rows)}\n`)
  return 0
}

process.exitCode = await main()
