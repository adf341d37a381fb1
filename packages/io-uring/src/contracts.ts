// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { File, Op } from '@iolayers/kernel'
import type { BufferRegistration } from './registration.ts'
import type { DecodedSqe } from './uapi.ts'

export interface IoUringStats {
  /** Entries taken from the submission queue. */
  readonly submitted: number
  readonly completed: number
  /** Calls of submit that took anything: as many batches, and doorbells. */
  readonly submitCalls: number
  /** Times that a request went to a worker. */
  readonly asyncWork: number
  /** Fresh imports after the death of a map under a request of which nothing had gone out. */
  readonly staleImports: number
  readonly cqOverflows: number
}

/** Filling and submitting: nothing here sleeps or throws, and nothing is allocated. */
export interface IoUringSubmission {
  readonly sqEntries: number
  /** The entries: struct io_uring_sqe, 64 bytes each. */
  readonly sqes: DataView
  readonly sqReady: number
  getSqe(): number
  prepNop(sqe: number, userData: number): void
  prepReadFixed(
    sqe: number,
    fileIndex: number,
    fileOffsetBytes: number,
    bufIndex: number,
    bufOffsetBytes: number,
    lengthBytes: number,
    userData: number,
  ): void
  prepWriteFixed(
    sqe: number,
    fileIndex: number,
    fileOffsetBytes: number,
    bufIndex: number,
    bufOffsetBytes: number,
    lengthBytes: number,
    userData: number,
  ): void
  prepFsync(sqe: number, fileIndex: number, fsyncFlags: number, userData: number): void
  setRwFlags(sqe: number, rwFlags: number): void
  decodeSqe(sqe: number): DecodedSqe
  /**
   * Starts what was prepared, as one batch. The number of entries taken, fewer than were ready when too many requests are in
   * flight; -EAGAIN when none could be for that, -EBADF once the ring closes.
   */
  submit(): number
}

/** Completions. */
export interface IoUringCompletion {
  readonly cqEntries: number
  /** The entries: struct io_uring_cqe, 16 bytes each. */
  readonly cqes: DataView
  /** Completions that wait to be reaped, those that overflowed included. */
  readonly cqReady: number
  readonly cqOverflowed: boolean
  /** Requests taken and not completed. */
  readonly inflight: number
  /**
   * Takes up to `max` completions, oldest first, into the arrays; returns how many. With an Int32Array, `userData` has to
   * be below 2^31. Nothing is allocated.
   */
  reap(userData: Float64Array | Int32Array, results: Int32Array, max: number): number
  /** Waits until `count` completions (at most `cqEntries`) are ready or the ring closes; how many are, or -EINTR. */
  waitCqes(count: number): Op<number>
  /** `submit`, then `waitCqes`; what submit returned, or -EINTR. */
  submitAndWait(count: number): Op<number>
}

/** The control plane: these throw KernelError. */
export interface IoUringRegistration {
  /** Takes a reference on each. EBUSY when files are registered, EINVAL for none or too many. */
  registerFiles(files: readonly File[]): void
  /** The files are gone for new I/O at once; returns when the I/O on them is over. ENXIO when there are none. */
  unregisterFiles(): Op<void>
  /**
   * Makes the table of buffers; null leaves a slot empty. All or none. EBUSY when there is a table; for a dma-buf EBADF (no such file),
   * EINVAL (not open with O_DIRECT), EOPNOTSUPP (not that kind of file or device), or what the registration threw.
   */
  registerBuffers(registrations: readonly (BufferRegistration | null)[]): Op<void>
  /** Replaces one slot; returns when the I/O on the old buffer is over and it is released. */
  updateBuffer(index: number, registration: BufferRegistration | null): Op<void>
  unregisterBuffers(): Op<void>
}

/** A ring. @see io_uring/io_uring.c */
export interface IoUring extends IoUringSubmission, IoUringCompletion, IoUringRegistration {
  readonly stats: IoUringStats
  /**
   * Ends the ring: what no worker has begun is cancelled (-ECANCELED), what runs is waited for, workers end, files and buffers are
   * released. Idempotent. Completions can still be reaped.
   */
  close(): Op<void>
}
