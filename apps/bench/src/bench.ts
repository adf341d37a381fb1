// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Summary } from './measure/slices.ts'

export interface BenchInit {
  /** Tiny: shows that it runs, says nothing about speed. */
  readonly smoke: boolean
}

/** One measured line of the table. Times are nanoseconds of CPU time per operation: an I/O, a listed buffer, or a schedule. */
export interface BenchRow {
  readonly name: string
  /** What is to be reached, in words. */
  readonly goal: string
  readonly met: boolean
  readonly measured: Summary
  /** What it is held against: the same bytes in the same pattern copied, or the same list walked, and checked, and nothing else. 0 where there is no such thing. */
  readonly bareNs: number
  /** CPU time that all layers add to that: the median of the differences of neighbouring slices. */
  readonly addedNs: number
  /** On the JavaScript heap, per operation. */
  readonly allocatedBytes: number
  /** Of all that was read; each byte or sector number was checked. */
  readonly hash: string
  /** Further figures of the row, by name. */
  readonly also?: Readonly<Record<string, number>>
}

/** A benchmark: one row, or a few that differ in one parameter. Fails by throwing, also when what it moved is not right. */
export interface Bench {
  readonly name: string
  readonly summary: string
  run(init: BenchInit): Promise<readonly BenchRow[]>
}
