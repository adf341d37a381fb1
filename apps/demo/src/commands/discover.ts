// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createEventLoopScheduler, createKernel } from '@iolayers/kernel'
import { type DiscoveryEntry, discover } from '@iolayers/nvme/tcp'
import { Command } from 'commander'
import { UsageError } from '../cli/failure.ts'
import { type CommandIo, writeJson } from '../cli/output.ts'
import { parseChoice, parseCount } from '../cli/values.ts'
import {
  addHostOptions,
  parseFabricOptions,
  type RawFabricOptions,
} from '../remote/fabric-options.ts'

interface RawOptions extends RawFabricOptions {
  readonly transport: string
  readonly traddr?: string
  readonly trsvcid?: string
  readonly nqn?: string
  readonly outputFormat: string
  readonly json?: true
}

/** `iolayers nvme discover`, as nvme-cli's. */
export function discoverCommand(io: CommandIo): Command {
  const command = new Command('discover')
    .description('ask a discovery controller over NVMe/TCP which subsystems there are')
    .option('-t, --transport <TYPE>', 'tcp', 'tcp')
    .option('-a, --traddr <ADDRESS>', 'where the controller is')
    .option('-s, --trsvcid <PORT>', 'its port (default: 8009)')
    .option('-n, --nqn <NQN>', 'a discovery subsystem of another name')
    .option('-o, --output-format <FORMAT>', 'normal or json', 'normal')
    .option('--json', 'the same as -o json')
    .addHelpText(
      'before',
      ['Example:', '  iolayers nvme discover -t tcp -a 127.0.0.1 -s 4420', ''].join('\n'),
    )
  return addHostOptions(command).action(async (raw: RawOptions) => {
    parseChoice(raw.transport, '--transport', ['tcp'])
    const isJson = raw.json === true || raw.outputFormat === 'json'
    parseChoice(raw.outputFormat, '--output-format', ['normal', 'json'])
    if (raw.traddr === undefined) throw new UsageError('missing --traddr')
    const port = raw.trsvcid === undefined ? {} : { port: parsePort(raw.trsvcid) }
    const kernel = createKernel({ scheduler: createEventLoopScheduler() })
    const log = await discover(
      { kernel },
      {
        ...parseFabricOptions(raw),
        ...port,
        host: raw.traddr,
        ...(raw.nqn !== undefined && { subsystemNqn: raw.nqn }),
      },
    )
    if (isJson) writeJson(io, { genctr: log.generation, records: log.entries.map(asRecord) })
    else io.stdout.write(`${asLines(log.generation, log.entries).join('\n')}\n`)
  })
}

function parsePort(text: string): number {
  return parseCount(text, '--trsvcid', { min: 1, max: 65_535 })
}

/** The names are nvme-cli's. */
function asRecord(entry: DiscoveryEntry): Record<string, unknown> {
  return {
    trtype: entry.transport,
    adrfam: entry.addressFamily,
    subtype: entry.subsystemType,
    portid: entry.portId,
    trsvcid: entry.serviceId,
    subnqn: entry.subsystemNqn,
    traddr: entry.address,
  }
}

function asLines(generation: number, entries: readonly DiscoveryEntry[]): string[] {
  const lines = [
    `Discovery Log Number of Records ${entries.length}, Generation counter ${generation}`,
  ]
  entries.forEach((entry, i) => {
    lines.push(`=====Discovery Log Entry ${i}======`)
    for (const [name, value] of Object.entries(asRecord(entry))) lines.push(`${name}:  ${value}`)
  })
  return lines
}
