// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** @see include/uapi/linux/io_uring.h enum io_uring_op */
export const IoUringOp = {
  NOP: 0,
  READV: 1,
  WRITEV: 2,
  FSYNC: 3,
  READ_FIXED: 4,
  WRITE_FIXED: 5,
  TIMEOUT: 11,
  TIMEOUT_REMOVE: 12,
  ASYNC_CANCEL: 14,
  LINK_TIMEOUT: 15,
  READ: 22,
  WRITE: 23,
} as const

/** @see include/uapi/linux/io_uring.h IOSQE_* */
export const SqeFlags = {
  FIXED_FILE: 0x01,
  IO_DRAIN: 0x02,
  IO_LINK: 0x04,
  IO_HARDLINK: 0x08,
  ASYNC: 0x10,
  BUFFER_SELECT: 0x20,
  CQE_SKIP_SUCCESS: 0x40,
} as const

/** Per-I/O flags of a read or write. @see include/uapi/linux/fs.h RWF_* */
export const RwFlags = {
  HIPRI: 0x01,
  DSYNC: 0x02,
  SYNC: 0x04,
  NOWAIT: 0x08,
  APPEND: 0x10,
  NOAPPEND: 0x20,
  ATOMIC: 0x40,
} as const

export const SQE_BYTES = 64
export const CQE_BYTES = 16

/**
 * Byte offsets of struct io_uring_sqe and struct io_uring_cqe. Entries are little-endian.
 * @see include/uapi/linux/io_uring.h struct io_uring_sqe
 */
export const SqeOffset = {
  OPCODE: 0,
  FLAGS: 1,
  IOPRIO: 2,
  FD: 4,
  OFF: 8,
  ADDR: 16,
  LEN: 24,
  RW_FLAGS: 28,
  USER_DATA: 32,
  BUF_INDEX: 40,
  PERSONALITY: 42,
  /** Also splice_fd_in. */
  FILE_INDEX: 44,
  ADDR3: 48,
  PAD2: 56,
} as const

export const CqeOffset = { USER_DATA: 0, RES: 8, FLAGS: 12 } as const

const TWO_32 = 0x1_0000_0000

/** Writes a whole number below 2^53 as a u64. */
export function setUint53(view: DataView, offset: number, value: number): void {
  view.setInt32(offset, value | 0, true)
  view.setInt32(offset + 4, (value / TWO_32) | 0, true)
}

/** Reads a u64 as a number: exact below 2^53. */
export function getUint53(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * TWO_32
}

/** A submission queue entry, field by field: for traces and tests. */
export interface DecodedSqe {
  readonly opcode: number
  readonly flags: number
  readonly ioprio: number
  readonly fd: number
  readonly off: number
  readonly addr: number
  readonly len: number
  readonly rwFlags: number
  readonly userData: number
  readonly bufIndex: number
}

export function decodeSqe(view: DataView, offset: number): DecodedSqe {
  return {
    opcode: view.getUint8(offset + SqeOffset.OPCODE),
    flags: view.getUint8(offset + SqeOffset.FLAGS),
    ioprio: view.getUint16(offset + SqeOffset.IOPRIO, true),
    fd: view.getInt32(offset + SqeOffset.FD, true),
    off: getUint53(view, offset + SqeOffset.OFF),
    addr: getUint53(view, offset + SqeOffset.ADDR),
    len: view.getUint32(offset + SqeOffset.LEN, true),
    rwFlags: view.getUint32(offset + SqeOffset.RW_FLAGS, true),
    userData: getUint53(view, offset + SqeOffset.USER_DATA),
    bufIndex: view.getUint16(offset + SqeOffset.BUF_INDEX, true),
  }
}
