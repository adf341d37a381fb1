// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** I/O of one kind, as `/sys/block/<disk>/stat` counts it. */
export interface IoGroupStats {
  /** That ended, well or not. */
  readonly ios: number
  /** Bios and requests that became part of another request. */
  readonly merges: number
  /** Of 512 bytes. */
  readonly sectors: number
  /** From submission to end, in sum. */
  readonly timeNs: number
}

/** Counters of a disk since it was made. */
export interface DiskStats {
  readonly read: IoGroupStats
  readonly write: IoGroupStats
  readonly discard: IoGroupStats
  /** Flushes of the device's cache, whoever asked for them. */
  readonly flush: IoGroupStats
  /** Submitted and not ended; those that became part of another do not count. */
  readonly inFlightReads: number
  /** The same for what is no read. */
  readonly inFlightWrites: number
  /** Time during which anything was in flight. */
  readonly busyNs: number
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
