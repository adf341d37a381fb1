// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import {
  encodeFailure,
  type Fault,
  type Pick,
  type Scenario,
  type SearchKind,
  type WovenDesign,
  type WovenPolicy,
} from '@iolayers/weave'
import { canary, scenarios } from '@iolayers/weave/scenarios'
import Table from 'cli-table3'
import { Command } from 'commander'
import { FoundError, UsageError } from '../cli/failure.ts'
import { type CommandIo, TABLE_STYLE, tableHead, writeJson } from '../cli/output.ts'
import { parseChoice, parseCount } from '../cli/values.ts'
import { prepareDir, writeWhole } from '../cli/write-whole.ts'
import { type Effort, findScenario } from './job.ts'
import { runWithProgress } from './run-with-progress.ts'
import {
  entriesOf,
  planRun,
  type ScenarioVerdict,
  unaccounted,
  verdictsOf,
  whatIsWrong,
} from './weave-run.ts'

interface RawRunOptions {
  readonly all?: true
  readonly scheduler?: string
  readonly schedules?: string
  readonly seed: string
  readonly save?: string
  readonly jobs?: string
  readonly json?: true
}

const SCHEDULERS = ['exhaustive', 'random', 'uniform', 'pct'] as const
const SCHEDULES_MAX = 1e9
const SEED_MAX = 2 ** 32 - 1

/** Schedules of our design that are run for each policy, exhaustively and by seed, unless `--schedules` says otherwise. */
const EXHAUSTIVE_DEFAULT = 10_000
const SEEDS_DEFAULT = 10_000
const MUTANT_DEFAULT = 20_000
const FAILURES_SHRUNK = 3

/** `iolayers weave run`: looks for the fault in every published design, and for any in ours. */
export function weaveRunCommand(io: CommandIo): Command {
  return new Command('run')
    .description('explore scenarios: every mutant must be found, and our design be clean')
    .argument('[ID...]', 'hazards or scenarios; see `iolayers weave list`')
    .option('--all', 'every scenario')
    .option('--scheduler <NAME>', `only one search: ${SCHEDULERS.join(', ')}`)
    .option('--schedules <N>', 'schedules of each search')
    .option('--seed <S>', 'of the searches that go by chance', '1')
    .option(
      '--save <DIR>',
      'write each failure that was found to DIR/ID.json, and of ours to DIR/ID.ours.POLICY.json, for `weave replay`; what runs before this one saved there stays',
    )
    .option('--jobs <N>', 'threads; as many as there are processors by default')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'before',
      ['Example:', '  iolayers weave run H2 R2', '  iolayers weave run --all --json', ''].join(
        '\n',
      ),
    )
    .action(async (ids: readonly string[], raw: RawRunOptions) => {
      const chosen = chooseScenarios(ids, raw.all === true)
      const effort = effortOf(raw)
      const workers =
        raw.jobs === undefined
          ? availableParallelism()
          : parseCount(raw.jobs, '--jobs', { min: 1, max: 256 })
      if (raw.save !== undefined) prepareDir('--save', raw.save)
      const plan = planRun(chosen, effort, null)
      const begun = performance.now()
      const results = await runWithProgress(io, plan.jobs, workers)
      const seconds = (performance.now() - begun) / 1000
      const verdicts = verdictsOf(plan, results)
      const missing = raw.all === true ? unaccounted() : []
      const wrong = whatIsWrong(verdicts, missing)
      const good = wrong.length === 0
      if (raw.json === true) {
        const entries = entriesOf(verdicts, raw.all === true)
        writeJson(io, { seconds, good, wrong, hazards: entries, unaccounted: missing })
      } else printVerdicts(io, verdicts, seconds)
      // After what was found is told: a disk that is full by now takes nothing of it away.
      if (raw.save !== undefined) saveFailures(raw.save, verdicts, chosen)
      if (!good) throw new FoundError(wrong.join('; '))
    })
}

function chooseScenarios(ids: readonly string[], all: boolean): readonly Scenario[] {
  if (all && ids.length > 0) throw new UsageError('--all and IDs do not go together')
  if (all) return scenarios
  if (ids.length === 0) throw new UsageError('missing ID; --all runs every scenario')
  const chosen = ids.flatMap((id) => {
    const exact = findScenario(id)
    if (exact !== undefined) return [exact]
    const own = scenarios.filter((one) => one.hazards.includes(id.toUpperCase()))
    if (own.length > 0) return own
    throw new UsageError(`there is no scenario for "${id}"; \`iolayers weave list\` names them`)
  })
  return [...new Set(chosen)]
}

function effortOf(raw: RawRunOptions): Effort {
  const scheduler: SearchKind | null =
    raw.scheduler === undefined ? null : parseChoice(raw.scheduler, '--scheduler', SCHEDULERS)
  const given =
    raw.schedules === undefined
      ? null
      : parseCount(raw.schedules, '--schedules', { min: 1, max: SCHEDULES_MAX })
  const exhaustive = scheduler === null || scheduler === 'exhaustive'
  return {
    scheduler,
    mutantSchedules: given ?? MUTANT_DEFAULT,
    oursExhaustive: exhaustive ? (given ?? EXHAUSTIVE_DEFAULT) : 0,
    oursSeeds: scheduler === 'exhaustive' ? 0 : (given ?? SEEDS_DEFAULT),
    seed: parseCount(raw.seed, '--seed', { min: 0, max: SEED_MAX }),
    failures: FAILURES_SHRUNK,
  }
}

/** The canary's only where it was asked for: every run has one. */
function saveFailures(
  dir: string,
  verdicts: readonly ScenarioVerdict[],
  chosen: readonly Scenario[],
): void {
  for (const { scenario, mutant, ours } of verdicts) {
    if (!chosen.includes(scenario)) continue
    const { id, mutantPolicy } = scenario
    save(join(dir, `${id}.json`), id, 'mutant', mutantPolicy, mutant)
    for (const one of ours)
      save(join(dir, `${id}.ours.${one.policy}.json`), id, 'ours', one.policy, one)
  }
}

function save(
  path: string,
  hazard: string,
  design: WovenDesign,
  policy: WovenPolicy,
  { fault, script }: { readonly fault: Fault | null; readonly script: readonly Pick[] },
): void {
  if (fault === null) return
  const { check } = fault
  writeWhole(path, `${encodeFailure({ version: 1, hazard, design, policy, check, script })}\n`)
}

function printVerdicts(io: CommandIo, verdicts: readonly ScenarioVerdict[], seconds: number): void {
  const head = ['scenario', 'mutant', 'found by', 'steps', 'ours', 'schedules', 'exhaustive']
  const table = new Table({ head: tableHead(io, head), style: TABLE_STYLE })
  for (const { scenario, mutant, ours } of verdicts) {
    if (scenario === canary) continue
    table.push([
      scenario.id,
      mutant.fault === null ? 'NOT FOUND' : mutant.fault.check,
      mutant.search === null ? '-' : `${mutant.search}, ${mutant.schedules}`,
      mutant.script.length,
      ours.every((one) => one.clean)
        ? 'clean'
        : ours.map((one) => one.fault?.check ?? 'clean').join(', '),
      ours.map((one) => one.schedules).join(', '),
      ours.map((one) => (one.exhaustive ? 'all' : `bound ${one.bound ?? '-'}`)).join(', '),
    ])
  }
  io.stdout.write(`${table.toString()}\n${seconds.toFixed(1)} s\n`)
}
