// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * Where a bio stands: the sector on the device, the bytes left, and the place in the payload. For a vector that is an
 * index and the bytes done in that entry; for a dmabuf map `biBvecDone` is the byte offset in the buffer and the index stays 0.
 * @see include/linux/bvec.h struct bvec_iter
 */
export class BvecIter {
  biSector: number
  biSize: number
  biIdx: number
  biBvecDone: number

  constructor() {
    this.biSector = 0
    this.biSize = 0
    this.biIdx = 0
    this.biBvecDone = 0
  }

  set(other: BvecIter): void {
    this.biSector = other.biSector
    this.biSize = other.biSize
    this.biIdx = other.biIdx
    this.biBvecDone = other.biBvecDone
  }
}
