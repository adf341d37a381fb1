// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Command } from 'commander'
import { compareCommand } from '../commands/compare.ts'
import { copyCommand } from '../commands/copy.ts'
import { dmabufCommand } from '../commands/dmabuf.ts'
import { iterCommand } from '../commands/iter.ts'
import { nvmeCommand } from '../commands/nvme.ts'
import { serveCommand } from '../commands/serve.ts'
import { traceCommand } from '../commands/trace.ts'
import { weaveCommand } from '../commands/weave.ts'
import { type CommandIo, wantsColor } from './output.ts'
import { VERSION } from './version.ts'

/** The whole command line. Every command throws instead of exiting; `main` turns that into words and an exit code. */
export function createProgram(io: CommandIo): Command {
  const program = new Command('iolayers')
    .description('Moves real data through the layers of the Linux zero-copy storage path')
    .version(VERSION, '-V, --version', 'print the version and exit')
    .helpOption('-h, --help', 'print help and exit')
    .showSuggestionAfterError()
    .addHelpText('beforeAll', '')
    .addHelpText(
      'before',
      [
        'Example:',
        '  iolayers copy disk.img mem:1G',
        '  iolayers compare disk.img copy.img',
        '  iolayers trace --op read --size 64K',
        '  iolayers nvme id-ctrl disk.img',
        '  iolayers serve disk.img',
        '  iolayers weave run --all',
        '',
      ].join('\n'),
    )
  for (const make of [
    copyCommand,
    compareCommand,
    dmabufCommand,
    iterCommand,
    nvmeCommand,
    serveCommand,
    traceCommand,
    weaveCommand,
  ]) {
    program.addCommand(make(io))
  }
  configure(program, io)
  return program
}

/** The same manners for every command: no exit from inside, output to the given streams, an error for what is left over. */
function configure(command: Command, io: CommandIo): void {
  command
    .exitOverride()
    .allowExcessArguments(false)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // `main` prints every failure once, in one form.
      writeErr: () => undefined,
      getOutHasColors: () => wantsColor(io, io.stdout),
      getErrHasColors: () => wantsColor(io, io.stderr),
    })
  for (const child of command.commands) configure(child, io)
}
