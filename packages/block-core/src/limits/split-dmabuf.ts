// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import type { QueueLimits } from './queue-limits.ts'
import { cutAt } from './split-cut.ts'

/** `&` looks at the low bits of any integer, so only the granule itself has to fit 31 bits for the short way. */
function sureBytes(granuleShift: number, offset: number, maxSegments: number): number {
  if (granuleShift > 30) {
    const large = 2 ** granuleShift
    return maxSegments * large - (offset % large)
  }
  const granule = 1 << granuleShift
  return maxSegments * granule - (offset & (granule - 1))
}

/**
 * Bytes of a dmabuf bio that fit one request: 0 when all do, else where to cut, or -EINVAL, -EAGAIN.
 *
 * Segments are counted in the buffer's own granule g, which every mapped segment is a multiple of: a range that begins at
 * offset o and is s bytes long touches at most ceil((o mod g + s) / g) of them, so that `maxSegments * g - o mod g` bytes are sure
 * to fit, wherever the segments really lie. Nothing here looks at the map's segments, nor at a page size.
 * All of it is done in doubles: a granule of 2^30 times 128 segments is more than 32 bits hold.
 *
 * -EINVAL: offset or size not aligned for the device, an atomic write that does not fit, or a cut that leaves no whole
 * logical block. -EAGAIN: a NOWAIT bio that does not fit.
 */
export function splitDmabufBytes(bio: Bio, limits: QueueLimits, maxBytes: number): number {
  const map = bio.biDmabufMap
  if (map === null) return -Errno.EINVAL
  const offset = bio.biIter.biBvecDone
  const size = bio.biIter.biSize
  if ((offset & limits.dmaAlignmentMask) !== 0) return -Errno.EINVAL
  if ((size & (limits.logicalBlockSizeBytes - 1)) !== 0) return -Errno.EINVAL
  const fits = Math.min(maxBytes, sureBytes(map.granuleShift, offset, limits.maxSegments))
  if (size <= fits) return 0
  return cutAt(bio, limits, fits, 0)
}
