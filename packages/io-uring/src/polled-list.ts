// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import type { IoReq } from './io-req.ts'

/**
 * The requests of a polled ring that a device has, in the order in which it got them. Nothing ends them but a look here.
 * @see io_uring/rw.c io_do_iopoll
 */
export class PolledList {
  readonly #ended: (req: IoReq) => void
  #head: IoReq | null = null
  #tail: IoReq | null = null

  constructor(ended: (req: IoReq) => void) {
    this.#ended = ended
  }

  get empty(): boolean {
    return this.#head === null
  }

  add(req: IoReq): void {
    req.next = null
    if (this.#tail === null) this.#head = req
    else this.#tail.next = req
    this.#tail = req
  }

  /** Has the files look for completions until one has some, and ends what is over. How many that were. */
  reap(): number {
    for (let req = this.#head; req !== null; req = req.next) {
      if (req.polled) break
      const found = req.ops?.ioPoll?.(req.kiocb) ?? -Errno.EOPNOTSUPP
      if (found > 0) break
    }
    return this.#collect()
  }

  #collect(): number {
    let count = 0
    let prev: IoReq | null = null
    for (let req = this.#head; req !== null; ) {
      const next: IoReq | null = req.next
      if (req.polled) {
        if (prev === null) this.#head = next
        else prev.next = next
        if (next === null) this.#tail = prev
        req.next = null
        count += 1
        this.#ended(req)
        // What ended may have added others behind the last.
        if (next === null) return count
      } else prev = req
      req = next
    }
    return count
  }
}
