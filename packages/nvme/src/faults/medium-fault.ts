// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Change } from './bytes.ts'

/** What the I/Os of a command meet at their store. */
export interface MediumFault {
  /** -1: its own. */
  readonly status: number
  /** Drawn for each I/O; 0 for none. */
  readonly delayNs: () => number
  /** Of a write, so many bytes arrive. */
  readonly tornBytes: number
  readonly lost: boolean
  readonly read: readonly Change[]
  readonly write: readonly Change[]
}
