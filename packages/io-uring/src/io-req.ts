// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmabufFile, DmabufIoMap, Plug } from '@iolayers/block-core'
import type { File } from '@iolayers/kernel'
import { type Iovec, IovIter, Kiocb, type KiocbCompletion } from '@iolayers/uio'
import type { CancelData } from './cancel-data.ts'
import type { BufferNode, FileNode } from './rsrc-node.ts'
import type { TimeoutData } from './timeout-data.ts'

/** Where a request reports that its file has ended it. */
export interface IoReqOwner {
  /** Atomic. `result` is bytes or a negative errno; it may ask for another attempt. */
  ioComplete(req: IoReq, result: number): void
}

/** The low byte is that of the entry. @see include/linux/io_uring_types.h REQ_F_* */
export const ReqFlags = {
  FIXED_FILE: 0x01,
  IO_DRAIN: 0x02,
  LINK: 0x04,
  HARDLINK: 0x08,
  FORCE_ASYNC: 0x10,
  CQE_SKIP: 0x40,
  /** It ended, or has to end, with `result`, and takes its chain with it. */
  FAIL: 0x100,
  /** The next of its chain is a LINK_TIMEOUT that has not been armed. */
  ARM_LTIMEOUT: 0x200,
  /** `linkTimeout` runs. */
  LINK_TIMEOUT: 0x400,
  SKIP_LINK_CQES: 0x800,
  /** Its position is the file's. */
  CUR_POS: 0x1000,
  /** -ETIME is no failure. */
  ETIME_SUCCESS: 0x2000,
  /** A timeout that runs, or ran: its completion is not counted by the others. */
  TIMEOUT_ARMED: 0x4000,
} as const

export const LINK_FLAGS: number = ReqFlags.LINK | ReqFlags.HARDLINK

/** What task work does with a request. */
export const TaskWork = { NONE: 0, COMPLETE: 1, ISSUE: 2, TIMEOUT: 3 } as const

/**
 * One I/O of the ring, from its submission queue entry to its completion queue entry. All are made with the ring and reused.
 *
 *   free ── submit ──▶ issued ──▶ queued below ──▶ done ──▶ free
 *    │                  │ ▲            │
 *    │           -EAGAIN │ │ worker     │ stale before any fragment went out, or -EAGAIN
 *    │                  ▼ │            ▼
 *    │               waiting for a worker
 *    └─▶ in a chain, behind a drain, or as an armed timeout, until its turn comes
 *
 * `map` is the request's one reference on the generation that it imported; it is dropped when the request ends, or before
 * a fresh import.
 * @see include/linux/io_uring_types.h struct io_kiocb
 */
export class IoReq implements KiocbCompletion {
  readonly kiocb: Kiocb<Plug>
  readonly iter: IovIter<DmabufIoMap>
  readonly #owner: IoReqOwner
  /** On whichever list it is: free, for a worker, behind a drain, task work, polled. It is on one at most. */
  next: IoReq | null
  opcode: number
  /** ReqFlags. */
  flags: number
  /** Taken and not ended. */
  inUse: boolean
  userDataLow: number
  userDataHigh: number
  /** The registered file that it uses; null for one that a descriptor named. */
  file: FileNode | null
  filp: File | null
  /** The operations of `filp`. */
  ops: DmabufFile | null
  buffer: BufferNode | null
  map: DmabufIoMap | null
  fd: number
  bufIndex: number
  posBytes: number
  /** The entry's `addr`: an offset within the registered buffer, or an address of user memory. */
  bufOffsetBytes: number
  lengthBytes: number
  /** RWF_ flags, or those of the operation. */
  rwFlags: number
  ioprio: number
  /** Fresh imports after the death of a map. */
  staleImports: number
  /** True once the form that may sleep was used: its -EAGAIN is final. */
  waited: boolean
  /** The next of its chain. */
  link: IoReq | null
  result: number
  taskWork: number
  /** Of a polled request: its result is there. */
  polled: boolean
  /** What only some operations need; made for the first of them, then kept. */
  timeout: TimeoutData | null
  cancel: CancelData | null
  iovecs: Iovec[] | null
  nrIovecs: number
  linkTimeout: IoReq | null

  constructor(owner: IoReqOwner) {
    this.kiocb = new Kiocb<Plug>(this)
    this.iter = new IovIter<DmabufIoMap>()
    this.#owner = owner
    this.next = null
    this.opcode = 0
    this.flags = 0
    this.inUse = false
    this.userDataLow = 0
    this.userDataHigh = 0
    this.file = null
    this.filp = null
    this.ops = null
    this.buffer = null
    this.map = null
    this.fd = 0
    this.bufIndex = 0
    this.posBytes = 0
    this.bufOffsetBytes = 0
    this.lengthBytes = 0
    this.rwFlags = 0
    this.ioprio = 0
    this.staleImports = 0
    this.waited = false
    this.link = null
    this.result = 0
    this.taskWork = TaskWork.NONE
    this.polled = false
    this.timeout = null
    this.cancel = null
    this.iovecs = null
    this.nrIovecs = 0
    this.linkTimeout = null
  }

  get userData(): number {
    return (this.userDataLow >>> 0) + (this.userDataHigh >>> 0) * 0x1_0000_0000
  }

  kiComplete(_kiocb: Kiocb, result: number): void {
    this.#owner.ioComplete(this, result)
  }

  dropMap(): void {
    const { map } = this
    if (map === null) return
    this.map = null
    map.put()
  }

  /** Lets go of what it uses. */
  putResources(): void {
    this.dropMap()
    this.buffer?.put()
    this.buffer = null
    if (this.file !== null) {
      this.file.put()
      this.file = null
    } else this.filp?.put()
    this.filp = null
    this.ops = null
  }
}

/** How many requests its chain has, itself included. */
export function linkedNr(head: IoReq): number {
  let count = 0
  for (let req: IoReq | null = head; req !== null; req = req.link) count += 1
  return count
}
