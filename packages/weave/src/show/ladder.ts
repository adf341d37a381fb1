// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Fault, Row } from '../search/contracts.ts'
import { type Line, storyOf, type Told } from './story.ts'
import { wrap } from './wrap.ts'

const DEFAULT_WIDTH = 120
const DEFAULT_NOTES = 40
/** The text gets as much, however many actors there are. */
const TEXT_WIDTH_MIN = 30
const SHORT_MAX = 4

const RUNS = '●'
const PASSES = '→'
const INTERRUPTED = '┆'
const WAITS = '·'

export interface LadderInit {
  /** Which rows are choices of a script; without, those that are marked as chosen. */
  readonly told?: Told
  /** Characters a line; 120 by default. */
  readonly width?: number
  /** What happened between two choices, in lines; 40 by default, then its middle is left out. */
  readonly notesMax?: number
}

/**
 * A run as text: actors across, time down. A line is a choice of the scheduler, with what happened until the next one; `●` is who
 * runs, `┆` who is interrupted in plain code, `→` who passes a choice point. The fault stands at the end.
 */
export function ladder(rows: readonly Row[], fault: Fault | null, init: LadderInit = {}): string {
  const { before, lines } = storyOf(rows, init.told)
  const width = init.width ?? DEFAULT_WIDTH
  const notesMax = init.notesMax ?? DEFAULT_NOTES
  const actors = [...new Set(lines.flatMap(({ actor, interrupted }) => [...interrupted, actor]))]
  const columns = new Columns(actors, `${lines.length}`.length, width)
  const out = [...columns.legend(width), columns.head()]
  for (const note of shortened(before, notesMax)) out.push(...columns.row('', () => ' ', [note]))
  let nowNs = 0
  for (const line of lines) {
    const at = line.nowNs === nowNs ? '' : `[${timeOf(line.nowNs)}] `
    nowNs = line.nowNs
    const [head = '', ...notes] = textsOf(line, at)
    const texts = [head, ...shortened(notes, notesMax)]
    out.push(...columns.row(`${line.number}`, (actor) => markOf(line, actor), texts))
  }
  out.push('', ...faultLines(fault, width))
  return `${out.map((line) => line.trimEnd()).join('\n')}\n`
}

/** The beginning and the end. */
function shortened(notes: readonly string[], most: number): readonly string[] {
  if (notes.length <= most) return notes
  const kept = Math.ceil(most / 2)
  const left = notes.length - 2 * kept
  return [...notes.slice(0, kept), `… ${left} more lines`, ...notes.slice(notes.length - kept)]
}

function textsOf(line: Line, time: string): readonly string[] {
  const { actor, at, passes, interrupted, notes } = line
  if (passes) return [`${time}${actor} passes "${at}"`, ...notes]
  if (interrupted.length === 0) return [`${time}${actor}`, ...notes]
  const where = at === null ? '' : `, at "${at}"`
  return [`${time}${actor}, inside ${interrupted.at(-1)}${where}`, ...notes]
}

function markOf(line: Line, actor: string): string {
  if (line.actor === actor) return line.passes ? PASSES : RUNS
  return line.interrupted.includes(actor) ? INTERRUPTED : WAITS
}

function timeOf(nowNs: number): string {
  if (nowNs >= 1e9) return `${nowNs / 1e9} s`
  if (nowNs >= 1e6) return `${nowNs / 1e6} ms`
  return nowNs >= 1e3 ? `${nowNs / 1e3} µs` : `${nowNs} ns`
}

function faultLines(fault: Fault | null, width: number): readonly string[] {
  if (fault === null) return ['No fault.']
  const indented = (fault.details ?? []).flatMap((line) =>
    wrap(line, width - 2).map((part) => `  ${part}`),
  )
  return [...wrap(`${fault.check}: ${fault.message}`, width), ...indented]
}

class Columns {
  readonly #actors: readonly string[]
  readonly #shorts: readonly string[]
  readonly #numberWidth: number
  readonly #textWidth: number

  constructor(actors: readonly string[], numberWidth: number, width: number) {
    this.#actors = actors
    this.#shorts = shortNames(actors)
    this.#numberWidth = numberWidth
    const across = this.#shorts.reduce((sum, short) => sum + short.length + 1, numberWidth + 1)
    this.#textWidth = Math.max(TEXT_WIDTH_MIN, width - across - 1)
  }

  legend(width: number): readonly string[] {
    const parts = this.#actors.map((actor, i) => `${this.#shorts[i]} = ${actor}`)
    return this.#actors.length === 0 ? [] : [...wrap(parts.join(', '), width), '']
  }

  head(): string {
    return `${' '.repeat(this.#numberWidth)} ${this.#shorts.map((short) => `${short} `).join('')}`
  }

  /** The first text stands beside the marks, the others below it, indented. */
  row(number: string, mark: (actor: string) => string, texts: readonly string[]): string[] {
    const [first = '', ...others] = texts
    const parts = [
      ...wrap(first, this.#textWidth),
      ...others.flatMap((text) =>
        wrap(text, this.#textWidth - 4).map((part, i) => `${i === 0 ? '  ' : '    '}${part}`),
      ),
    ]
    return parts.map((part, i) => {
      const count = (i === 0 ? number : '').padStart(this.#numberWidth)
      return `${count} ${this.#marks(mark, i === 0)} ${part}`
    })
  }

  /** Below the first line nobody is marked: what stands there may be of several. */
  #marks(mark: (actor: string) => string, first: boolean): string {
    const cells = this.#actors.map((actor, i) => {
      const cell = mark(actor)
      const shown = first || cell === ' ' ? cell : WAITS
      const width = this.#shorts[i]?.length ?? 1
      return `${' '.repeat(Math.floor((width - 1) / 2))}${shown}`.padEnd(width)
    })
    return cells.join(' ')
  }
}

/** Initials of several words, or the beginning of one; a number makes them differ. */
function shortNames(actors: readonly string[]): readonly string[] {
  const taken = new Set<string>()
  return actors.map((actor) => {
    const words = actor.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '')
    const [only = actor] = words
    const short = words.length > 1 ? words.map((word) => word[0]).join('') : only.slice(0, 3)
    const base = short.slice(0, SHORT_MAX) || '?'
    let name = base
    for (let n = 2; taken.has(name); n++) name = `${base}${n}`
    taken.add(name)
    return name
  })
}
