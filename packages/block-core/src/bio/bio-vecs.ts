// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { type BioVec, type Folio, folioSizeBytes } from '@iolayers/uio'
import type { Bio } from './bio.ts'
import { BIO_MAX_VECS } from './bio-build.ts'
import { BioFlag, bioFlagged } from './bio-flags.ts'
import { bvecAt } from './bvec-iter.ts'

const PAGE_SIZE = 4096

/** Most bytes of a bio that is built page by page. @see include/linux/blk_types.h BIO_MAX_SIZE */
export const BIO_MAX_SIZE = 0xffff_ffff

/**
 * Gives an initialised bio a vector of the caller's to add pages to, of at most `maxVecs` entries. Entries are written over, and made
 * where the vector is shorter; it has to live until the bio ended.
 * @see block/bio.c bio_init
 */
export function bioInitTable(bio: Bio, table: BioVec[], maxVecs: number): void {
  assert(maxVecs > 0 && maxVecs <= BIO_MAX_VECS, 'bio: no vector, or one too long')
  assert(bio.biVcnt === 0, 'bio: has a vector already')
  bio.biVecTable = table
  bio.biMaxVecs = maxVecs
  bio.biIoVec = table
}

/** The same with the bio's own. @see include/linux/bio.h bio_init_inline */
export function bioInitInline(bio: Bio, maxVecs: number): void {
  bioInitTable(bio, bio.biInlineVecs, maxVecs)
}

/** Whether `lengthBytes` more have no place as an entry of their own. @see include/linux/bio.h bio_full */
export function bioFull(bio: Bio, lengthBytes: number): boolean {
  return bio.biVcnt >= bio.biMaxVecs || bio.biIter.biSize > BIO_MAX_SIZE - lengthBytes
}

/**
 * Adds bytes of a page, or of several that follow each other, to a bio that was not submitted yet; where they go on from the last
 * entry, that one grows. Returns `lengthBytes`, or 0 where they do not fit.
 * @see block/bio.c bio_add_page
 */
export function bioAddPage(
  bio: Bio,
  frame: number,
  lengthBytes: number,
  offsetBytes: number,
): number {
  assert(!bioFlagged(bio, BioFlag.CLONED), 'bio: pages are not added to a clone')
  assert(bio.biIoVec === bio.biVecTable && bio.biMaxVecs > 0, 'bio: no vector to add to')
  assert(lengthBytes > 0, 'bio: no bytes to add')
  if (bio.biIter.biSize > BIO_MAX_SIZE - lengthBytes) return 0
  if (!foldIntoLast(bio, frame, lengthBytes, offsetBytes)) {
    if (bio.biVcnt >= bio.biMaxVecs) return 0
    const entry = entryAt(bio.biVecTable, bio.biVcnt)
    entry.frame = frame
    entry.offsetBytes = offsetBytes
    entry.lengthBytes = lengthBytes
    bio.biVcnt++
  }
  bio.biIter.biSize += lengthBytes
  return lengthBytes
}

/** Adds bytes of a folio: whether they fit. @see block/bio.c bio_add_folio */
export function bioAddFolio(
  bio: Bio,
  folio: Folio,
  lengthBytes: number,
  offsetBytes: number,
): boolean {
  assert(offsetBytes + lengthBytes <= folioSizeBytes(folio), 'bio: bytes outside the folio')
  const inPage = offsetBytes % PAGE_SIZE
  const frame = folio.frame + (offsetBytes - inPage) / PAGE_SIZE
  return bioAddPage(bio, frame, lengthBytes, inPage) > 0
}

/** @see block/bio.c bvec_try_merge_page */
function foldIntoLast(bio: Bio, frame: number, lengthBytes: number, offsetBytes: number): boolean {
  if (bio.biVcnt === 0) return false
  const last = bvecAt(bio.biVecTable, bio.biVcnt - 1)
  const gap = (frame - last.frame) * PAGE_SIZE + offsetBytes
  if (gap !== last.offsetBytes + last.lengthBytes) return false
  last.lengthBytes += lengthBytes
  return true
}

function entryAt(table: BioVec[], index: number): BioVec {
  const entry = table[index]
  if (entry !== undefined) return entry
  const made: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  table[index] = made
  return made
}
