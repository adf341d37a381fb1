// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { availableParallelism } from 'node:os'
import { scenarios } from '@iolayers/weave/scenarios'
import { Command } from 'commander'
import { FoundError } from '../cli/failure.ts'
import { type CommandIo, writeJson } from '../cli/output.ts'
import { parseCount } from '../cli/values.ts'
import { prepareFile, writeWhole } from '../cli/write-whole.ts'
import { hazardsPage } from './hazards-page.ts'
import type { Effort } from './job.ts'
import { runWithProgress } from './run-with-progress.ts'
import { planRun, unaccounted, verdictsOf, whatIsWrong } from './weave-run.ts'

interface RawReportOptions {
  readonly out: string
  readonly schedules: string
  readonly jobs?: string
  readonly json?: true
}

const FIRST_FAILURE_SEEDS = 50
const FIRST_FAILURE_SCHEDULES = 1000
const MUTANT_SCHEDULES = 20_000
const FAILURES_SHRUNK = 5

/** `iolayers weave report`: searches every scenario and writes the page about all hazards. */
export function weaveReportCommand(io: CommandIo): Command {
  return new Command('report')
    .description('search every scenario and write the page of all hazards')
    .option('--out <FILE>', 'where to write', 'docs/hazards.md')
    .option('--schedules <N>', 'of our design, for each policy: exhaustively, and by seed', '10000')
    .option('--jobs <N>', 'threads; as many as there are processors by default')
    .option('--json', 'print one JSON document when it is written')
    .addHelpText('before', ['Example:', '  iolayers weave report --out hazards.md', ''].join('\n'))
    .action(async (raw: RawReportOptions) => {
      const schedules = parseCount(raw.schedules, '--schedules', { min: 1, max: 1e9 })
      const workers =
        raw.jobs === undefined
          ? availableParallelism()
          : parseCount(raw.jobs, '--jobs', { min: 1, max: 256 })
      const effort: Effort = {
        scheduler: null,
        mutantSchedules: MUTANT_SCHEDULES,
        oursExhaustive: schedules,
        oursSeeds: schedules,
        seed: 1,
        failures: FAILURES_SHRUNK,
      }
      const first = { seeds: FIRST_FAILURE_SEEDS, schedules: FIRST_FAILURE_SCHEDULES }
      prepareFile('--out', raw.out)
      const plan = planRun(scenarios, effort, first)
      const results = await runWithProgress(io, plan.jobs, workers)
      const verdicts = verdictsOf(plan, results)
      writeWhole(raw.out, hazardsPage(verdicts, { ...effort, first }))
      const wrong = whatIsWrong(verdicts, unaccounted())
      const good = wrong.length === 0
      if (raw.json === true) writeJson(io, { out: raw.out, good })
      else io.stdout.write(`${raw.out}\n`)
      if (!good) throw new FoundError(wrong.join('; '))
    })
}
