// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmabufIoMap } from '@iolayers/block-core'
import { assert } from '@iolayers/kernel'
import { IocbFlags, ITER_DEST, ITER_SOURCE } from '@iolayers/uio'
import type { IoReq } from './io-req.ts'
import type { BufferNode } from './rsrc-node.ts'
import { IoUringOp, RwFlags } from './uapi.ts'

/** Makes the request's kiocb ready for an attempt; `flags` are added to those of the file and the entry. */
export function armKiocb(req: IoReq, flags: number): void {
  const { file, kiocb } = req
  assert(file !== null, 'io_uring: a request without a file')
  kiocb.init(file.file, req.posBytes)
  if (req.opcode === IoUringOp.FSYNC) {
    kiocb.flags |= flags
    return
  }
  kiocb.flags |= flags | rwFlagsToIocb(req.rwFlags)
  if (req.opcode === IoUringOp.WRITE_FIXED) kiocb.flags |= IocbFlags.WRITE
}

/** Puts the request's iterator at the start of its range; `map` is null for a buffer of memory. */
export function armIter(req: IoReq, buffer: BufferNode, map: DmabufIoMap | null): void {
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

/** The kiocb flags of RWF_ flags: the same bits, and a full sync is a data sync too. */
function rwFlagsToIocb(rwFlags: number): number {
  return (rwFlags & RwFlags.SYNC) === 0 ? rwFlags : rwFlags | IocbFlags.DSYNC
}
