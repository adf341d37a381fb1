// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Fault, Row } from '../search/contracts.ts'
import { type Line, storyOf, type Told } from './story.ts'

/** For the field of ShiViz that asks how to read a log; the log begins with it too, as a file has to. */
export const SHIVIZ_PARSER = '(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})'

/**
 * A run as a log for ShiViz: a line for each choice, a host for each actor. The vector clocks say that each choice knows the one before: a
 * run has one order, and which of its steps depend on each other is not known.
 *
 * @see https://bitbucket.org/bestchai/shiviz/wiki/LogFormat
 */
export function toShiViz(rows: readonly Row[], fault: Fault | null, told?: Told): string {
  const { lines } = storyOf(rows, told)
  const hosts = hostNames(lines.map(({ actor }) => actor))
  const clock = new Map<string, number>()
  const out = [SHIVIZ_PARSER, '']
  lines.forEach((line, i) => {
    const host = hosts.get(line.actor) ?? ''
    clock.set(host, (clock.get(host) ?? 0) + 1)
    const found =
      i === lines.length - 1 && fault !== null ? [`${fault.check}: ${fault.message}`] : []
    out.push(eventOf(line, found), `${host} ${JSON.stringify(Object.fromEntries(clock))}`)
  })
  return `${out.join('\n')}\n`
}

function eventOf(line: Line, found: readonly string[]): string {
  const where = line.at === null ? 'runs' : `${line.passes ? 'passes' : 'runs at'} "${line.at}"`
  return [`${line.number}. ${where}`, ...line.notes, ...found].join('; ').replace(/\s+/g, ' ')
}

/** Hosts are words: without spaces, and different still. */
function hostNames(actors: readonly string[]): ReadonlyMap<string, string> {
  const hosts = new Map<string, string>()
  const taken = new Set<string>()
  for (const actor of actors) {
    if (hosts.has(actor)) continue
    const base = actor.replace(/\s+/g, '_')
    let host = base
    for (let n = 2; taken.has(host); n++) host = `${base}_${n}`
    taken.add(host)
    hosts.set(actor, host)
  }
  return hosts
}
