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

  /** Flags of an entry that is prepared already: SqeFlags, in place of those that it has. */
  setSqeFlags(sqe: number, flags: number): void {
    this.sqes.setUint8(sqe * SQE_BYTES + SqeOffset.FLAGS, flags)
  }

  prepNop(sqe: number, userData: number): void {
    this.prep(sqe, IoUringOp.NOP, 0, 0, 0, 0, userData, 0)
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
    this.prep(
      sqe,
      READ_FIXED,
      fileIndex,
      fileOffsetBytes,
      bufOffsetBytes,
      lengthBytes,
      userData,
      bufIndex,
    )
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
    this.prep(
      sqe,
      WRITE_FIXED,
      fileIndex,
      fileOffsetBytes,
      bufOffsetBytes,
      lengthBytes,
      userData,
      bufIndex,
    )
  }

  /** Flushes a registered file. `fsyncFlags` is 0 or FSYNC_DATASYNC. */
  prepFsync(sqe: number, fileIndex: number, fsyncFlags: number, userData: number): void {
    this.prep(sqe, FSYNC, fileIndex, 0, 0, 0, userData, 0)
    this.setRwFlags(sqe, fsyncFlags)
  }

  /** RWF_ flags of a read or write that is prepared already. */
  setRwFlags(sqe: number, rwFlags: number): void {
    this.sqes.setInt32(sqe * SQE_BYTES + SqeOffset.RW_FLAGS, rwFlags, true)
  }

  decodeSqe(sqe: number): DecodedSqe {
    return decodeSqe(this.sqes, sqe * SQE_BYTES)
  }

  /** Writes every byte of an entry: its flags and priority too are zero, unless `opcodeAndFlags` has them. */
  protected prep(
    sqe: number,
    opcodeAndFlags: number,
    fd: number,
    off: number,
    addr: number,
    len: number,
    userData: number,
    bufIndex: number,
  ): void {
    assert(sqe >= 0 && sqe < this.sqEntries, 'prep: no such submission queue entry')
    const at = sqe * SQE_BYTES
    const { sqes } = this
    sqes.setInt32(at, opcodeAndFlags, true)
    sqes.setInt32(at + SqeOffset.FD, fd, true)
    setUint53(sqes, at + SqeOffset.OFF, off)
    setUint53(sqes, at + SqeOffset.ADDR, addr)
    sqes.setInt32(at + SqeOffset.LEN, len, true)
    sqes.setInt32(at + SqeOffset.RW_FLAGS, 0, true)
    setUint53(sqes, at + SqeOffset.USER_DATA, userData)
    sqes.setInt32(at + SqeOffset.BUF_INDEX, bufIndex & 0xffff, true)
    sqes.setInt32(at + SqeOffset.FILE_INDEX, 0, true)
    sqes.setFloat64(at + SqeOffset.ADDR3, 0, true)
    sqes.setFloat64(at + SqeOffset.ADDR3 + 8, 0, true)
  }
}

const FIXED_FILE = SqeFlags.FIXED_FILE << 8
const READ_FIXED = IoUringOp.READ_FIXED | FIXED_FILE
const WRITE_FIXED = IoUringOp.WRITE_FIXED | FIXED_FILE
const FSYNC = IoUringOp.FSYNC | FIXED_FILE
