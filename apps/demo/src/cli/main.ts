// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { CommanderError } from 'commander'
import {
  describeFailure,
  ExitCode,
  type Failure,
  FoundError,
  printFailure,
  TroubleError,
} from './failure.ts'
import { type CommandIo, wantsJson, writeJson } from './output.ts'
import { createProgram } from './program.ts'

/**
 * Runs one command line and tells what the process should end with. Never throws; it ends the process by itself only at a second
 * SIGINT or SIGTERM.
 *
 * @param args the arguments after the program's name
 */
export async function main(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  const json = wantsJson(args)
  try {
    await createProgram(io).parseAsync([...args], { from: 'user' })
    return ExitCode.DONE
  } catch (error) {
    const failure = fromCommander(error) ?? describeFailure(error)
    if (failure === undefined) {
      io.stderr.write(`iolayers: a fault in iolayers itself, please report it\n${stackOf(error)}\n`)
      if (json) writeJson(io, { error: { code: 'EFAULT', message: String(error) } })
      return error instanceof TroubleError ? ExitCode.USAGE : ExitCode.FAILED
    }
    // What a search found stands in its own document already.
    const told = json && !(error instanceof FoundError)
    if (failure.exitCode !== ExitCode.DONE) printFailure(io, told, failure)
    return failure.exitCode
  }
}

/** Help and version end the parse with an exit code of 0; everything else that commander throws is wrong usage. */
function fromCommander(error: unknown): Failure | undefined {
  if (!(error instanceof CommanderError)) return undefined
  if (error.exitCode === 0) return { code: 'OK', message: '', exitCode: ExitCode.DONE }
  return {
    code: 'EUSAGE',
    message: `${wordsOf(error)} (iolayers --help tells more)`,
    exitCode: ExitCode.USAGE,
  }
}

/** In one line, without commander's own prefix; its help that nobody asked for means that the command is missing. */
function wordsOf({ code, message }: CommanderError): string {
  if (code === 'commander.help') return 'missing command'
  return message
    .replace(/^error: /, '')
    .replace(/\.$/, '')
    .replace(/\n\(Did you mean (.*)\?\)$/s, '; did you mean $1?')
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
