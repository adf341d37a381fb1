// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Order statistics of samples. */
export interface Summary {
  readonly medianNs: number
  readonly p10Ns: number
  readonly p90Ns: number
}

export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number): number => {
    const value = sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN
    return Math.round(value * 10) / 10
  }
  return { medianNs: at(0.5), p10Ns: at(0.1), p90Ns: at(0.9) }
}

/** Nanoseconds of CPU time, of this process and all its threads, that `work` took per operation. */
function sliceNs(work: () => number): number {
  const before = process.cpuUsage()
  const operations = work()
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / operations
}

/**
 * Runs several pieces of work in turn, slice by slice, so that what else the machine does falls on all of them alike. Each piece returns how many operations it did.
 */
export function interleave(pieces: readonly (() => number)[], slices: number): number[][] {
  const samples: number[][] = pieces.map(() => [])
  for (let slice = 0; slice < slices; slice++) {
    pieces.forEach((work, index) => {
      samples[index]?.push(sliceNs(work))
    })
  }
  return samples
}
