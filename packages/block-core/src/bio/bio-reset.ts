// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'
import { opIsWrite, SECTOR_SIZE } from '../req-flags.ts'
import { type Bio, type BioEndIo, NO_END_IO } from './bio.ts'
import { bioAdvance } from './bio-chain.ts'
import { BioFlag, bioFlagged } from './bio-flags.ts'
import { BioWalk } from './bio-walk.ts'
import { bvecAt } from './bvec-iter.ts'

/** Ready for a new I/O at sector 0, without payload; a vector that it was given stays. @see block/bio.c bio_reset */
export function bioReset(bio: Bio, opf: number): void {
  bio.init(opf, 0, NO_END_IO)
  if (bio.biMaxVecs > 0) bio.biIoVec = bio.biVecTable
}

/**
 * Ready for another I/O, at sector 0, with the memory of the one that ended: a copy reads into a bio and then writes it. Who hears of the
 * end stays. Not for clones, nor for a dmabuf, whose map may have gone.
 * @see block/bio.c bio_reuse
 */
export function bioReuse(bio: Bio, opf: number): void {
  assert(!bioFlagged(bio, BioFlag.CLONED) && !bio.isDmabuf, 'bio: its payload is not its own')
  const { biIoVec, biVcnt, biPrivate } = bio
  const endIo: BioEndIo = bio.biEndIo
  bio.init(opf, 0, endIo)
  bio.biPrivate = biPrivate
  bio.biIoVec = biIoVec
  bio.biVcnt = biVcnt
  for (let i = 0; i < biVcnt; i++) bio.biIter.biSize += bvecAt(biIoVec, i).lengthBytes
}

/** Leaves `sectors` of a bio, from `offsetSectors` on. @see block/bio.c bio_trim */
export function bioTrim(bio: Bio, offsetSectors: number, sectors: number): void {
  const sizeBytes = sectors * SECTOR_SIZE
  const offsetBytes = offsetSectors * SECTOR_SIZE
  assert(offsetSectors >= 0 && sectors >= 0, 'bio: trimmed to a negative range')
  assert(offsetBytes + sizeBytes <= bio.biIter.biSize, 'bio: trimmed to more than it has')
  if (offsetBytes > 0) bioAdvance(bio, offsetBytes)
  bio.biIter.biSize = sizeBytes
}

/** Writes zeroes to memory. */
export interface ZeroMemory {
  zero(run: BioVec): void
}

/**
 * Leaves the first `newSizeBytes` of a bio; of a read, what falls off is zeroed, since nobody else will fill it (that of a dmabuf stays as
 * it is: no CPU writes there).
 * @see block/bio.c bio_truncate
 */
export function bioTruncate(bio: Bio, newSizeBytes: number, memory: ZeroMemory): void {
  if (newSizeBytes >= bio.biIter.biSize) return
  if (!opIsWrite(bio.biOpf)) zeroBehind(bio, newSizeBytes, memory)
  bio.biIter.biSize = newSizeBytes
}

function zeroBehind(bio: Bio, offsetBytes: number, memory: ZeroMemory): void {
  const walk = new BioWalk()
  walk.init(bio)
  const run: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  let at = 0
  for (let bytes = walk.nextSegment(run); bytes > 0; bytes = walk.nextSegment(run)) {
    const skip = Math.min(bytes, Math.max(0, offsetBytes - at))
    at += bytes
    if (skip === bytes) continue
    run.offsetBytes += skip
    run.lengthBytes -= skip
    memory.zero(run)
  }
}
