// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { readFileSync } from 'node:fs'
import { KernelError } from '@iolayers/kernel'
import {
  decodeFailure,
  ladder,
  type RunReport,
  scenarioProgram,
  scriptStrategy,
  toMermaid,
  toShiViz,
  type WeaveFailure,
} from '@iolayers/weave'
import { Command } from 'commander'
import { FoundError, isSystemError, UsageError } from '../cli/failure.ts'
import { type CommandIo, writeJson } from '../cli/output.ts'
import { parseChoice } from '../cli/values.ts'
import { findScenario } from './job.ts'

const FORMATS = ['ladder', 'mermaid', 'shiviz', 'json'] as const

interface RawReplayOptions {
  readonly format: string
  readonly json?: true
}

/** `iolayers weave replay`: runs a schedule that failed. Exit 1 when it fails again, 2 when there is no such schedule. */
export function weaveReplayCommand(io: CommandIo): Command {
  return new Command('replay')
    .description('replay a failure that `weave run --save` wrote; exit 1 when it is reproduced')
    .argument('<FILE>', 'the failure')
    .option('--format <FORMAT>', FORMATS.join(', '), 'ladder')
    .option('--json', 'the same as --format json')
    .addHelpText(
      'before',
      ['Example:', '  iolayers weave replay failures/H2.json --format mermaid', ''].join('\n'),
    )
    .action((file: string, raw: RawReplayOptions) => {
      const format = raw.json === true ? 'json' : parseChoice(raw.format, '--format', FORMATS)
      const failure = readFailure(file)
      const scenario = findScenario(failure.hazard)
      if (scenario === undefined) {
        throw new UsageError(`${file}: there is no scenario "${failure.hazard}" in this version`)
      }
      const policy = failure.policy ?? scenario.mutantPolicy
      const strategy = scriptStrategy(failure.script)
      const report = scenarioProgram(scenario, failure.design, policy)(strategy, { rows: true })
      const told = { script: failure.script, pickedSteps: strategy.pickedSteps }
      if (format === 'json') writeJson(io, documentOf(failure, report))
      else if (format === 'mermaid') io.stdout.write(toMermaid(report.rows, report.fault, told))
      else if (format === 'shiviz') io.stdout.write(toShiViz(report.rows, report.fault, told))
      else io.stdout.write(ladder(report.rows, report.fault, { told, width: widthOf(io) }))
      const { fault } = report
      if (fault?.check === failure.check) {
        throw new FoundError(`${failure.hazard} was reproduced: ${fault.check}: ${fault.message}`)
      }
      const instead =
        fault === null ? 'nothing fails' : `it fails by ${fault.check} instead: ${fault.message}`
      io.stderr.write(`iolayers: ${failure.hazard} was not reproduced: ${instead}\n`)
    })
}

/** Exit 1 says that a failure was reproduced, so what is no failure to replay is told as a wrong argument. */
function readFailure(file: string): WeaveFailure {
  try {
    return decodeFailure(readFileSync(file, 'utf8'))
  } catch (error) {
    if (!(error instanceof KernelError || isSystemError(error))) throw error
    throw new UsageError(`${file}: ${error.message}`)
  }
}

function documentOf(failure: WeaveFailure, report: RunReport): Record<string, unknown> {
  const { fault, steps, rows } = report
  const { hazard, design, check } = failure
  return { hazard, design, check, reproduced: fault?.check === check, fault, steps, rows }
}

function widthOf(io: CommandIo): number {
  return Math.max(80, io.stderr.columns ?? 120)
}
