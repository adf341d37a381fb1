// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Summary } from './measure/slices.ts'

export interface BenchInit {
  /** Tiny: shows that it runs, says nothing about speed. */
  readonly smoke: boolean
}

/** One measured line of the table. Times are nanoseconds of CPU time per I/O. */
export interface BenchRow {
  readonly name: string
  /** What is to be reached, in words. */
  readonly goal: string
  readonly met: boolean
  readonly measured: Summary
  /** The same bytes in the same pattern, copied and checked, and nothing else. */
  readonly bareCopyNs: number
  /** CPU time that all layers add to the bare copy: the median of the differences of neighbouring slices. */
  readonly addedNs: number
  /** On the JavaScript heap, per I/O. */
  readonly allocatedBytes: number
  /** Of every sector number that was read; each was checked. */
  readonly hash: string
}

/** A benchmark: one row, or a few that differ in one parameter. Fails by throwing, also when what it moved is not right. */
export interface Bench {
  readonly name: string
  readonly summary: string
  run(init: BenchInit): Promise<readonly BenchRow[]>
}
