// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Command, Option } from 'commander'
import { UsageError } from '../cli/failure.ts'
import type { CommandIo } from '../cli/output.ts'
import { parseProgressForm, progressOption } from '../cli/progress.ts'
import { parseChoice, parseCount, parsePowerOfTwo } from '../cli/values.ts'
import { parseLocation } from '../copy/location.ts'
import { printCopyReport } from '../copy/report.ts'
import { type CopyOptions, runCopy } from '../copy/run-copy.ts'
import {
  addFabricOptions,
  parseFabricOptions,
  type RawFabricOptions,
} from '../remote/fabric-options.ts'
import { BLOCK_SIZE, BUFFERS, LOGICAL_BLOCK_BYTES, QUEUE_DEPTH } from '../stack/limits.ts'

interface RawCopyOptions extends RawFabricOptions {
  readonly flush: boolean
  readonly resume?: true
  readonly progress: string
  readonly blockSize: string
  readonly queueDepth: string
  readonly buffers: string
  readonly iommu: string
  readonly noncoherent?: true
  readonly evictEvery?: string
  readonly policy: string
  readonly resubmitMax: string
  readonly verify: string
  readonly observe?: string
  readonly json?: true
  readonly quiet?: true
}

/** `iolayers copy`: parses and runs, and throws what goes wrong. */
export function copyCommand(io: CommandIo): Command {
  const command = new Command('copy')
    .description('copy SRC to DST through every layer, and prove it by digest')
    .argument(
      '<SRC>',
      'a file, mem:SIZE (a namespace in memory, filled with a known pattern), or nvme+tcp://HOST[:4420]/SUBNQN[/NID]',
    )
    .argument('<DST>', 'a file, mem:SIZE, or nvme+tcp://…, which is written in place')
    .option('--block-size <SIZE>', 'bytes of one I/O, a power of two', String(BLOCK_SIZE.default))
    .option('--queue-depth <N>', 'I/Os in flight', String(QUEUE_DEPTH.default))
    .option('--buffers <N>', 'dma-bufs that the I/Os are spread over', String(BUFFERS.default))
    .addOption(new Option('--iommu <MODE>', 'strict, lazy or passthrough').default('strict'))
    .option('--noncoherent', 'devices that do not snoop the CPU caches: syncs have work to do')
    .option('--evict-every <N>', 'the exporter moves its buffers after every N completed requests')
    .addOption(
      new Option(
        '--policy <POLICY>',
        'how a move ends DMA: fence returns and leaves a fence, drain waits',
      ).default('fence'),
    )
    .option('--resubmit-max <N>', 'times that one range is sent again after ESTALE', '1000')
    .option(
      '--verify <HOW>',
      'full: read the target back; source: digest the source only; none',
      'full',
    )
    .option(
      '--observe <SOCKET>',
      'let iolayers iter read the iterators of this copy at a Unix socket',
    )
    .option('--no-flush', 'do not flush what was written')
    .option(
      '--resume',
      'keep DST.partial and DST.journal on failure, signal and crash, and continue from them',
    )
    .addOption(progressOption())
    .option('--json', 'print one JSON document')
    .option('--quiet', 'print nothing but errors')
    .addHelpText(
      'before',
      [
        'Example:',
        '  iolayers copy disk.img copy.img --iommu lazy --evict-every 100',
        '  iolayers copy disk.img nvme+tcp://127.0.0.1/nqn.2026-11.org.iolayers:disk',
        '',
      ].join('\n'),
    )
  return addFabricOptions(command).action(
    async (source: string, target: string, raw: RawCopyOptions) => {
      const options = parseOptions(source, target, raw)
      const result = await runCopy(options, io)
      printCopyReport(io, options, result)
    },
  )
}

const ANY = Number.MAX_SAFE_INTEGER

function parseOptions(source: string, target: string, raw: RawCopyOptions): CopyOptions {
  if (raw.resume === true && parseLocation(target, 'DST').kind !== 'file') {
    throw new UsageError(`--resume takes a DST that is a file; ${target} is written in place`)
  }
  const queueDepth = parseCount(raw.queueDepth, '--queue-depth', QUEUE_DEPTH)
  return {
    source: parseLocation(source, 'SRC'),
    target: parseLocation(target, 'DST'),
    blockSizeBytes: parsePowerOfTwo(raw.blockSize, '--block-size', {
      min: LOGICAL_BLOCK_BYTES,
      max: BLOCK_SIZE.max,
    }),
    queueDepth,
    buffers: Math.min(parseCount(raw.buffers, '--buffers', BUFFERS), queueDepth),
    iommu: parseChoice(raw.iommu, '--iommu', ['strict', 'lazy', 'passthrough']),
    coherent: raw.noncoherent !== true,
    evictEvery:
      raw.evictEvery === undefined
        ? null
        : parseCount(raw.evictEvery, '--evict-every', { min: 1, max: ANY }),
    policy: parseChoice(raw.policy, '--policy', ['fence', 'drain']),
    resubmitMax: parseCount(raw.resubmitMax, '--resubmit-max', { min: 0, max: ANY }),
    verify: parseChoice(raw.verify, '--verify', ['full', 'source', 'none']),
    observe: raw.observe ?? null,
    flush: raw.flush,
    resume: raw.resume === true,
    progress: parseProgressForm(raw.progress),
    fabric: parseFabricOptions(raw),
    json: raw.json === true,
    quiet: raw.quiet === true,
  }
}
