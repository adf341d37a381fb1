// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import type { IoReq } from './io-req.ts'
import type { BufferNode, FileNode } from './rsrc-node.ts'
import { FSYNC_DATASYNC, getUint53, IoUringOp, RwFlags, SqeFlags, SqeOffset } from './uapi.ts'

/** Upper bound of one read or write. @see include/linux/fs.h MAX_RW_COUNT */
const MAX_RW_COUNT = 0x7fff_f000
const SQE_FLAGS_KNOWN = SqeFlags.FIXED_FILE | SqeFlags.ASYNC
const RW_FLAGS_KNOWN =
  RwFlags.DSYNC | RwFlags.SYNC | RwFlags.NOWAIT | RwFlags.APPEND | RwFlags.ATOMIC

/**
 * Reads a submission queue entry into a request and takes the resources that it names: 0, or the errno with which the request has to
 * end. What it took is in the request either way.
 * @see io_uring/rw.c io_prep_rw_fixed, io_uring/rsrc.c io_import_fixed
 */
export function prepReq(
  req: IoReq,
  sqes: DataView,
  at: number,
  files: readonly FileNode[],
  buffers: readonly (BufferNode | null)[],
): number {
  const first = sqes.getInt32(at, true)
  req.opcode = first & 0xff
  req.userDataLow = sqes.getInt32(at + SqeOffset.USER_DATA, true)
  req.userDataHigh = sqes.getInt32(at + SqeOffset.USER_DATA + 4, true)
  if (((first >>> 8) & 0xff & ~SQE_FLAGS_KNOWN) !== 0) return -Errno.EINVAL
  switch (req.opcode) {
    case IoUringOp.READ_FIXED:
    case IoUringOp.WRITE_FIXED:
      return prepRwFixed(req, sqes, at, files, buffers)
    case IoUringOp.FSYNC:
      return prepFsync(req, sqes, at, files)
    case IoUringOp.NOP:
      return 0
    default:
      return -Errno.EINVAL
  }
}

function prepRwFixed(
  req: IoReq,
  sqes: DataView,
  at: number,
  files: readonly FileNode[],
  buffers: readonly (BufferNode | null)[],
): number {
  req.rwFlags = sqes.getInt32(at + SqeOffset.RW_FLAGS, true)
  req.posBytes = getUint53(sqes, at + SqeOffset.OFF)
  req.bufOffsetBytes = getUint53(sqes, at + SqeOffset.ADDR)
  req.lengthBytes = sqes.getUint32(at + SqeOffset.LEN, true)
  const fileError = takeFile(req, sqes, at, files)
  if (fileError !== 0) return fileError
  if (req.rwFlags !== 0) {
    const flagsError = checkRwFlags(req)
    if (flagsError !== 0) return flagsError
  }
  const buffer = buffers[sqes.getUint16(at + SqeOffset.BUF_INDEX, true)] ?? null
  if (buffer === null) return -Errno.EFAULT
  buffer.users += 1
  req.buffer = buffer
  if (buffer.file !== null && buffer.file !== req.file?.file) return -Errno.EBADF
  const allowed = req.opcode === IoUringOp.READ_FIXED ? buffer.canRead : buffer.canWrite
  if (!allowed || req.lengthBytes === 0 || req.lengthBytes > MAX_RW_COUNT) return -Errno.EFAULT
  if (req.bufOffsetBytes + req.lengthBytes > buffer.sizeBytes) return -Errno.EFAULT
  return 0
}

function prepFsync(req: IoReq, sqes: DataView, at: number, files: readonly FileNode[]): number {
  req.rwFlags = sqes.getInt32(at + SqeOffset.RW_FLAGS, true)
  if ((req.rwFlags & ~FSYNC_DATASYNC) !== 0) return -Errno.EINVAL
  if (sqes.getUint16(at + SqeOffset.BUF_INDEX, true) !== 0) return -Errno.EINVAL
  req.posBytes = 0
  return takeFile(req, sqes, at, files)
}

/** Only registered files: there is no table of descriptors behind the ring. */
function takeFile(req: IoReq, sqes: DataView, at: number, files: readonly FileNode[]): number {
  if ((sqes.getUint8(at + SqeOffset.FLAGS) & SqeFlags.FIXED_FILE) === 0) return -Errno.EBADF
  const file = files[sqes.getInt32(at + SqeOffset.FD, true)]
  if (file === undefined) return -Errno.EBADF
  file.users += 1
  req.file = file
  req.ops = file.ops
  return file.ops === null ? -Errno.EINVAL : 0
}

/** @see include/linux/fs.h kiocb_set_rw_flags */
function checkRwFlags(req: IoReq): number {
  // Polled completion needs a ring that was made for it.
  if ((req.rwFlags & RwFlags.HIPRI) !== 0) return -Errno.EINVAL
  if ((req.rwFlags & ~RW_FLAGS_KNOWN) !== 0) return -Errno.EOPNOTSUPP
  const atomicRead = (req.rwFlags & RwFlags.ATOMIC) !== 0 && req.opcode !== IoUringOp.WRITE_FIXED
  return atomicRead ? -Errno.EOPNOTSUPP : 0
}
