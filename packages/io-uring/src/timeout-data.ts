// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Scheduler, Timer } from '@iolayers/kernel'
import type { IoReq } from './io-req.ts'

/**
 * What a TIMEOUT or a LINK_TIMEOUT needs besides its request; also the arguments of a TIMEOUT_REMOVE.
 * @see io_uring/timeout.c struct io_timeout, struct io_timeout_data
 */
export class TimeoutData {
  readonly timer: Timer
  /** Nanoseconds: from now, or with ABS on the clock. */
  timeNs = 0
  /** Completions that end it; 0: none do. With MULTISHOT, how often it fires; 0: for ever. */
  off = 0
  repeats = 0
  targetSeq = 0
  /** Of a LINK_TIMEOUT: whom it is for; null once it has expired. */
  head: IoReq | null = null
  headUserDataLow = 0
  headUserDataHigh = 0

  constructor(scheduler: Scheduler, expired: () => void) {
    this.timer = new Timer(scheduler, 'io_uring timeout', expired)
  }
}
