// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Request } from './request.ts'

/**
 * Gathers a submitter's requests so that they reach the driver in one batch. Owned by the submitter, passed with each bio, never
 * global. Requests in it are not on their way until `finish`, or until it is full.
 * @see include/linux/blkdev.h struct blk_plug
 */
export interface Plug {
  readonly requests: number
  add(rq: Request): void
  /** Hands over what was gathered. */
  finish(): void
}
