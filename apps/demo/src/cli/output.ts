// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Where a command writes to. Data and JSON go to stdout; progress and messages go to stderr. */
export interface CommandIo {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Version of every JSON document that the command line prints. */
export const JSON_VERSION = 1

/** Prints one JSON document, which is all that a `--json` command writes to stdout. */
export function writeJson(io: CommandIo, document: Record<string, unknown>): void {
  io.stdout.write(`${JSON.stringify({ version: JSON_VERSION, ...document }, null, 2)}\n`)
}

/** Whether the command line asks for JSON: known before it is parsed, because a failure to parse it is told as JSON too. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  const options = end < 0 ? args : args.slice(0, end)
  return options.some(
    (option, at) =>
      option === '--json' ||
      option === '--format=json' ||
      option === '--output-format=json' ||
      option === '-ojson' ||
      (['--format', '--output-format', '-o'].includes(option) && options[at + 1] === 'json'),
  )
}

/** Whether to use colour on a stream: a terminal, and no NO_COLOR in the environment (https://no-color.org). */
export function wantsColor(io: CommandIo, stream: { readonly isTTY?: boolean }): boolean {
  const { NO_COLOR } = io.env
  return stream.isTTY === true && (NO_COLOR === undefined || NO_COLOR === '')
}

/** Style of every table: the table library colours nothing, because it asks the process and not the stream. */
export const TABLE_STYLE: { compact: true; head: string[]; border: string[] } = {
  compact: true,
  head: [],
  border: [],
}

const BOLD = '\u001b[1m'
const NOT_BOLD = '\u001b[22m'

/** The head of a table: bold on a terminal, and not one escape sequence elsewhere. */
export function tableHead(io: CommandIo, names: readonly string[]): string[] {
  if (!wantsColor(io, io.stdout)) return [...names]
  return names.map((name) => `${BOLD}${name}${NOT_BOLD}`)
}

const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `86.2 MiB`, for people; JSON keeps bytes. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < SIZE_UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${SIZE_UNITS[unit]}`
}
