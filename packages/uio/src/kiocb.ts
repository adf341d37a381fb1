// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type File, OpenFlags } from '@iolayers/kernel'

/**
 * Flags of a kiocb; the low half are the RWF_ flags of the system calls.
 * @see include/linux/fs.h IOCB_*
 */
export const IocbFlags = {
  HIPRI: 0x01,
  DSYNC: 0x02,
  SYNC: 0x04,
  NOWAIT: 0x08,
  APPEND: 0x10,
  ATOMIC: 0x40,
  DONTCACHE: 0x80,
  EVENTFD: 0x1_0000,
  DIRECT: 0x2_0000,
  WRITE: 0x4_0000,
  WAITQ: 0x8_0000,
  NOIO: 0x10_0000,
  ALLOC_CACHE: 0x20_0000,
  AIO_RW: 0x80_0000,
  HAS_METADATA: 0x100_0000,
} as const

/** Receives the end of an I/O that went on without its caller. Called from completion context: it may not sleep. */
export interface KiocbCompletion {
  /** `result` is bytes, or a negative errno. */
  kiComplete(kiocb: Kiocb, result: number): void
}

/**
 * One I/O as a file sees it: plain data, owned by whoever issued it and reused for the next one.
 * @see include/linux/fs.h struct kiocb
 */
export class Kiocb<P = unknown> {
  filp: File | null
  posBytes: number
  flags: number
  completion: KiocbCompletion
  /** For polled I/O: what the file's poll needs to find the I/O again. */
  cookie: number
  /**
   * True once any fragment of this I/O was handed to a driver. The death of its map is then terminal; before,
   * the issuer may import the map afresh and send the I/O again.
   */
  fragmentsIssued: boolean
  /** The submitter's batch, where it has one. Only the plain forms of an operation may use it. */
  plug: P | null

  constructor(completion: KiocbCompletion) {
    this.filp = null
    this.posBytes = 0
    this.flags = 0
    this.completion = completion
    this.cookie = 0
    this.fragmentsIssued = false
    this.plug = null
  }

  /** Makes it ready for a new I/O at a byte position; the flags are those that the file's own imply. */
  init(filp: File, posBytes: number): void {
    this.filp = filp
    this.posBytes = posBytes
    this.flags = iocbFlags(filp.flags)
    this.cookie = 0
    this.fragmentsIssued = false
    this.plug = null
  }
}

/**
 * The kiocb flags that open flags imply.
 * @see include/linux/fs.h iocb_flags
 */
export function iocbFlags(openFlags: number): number {
  let flags = 0
  if ((openFlags & OpenFlags.O_DIRECT) !== 0) flags |= IocbFlags.DIRECT
  if ((openFlags & OpenFlags.O_APPEND) !== 0) flags |= IocbFlags.APPEND
  if ((openFlags & OpenFlags.O_DSYNC) !== 0) flags |= IocbFlags.DSYNC
  if ((openFlags & O_SYNC_ONLY) !== 0) flags |= IocbFlags.SYNC
  return flags
}

/** __O_SYNC: the bit that O_SYNC has over O_DSYNC. */
const O_SYNC_ONLY = OpenFlags.O_SYNC & ~OpenFlags.O_DSYNC
