// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type Op } from '@iolayers/kernel'
import { IocbFlags, ITER_DEST, type IterDirection, MAX_RW_COUNT } from '@iolayers/uio'
import { type IoReq, ReqFlags } from '../io-req.ts'
import { assignFile, type OpCtx, userRangeThere } from '../op-ctx.ts'
import { armFixedIter, armKiocb, checkFixedBuffer, directionOf, takeBuffer } from '../rw.ts'
import { getUint53, IoUringOp, SqeOffset } from '../uapi.ts'
import { importVector } from './import-vector.ts'
import type { OpDef } from './opdef.ts'

/** Reads and writes, of every kind. What is over MAX_RW_COUNT is cut off, but for registered buffers. @see io_uring/rw.c */
export const rwDef: OpDef = {
  ioprio: true,
  iopoll: true,
  prep(req, sqes, at, ctx) {
    req.rwFlags = sqes.getInt32(at + SqeOffset.RW_FLAGS, true)
    req.bufOffsetBytes = getUint53(sqes, at + SqeOffset.ADDR)
    req.lengthBytes = sqes.getUint32(at + SqeOffset.LEN, true)
    req.bufIndex = sqes.getUint16(at + SqeOffset.BUF_INDEX, true)
    readPosition(req, sqes, at)
    const error = checkIoprio(req.ioprio)
    if (error !== 0) return error
    if (isFixed(req.opcode)) return 0
    return isVector(req.opcode) ? importVector(req, ctx.memory) : importRange(req, ctx)
  },
  issue(req, ctx) {
    const error = assign(req, ctx)
    if (error !== 0) return error
    const { ops, buffer, kiocb, iter } = req
    if (ops === null) return -Errno.EINVAL
    if (buffer !== null && buffer.token !== null && req.map === null) {
      req.map = buffer.tryGetMap(directionOf(req.opcode) === ITER_DEST)
      if (req.map === null) return -Errno.EAGAIN
    }
    const flagsError = armKiocb(req, IocbFlags.NOWAIT, ctx.ring.iopoll)
    if (flagsError !== 0) return flagsError
    armIter(req)
    if (directionOf(req.opcode) === ITER_DEST) return ops.readIter(kiocb, iter)
    return ops.writeIter(kiocb, iter)
  },
  *issueWait(req, ctx): Op<number> {
    const error = assign(req, ctx)
    if (error !== 0) return error
    const { ops, buffer, kiocb, iter } = req
    if (ops === null) return -Errno.EINVAL
    if (buffer !== null && buffer.token !== null) {
      req.map ??= yield* buffer.getMap(directionOf(req.opcode) === ITER_DEST)
    }
    const flagsError = armKiocb(req, 0, ctx.ring.iopoll)
    if (flagsError !== 0) return flagsError
    armIter(req)
    if (directionOf(req.opcode) === ITER_DEST) return yield* ops.readIterWait(kiocb, iter)
    return yield* ops.writeIterWait(kiocb, iter)
  },
}

function assign(req: IoReq, ctx: OpCtx): number {
  return req.filp === null ? assignFirst(req, ctx) : 0
}

/** At the first attempt: takes the file and the buffer. */
function assignFirst(req: IoReq, ctx: OpCtx): number {
  const error = assignFile(req, ctx)
  if (error !== 0) return error
  if (req.ops === null || req.filp === null) return -Errno.EINVAL
  if ((req.flags & ReqFlags.CUR_POS) !== 0) req.posBytes = req.filp.posBytes
  if (req.posBytes < 0) return -Errno.EINVAL
  const flagsError = armKiocb(req, 0, ctx.ring.iopoll)
  if (flagsError !== 0 || !isFixed(req.opcode)) return flagsError
  const bufferError = takeBuffer(req, ctx.tables.buffers)
  return bufferError === 0 ? checkFixedBuffer(req) : bufferError
}

function armIter(req: IoReq): void {
  const { buffer, iter } = req
  const direction: IterDirection = directionOf(req.opcode)
  if (buffer !== null) armFixedIter(req, buffer, req.map)
  else if (isVector(req.opcode)) {
    iter.initIovec(direction, req.iovecs ?? [], req.nrIovecs, req.lengthBytes)
  } else {
    const frame = Math.floor(req.bufOffsetBytes / 4096)
    iter.initUbuf(direction, frame, req.bufOffsetBytes - frame * 4096, req.lengthBytes)
  }
}

/** @see lib/iov_iter.c import_ubuf */
function importRange(req: IoReq, ctx: OpCtx): number {
  req.lengthBytes = Math.min(req.lengthBytes, MAX_RW_COUNT)
  return userRangeThere(ctx.memory, req.bufOffsetBytes, req.lengthBytes) ? 0 : -Errno.EFAULT
}

/** -1 is the position of the file; any other below 0, and one that no file reaches, becomes -2. */
function readPosition(req: IoReq, sqes: DataView, at: number): void {
  const high = sqes.getInt32(at + SqeOffset.OFF + 4, true)
  if (high === -1 && sqes.getInt32(at + SqeOffset.OFF, true) === -1) {
    req.flags |= ReqFlags.CUR_POS
    req.posBytes = 0
  } else req.posBytes = high < 0 || high >= 0x20_0000 ? -2 : getUint53(sqes, at + SqeOffset.OFF)
}

const IOPRIO_CLASS_SHIFT = 13
const IOPRIO_CLASS_NONE = 0
const IOPRIO_CLASS_RT = 1
const IOPRIO_CLASS_BE = 2
const IOPRIO_CLASS_IDLE = 3
const IOPRIO_LEVELS = 8

/** Whoever submits may use the real-time class. @see block/ioprio.c ioprio_check_cap */
function checkIoprio(ioprio: number): number {
  const level = ioprio & 7
  switch (ioprio >>> IOPRIO_CLASS_SHIFT) {
    case IOPRIO_CLASS_RT:
    case IOPRIO_CLASS_BE:
      return level < IOPRIO_LEVELS ? 0 : -Errno.EINVAL
    case IOPRIO_CLASS_IDLE:
      return 0
    case IOPRIO_CLASS_NONE:
      return level === 0 ? 0 : -Errno.EINVAL
    default:
      return -Errno.EINVAL
  }
}

function isFixed(opcode: number): boolean {
  return opcode === IoUringOp.READ_FIXED || opcode === IoUringOp.WRITE_FIXED
}

function isVector(opcode: number): boolean {
  return opcode === IoUringOp.READV || opcode === IoUringOp.WRITEV
}
