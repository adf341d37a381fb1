// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bench, BenchInit, BenchRow } from '../bench.ts'
import { allocatedBytesPerOperation } from '../measure/allocation.ts'
import { differences, interleave, median, summarize } from '../measure/slices.ts'
import { ListedBuffers } from '../rigs/listed-buffers.ts'

const GOAL_RATIO = 20

interface Effort {
  readonly few: number
  readonly many: number
  readonly warmUpSlices: number
  readonly slices: number
  readonly allocationRounds: number
}

const FULL: Effort = {
  few: 10_000,
  many: 100_000,
  warmUpSlices: 4,
  slices: 41,
  allocationRounds: 15,
}

const SMOKE: Effort = { few: 100, many: 1000, warmUpSlices: 1, slices: 3, allocationRounds: 3 }

export const iterList: Bench = {
  name: 'iter-list',
  summary: 'listing 10,000 and 100,000 dma-bufs through the BPF iterator, in reads of 4 KiB',
  async run(init: BenchInit): Promise<readonly BenchRow[]> {
    const effort = init.smoke ? SMOKE : FULL
    const few = new ListedBuffers(effort.few)
    const many = new ListedBuffers(effort.many)
    const rows = await measure(few, many, effort)
    await few.destroy()
    await many.destroy()
    return rows
  },
}

async function measure(
  few: ListedBuffers,
  many: ListedBuffers,
  effort: Effort,
): Promise<BenchRow[]> {
  // As many buffers in each piece: a slice of one size lasts as long as one of the other.
  const times = effort.many / effort.few
  const repeat = (work: () => number) => (): number => {
    let buffers = 0
    for (let i = 0; i < times; i++) buffers += work()
    return buffers
  }
  const pieces = [
    repeat(() => few.list()),
    repeat(() => few.walk()),
    () => many.list(),
    () => many.walk(),
  ]
  interleave(pieces, effort.warmUpSlices)
  const [fewList = [], fewWalk = [], manyList = [], manyWalk = []] = interleave(
    pieces,
    effort.slices,
  )
  const ratio = (median(manyList) * many.count) / (median(fewList) * few.count)
  return [
    await rowOf(few, { list: fewList, walk: fewWalk }, effort, null),
    await rowOf(many, { list: manyList, walk: manyWalk }, effort, Math.round(ratio * 10) / 10),
  ]
}

interface Samples {
  readonly list: readonly number[]
  readonly walk: readonly number[]
}

/** @param ratio of the time of this listing to that of the other one; null in the row that it is held against */
async function rowOf(
  buffers: ListedBuffers,
  { list, walk }: Samples,
  effort: Effort,
  ratio: number | null,
): Promise<BenchRow> {
  const { count, hash } = buffers
  const calls = buffers.countCalls()
  const asFew = calls === count + 1
  return {
    name: ratio === null ? 'iter-list-10k' : 'iter-list-100k',
    goal: `n + 1 calls of begin and next${ratio === null ? '' : `, under ${GOAL_RATIO} times the time of 10,000`}`,
    met: asFew && (ratio === null || ratio < GOAL_RATIO),
    measured: summarize(list),
    bareNs: median(walk),
    addedNs: median(differences(list, walk)),
    allocatedBytes: allocatedBytesPerOperation(() => buffers.listSome(), effort.allocationRounds),
    hash,
    also: {
      buffers: count,
      beginAndNextCalls: calls,
      heldBytes: await buffers.heldBytes(),
      ...(ratio === null ? {} : { timesOf10k: ratio }),
    },
  }
}
