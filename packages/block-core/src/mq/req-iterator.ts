// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BioVec } from '@iolayers/uio'
import type { Bio } from '../bio/bio.ts'
import { BvecIter, bvecIterAdvance, bvecIterPeek } from '../bio/bvec-iter.ts'
import type { Request } from './request.ts'

/**
 * Walks the physical runs of an ordinary request without changing it. A driver makes one and reuses it.
 * @see include/linux/blk-mq.h struct req_iterator
 */
export class ReqIterator {
  readonly #iter: BvecIter
  #bio: Bio | null

  constructor() {
    this.#iter = new BvecIter()
    this.#bio = null
  }

  init(rq: Pick<Request, 'bio' | 'dataBytes'>): void {
    this.#bio = rq.dataBytes > 0 ? rq.bio : null
    if (this.#bio !== null) this.#iter.set(this.#bio.biIter)
  }

  /** The next run, at most `maxBytes`, in `out`; its bytes, 0 at the end. */
  next(maxBytes: number, out: BioVec): number {
    while (this.#bio !== null) {
      const length = bvecIterPeek(this.#bio.biIoVec, this.#iter, maxBytes, out)
      if (length > 0) {
        bvecIterAdvance(this.#bio.biIoVec, this.#iter, length)
        return length
      }
      this.#bio = this.#bio.biNext
      if (this.#bio !== null) this.#iter.set(this.#bio.biIter)
    }
    return 0
  }
}
