// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type ErrnoName, KernelError } from '@iolayers/kernel'

/** Why a connection came to its end, or never came to be. */
export class LinkError extends KernelError {
  /** It will be the same the next time. */
  readonly isForGood: boolean

  constructor(code: ErrnoName, message: string, isForGood = false) {
    super(code, message)
    this.isForGood = isForGood
  }
}
