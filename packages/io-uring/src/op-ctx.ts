// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { dmabufFile } from '@iolayers/block-core'
import type { PhysicalMemory } from '@iolayers/dma-mapping'
import { Errno, type FdTable, type File, KernelError } from '@iolayers/kernel'
import type { Canceller } from './canceller.ts'
import { type IoReq, ReqFlags } from './io-req.ts'
import type { RingCtx } from './ring-ctx.ts'
import type { RsrcTables } from './rsrc-tables.ts'
import type { Timeouts } from './timeouts.ts'

/** The memory that addresses in entries mean. Simulated user memory is identity mapped. */
export type UserMemoryAccess = Pick<PhysicalMemory, 'read' | 'regionAt'>

/** What operations work with. */
export interface OpCtx {
  readonly ring: RingCtx
  readonly tables: RsrcTables
  /** Null: there are no descriptors. */
  readonly fds: FdTable | null
  /** Null: there is no user memory. */
  readonly memory: UserMemoryAccess | null
  readonly timeouts: Timeouts
  readonly canceller: Canceller
}

/**
 * Takes the file that a request names, by its place in the table or by descriptor: 0 or -EBADF.
 * @see io_uring/io_uring.c io_assign_file
 */
export function assignFile(req: IoReq, ctx: OpCtx): number {
  if (req.filp !== null) return 0
  if ((req.flags & ReqFlags.FIXED_FILE) !== 0) {
    const node = ctx.tables.files[req.fd]
    if (node === undefined || node === null) return -Errno.EBADF
    node.users += 1
    req.file = node
    req.filp = node.file
    req.ops = node.ops
    return 0
  }
  const file = fileOf(ctx.fds, req.fd)
  if (file === null) return -Errno.EBADF
  req.filp = file
  req.ops = file.query(dmabufFile) ?? null
  return 0
}

/** The file behind a descriptor, with a reference for the caller; null where there is none. */
export function fileOf(fds: FdTable | null, fd: number): File | null {
  if (fds === null) return null
  try {
    return fds.get(fd)
  } catch (error) {
    if (error instanceof KernelError) return null
    throw error
  }
}

/** Copies from user memory: false where any of it is not there. @see copy_from_user */
export function copyFromUser(
  memory: UserMemoryAccess | null,
  addr: number,
  target: Uint8Array,
): boolean {
  if (!userRangeThere(memory, addr, target.length)) return false
  memory?.read(addr, target)
  return true
}

/** Whether there is memory at all of a range. */
export function userRangeThere(
  memory: UserMemoryAccess | null,
  addr: number,
  lengthBytes: number,
): boolean {
  if (memory === null) return false
  const end = addr + lengthBytes
  for (let at = addr; at < end; ) {
    const region = memory.regionAt(at)
    if (region === null) return false
    at = region.baseAddr + region.sizeBytes
  }
  return true
}
