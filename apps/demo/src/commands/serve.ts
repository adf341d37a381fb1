// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { statSync } from 'node:fs'
import { createPhysicalMemory } from '@iolayers/dma-mapping'
import { createEventLoopScheduler, createKernel, type Kernel } from '@iolayers/kernel'
import { createMemoryStore, type NamespaceStore } from '@iolayers/nvme/controller'
import { createFileStore } from '@iolayers/nvme/file'
import { type HostEvent, serve } from '@iolayers/nvme/tcp'
import { Command } from 'commander'
import { UsageError } from '../cli/failure.ts'
import { type CommandIo, formatBytes, JSON_VERSION } from '../cli/output.ts'
import { watchSignals } from '../cli/signals.ts'
import { parseCount } from '../cli/values.ts'
import { type LocalLocation, parseLocal } from '../copy/location.ts'

const BLOCK_BYTES = 512
const DEFAULT_NQN = 'nqn.2026-11.org.iolayers:serve'

interface ServeOptions {
  readonly port: string
  readonly host: string
  readonly nqn: string
  readonly allowHost?: readonly string[]
  readonly json?: boolean
}

/** `iolayers serve`: files and memory as the namespaces of a subsystem, over NVMe/TCP. */
export function serveCommand(io: CommandIo): Command {
  const collect = (value: string, before: readonly string[] = []): string[] => [...before, value]
  return new Command('serve')
    .description('serve files or memory over NVMe/TCP until SIGINT or SIGTERM')
    .argument('<WHAT...>', 'files, or mem:SIZE: namespaces 1, 2 and so on of one subsystem')
    .option('--port <PORT>', 'where to listen; 0: any that is free', '4420')
    .option(
      '--host <ADDRESS>',
      'the address to listen at; others than 127.0.0.1 let others in',
      '127.0.0.1',
    )
    .option('--nqn <NQN>', 'the name of the subsystem', DEFAULT_NQN)
    .option(
      '--allow-host <NQN>',
      'only hosts of this name; more than once for more of them',
      collect,
    )
    .option('--json', 'an event a line')
    .addHelpText(
      'before',
      [
        'Example:',
        '  iolayers serve disk.img --port 4420',
        `  nvme connect -t tcp -a 127.0.0.1 -s 4420 -n ${DEFAULT_NQN}`,
        '',
      ].join('\n'),
    )
    .action(async (what: readonly string[], options: ServeOptions) => {
      const port = parseCount(options.port, '--port', { min: 0, max: 65_535 })
      if (!options.nqn.startsWith('nqn.')) {
        throw new UsageError(`--nqn is "${options.nqn}"; it begins with nqn.`)
      }
      const locations = what.map((text) => parseLocal(text, 'WHAT'))
      await run(io, locations, { ...options, port })
    })
}

async function run(
  io: CommandIo,
  locations: readonly LocalLocation[],
  options: Omit<ServeOptions, 'port'> & { readonly port: number },
): Promise<void> {
  const { port, host, nqn, allowHost, json = false } = options
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler })
  const stores: NamespaceStore[] = []
  const say = (event: Record<string, unknown>, line: string): void => {
    io.stdout.write(json ? `${JSON.stringify({ version: JSON_VERSION, ...event })}\n` : `${line}\n`)
  }
  const onHost = ({ kind, ...about }: HostEvent): void =>
    say({ event: kind, ...about }, `${about.hostNqn} ${kind} (controller ${about.controllerId})`)
  // From here on a signal is taken note of, however early it comes.
  const stopped = until()
  try {
    for (const location of locations) stores.push(openStore(kernel, location))
    const namespaces = stores.map((store, i) => ({ nsid: i + 1, store }))
    const subsystem = { nqn, namespaces, ...(allowHost !== undefined && { allowHosts: allowHost }) }
    const target = await serve({ kernel }, { subsystems: [subsystem], port, host, onHost })
    try {
      const sizes = stores.map(({ sizeBytes }) => sizeBytes)
      const lines = sizes.map((bytes, i) => `  namespace ${i + 1}: ${formatBytes(bytes)}`)
      say(
        { event: 'listening', host: target.host, port: target.port, nqn, sizes },
        [`listening on ${target.host}:${target.port} as ${nqn}`, ...lines].join('\n'),
      )
      await stopped.signal
    } finally {
      await target.close()
    }
  } finally {
    stopped.close()
    for (const store of stores) await scheduler.run('close', store.close())
  }
  say({ event: 'closed' }, 'closed')
}

/** Ends with the first signal. */
function until(): { readonly signal: Promise<void>; close(): void } {
  let end: () => void = () => {}
  const signal = new Promise<void>((resolve) => {
    end = resolve
  })
  const watch = watchSignals({ onFirst: () => end(), onSecond: () => {} })
  return { signal, close: () => watch.close() }
}

function openStore(kernel: Kernel, location: LocalLocation): NamespaceStore {
  if (location.kind === 'file') {
    // Its words for a file that is not there are better than those of an open that fails.
    statSync(location.path)
    return createFileStore({ kernel }, { path: location.path })
  }
  const sizeBytes = Math.max(1, Math.ceil(location.sizeBytes / BLOCK_BYTES)) * BLOCK_BYTES
  const memory = createPhysicalMemory({ kernel }, { ramBytes: sizeBytes + (4 << 20) })
  return createMemoryStore({ kernel, memory }, { sizeBytes })
}
