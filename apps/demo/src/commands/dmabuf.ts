// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import Table from 'cli-table3'
import { Command } from 'commander'
import { UsageError } from '../cli/failure.ts'
import { type CommandIo, TABLE_STYLE, tableHead, writeJson } from '../cli/output.ts'
import { endOnSignal } from '../cli/signals.ts'
import { parseCount, parseSize } from '../cli/values.ts'
import {
  type ListedBuffer,
  type ListInit,
  listDmabufs,
  withBuffers,
} from '../dmabuf/list-dmabufs.ts'
import { type ComparedListings, compareListings, type Listing } from '../dmabuf/without-resume.ts'

interface RawListOptions {
  readonly readSize: string
  readonly create: string
  readonly withoutResume?: true
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
    .option(
      '--without-resume',
      'compare with the iterator as it was before its fix: it loses buffers',
    )
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
        const init = { create, readSizeBytes }
        if (raw.withoutResume === true) {
          printCompared(io, raw.json === true, init, await withBuffers(init, compareListings))
          return
        }
        const buffers = await listDmabufs(init)
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

function printCompared(
  io: CommandIo,
  json: boolean,
  { create, readSizeBytes }: ListInit,
  { withResume, withoutResume }: ComparedListings,
): void {
  const missing = withResume.buffers - withoutResume.buffers
  if (json) {
    writeJson(io, { create, readSize: readSizeBytes, withResume, withoutResume, missing })
    return
  }
  const table = new Table({
    head: tableHead(io, ['dmabuf iterator', 'buffers', 'reads', 'last one listed']),
    colAligns: ['left', 'right', 'right', 'left'],
    style: TABLE_STYLE,
  })
  table.push(rowOf('as it is', withResume), rowOf('before the fix', withoutResume))
  const reads = `read ${readSizeBytes} bytes at a time`
  const verdict =
    missing === 0
      ? `${reads}, neither loses a buffer: the old one loses those behind the first full read`
      : `${reads}, the old one lost ${missing} of ${withResume.buffers} buffers: the buffer at which a full read stops was put instead of kept, so the next read found no place to go on from and reported the end`
  io.stdout.write(`${table.toString()}\n${verdict}\n`)
}

function rowOf(name: string, { buffers, reads, last }: Listing): string[] {
  const shown = last === null ? '' : `${last.name} (inode ${last.inode})`
  return [name, String(buffers), String(reads), shown]
}
