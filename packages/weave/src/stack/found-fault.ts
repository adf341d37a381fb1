// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Fault } from '../search/contracts.ts'

/** What a user of a stack finds wrong with the end of an I/O. */
export class FoundFault extends Error {
  readonly fault: Fault

  constructor(check: string, message: string) {
    super(message)
    this.fault = { check, message }
  }
}
