// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bench, BenchInit, BenchRow } from '../bench.ts'
import { allocatedBytesPerOperation } from '../measure/allocation.ts'
import { differences, interleave, median, summarize } from '../measure/slices.ts'
import { createRandomReads } from '../rigs/random-reads.ts'

const BLOCK_BYTES = [512, 4096] as const
const GOAL_ADDED_NS = 150
const GOAL_ALLOCATED_BYTES = 1

interface Effort {
  readonly namespaceBytes: number
  readonly batchesPerSlice: number
  /** Slices before the first that counts, for the engine to settle. */
  readonly warmUpSlices: number
  readonly slices: number
  readonly allocationRounds: number
}

const FULL: Effort = {
  namespaceBytes: 64 * 1024 * 1024,
  batchesPerSlice: 512,
  warmUpSlices: 12,
  slices: 41,
  allocationRounds: 15,
}

const SMOKE: Effort = {
  namespaceBytes: 1024 * 1024,
  batchesPerSlice: 4,
  warmUpSlices: 1,
  slices: 3,
  allocationRounds: 3,
}

export const ringRead: Bench = {
  name: 'ring-read',
  summary: 'random reads of a RAM namespace into registered dma-bufs, ring to ring, depth 32',
  async run(init: BenchInit): Promise<readonly BenchRow[]> {
    const rows: BenchRow[] = []
    for (const blockBytes of BLOCK_BYTES) {
      rows.push(await runRow(blockBytes, init.smoke ? SMOKE : FULL))
    }
    return rows
  },
}

async function runRow(blockBytes: number, effort: Effort): Promise<BenchRow> {
  const { namespaceBytes, batchesPerSlice } = effort
  const { batches, destroy } = await createRandomReads({
    blockBytes,
    namespaceBytes,
    iommu: 'strict',
    depth: 32,
    buffers: 4,
  })
  const pieces = [() => batches.read(batchesPerSlice), () => batches.copy(batchesPerSlice)] as const
  interleave(pieces, effort.warmUpSlices)
  const [layers = [], bare = []] = interleave(pieces, effort.slices)
  const { hash } = batches.readCheck
  if (hash !== batches.copyCheck.hash) throw new Error('the reads and the copies saw other sectors')
  const allocatedBytes = allocatedBytesPerOperation(pieces[0], effort.allocationRounds)
  await destroy()
  const addedNs = median(differences(layers, bare))
  return {
    name: `ring-read ${blockBytes} B`,
    goal: `adds at most ${GOAL_ADDED_NS} ns (moonshot 80), allocates under ${GOAL_ALLOCATED_BYTES} B`,
    met: addedNs <= GOAL_ADDED_NS && allocatedBytes < GOAL_ALLOCATED_BYTES,
    measured: summarize(layers),
    bareNs: median(bare),
    addedNs,
    allocatedBytes,
    hash,
  }
}
