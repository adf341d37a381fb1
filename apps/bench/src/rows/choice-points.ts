// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bench, BenchInit, BenchRow } from '../bench.ts'
import { allocatedBytesPerOperation } from '../measure/allocation.ts'
import { differences, interleave, median, summarize } from '../measure/slices.ts'
import { createBenchKernel, WithChoicePoints, WithoutChoicePoints } from '../rigs/map-references.ts'

const GOAL_NS = 2
const FNV_OFFSET = 0x811c_9dc5
const FNV_PRIME = 0x0100_0193

interface Effort {
  readonly operations: number
  readonly warmUpSlices: number
  readonly slices: number
  readonly allocationRounds: number
}

const FULL: Effort = { operations: 2_000_000, warmUpSlices: 5, slices: 41, allocationRounds: 15 }
const SMOKE: Effort = { operations: 1000, warmUpSlices: 1, slices: 3, allocationRounds: 3 }

export const choicePoints: Bench = {
  name: 'choice-points',
  summary: 'what choice points cost outside weave: references on a map, with and without them',
  run(init: BenchInit): Promise<readonly BenchRow[]> {
    const effort = init.smoke ? SMOKE : FULL
    const kernel = createBenchKernel()
    const hash = new ResultHash()
    const withThem = withLoop(new WithChoicePoints(kernel), effort.operations, hash)
    const without = withoutLoop(new WithoutChoicePoints(kernel), effort.operations, hash)
    // The second run of the same code in each slice shows what a difference is worth.
    const pieces = [withThem, without, without]
    interleave(pieces, effort.warmUpSlices)
    const [having = [], lacking = [], again = []] = interleave(pieces, effort.slices)
    return Promise.resolve([
      {
        name: 'choice-points',
        goal: `under ${GOAL_NS} ns for taking and giving back both references of an I/O`,
        met: median(differences(having, lacking)) < GOAL_NS,
        measured: summarize(having),
        bareNs: median(lacking),
        addedNs: median(differences(having, lacking)),
        allocatedBytes: allocatedBytesPerOperation(withThem, effort.allocationRounds),
        hash: hash.text,
        also: {
          ratio: ratioOf(having, lacking),
          noiseNs: median(differences(again, lacking).map(Math.abs)),
          noiseRatio: ratioOf(again, lacking),
        },
      },
    ])
  },
}

/** The median of the ratios of neighbouring slices, to a thousandth. */
function ratioOf(samples: readonly number[], others: readonly number[]): number {
  const ratios = samples.map((sample, slice) => (1000 * sample) / (others[slice] ?? Number.NaN))
  return Math.round(median(ratios)) / 1000
}

/** Of what each loop counted last: the loops have to agree. */
class ResultHash {
  #value: number | null = null

  get text(): string {
    return ((this.#value ?? 0) >>> 0).toString(16).padStart(8, '0')
  }

  add(counted: number): void {
    const hashed = Math.imul(FNV_OFFSET ^ counted, FNV_PRIME)
    this.#value ??= hashed
    if (this.#value !== hashed) throw new Error(`a loop counted ${counted}, the others another sum`)
  }
}

// Two loops, so that the call in each has one shape to deal with.
function withLoop(map: WithChoicePoints, operations: number, hash: ResultHash): () => number {
  return () => {
    let counted = 0
    for (let i = 0; i < operations; i++) counted += map.takeAndGive()
    hash.add(counted)
    return operations
  }
}

function withoutLoop(map: WithoutChoicePoints, operations: number, hash: ResultHash): () => number {
  return () => {
    let counted = 0
    for (let i = 0; i < operations; i++) counted += map.takeAndGive()
    hash.add(counted)
    return operations
  }
}
