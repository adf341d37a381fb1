// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BioVec } from './bio-vec.ts'
import type { DmabufMap } from './dmabuf-map.ts'
import type { IovIter } from './iov-iter.ts'
import { segmentAt } from './iter-walk.ts'

/**
 * Makes `target` a second iterator that stands where `source` does and moves on its own, also after the vector of the source is
 * gone: the segments that are left are copied, and returned; null for what has none. Folios, xarray and map are shared, and their
 * references are still the caller's. The copy cannot be reverted beyond the segment where it began.
 * @see lib/iov_iter.c dup_iter
 */
export function dupIter<M extends DmabufMap>(
  target: IovIter<M>,
  source: IovIter<M>,
): readonly BioVec[] | null {
  target.iterType = source.iterType
  target.dataSource = source.dataSource
  target.offsetBytes = source.offsetBytes
  target.countBytes = source.countBytes
  target.segIndex = source.segIndex
  target.endIndex = source.endIndex
  target.segments = source.segments
  target.dmabufMap = source.dmabufMap
  target.folioq = source.folioq
  target.folioqSlot = source.folioqSlot
  target.xarray = source.xarray
  target.xarrayStartBytes = source.xarrayStartBytes
  Object.assign(target.ubuf, source.ubuf)
  if (!source.hasVector) return null
  const copies: BioVec[] = []
  for (let i = source.segIndex; i < source.endIndex; i += 1) {
    copies.push({ ...segmentAt(source, i) })
  }
  target.segments = copies
  target.segIndex = 0
  target.endIndex = copies.length
  return copies
}
