// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Counters of a disk since it was made. */
export interface DiskStats {
  /** Bios accepted. */
  readonly bios: number
  readonly splits: number
  /** Requests made, flushes among them. */
  readonly requests: number
  readonly merges: number
  /** Times a driver gave a request back. */
  readonly requeues: number
  /** Requests ended, well or not. */
  readonly completions: number
  readonly errors: number
  readonly flushes: number
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Times that a submitter slept for a tag. */
  readonly tagWaits: number
  /** Plain submissions refused with AGAIN. */
  readonly again: number
  /** Batches handed to `queueRqs`. */
  readonly batches: number
  /** Requests handed to the driver and not ended. */
  readonly inFlight: number
}
