// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { once } from 'node:events'
import { Command } from 'commander'
import { UsageError } from '../cli/failure.ts'
import { type CommandIo, writeJson } from '../cli/output.ts'
import { endOnSignal } from '../cli/signals.ts'
import { parseChoice, parseSize } from '../cli/values.ts'
import { ITER_FORMATS, ITER_NAMES, type IterName } from '../iter/iter-targets.ts'
import { READ_SIZE } from '../observe/protocol.ts'
import { readFromSocket } from '../observe/read-from-socket.ts'

interface RawIterOptions {
  readonly from: string
  readonly format: string
  readonly readSize: string
}

const SUMMARIES: Readonly<Record<IterName, string>> = {
  dmabuf: 'its dma-bufs: four lines each, inode, size, name, exporter',
  request: 'the block requests that it has in flight',
  dmabuf_token: 'the registrations of its dma-bufs with its disks, and their maps',
}

/** `iolayers iter`, with the targets below it. */
export function iterCommand(io: CommandIo): Command {
  const command = new Command('iter')
    .description('read a BPF iterator of a copy that runs with --observe')
    .addHelpText('before', example('dmabuf_token'))
  for (const name of ITER_NAMES) command.addCommand(targetCommand(io, name))
  return command
}

function example(name: IterName): string {
  const lines = ['Example:', '  iolayers copy disk.img mem:1G --observe copy.sock &']
  return [...lines, `  iolayers iter ${name} --from copy.sock`, ''].join('\n')
}

function targetCommand(io: CommandIo, iter: IterName): Command {
  return new Command(iter)
    .description(SUMMARIES[iter])
    .requiredOption('--from <SOCKET>', 'the socket of the running copy')
    .option('--format <FORMAT>', 'text or json (one JSON document)', 'text')
    .option('--read-size <SIZE>', 'bytes of each read of the iterator', String(READ_SIZE.default))
    .addHelpText('before', example(iter))
    .action(async (raw: RawIterOptions) => {
      const format = parseChoice(raw.format, '--format', ITER_FORMATS)
      const request = { iter, format, readSizeBytes: parseReadSize(raw.readSize) }
      const signals = endOnSignal(io, format === 'json')
      try {
        if (format === 'text') {
          await readFromSocket(raw.from, request, (bytes) => writeAll(io, bytes))
          return
        }
        const chunks: Uint8Array[] = []
        await readFromSocket(raw.from, request, async (bytes) => {
          chunks.push(bytes)
        })
        writeJson(io, { iter, items: parseItems(Buffer.concat(chunks).toString('utf8')) })
      } finally {
        signals.close()
      }
    })
}

function parseReadSize(text: string): number {
  const size = parseSize(text, '--read-size')
  if (size >= READ_SIZE.min && size <= READ_SIZE.max) return size
  throw new UsageError(
    `--read-size is ${text}; it takes ${READ_SIZE.min} to ${READ_SIZE.max} bytes`,
  )
}

async function writeAll(io: CommandIo, bytes: Uint8Array): Promise<void> {
  if (!io.stdout.write(bytes)) await once(io.stdout, 'drain')
}

/** The JSON programs write an object a line. */
function parseItems(text: string): unknown[] {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line): unknown => JSON.parse(line))
}
