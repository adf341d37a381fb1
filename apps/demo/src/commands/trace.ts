// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Command } from 'commander'
import { UsageError } from '../cli/failure.ts'
import { type CommandIo, formatBytes, writeJson } from '../cli/output.ts'
import { endOnSignal } from '../cli/signals.ts'
import { parseChoice, parseSize } from '../cli/values.ts'
import { LOGICAL_BLOCK_BYTES } from '../stack/limits.ts'
import type { IommuMode } from '../stack/stack.ts'
import { type TraceLine, traceOneIo } from '../trace/trace-io.ts'

interface RawTraceOptions {
  readonly op: string
  readonly size: string
  readonly iommu: string
  readonly json?: true
}

/** Largest I/O that `trace` issues: enough for splits and descriptor chains, small enough to read. */
const TRACE_SIZE_MAX = 16 * 1024 * 1024

/** `iolayers trace`: parses and runs, and throws what goes wrong. */
export function traceCommand(io: CommandIo): Command {
  return new Command('trace')
    .description('send one I/O through the layers and print every step of it')
    .option('--op <OP>', 'read or write', 'read')
    .option('--size <SIZE>', 'bytes, a multiple of the logical block of 512', '4K')
    .option('--iommu <MODE>', 'strict, lazy or passthrough', 'strict')
    .option('--json', 'print one JSON document')
    .addHelpText('before', ['Example:', '  iolayers trace --op write --size 2M', ''].join('\n'))
    .action(async (raw: RawTraceOptions) => {
      const sizeBytes = parseIoSize(raw.size)
      const op = parseChoice(raw.op, '--op', ['read', 'write'])
      const iommu: IommuMode = parseChoice(raw.iommu, '--iommu', ['strict', 'lazy', 'passthrough'])
      const signals = endOnSignal(io, raw.json === true)
      try {
        const steps = await traceOneIo({ op, sizeBytes, iommu })
        if (raw.json === true) writeJson(io, { op, size: sizeBytes, steps })
        else printSteps(io, `${op} of ${formatBytes(sizeBytes)}`, steps)
      } finally {
        signals.close()
      }
    })
}

function parseIoSize(text: string): number {
  const sizeBytes = parseSize(text, '--size')
  const fits = sizeBytes >= LOGICAL_BLOCK_BYTES && sizeBytes <= TRACE_SIZE_MAX
  if (fits && sizeBytes % LOGICAL_BLOCK_BYTES === 0) return sizeBytes
  throw new UsageError(
    `--size is ${text}; it takes a multiple of ${LOGICAL_BLOCK_BYTES} from ${LOGICAL_BLOCK_BYTES} to ${TRACE_SIZE_MAX} bytes`,
  )
}

function printSteps(io: CommandIo, title: string, steps: readonly TraceLine[]): void {
  const width = Math.max(...steps.map((step) => step.point.length))
  io.stdout.write(`${title}, step by step\n`)
  steps.forEach((step, index) => {
    const told = Object.entries(step.fields).filter(([, value]) => value !== '')
    const fields = told.map(([name, value]) => `${name}=${value}`)
    const number = String(index + 1).padStart(4)
    io.stdout.write(
      `${number}  ${step.layer.padEnd(13)} ${step.point.padEnd(width)}  ${fields.join(' ')}\n`,
    )
  })
}
