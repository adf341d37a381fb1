// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { parseArgs } from 'node:util'
import { BENCHES, type BenchReport, runBenches, selectBenches } from './run-benches.ts'
import { renderTable } from './table.ts'

export interface MainIo {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

const HELP = `Example: bench ring-read --json

Usage: bench [NAME…] [--json] [--smoke]

  --json   print one JSON document
  --smoke  run everything tiny: shows that it works, says nothing about speed
  --help   print this

Benches:
${BENCHES.map(({ name, summary }) => `  ${name}  ${summary}`).join('\n')}
`

/** Runs one command line. 0 done, 2 wrong usage; a bench that fails throws. */
export async function main(args: readonly string[], io: MainIo): Promise<0 | 2> {
  const parsed = parse(args)
  if (typeof parsed === 'string') {
    io.stderr.write(`bench: ${parsed}\n`)
    return 2
  }
  const { values, positionals } = parsed
  if (values.help === true) {
    io.stdout.write(HELP)
    return 0
  }
  const benches = selectBenches(positionals)
  if (benches === undefined) {
    const known = BENCHES.map(({ name }) => name).join(', ')
    io.stderr.write(
      `bench: no bench of one of these names: ${positionals.join(', ')}; there are: ${known}\n`,
    )
    return 2
  }
  const report = await runBenches(benches, { smoke: values.smoke === true })
  io.stdout.write(values.json === true ? `${JSON.stringify(report, null, 2)}\n` : render(report))
  return 0
}

interface Parsed {
  readonly values: { readonly json?: boolean; readonly smoke?: boolean; readonly help?: boolean }
  readonly positionals: string[]
}

function parse(args: readonly string[]): Parsed | string {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        smoke: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function render({ machine, node, smoke, rows }: BenchReport): string {
  const head = `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${node}; nanoseconds of CPU time per operation (I/O, listed buffer, schedule)\n`
  const warning = smoke ? 'smoke run: the figures mean nothing\n' : ''
  return `${head}${warning}${renderTable(rows)}`
}
