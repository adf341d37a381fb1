// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import Table from 'cli-table3'
import { type CommandIo, formatBytes, TABLE_STYLE, tableHead, writeJson } from '../cli/output.ts'
import type { LayerCounters } from '../stack/counters.ts'

/** What a copy did, as `--json` prints it. */
export interface CopyResult {
  readonly bytes: number
  readonly seconds: number
  /** Hexadecimal; null where it was not computed. */
  readonly sha256: { readonly source: string | null; readonly target: string | null }
  /** Of them, those that an earlier copy had written, and that were proven. */
  readonly resumedBytes: number
  /** Ranges that the copy itself sent again after ESTALE. */
  readonly resubmitted: number
  readonly layers: LayerCounters
}

/** In which form to print. */
export interface ReportInit {
  readonly json: boolean
  readonly quiet: boolean
}

/** Prints one JSON document, or the table and the digests, or nothing with `quiet` alone. */
export function printCopyReport(io: CommandIo, init: ReportInit, result: CopyResult): void {
  if (init.json) {
    writeJson(io, { ...result })
    return
  }
  if (init.quiet) return
  const rate =
    result.seconds > 0 ? `, ${formatBytes(Math.round(result.bytes / result.seconds))}/s` : ''
  io.stdout.write(`${layerTable(io, result)}\n`)
  io.stdout.write(`copied ${result.bytes} bytes in ${result.seconds.toFixed(3)} s${rate}\n`)
  if (result.resumedBytes > 0) {
    io.stdout.write(`of them ${result.resumedBytes} bytes were there and proven\n`)
  }
  if (result.resubmitted > 0) io.stdout.write(`resubmitted after ESTALE: ${result.resubmitted}\n`)
  io.stdout.write(digestLines(result))
}

function layerTable(io: CommandIo, result: CopyResult): string {
  const table = new Table({
    head: tableHead(io, ['layer', 'what it did', 'count']),
    colAligns: ['left', 'left', 'right'],
    style: TABLE_STYLE,
  })
  for (const [layer, counters] of Object.entries(result.layers)) {
    let name = layer
    for (const [counter, count] of Object.entries(counters)) {
      table.push([name, counter, String(count)])
      name = ''
    }
  }
  return table.toString()
}

function digestLines({ sha256 }: CopyResult): string {
  const source = `sha256 of the source: ${sha256.source ?? 'not computed'}\n`
  const target = `sha256 of the target: ${sha256.target ?? 'not computed'}\n`
  const verdict =
    sha256.source !== null && sha256.source === sha256.target ? 'the digests are equal\n' : ''
  return `${source}${target}${verdict}`
}
