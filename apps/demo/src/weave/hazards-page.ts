// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The page about all hazards, in Markdown: what each is, how it was found, the shortest failure, and why our design survives.

import {
  type Fault,
  ladder,
  type OursVerdict,
  type SearchKind,
  scenarioProgram,
  scriptStrategy,
} from '@iolayers/weave'
import { canary, hazards, unreplayed } from '@iolayers/weave/scenarios'
import type { Effort } from './job.ts'
import { isGood, type ScenarioVerdict } from './weave-run.ts'

/** What the numbers of the page mean. */
export interface PageEffort extends Effort {
  readonly first: { readonly seeds: number; readonly schedules: number }
}

const LADDER_WIDTH = 110
const KINDS: readonly SearchKind[] = ['exhaustive', 'random', 'uniform', 'pct']

export function hazardsPage(verdicts: readonly ScenarioVerdict[], effort: PageEffort): string {
  const run = verdicts.filter(({ scenario }) => scenario !== canary)
  const lengths = run.map(({ mutant }) => mutant.script.length).toSorted((a, b) => a - b)
  const median = lengths[Math.floor((lengths.length - 1) / 2)] ?? 0
  return [
    '# Hazards of zero-copy I/O on dma-bufs, replayed',
    '',
    ...introduction(run, effort, median),
    '',
    ...table(run),
    '',
    ...withoutScenario(),
    '',
    ...run.flatMap((verdict) => [...section(verdict), '']),
  ].join('\n')
}

function introduction(
  run: readonly ScenarioVerdict[],
  effort: PageEffort,
  median: number,
): readonly string[] {
  const { oursExhaustive, oursSeeds, first } = effort
  return [
    'Written by `iolayers weave report`; do not edit. Each scenario runs the published design, as a mutant of ours that differs in one step, and ours.',
    'The mutants are found by general checkers, none of which knows a scenario.',
    '',
    `- ${run.length} scenarios; the shortest failures have ${median} scheduler choices in the median. None of them can be dropped without losing the failure.`,
    `- Ours, for each policy: every schedule where "all" stands. Elsewhere ${oursExhaustive} schedules, by deviations from the default schedule, which cover every schedule with at most as many deviations as the bound says, and ${oursSeeds} by seed; where pruning left schedules out, as many again without it, for the bound.`,
    '- The default schedule lets whoever ran last go on, else who waits longest. Pruning: sleep sets over calls that declare what they touch (`packages/weave/src/search/sleep-set.ts` has the proof); states are counted by 32-bit fingerprint of what each actor has done and where it waits.',
    `- "Schedules to the first failure": the median of ${first.seeds} seeds, at most ${first.schedules} schedules each ("-": more). The exhaustive search knows no seed.`,
    '- What all of this cannot find: [limits of weave](weave-limits.md).',
  ]
}

function table(run: readonly ScenarioVerdict[]): readonly string[] {
  return [
    `| hazard | scenario | happened in | mutant found as | choices | to the first failure: ${KINDS.join(' / ')} | ours: fence | ours: drain |`,
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...run.map(({ scenario, mutant, ours, first }) => {
      const medians = KINDS.map((kind) => first.find((one) => one.search === kind)?.median ?? '-')
      const { id, title, hazards: own, happenedIn } = scenario
      const found = mutant.fault?.check ?? '**not found**'
      const cells = [
        own.join(', ') || '-',
        `[${id}](#${anchor(id)}): ${title}`,
        happenedIn,
        found,
        `${mutant.script.length}`,
        medians.join(' / '),
        oursCell(ours, 'fence'),
        oursCell(ours, 'drain'),
      ]
      return `| ${cells.map(escaped).join(' | ')} |`
    }),
  ]
}

function oursCell(ours: readonly OursVerdict[], policy: OursVerdict['policy']): string {
  const one = ours.find((verdict) => verdict.policy === policy)
  if (one === undefined) return '-'
  if (one.fault !== null) return `**${one.fault.check}**`
  const states = one.distinctStates === null ? '' : `, ${one.distinctStates} states`
  const how = one.exhaustive ? 'all' : one.bound === null ? 'by seed' : `bound ${one.bound}`
  return `clean: ${one.schedules} (${how}${states})`
}

function withoutScenario(): readonly string[] {
  const titles = new Map(hazards.map(({ id, title }) => [id, title]))
  return [
    '## Hazards without a scenario',
    '',
    '| hazard | what | why there is none | shown by |',
    '| --- | --- | --- | --- |',
    ...unreplayed.map(({ id, why, shownBy }) => {
      const cells = [id, titles.get(id) ?? '', why, `\`${shownBy.file}\`: ${shownBy.test}`]
      return `| ${cells.map(escaped).join(' | ')} |`
    }),
  ]
}

function section(verdict: ScenarioVerdict): readonly string[] {
  const { scenario, mutant } = verdict
  const { id, title, happenedIn, step, survives } = scenario
  const found =
    mutant.fault === null
      ? 'not found'
      : `\`${mutant.fault.check}\`, after ${mutant.schedules} schedules (${mutant.search ?? ''})`
  return [
    `## ${id}`,
    '',
    `**${title}.** Happened in: ${happenedIn}. The mutant's step: ${step}. Found as ${found}.`,
    '',
    '```text',
    ladderOf(verdict).trimEnd(),
    '```',
    '',
    `Ours${isGood(verdict) ? '' : ' (**not as it should be**)'}: ${survives}`,
  ]
}

function ladderOf({ scenario, mutant }: ScenarioVerdict): string {
  const strategy = scriptStrategy(mutant.script)
  const program = scenarioProgram(scenario, 'mutant', scenario.mutantPolicy)
  const { rows, fault } = program(strategy, { rows: true })
  const told = { script: mutant.script, pickedSteps: strategy.pickedSteps }
  return ladder(rows, fault === null ? null : withoutPlaces(fault), { told, width: LADDER_WIDTH })
}

/** Where the code stood says nothing to who has not got this very build. Who waits for whom does. */
function withoutPlaces({ check, message, details = [] }: Fault): Fault {
  const kept = details.filter((line) => !/^\s*at /.test(line) && !line.includes('file:'))
  return { check, message, details: kept }
}

function anchor(id: string): string {
  return id.toLowerCase()
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
