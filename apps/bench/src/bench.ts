// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Summary } from './measure/slices.ts'

export interface BenchInit {
  /** Tiny: shows that it runs, says nothing about speed. */
  readonly smoke: boolean
}

/** One measured line of the table. */
export interface BenchRow {
  readonly name: string
  readonly goal: string
  readonly measured: Summary
  /** The same bytes in the same pattern, copied and nothing else. */
  readonly bareCopyNs: number
  /** CPU time that all layers add to the bare copy: the difference of the medians. */
  readonly addedNs: number
  readonly allocatedBytes: number
  /** Of all the bytes that were read, which have been checked. */
  readonly hash: string
}

export interface Bench {
  readonly name: string
  readonly summary: string
  run(init: BenchInit): Promise<BenchRow[]>
}
