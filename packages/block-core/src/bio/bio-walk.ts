// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BioVec } from '@iolayers/uio'
import type { Bio } from './bio.ts'
import { BvecIter, bvecIterAdvance, bvecIterPeek } from './bvec-iter.ts'

const PAGE_SIZE = 4096

/**
 * Walks what is left of a bio with a vector, and changes nothing in it. Made once and used again; a walk allocates nothing.
 * Runs and pages may be taken in turn.
 * @see include/linux/bio.h bio_for_each_bvec, bio_for_each_segment
 */
export class BioWalk {
  readonly #iter: BvecIter
  #vecs: readonly BioVec[]

  constructor() {
    this.#iter = new BvecIter()
    this.#vecs = []
  }

  /** Begins at the first byte that is left. Of a bio without a vector nothing is found. */
  init(bio: Bio): void {
    this.#iter.set(bio.biIter)
    this.#vecs = bio.biIoVec
    if (bio.biVcnt === 0) this.#iter.biSize = 0
  }

  /** The next run, which may span pages, in `out`; its bytes, 0 at the end. */
  nextBvec(out: BioVec): number {
    return this.#take(bvecIterPeek(this.#vecs, this.#iter, this.#iter.biSize, out))
  }

  /** The next bytes of one page in `out`; how many, 0 at the end. */
  nextSegment(out: BioVec): number {
    if (bvecIterPeek(this.#vecs, this.#iter, PAGE_SIZE, out) === 0) return 0
    out.lengthBytes = Math.min(out.lengthBytes, PAGE_SIZE - out.offsetBytes)
    return this.#take(out.lengthBytes)
  }

  #take(bytes: number): number {
    if (bytes > 0) bvecIterAdvance(this.#vecs, this.#iter, bytes)
    return bytes
  }
}
