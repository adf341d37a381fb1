// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmabufFile, DmabufIoMap, Plug } from '@iolayers/block-core'
import { IovIter, Kiocb, type KiocbCompletion } from '@iolayers/uio'
import type { BufferNode, FileNode } from './rsrc-node.ts'

/** Where a request reports that its file has ended it. */
export interface IoReqOwner {
  /** Atomic. `result` is bytes or a negative errno; it may ask for another attempt. */
  reqComplete(req: IoReq, result: number): void
}

/**
 * One I/O of the ring, from its submission queue entry to its completion queue entry. All are made with the ring and reused.
 *
 *   free ── submit ──▶ issued ──▶ queued below ──▶ done ──▶ free
 *                        │ ▲            │
 *                 -EAGAIN │ │ worker     │ stale before any fragment went out, or -EAGAIN
 *                        ▼ │            ▼
 *                     waiting for a worker
 *
 * `map` is the request's one reference on the generation that it imported; it is dropped when the request ends, or before
 * a fresh import.
 * @see include/linux/io_uring_types.h struct io_kiocb
 */
export class IoReq implements KiocbCompletion {
  readonly kiocb: Kiocb<Plug>
  readonly iter: IovIter<DmabufIoMap>
  readonly #owner: IoReqOwner
  /** The next free request, or the next that waits for a worker. */
  next: IoReq | null
  opcode: number
  userDataLow: number
  userDataHigh: number
  file: FileNode | null
  /** The operations of `file`. */
  ops: DmabufFile | null
  buffer: BufferNode | null
  map: DmabufIoMap | null
  posBytes: number
  bufOffsetBytes: number
  lengthBytes: number
  rwFlags: number
  /** Fresh imports after the death of a map. */
  staleImports: number
  /** True once the form that may sleep was used: its -EAGAIN is final. */
  waited: boolean

  constructor(owner: IoReqOwner) {
    this.kiocb = new Kiocb<Plug>(this)
    this.iter = new IovIter<DmabufIoMap>()
    this.#owner = owner
    this.next = null
    this.opcode = 0
    this.userDataLow = 0
    this.userDataHigh = 0
    this.file = null
    this.ops = null
    this.buffer = null
    this.map = null
    this.posBytes = 0
    this.bufOffsetBytes = 0
    this.lengthBytes = 0
    this.rwFlags = 0
    this.staleImports = 0
    this.waited = false
  }

  kiComplete(_kiocb: Kiocb, result: number): void {
    this.#owner.reqComplete(this, result)
  }

  dropMap(): void {
    const { map } = this
    if (map === null) return
    this.map = null
    map.put()
  }
}
