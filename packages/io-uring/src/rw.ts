// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmabufIoMap } from '@iolayers/block-core'
import { Errno, OpenFlags } from '@iolayers/kernel'
import {
  IocbFlags,
  ITER_DEST,
  ITER_SOURCE,
  type IterDirection,
  kiocbSetRwFlags,
  MAX_RW_COUNT,
} from '@iolayers/uio'
import type { IoReq } from './io-req.ts'
import type { BufferNode, FileNode } from './rsrc-node.ts'
import { getUint53, IoUringOp, SqeOffset } from './uapi.ts'

/**
 * For the entries that are most common, READ_FIXED and WRITE_FIXED of a registered file with no flag: reads the entry and takes what it
 * names. 0, or the errno with which the request has to end; what it took is in the request either way.
 * @see io_uring/rw.c io_prep_rw_fixed, io_uring/rsrc.c io_import_fixed
 */
export function prepFixedFast(
  req: IoReq,
  sqes: DataView,
  at: number,
  files: readonly (FileNode | null)[],
  buffers: readonly (BufferNode | null)[],
): number {
  req.rwFlags = sqes.getInt32(at + SqeOffset.RW_FLAGS, true)
  req.bufOffsetBytes = getUint53(sqes, at + SqeOffset.ADDR)
  req.lengthBytes = sqes.getUint32(at + SqeOffset.LEN, true)
  req.ioprio = 0
  const indexAndPersonality = sqes.getInt32(at + SqeOffset.BUF_INDEX, true)
  if (indexAndPersonality >>> 16 !== 0) return -Errno.EINVAL
  req.bufIndex = indexAndPersonality
  req.posBytes = getUint53(sqes, at + SqeOffset.OFF)
  const node = files[sqes.getInt32(at + SqeOffset.FD, true)]
  if (node === undefined || node === null) return -Errno.EBADF
  node.users += 1
  req.file = node
  req.filp = node.file
  req.ops = node.ops
  if (node.ops === null) return -Errno.EINVAL
  if (req.rwFlags !== 0) {
    const error = armKiocb(req, 0, false)
    if (error !== 0) return error
  }
  const error = takeBuffer(req, buffers)
  return error === 0 ? checkFixedBuffer(req) : error
}

export function takeBuffer(req: IoReq, buffers: readonly (BufferNode | null)[]): number {
  const buffer = buffers[req.bufIndex] ?? null
  if (buffer === null) return -Errno.EFAULT
  buffer.users += 1
  req.buffer = buffer
  return 0
}

/** @see io_uring/rsrc.c validate_fixed_range, io_import_fixed */
export function checkFixedBuffer(req: IoReq): number {
  const { buffer, lengthBytes } = req
  if (buffer === null) return -Errno.EFAULT
  if (buffer.file !== null && buffer.file !== req.filp) return -Errno.EBADF
  const allowed = req.opcode === IoUringOp.READ_FIXED ? buffer.canRead : buffer.canWrite
  if (!allowed || lengthBytes === 0 || lengthBytes > MAX_RW_COUNT) return -Errno.EFAULT
  return req.bufOffsetBytes + lengthBytes > buffer.sizeBytes ? -Errno.EFAULT : 0
}

/**
 * Makes the request's kiocb ready for an attempt; `flags` are added to those of the file and the entry. 0 or -errno: flags that do not fit, or
 * a file that cannot be polled where that is asked for.
 * @see io_uring/rw.c io_rw_init_file
 */
export function armKiocb(req: IoReq, flags: number, iopoll: boolean): number {
  const { filp, kiocb } = req
  if (filp === null) return -Errno.EBADF
  const isWrite = directionOf(req.opcode) === ITER_SOURCE
  kiocb.init(filp, req.posBytes)
  kiocb.ioprio = req.ioprio
  if (req.rwFlags !== 0) {
    const error = kiocbSetRwFlags(kiocb, req.rwFlags, isWrite)
    if (error !== 0) return error
  }
  if (iopoll) {
    const pollable = (filp.flags & OpenFlags.O_DIRECT) !== 0 && req.ops?.ioPoll !== undefined
    if (!pollable) return -Errno.EOPNOTSUPP
    flags |= IocbFlags.HIPRI
  } else if ((kiocb.flags & IocbFlags.HIPRI) !== 0) return -Errno.EINVAL
  kiocb.flags |= isWrite ? flags | IocbFlags.WRITE : flags
  return 0
}

/** Puts the request's iterator at the start of its range; `map` is null for a buffer of memory. */
export function armFixedIter(req: IoReq, buffer: BufferNode, map: DmabufIoMap | null): void {
  const direction = req.opcode === IoUringOp.READ_FIXED ? ITER_DEST : ITER_SOURCE
  const { iter } = req
  if (map !== null) {
    iter.initDmabufMap(direction, map, req.bufOffsetBytes, req.lengthBytes)
    return
  }
  iter.initKvec(direction, buffer.segments, buffer.segments.length, buffer.sizeBytes)
  iter.advance(req.bufOffsetBytes)
  iter.truncate(req.lengthBytes)
}

export function directionOf(opcode: number): IterDirection {
  switch (opcode) {
    case IoUringOp.READ_FIXED:
    case IoUringOp.READ:
    case IoUringOp.READV:
      return ITER_DEST
    default:
      return ITER_SOURCE
  }
}
