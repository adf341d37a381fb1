// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type File, OpenFlags } from '@iolayers/kernel'

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
  /** I/O priority, class in bits 13 and up; 0: none given. @see include/uapi/linux/ioprio.h */
  ioprio: number
  /** Null: synchronous. The waiting forms then return the result itself, and never -EIOCBQUEUED. */
  completion: KiocbCompletion | null
  /** For polled I/O: what the file's poll needs to find the I/O again. */
  cookie: number
  /**
   * True once any fragment of this I/O was handed to a driver. The death of its map is then terminal; before,
   * the issuer may import the map afresh and send the I/O again.
   */
  fragmentsIssued: boolean
  /** The submitter's batch, where it has one. Only the plain forms of an operation may use it. */
  plug: P | null

  constructor(completion: KiocbCompletion | null) {
    this.filp = null
    this.posBytes = 0
    this.flags = 0
    this.ioprio = 0
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
    this.ioprio = 0
    this.cookie = 0
    this.fragmentsIssued = false
    this.plug = null
  }

  /** @see include/linux/fs.h is_sync_kiocb */
  get isSync(): boolean {
    return this.completion === null
  }
}

/** What a single read or write may ask for. @see include/uapi/linux/fs.h RWF_* */
export const RwfFlags = {
  HIPRI: 0x01,
  DSYNC: 0x02,
  SYNC: 0x04,
  NOWAIT: 0x08,
  APPEND: 0x10,
  NOAPPEND: 0x20,
  ATOMIC: 0x40,
  DONTCACHE: 0x80,
} as const

const RWF_SUPPORTED = 0x7f

/**
 * Adds what one I/O asks for to the flags of its kiocb: 0, or -errno with the kiocb as it was. -EOPNOTSUPP: a flag that is not known,
 * DONTCACHE (there is no page cache to keep out of), or ATOMIC for a read. -EINVAL: APPEND together with NOAPPEND.
 * @see include/linux/fs.h kiocb_set_rw_flags
 */
export function kiocbSetRwFlags(kiocb: Kiocb, rwFlags: number, isWrite: boolean): number {
  if (rwFlags === 0) return 0
  if ((rwFlags & ~RWF_SUPPORTED) !== 0) return -Errno.EOPNOTSUPP
  if ((rwFlags & APPEND_OR_NOT) === APPEND_OR_NOT) return -Errno.EINVAL
  if ((rwFlags & RwfFlags.ATOMIC) !== 0 && !isWrite) return -Errno.EOPNOTSUPP
  if ((rwFlags & RwfFlags.NOAPPEND) !== 0) kiocb.flags &= ~IocbFlags.APPEND
  kiocb.flags |= rwFlags & ~RwfFlags.NOAPPEND
  if ((rwFlags & RwfFlags.SYNC) !== 0) kiocb.flags |= IocbFlags.DSYNC
  return 0
}

const APPEND_OR_NOT = RwfFlags.APPEND | RwfFlags.NOAPPEND

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
