// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Command } from 'commander'
import { FoundError, TroubleError } from '../cli/failure.ts'
import { type CommandIo, writeJson } from '../cli/output.ts'
import { createProgress, parseProgressForm, progressOption } from '../cli/progress.ts'
import { endOnSignal } from '../cli/signals.ts'
import { type Comparison, compareEnds } from '../compare/compare-ends.ts'
import { openSource, type SourceEnd } from '../copy/ends.ts'
import { type Location, parseLocation } from '../copy/location.ts'
import { remoteSource } from '../copy/remote-ends.ts'
import {
  addFabricOptions,
  type FabricOptions,
  parseFabricOptions,
  type RawFabricOptions,
} from '../remote/fabric-options.ts'

interface RawOptions extends RawFabricOptions {
  readonly progress: string
  readonly json?: true
  readonly quiet?: true
}

/** `iolayers compare`: as cmp, 0 equal, 1 different, 2 trouble. */
export function compareCommand(io: CommandIo): Command {
  const command = new Command('compare')
    .description(
      'compare A and B byte by byte: exit 0 if they are equal, 1 if they differ, 2 for any trouble',
    )
    .argument('<A>', 'a file, mem:SIZE (the known pattern), or nvme+tcp://HOST[:4420]/SUBNQN[/NID]')
    .argument('<B>', 'the same')
    .addOption(progressOption())
    .option('--json', 'print one JSON document')
    .option('--quiet', 'say nothing of a difference')
    .addHelpText(
      'before',
      [
        'Example:',
        '  iolayers compare disk.img nvme+tcp://127.0.0.1/nqn.2026-11.org.iolayers:serve',
        '',
      ].join('\n'),
    )
  return addFabricOptions(command).action(async (a: string, b: string, raw: RawOptions) => {
    const found = await withTrouble(() =>
      run(io, parseLocation(a, 'A'), parseLocation(b, 'B'), raw),
    )
    if (raw.json === true) writeJson(io, { ...found })
    if (!found.equal) throw new FoundError(raw.quiet === true ? '' : wordsOf(a, b, found))
  })
}

/** All but a difference is trouble. */
async function withTrouble<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new TroubleError(error)
  }
}

async function run(io: CommandIo, a: Location, b: Location, raw: RawOptions): Promise<Comparison> {
  const fabric = parseFabricOptions(raw)
  const form = parseProgressForm(raw.progress)
  const progress = createProgress(io, { quiet: raw.quiet === true, form })
  const signals = endOnSignal(io, raw.json === true)
  try {
    const ends = [await endOf('A', a, fabric), await endOf('B', b, fabric)] as const
    progress.start('comparing', Math.min(ends[0].sizeBytes, ends[1].sizeBytes))
    return await compareEnds(ends[0], ends[1], {
      fabric,
      onProgress: (doneBytes) => progress.update(doneBytes),
      onLink: () => {},
      cancelled: signals.pending,
    })
  } finally {
    progress.stop()
    signals.close()
  }
}

async function endOf(label: string, location: Location, fabric: FabricOptions): Promise<SourceEnd> {
  return location.kind === 'remote'
    ? await remoteSource(location, fabric)
    : openSource(location, label)
}

/** As cmp has it, which counts bytes from 1. */
function wordsOf(a: string, b: string, { firstDifference, sizes, bytes }: Comparison): string {
  if (firstDifference !== null) return `${a} ${b} differ: byte ${firstDifference + 1}`
  const shorter = sizes[0] < sizes[1] ? a : b
  return `EOF on ${shorter} after byte ${bytes}`
}
