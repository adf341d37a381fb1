// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { extractBvecs, type IovIter } from '@iolayers/uio'
import type { DmabufIoMap } from '../dmabuf/contracts.ts'
import { ReqFlags } from '../req-flags.ts'
import type { Bio } from './bio.ts'

/** Most entries that a bio builds for itself. @see include/linux/bio.h BIO_MAX_VECS */
export const BIO_MAX_VECS = 256

/**
 * Takes everything that is left of a dmabuf iterator into a bio, in constant time: a map and an offset, no page and no vector.
 * The iterator advances by what was taken; the map's reference stays the caller's.
 */
export function bioSetDmabuf(bio: Bio, iter: IovIter<DmabufIoMap>): void {
  const map = iter.dmabufMap
  assert(map !== null, 'bioSetDmabuf: not a dmabuf iterator')
  bio.biOpf |= ReqFlags.DMABUF | ReqFlags.NOMERGE
  bio.biDmabufMap = map
  bio.biIter.biIdx = 0
  bio.biIter.biBvecDone = iter.offsetBytes
  bio.biIter.biSize = iter.countBytes
  iter.advance(iter.countBytes)
}

/**
 * Takes up to BIO_MAX_VECS runs and `maxBytes` from an iterator with pages into the bio's own vector, cut to a multiple of
 * `blockBytes`; the iterator advances by what was taken. Returns the bytes: 0 where not one block fits.
 * @see block/bio.c bio_iov_iter_get_pages
 */
export function bioIovIterGetPages(
  bio: Bio,
  iter: IovIter<DmabufIoMap>,
  maxBytes: number,
  blockBytes: number,
): number {
  const before = iter.countBytes
  bio.biVcnt = extractBvecs(iter, bio.biInlineVecs, BIO_MAX_VECS, maxBytes)
  const taken = before - iter.countBytes
  const excess = taken % blockBytes
  if (excess > 0) iter.revert(excess)
  bio.biIoVec = bio.biInlineVecs
  bio.biIter.biIdx = 0
  bio.biIter.biBvecDone = 0
  bio.biIter.biSize = taken - excess
  return taken - excess
}

/** Builds the payload from an iterator of any kind; bytes taken. @see block/fops.c blkdev_iov_iter_get_pages */
export function bioSetFromIter(
  bio: Bio,
  iter: IovIter<DmabufIoMap>,
  maxBytes: number,
  blockBytes: number,
): number {
  if (!iter.isDmabuf) return bioIovIterGetPages(bio, iter, maxBytes, blockBytes)
  bioSetDmabuf(bio, iter)
  return bio.biIter.biSize
}
