// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Order statistics of samples. */
export interface Summary {
  readonly medianNs: number
  readonly p10Ns: number
  readonly p90Ns: number
}

/** To a tenth: what lies below is noise. */
export function summarize(samples: readonly number[]): Summary {
  return {
    medianNs: quantile(samples, 0.5),
    p10Ns: quantile(samples, 0.1),
    p90Ns: quantile(samples, 0.9),
  }
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const value = sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN
  return Math.round(value * 10) / 10
}

/** What one sample is above the other of the same slice. */
export function differences(samples: readonly number[], others: readonly number[]): number[] {
  return samples.map((sample, slice) => sample - (others[slice] ?? Number.NaN))
}

/** Nanoseconds of CPU time, of this process and all its threads, that `work` took per operation. */
function sliceNs(work: () => number): number {
  const before = process.cpuUsage()
  const operations = work()
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / operations
}

/**
 * Runs several pieces of work in turn, slice by slice, so that whatever else the machine does falls on all of them alike.
 * Each piece returns how many operations it did; the result has the nanoseconds per operation, by piece and slice.
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
