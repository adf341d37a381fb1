// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import type { Bio } from '../bio/bio.ts'
import { ReqFlags } from '../req-flags.ts'
import type { QueueLimits } from './queue-limits.ts'

/**
 * A bio has to be cut after at most `bytes`, which are `segments`: that, rounded down to the logical block; -EINVAL where nothing is
 * left or the bio is atomic, -EAGAIN where it may not wait for the second half.
 * @see block/blk-merge.c bio_split_io_at
 */
export function cutAt(bio: Bio, limits: QueueLimits, bytes: number, segments: number): number {
  if ((bio.biOpf & ReqFlags.ATOMIC) !== 0) return -Errno.EINVAL
  if ((bio.biOpf & ReqFlags.NOWAIT) !== 0) return -Errno.EAGAIN
  const cut = bytes - (bytes % limits.logicalBlockSizeBytes)
  if (cut === 0) return -Errno.EINVAL
  bio.biOpf &= ~ReqFlags.POLLED
  bio.biNrSegments = segments
  return cut
}
