// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Candidate } from '@iolayers/kernel'
import type { Fault } from '../search/contracts.ts'

/** Looks for one kind of fault in any run; knows no scenario. Made anew for every run. */
export interface Checker {
  readonly name: string
  /** After every step, nested ones included. The first fault ends the run. */
  afterStep?(item: Candidate): Fault | null
  /** When nothing can run any more; faults found then are reported like others. */
  atEnd?(): Fault | null
}
