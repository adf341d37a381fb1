// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import Table from 'cli-table3'
import { Command } from 'commander'
import { UsageError } from '../cli/failure.ts'
import { type CommandIo, TABLE_STYLE, tableHead, writeJson } from '../cli/output.ts'
import { endOnSignal } from '../cli/signals.ts'
import { parseCount, parseSize } from '../cli/values.ts'
import { type ListedBuffer, listDmabufs } from '../dmabuf/list-dmabufs.ts'

interface RawListOptions {
  readonly readSize: string
  readonly create: string
  readonly json?: true
}

const CREATE_MAX = 65_536
const READ_SIZE_MAX = 64 * 1024 * 1024

/** `iolayers dmabuf`, with `list` below it. */
export function dmabufCommand(io: CommandIo): Command {
  return new Command('dmabuf')
    .description('look at dma-bufs')
    .addHelpText(
      'before',
      ['Example:', '  iolayers dmabuf list --create 1000 --read-size 64', ''].join('\n'),
    )
    .addCommand(listCommand(io))
}

function listCommand(io: CommandIo): Command {
  return new Command('list')
    .description('list the dma-bufs of a stack by reading its BPF dmabuf iterator')
    .option('--create <N>', 'buffers of one page to export first, from the system heap', '4')
    .option('--read-size <SIZE>', 'bytes of each read of the iterator', '4096')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'before',
      ['Example:', '  iolayers dmabuf list --create 1000 --read-size 64', ''].join('\n'),
    )
    .action(async (raw: RawListOptions) => {
      const create = parseCount(raw.create, '--create', { min: 0, max: CREATE_MAX })
      const readSizeBytes = parseReadSize(raw.readSize)
      const signals = endOnSignal(io, raw.json === true)
      try {
        const buffers = await listDmabufs({ create, readSizeBytes })
        if (raw.json === true) writeJson(io, { buffers })
        else printBuffers(io, buffers)
      } finally {
        signals.close()
      }
    })
}

function parseReadSize(text: string): number {
  const size = parseSize(text, '--read-size')
  if (size >= 1 && size <= READ_SIZE_MAX) return size
  throw new UsageError(`--read-size is ${text}; it takes 1 to ${READ_SIZE_MAX} bytes`)
}

function printBuffers(io: CommandIo, buffers: readonly ListedBuffer[]): void {
  const table = new Table({
    head: tableHead(io, ['inode', 'size', 'name', 'exporter', 'references']),
    colAligns: ['right', 'right', 'left', 'left', 'right'],
    style: TABLE_STYLE,
  })
  for (const { inode, size, name, exporter, references } of buffers) {
    table.push([String(inode), String(size), name, exporter, String(references)])
  }
  io.stdout.write(`${table.toString()}\n${buffers.length} buffers\n`)
}
