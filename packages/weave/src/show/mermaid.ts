// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Fault, Row } from '../search/contracts.ts'
import { type Line, storyOf, type Told } from './story.ts'

/** A run as a sequence diagram of Mermaid: a note for each choice, an arrow where one actor interrupts another in plain code. */
export function toMermaid(rows: readonly Row[], fault: Fault | null, told?: Told): string {
  const { before, lines } = storyOf(rows, told)
  const actors = [...new Set(lines.flatMap(({ actor, interrupted }) => [...interrupted, actor]))]
  const out = ['sequenceDiagram']
  actors.forEach((actor, i) => {
    out.push(`  participant a${i} as ${escaped(actor)}`)
  })
  const all = actors.length < 2 ? 'a0' : `a0,a${actors.length - 1}`
  if (actors.length === 0) return `${out.join('\n')}\n`
  if (before.length > 0) out.push(`  Note over ${all}: ${before.map(escaped).join('<br/>')}`)
  for (const line of lines) out.push(...diagramOf(line, actors))
  if (fault !== null) {
    const words = [`${fault.check}: ${fault.message}`, ...(fault.details ?? [])]
    out.push(`  Note over ${all}: ${words.map(escaped).join('<br/>')}`)
  }
  return `${out.join('\n')}\n`
}

function diagramOf(line: Line, actors: readonly string[]): readonly string[] {
  const own = `a${actors.indexOf(line.actor)}`
  const outer = line.interrupted.at(-1)
  const at = line.at === null ? '' : ` "${escaped(line.at)}"`
  const out: string[] = []
  if (outer !== undefined && !line.passes) {
    out.push(`  a${actors.indexOf(outer)}-)${own}: ${line.number}. interrupted${at}`)
  }
  const head = line.passes ? `${line.number}. passes${at}` : `${line.number}.`
  out.push(`  Note over ${own}: ${[head, ...line.notes.map(escaped)].join('<br/>')}`)
  return out
}

/** As entities, with which Mermaid ends neither a statement nor a text. */
function escaped(text: string): string {
  return text
    .replace(/[#;<>"]/g, (char) => `#${char.charCodeAt(0)};`)
    .replace(/\s+/g, ' ')
    .trim()
}
