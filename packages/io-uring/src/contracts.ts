// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { BufferRegistration } from './registration.ts'
import type { CloneBuffersInit, FileEntry } from './rsrc-tables.ts'
import type { SqePrep } from './sqe-prep.ts'
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
  setSqeFlags(sqe: number, flags: number): void
  decodeSqe(sqe: number): DecodedSqe
  /**
   * Starts what was prepared, as one batch. The number of entries taken: fewer than were ready when too many requests are in
   * flight, or when one was refused, which has its completion and ends the batch (not with SUBMIT_ALL). -EAGAIN when none could be
   * taken, -EBADF once the ring closes, -EEXIST for a task that may not submit to it. A chain ends with the batch.
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
  /** SqRingFlags: completions overflowed; with TASKRUN_FLAG, task work waits for the owner. */
  readonly sqFlags: number
  /** Requests taken and not completed. */
  readonly inflight: number
  /**
   * Takes up to `max` completions, oldest first, into the arrays; returns how many. With an Int32Array, `userData` has to
   * be below 2^31. `flags` receives CqeFlags. Nothing is allocated.
   */
  reap(
    userData: Float64Array | Int32Array,
    results: Int32Array,
    max: number,
    flags?: Int32Array | null,
  ): number
  /**
   * Runs the task work of a deferring ring, looks for the completions of a polled one, and waits until `count` completions (at most
   * `cqEntries`) are ready or the ring closes. How many are; with none, -ETIME after `timeoutNs`, -EINTR when a signal came, -EEXIST for a
   * task that is not the owner of a DEFER_TASKRUN ring.
   */
  waitCqes(count: number, timeoutNs?: number): Op<number>
  /** `submit`, then `waitCqes`: what submit returned, and where that is 0 the error of the wait. */
  submitAndWait(count: number, timeoutNs?: number): Op<number>
}

/** The control plane: these throw KernelError. Tags are below 2^53; 0 is none. */
export interface IoUringRegistration {
  /**
   * Takes a reference on each. EBUSY when files are registered, EINVAL for none or for a tag of an empty slot, EMFILE for too many, EBADF for a
   * descriptor that is not open.
   */
  registerFiles(files: readonly FileEntry[], tags?: readonly number[]): void
  /**
   * Replaces slots from `offset` on: how many, up to the first that could not be. ENXIO without a table, EINVAL beyond it, or what was wrong
   * with the first. Returns when the I/O on the old files is over.
   */
  updateFiles(offset: number, files: readonly FileEntry[], tags?: readonly number[]): Op<number>
  /** The files are gone for new I/O at once; returns when the I/O on them is over. ENXIO when there are none. */
  unregisterFiles(): Op<void>
  /**
   * Makes the table of buffers; null leaves a slot empty. All or none. EBUSY when there is a table; for a dma-buf EBADF (no such file),
   * EINVAL (not open with O_DIRECT), EOPNOTSUPP (not that kind of file or device), or what the registration threw.
   */
  registerBuffers(
    registrations: readonly (BufferRegistration | null)[],
    tags?: readonly number[],
  ): Op<void>
  /** Replaces slots from `offset` on, as `updateFiles`. */
  updateBuffers(
    offset: number,
    registrations: readonly (BufferRegistration | null)[],
    tags?: readonly number[],
  ): Op<number>
  /** Replaces one slot; returns when the I/O on the old buffer is over and it is released. */
  updateBuffer(index: number, registration: BufferRegistration | null): Op<void>
  unregisterBuffers(): Op<void>
}

/** What a synchronous cancellation matches. */
export interface SyncCancelInit {
  readonly userData?: number
  /** CancelFlags. */
  readonly flags?: number
  readonly fd?: number
  readonly opcode?: number
  readonly timeoutNs?: number
}

/** More of the control plane. */
export interface IoUringControl {
  /**
   * Puts buffers of another ring into this one's table: memory only. Tags stay behind. EBUSY when there is a table (without
   * CLONE_DST_REPLACE), ENXIO when the other has none, EINVAL and EOVERFLOW for ranges that do not fit, EOPNOTSUPP for a dma-buf,
   * which belongs to the ring that registered it.
   */
  cloneBuffers(source: IoUring, init?: CloneBuffersInit): Op<void>
  /** From now on at most so many workers; 0 changes nothing. How many it were. */
  registerIowqMaxWorkers(count: number): number
  /** Cancels as ASYNC_CANCEL does, and waits for those that a worker has begun. 0, a count, -ENOENT, -EBADF, -ETIME or -EINTR. */
  syncCancel(init: SyncCancelInit): Op<number>
}

/** Preparing the entries of all other operations. */
export type IoUringPrep = Pick<
  SqePrep,
  | 'prepNopResult'
  | 'prepRead'
  | 'prepWrite'
  | 'prepReadv'
  | 'prepWritev'
  | 'prepTimeout'
  | 'prepTimeoutRemove'
  | 'prepTimeoutUpdate'
  | 'prepLinkTimeout'
  | 'prepCancel'
  | 'prepCancelFd'
>

/** A ring. @see io_uring/io_uring.c */
export interface IoUring
  extends IoUringSubmission,
    IoUringPrep,
    IoUringCompletion,
    IoUringRegistration,
    IoUringControl {
  readonly stats: IoUringStats
  /**
   * Ends the ring: what no worker has begun, timeouts, and what is held back are cancelled (-ECANCELED), what runs is waited for,
   * workers end, files and buffers are released. Idempotent. Completions can still be reaped.
   */
  close(): Op<void>
}
