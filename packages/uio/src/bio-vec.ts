// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * A run of physically contiguous bytes, which may span pages: `frame * PAGE_SIZE + offsetBytes`, `lengthBytes` long.
 * @see include/linux/bvec.h struct bio_vec
 */
export interface BioVec {
  frame: number
  offsetBytes: number
  lengthBytes: number
}

/** One range of a user vector. Simulated user memory is identity mapped: a range is its physical bytes. */
export type Iovec = BioVec

/** One range of a kernel vector: physical bytes, so that a block device can do DMA to it. */
export type Kvec = BioVec
