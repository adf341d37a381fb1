// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Bio } from '../bio/bio.ts'
import type { Disk } from '../disk/disk.ts'
import type { Plug } from '../mq/plug.ts'
import { blkAttemptBioMerge } from './bio-merge.ts'
import { ElvMerge } from './elv-merge.ts'

/**
 * Adds a bio to a request in the submitter's plug: the newest one or, where the plug holds those of several disks and that is
 * another's, the oldest one of this disk. No other is tried.
 * @see block/blk-merge.c blk_attempt_plug_merge
 */
export function blkAttemptPlugMerge(disk: Disk, plug: Plug, bio: Bio): ElvMerge {
  const rq = plug.mergeCandidate(disk)
  return rq === null ? ElvMerge.NO_MERGE : blkAttemptBioMerge(rq, bio, disk.limits)
}
