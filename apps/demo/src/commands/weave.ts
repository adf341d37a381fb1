// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Command } from 'commander'
import type { CommandIo } from '../cli/output.ts'
import { weaveListCommand } from '../weave/list-command.ts'
import { weaveReplayCommand } from '../weave/replay-command.ts'
import { weaveReportCommand } from '../weave/report-command.ts'
import { weaveRunCommand } from '../weave/run-command.ts'

/** `iolayers weave`: explores the races of the path, and replays them. */
export function weaveCommand(io: CommandIo): Command {
  const weave = new Command('weave')
    .description('explore the races of the path: published designs, and ours')
    .addHelpText(
      'before',
      [
        'Example:',
        '  iolayers weave run H2 --save failures',
        '  iolayers weave replay failures/H2.json',
        '',
      ].join('\n'),
    )
  for (const command of [
    weaveListCommand(io),
    weaveRunCommand(io),
    weaveReplayCommand(io),
    weaveReportCommand(io),
  ]) {
    weave.addCommand(command)
  }
  return weave
}
