// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Times of the requests of a tag map, by tag. Nanoseconds do not fit a small integer, so they live in typed arrays. */
export class RqTimes {
  /** When the I/O was submitted. @see include/linux/blk-mq.h struct request start_time_ns */
  readonly startNs: Float64Array
  /** When the driver took the present step of a flush sequence. */
  readonly issueNs: Float64Array
  /** When the driver's patience ends. @see include/linux/blk-mq.h struct request deadline */
  readonly deadlineNs: Float64Array

  constructor(depth: number) {
    this.startNs = new Float64Array(depth)
    this.issueNs = new Float64Array(depth)
    this.deadlineNs = new Float64Array(depth)
  }
}
