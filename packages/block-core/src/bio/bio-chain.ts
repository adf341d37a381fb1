// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, assertOnce, type Op } from '@iolayers/kernel'
import { BlkStatus } from '../blk-status.ts'
import { SECTOR_SIZE } from '../req-flags.ts'
import type { Bio, BioEndIo } from './bio.ts'
import { BioFlag, bioClearFlag, bioFlagged, bioSetFlag } from './bio-flags.ts'
import type { BioSet } from './bio-set.ts'
import { bvecIterAdvance } from './bvec-iter.ts'

/** Marks a bio whose end is its parent's business; `bioEndio` knows it by identity and walks up without recursion. */
const bioChainEndIo: BioEndIo = {
  bioEndIo() {
    assert(false, 'the end of a chained bio is walked, not called')
  },
}

/**
 * Makes `clone` a second bio over the same payload and range. The one place where a payload is given to a bio that did
 * not build it, vector and dmabuf map alike; every way of cloning comes through here. The clone shares the vector, and must
 * end before the original does.
 * @see block/bio.c __bio_clone
 */
export function bioInitClone(clone: Bio, source: Bio, endIo: BioEndIo): void {
  clone.init(source.biOpf, source.biIter.biSector, endIo)
  bioSetFlag(clone, BioFlag.CLONED)
  clone.biIoprio = source.biIoprio
  clone.biIter.set(source.biIter)
  clone.biIoVec = source.biIoVec
  clone.biVcnt = source.biVcnt
  clone.biDmabufMap = source.biDmabufMap
  clone.biOrigin = bioRoot(source)
}

/** A clone out of a pool, which takes it back when it is put; null when all are in use. See bioInitClone. */
export function bioTryAllocClone(set: BioSet<unknown>, source: Bio, endIo: BioEndIo): Bio | null {
  const clone = set.tryAlloc()
  if (clone !== null) bioInitClone(clone, source, endIo)
  return clone
}

/** The same, waiting for a bio of the pool. See BioSet.alloc for who may wait. @see block/bio.c bio_alloc_clone */
export function* bioAllocClone(set: BioSet<unknown>, source: Bio, endIo: BioEndIo): Op<Bio> {
  const clone = yield* set.alloc()
  bioInitClone(clone, source, endIo)
  return clone
}

/** Moves on by bytes, whatever the payload. @see block/bio.c bio_advance */
export function bioAdvance(bio: Bio, sizeBytes: number): void {
  const iter = bio.biIter
  iter.biSector += Math.floor(sizeBytes / SECTOR_SIZE)
  if (bio.isDmabuf) {
    assert(sizeBytes <= iter.biSize, 'bio advanced past its end')
    iter.biBvecDone += sizeBytes
    iter.biSize -= sizeBytes
    return
  }
  if (bio.biVcnt === 0) {
    assert(sizeBytes <= iter.biSize, 'bio advanced past its end')
    iter.biSize -= sizeBytes
    return
  }
  bvecIterAdvance(bio.biIoVec, iter, sizeBytes)
}

/**
 * Cuts the first `frontBytes` off `bio` into `front`, a free bio of a pool, chained to the rest: the rest ends after it.
 * @see block/bio.c bio_split
 * @see block/blk-merge.c bio_submit_split
 */
export function bioSplitFront(bio: Bio, frontBytes: number, front: Bio): void {
  assert(frontBytes > 0 && frontBytes < bio.biIter.biSize, 'bio split: nothing on one side')
  assert(frontBytes % SECTOR_SIZE === 0, 'bio split: not at a sector')
  bioInitClone(front, bio, bioChainEndIo)
  front.biIter.biSize = frontBytes
  front.biNrSegments = bio.biNrSegments
  bioAdvance(bio, frontBytes)
  bioChain(front, bio)
}

/** `bio` ends after `child`, and takes over its error. @see block/bio.c bio_chain */
export function bioChain(child: Bio, bio: Bio): void {
  child.biEndIo = bioChainEndIo
  child.biParent = bio
  bioIncRemaining(bio)
}

/** `bio` takes one end more before it is over. @see include/linux/bio.h bio_inc_remaining */
export function bioIncRemaining(bio: Bio): void {
  bioSetFlag(bio, BioFlag.CHAIN)
  bio.biRemaining++
}

/** The bio that was submitted, for a fragment of it; else itself. */
export function bioRoot(bio: Bio): Bio {
  return bio.biOrigin ?? bio
}

/**
 * Ends a bio with its `biStatus`: exactly once for each submission. A bio with chained ones still on their way only counts
 * down. The first error of a chain is the one that stays.
 * @see block/bio.c bio_endio
 */
export function bioEndio(bio: Bio): void {
  let current = bio
  for (;;) {
    if (bioFlagged(current, BioFlag.CHAIN)) {
      assertOnce(current.biRemaining > 0, 'a bio ended more often than it was chained')
      current.biRemaining--
      if (current.biRemaining > 0) return
      bioClearFlag(current, BioFlag.CHAIN)
    }
    if (current.biEndIo !== bioChainEndIo) {
      current.biEndIo.bioEndIo(current)
      return
    }
    const parent = current.biParent
    assert(parent !== null, 'a chained bio without a parent')
    if (current.biStatus !== BlkStatus.OK && parent.biStatus === BlkStatus.OK) {
      parent.biStatus = current.biStatus
    }
    current.biPool?.put(current)
    current = parent
  }
}

/** Ends a bio with a status; an error that its chain already met stays. */
export function bioEndWith(bio: Bio, status: BlkStatus): void {
  if (bio.biStatus === BlkStatus.OK) bio.biStatus = status
  bioEndio(bio)
}
