// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SubmissionQueue } from './submission-queue.ts'
import { IoUringOp, SQE_BYTES, SqeOffset } from './uapi.ts'
import { NopFlags } from './uapi-flags.ts'

/**
 * Prepares the entries of the other operations. Files are named by descriptor; with SqeFlags.FIXED_FILE set afterwards, by their place
 * in the table. Addresses are of user memory.
 * @see liburing's io_uring_prep_read and its like
 */
export class SqePrep extends SubmissionQueue {
  /** A NOP that ends with `result`. */
  prepNopResult(sqe: number, result: number, userData: number): void {
    this.prep(sqe, IoUringOp.NOP, -1, 0, 0, result, userData, 0)
    this.setRwFlags(sqe, NopFlags.INJECT_RESULT)
  }

  /** `fileOffsetBytes` -1: the file's own position. */
  prepRead(
    sqe: number,
    fd: number,
    addr: number,
    lengthBytes: number,
    fileOffsetBytes: number,
    userData: number,
  ): void {
    this.prep(sqe, IoUringOp.READ, fd, fileOffsetBytes, addr, lengthBytes, userData, 0)
    this.#setPosition(sqe, fileOffsetBytes)
  }

  prepWrite(
    sqe: number,
    fd: number,
    addr: number,
    lengthBytes: number,
    fileOffsetBytes: number,
    userData: number,
  ): void {
    this.prep(sqe, IoUringOp.WRITE, fd, fileOffsetBytes, addr, lengthBytes, userData, 0)
    this.#setPosition(sqe, fileOffsetBytes)
  }

  /** `iovecAddr`: where in user memory the `nrVecs` entries of struct iovec are. */
  prepReadv(
    sqe: number,
    fd: number,
    iovecAddr: number,
    nrVecs: number,
    fileOffsetBytes: number,
    userData: number,
  ): void {
    this.prep(sqe, IoUringOp.READV, fd, fileOffsetBytes, iovecAddr, nrVecs, userData, 0)
    this.#setPosition(sqe, fileOffsetBytes)
  }

  prepWritev(
    sqe: number,
    fd: number,
    iovecAddr: number,
    nrVecs: number,
    fileOffsetBytes: number,
    userData: number,
  ): void {
    this.prep(sqe, IoUringOp.WRITEV, fd, fileOffsetBytes, iovecAddr, nrVecs, userData, 0)
    this.#setPosition(sqe, fileOffsetBytes)
  }

  /** `timespecAddr`: a struct __kernel_timespec in user memory. `count`: completions that end it too, 0 for none. */
  prepTimeout(
    sqe: number,
    timespecAddr: number,
    count: number,
    timeoutFlags: number,
    userData: number,
  ): void {
    this.prep(sqe, IoUringOp.TIMEOUT, -1, count, timespecAddr, 1, userData, 0)
    this.setRwFlags(sqe, timeoutFlags)
  }

  prepTimeoutRemove(sqe: number, target: number, userData: number): void {
    this.prep(sqe, IoUringOp.TIMEOUT_REMOVE, -1, 0, target, 0, userData, 0)
  }

  /** `timeoutFlags`: UPDATE or LINK_TIMEOUT_UPDATE, and ABS. */
  prepTimeoutUpdate(
    sqe: number,
    timespecAddr: number,
    target: number,
    timeoutFlags: number,
    userData: number,
  ): void {
    this.prep(sqe, IoUringOp.TIMEOUT_REMOVE, -1, timespecAddr, target, 0, userData, 0)
    this.setRwFlags(sqe, timeoutFlags)
  }

  prepLinkTimeout(sqe: number, timespecAddr: number, timeoutFlags: number, userData: number): void {
    this.prep(sqe, IoUringOp.LINK_TIMEOUT, -1, 0, timespecAddr, 1, userData, 0)
    this.setRwFlags(sqe, timeoutFlags)
  }

  /** Cancels by user data. */
  prepCancel(sqe: number, target: number, cancelFlags: number, userData: number): void {
    this.prep(sqe, IoUringOp.ASYNC_CANCEL, -1, 0, target, 0, userData, 0)
    this.setRwFlags(sqe, cancelFlags)
  }

  /** Cancels by file; `cancelFlags` has FD, and FD_FIXED where `fd` is a place in the table. */
  prepCancelFd(sqe: number, fd: number, cancelFlags: number, userData: number): void {
    this.prep(sqe, IoUringOp.ASYNC_CANCEL, fd, 0, 0, 0, userData, 0)
    this.setRwFlags(sqe, cancelFlags)
  }

  #setPosition(sqe: number, fileOffsetBytes: number): void {
    if (fileOffsetBytes !== -1) return
    const at = sqe * SQE_BYTES + SqeOffset.OFF
    this.sqes.setInt32(at, -1, true)
    this.sqes.setInt32(at + 4, -1, true)
  }
}
