// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import {
  type DecodedSqe,
  decodeSqe,
  IoUringOp,
  SQE_BYTES,
  SqeFlags,
  SqeOffset,
  setUint53,
} from './uapi.ts'

/**
 * The submission queue: real 64-byte entries in one buffer, filled in place. An entry that `getSqe` gave belongs to the
 * user until the next submit; every `prep` writes all of its fields.
 */
export class SubmissionQueue {
  readonly sqEntries: number
  /** The entries: struct io_uring_sqe. */
  readonly sqes: DataView
  protected sqHead: number
  protected sqTail: number

  constructor(sqEntries: number) {
    this.sqEntries = sqEntries
    this.sqes = new DataView(new ArrayBuffer(sqEntries * SQE_BYTES))
    this.sqHead = 0
    this.sqTail = 0
  }

  /** Entries taken and not yet submitted. */
  get sqReady(): number {
    return (this.sqTail - this.sqHead) | 0
  }

  /** The index of a free entry, now taken; -1 when the queue is full and has to be submitted first. */
  getSqe(): number {
    if (((this.sqTail - this.sqHead) | 0) === this.sqEntries) return -1
    const index = this.sqTail & (this.sqEntries - 1)
    this.sqTail = (this.sqTail + 1) | 0
    return index
  }

  prepNop(sqe: number, userData: number): void {
    this.#prep(sqe, IoUringOp.NOP, userData)
  }

  /**
   * A read of `lengthBytes` at a byte position of a registered file, into a registered buffer. The entry's `addr` is the offset
   * within the buffer. `userData` is a whole number below 2^53.
   */
  prepReadFixed(
    sqe: number,
    fileIndex: number,
    fileOffsetBytes: number,
    bufIndex: number,
    bufOffsetBytes: number,
    lengthBytes: number,
    userData: number,
  ): void {
    this.#prep(sqe, IoUringOp.READ_FIXED, userData)
    this.#prepRange(sqe, fileIndex, fileOffsetBytes, bufIndex, bufOffsetBytes, lengthBytes)
  }

  prepWriteFixed(
    sqe: number,
    fileIndex: number,
    fileOffsetBytes: number,
    bufIndex: number,
    bufOffsetBytes: number,
    lengthBytes: number,
    userData: number,
  ): void {
    this.#prep(sqe, IoUringOp.WRITE_FIXED, userData)
    this.#prepRange(sqe, fileIndex, fileOffsetBytes, bufIndex, bufOffsetBytes, lengthBytes)
  }

  /** Flushes a registered file. `fsyncFlags` is 0 or FSYNC_DATASYNC. */
  prepFsync(sqe: number, fileIndex: number, fsyncFlags: number, userData: number): void {
    this.#prep(sqe, IoUringOp.FSYNC, userData)
    const at = sqe * SQE_BYTES
    this.sqes.setUint8(at + SqeOffset.FLAGS, SqeFlags.FIXED_FILE)
    this.sqes.setInt32(at + SqeOffset.FD, fileIndex, true)
    this.sqes.setInt32(at + SqeOffset.RW_FLAGS, fsyncFlags, true)
  }

  /** RWF_ flags of a read or write that is prepared already. */
  setRwFlags(sqe: number, rwFlags: number): void {
    this.sqes.setInt32(sqe * SQE_BYTES + SqeOffset.RW_FLAGS, rwFlags, true)
  }

  decodeSqe(sqe: number): DecodedSqe {
    return decodeSqe(this.sqes, sqe * SQE_BYTES)
  }

  #prep(sqe: number, opcode: number, userData: number): void {
    assert(sqe >= 0 && sqe < this.sqEntries, 'prep: no such submission queue entry')
    const at = sqe * SQE_BYTES
    const { sqes } = this
    sqes.setInt32(at, opcode, true)
    for (let word = 4; word < SQE_BYTES; word += 4) sqes.setInt32(at + word, 0, true)
    setUint53(sqes, at + SqeOffset.USER_DATA, userData)
  }

  #prepRange(
    sqe: number,
    fileIndex: number,
    fileOffsetBytes: number,
    bufIndex: number,
    bufOffsetBytes: number,
    lengthBytes: number,
  ): void {
    const at = sqe * SQE_BYTES
    const { sqes } = this
    sqes.setUint8(at + SqeOffset.FLAGS, SqeFlags.FIXED_FILE)
    sqes.setInt32(at + SqeOffset.FD, fileIndex, true)
    setUint53(sqes, at + SqeOffset.OFF, fileOffsetBytes)
    setUint53(sqes, at + SqeOffset.ADDR, bufOffsetBytes)
    sqes.setInt32(at + SqeOffset.LEN, lengthBytes, true)
    sqes.setUint16(at + SqeOffset.BUF_INDEX, bufIndex, true)
  }
}
