// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { Command } from 'commander'
import { UsageError } from '../cli/failure.ts'
import { type CommandIo, writeJson } from '../cli/output.ts'
import { parseChoice } from '../cli/values.ts'
import { parseLocation } from '../copy/location.ts'
import { asLines } from '../nvme/fields.ts'
import { inquiryCommands } from '../nvme/inquiry-commands.ts'
import { ioCommands } from '../nvme/io-commands.ts'
import { managementCommands } from '../nvme/management-commands.ts'
import { type Answer, isSet, type NvmeCommand, type Raw, text } from '../nvme/nvme-command.ts'
import { passthruCommands } from '../nvme/passthru-commands.ts'
import type { NvmeSession } from '../nvme/session.ts'
import { withController } from '../nvme/with-controller.ts'
import { addFabricOptions, parseFabricOptions } from '../remote/fabric-options.ts'
import { discoverCommand } from './discover.ts'

const FORMATS = ['normal', 'json'] as const

const COMMANDS: readonly NvmeCommand[] = [
  ...inquiryCommands,
  ...managementCommands,
  ...ioCommands,
  ...passthruCommands,
]

/** The newer spellings of nvme-cli, by group. */
const GROUPS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  id: { ctrl: 'id-ctrl', ns: 'id-ns', 'ns-descs': 'ns-descs' },
  log: {
    smart: 'smart-log',
    error: 'error-log',
    'fw-slot': 'fw-log',
    effects: 'effects-log',
    'supported-log-pages': 'supported-log-pages',
    'changed-ns-list': 'changed-ns-list-log',
    get: 'get-log',
  },
  ns: {
    list: 'list-ns',
    create: 'create-ns',
    delete: 'delete-ns',
    attach: 'attach-ns',
    detach: 'detach-ns',
    rescan: 'ns-rescan',
    format: 'format',
  },
  feature: { get: 'get-feature', set: 'set-feature' },
  io: {
    flush: 'flush',
    read: 'read',
    write: 'write',
    compare: 'compare',
    verify: 'verify',
    'write-zeroes': 'write-zeroes',
    'write-uncor': 'write-uncor',
    dsm: 'dsm',
    copy: 'copy',
  },
}

/** `iolayers nvme`, with nvme-cli's commands below it. */
export function nvmeCommand(io: CommandIo): Command {
  const command = new Command('nvme')
    .description('ask an NVMe controller over a file or over memory, as nvme-cli does')
    .addHelpText('before', example('id-ctrl'))
  for (const one of COMMANDS) command.addCommand(subcommand(io, one, one.name))
  for (const [group, members] of Object.entries(GROUPS)) {
    const parent = new Command(group).description(`the newer spelling: nvme ${group} …`)
    for (const [name, target] of Object.entries(members)) {
      const found = COMMANDS.find((one) => one.name === target)
      if (found !== undefined) parent.addCommand(subcommand(io, found, name))
    }
    command.addCommand(parent)
  }
  command.addCommand(discoverCommand(io))
  return command
}

function example(name: string): string {
  return ['Example:', `  iolayers nvme ${name} disk.img -o json`, ''].join('\n')
}

function subcommand(io: CommandIo, { name, ...one }: NvmeCommand, spelling: string): Command {
  const command = new Command(spelling)
    .description(one.description)
    .argument(
      '<TARGET>',
      'a file or mem:SIZE (a controller is made over it for this one command), or nvme+tcp://HOST[:4420]/SUBNQN',
    )
    .option('-o, --output-format <FORMAT>', FORMATS.join(' or '), 'normal')
    .option('--json', 'the same as -o json')
    .addHelpText('before', example(name))
  for (const { flags, description, fallback } of one.options ?? []) {
    command.option(flags, description, fallback)
  }
  addFabricOptions(command)
  if (one.losesData !== undefined) command.option('--force', 'yes, lose what is there')
  return command.action(async (target: string, raw: Raw) => {
    const given = isSet(raw, 'json') ? 'json' : (text(raw, 'outputFormat') ?? '')
    const outputFormat = parseChoice(given, '--output-format', FORMATS)
    const losesData = one.losesData?.(raw) === true
    if (losesData && !isSet(raw, 'force')) {
      throw new UsageError(`${name} loses what is in ${target}; say --force if that is meant`)
    }
    const location = parseLocation(target, 'TARGET')
    const writes = one.writes === true
    const fabric = parseFabricOptions(raw)
    const use = (session: NvmeSession): Op<Answer> => one.run(session, raw)
    const answer = await withController(location, { writes, fabric }, use)
    if (outputFormat === 'json') writeJson(io, answer.document)
    else print(io, answer)
  })
}

function print(io: CommandIo, { document, lines, bytes }: Answer): void {
  if (bytes !== undefined) {
    if (io.stdout.isTTY === true) {
      throw new UsageError('these are bytes, and stdout is a terminal: say where they go')
    }
    io.stdout.write(bytes)
    return
  }
  const shown = lines ?? asLines(document)
  if (shown.length > 0) io.stdout.write(`${shown.join('\n')}\n`)
}
