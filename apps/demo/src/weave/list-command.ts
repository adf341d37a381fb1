// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { hazards, scenarios, unreplayed } from '@iolayers/weave/scenarios'
import Table from 'cli-table3'
import { Command } from 'commander'
import { type CommandIo, TABLE_STYLE, tableHead, writeJson } from '../cli/output.ts'
import { policiesOf } from './job.ts'

interface Entry {
  readonly id: string
  readonly title: string
  readonly scenarios: readonly string[]
  readonly happenedIn: string
  readonly note: string
}

/** `iolayers weave list`: every hazard, and what replays it. */
export function weaveListCommand(io: CommandIo): Command {
  return new Command('list')
    .description('list the hazards and the scenarios that replay them')
    .option('--json', 'print one JSON document')
    .action((raw: { readonly json?: true }) => {
      const entries = listed()
      if (raw.json === true) {
        writeJson(io, { hazards: entries })
        return
      }
      const table = new Table({
        head: tableHead(io, ['id', 'hazard', 'happened in', 'replayed by']),
        style: TABLE_STYLE,
      })
      for (const { id, title, happenedIn, scenarios: ids, note } of entries) {
        table.push([id, title, happenedIn, ids.length === 0 ? `- (${note})` : ids.join(', ')])
      }
      io.stdout.write(`${table.toString()}\n`)
    })
}

function listed(): readonly Entry[] {
  const known = hazards.map(({ id, title }): Entry => {
    const own = scenarios.filter((scenario) => scenario.hazards.includes(id))
    const why = unreplayed.find((one) => one.id === id)?.why ?? ''
    return {
      id,
      title,
      scenarios: own.map((scenario) => scenario.id),
      happenedIn: own[0]?.happenedIn ?? '',
      note:
        own.length === 0
          ? why
          : own.map((one) => `${one.step} (${policiesOf(one).join(', ')})`).join('; '),
    }
  })
  const beyond = scenarios
    .filter((scenario) => scenario.hazards.length === 0)
    .map(
      ({ id, title, happenedIn, step }): Entry => ({
        id,
        title,
        scenarios: [id],
        happenedIn,
        note: step,
      }),
    )
  return [...known, ...beyond]
}
