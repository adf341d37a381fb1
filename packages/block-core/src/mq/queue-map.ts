// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, KernelError } from '@iolayers/kernel'
import { ReqFlags, ReqOp, reqOp } from '../req-flags.ts'

/** The kinds of hardware queues that a driver may keep apart. @see include/linux/blk-mq.h enum hctx_type */
export const HctxType = { DEFAULT: 0, READ: 1, POLL: 2 } as const
export type HctxType = (typeof HctxType)[keyof typeof HctxType]

/** @see include/linux/blk-mq.h HCTX_MAX_TYPES */
export const HCTX_MAX_TYPES = 3

/**
 * Which hardware queue the submitters of each CPU go to, for one kind of I/O. A driver's `mapQueues` sets `nrQueues` and `queueOffset` and
 * fills in `mqMap`, by itself or with `blkMqMapQueues`. A map with no queues is that of DEFAULT.
 * @see include/linux/blk-mq.h struct blk_mq_queue_map
 */
export class BlkMqQueueMap {
  /** Index of a hardware queue of the tag set for each CPU. */
  readonly mqMap: Int32Array
  nrQueues: number
  /** The first hardware queue of this kind. */
  queueOffset: number

  constructor(nrCpus: number) {
    this.mqMap = new Int32Array(nrCpus)
    this.nrQueues = 0
    this.queueOffset = 0
  }
}

/**
 * Spreads the CPUs evenly over the queues of a map: neighbours share a queue, and the first queues get one more where it does not
 * come out even. With fewer CPUs than queues each CPU has one queue, a later one, and the others have none.
 * @see block/blk-mq-cpumap.c blk_mq_map_queues; lib/group_cpus.c group_cpus_evenly on a machine of one node
 */
export function blkMqMapQueues(map: BlkMqQueueMap): void {
  assert(map.nrQueues > 0, 'map queues: a map without queues')
  const nrCpus = map.mqMap.length
  const groups = Math.min(map.nrQueues, nrCpus)
  const cpusPerGroup = Math.floor(nrCpus / groups)
  const larger = nrCpus % groups
  let cpu = 0
  for (let group = 0; group < groups; group++) {
    const end = cpu + cpusPerGroup + (group < larger ? 1 : 0)
    // The last of the queues that come to this group in turn.
    const round = Math.floor((map.nrQueues - 1 - group) / groups)
    const queue = map.queueOffset + group + round * groups
    for (; cpu < end; cpu++) map.mqMap[cpu] = queue
  }
}

/** @see block/blk-mq.h blk_mq_get_hctx_type */
export function blkMqGetHctxType(opf: number): HctxType {
  if ((opf & ReqFlags.POLLED) !== 0) return HctxType.POLL
  return reqOp(opf) === ReqOp.READ ? HctxType.READ : HctxType.DEFAULT
}

/** How a driver maps queues; left out, all are of the one kind and `blkMqMapQueues` does it. */
export type MapQueues = (maps: readonly BlkMqQueueMap[], nrHwQueues: number) => void

export interface QueueMapsInit {
  readonly nrMaps: number
  readonly nrCpus: number
  readonly nrHwQueues: number
  readonly mapQueues: MapQueues | null
}

/**
 * The maps of a tag set. Throws KernelError EINVAL where the driver sends a CPU to a queue that does not exist.
 * @see block/blk-mq.c blk_mq_update_queue_map
 */
export function makeQueueMaps(init: QueueMapsInit): readonly BlkMqQueueMap[] {
  const { nrMaps, nrCpus, nrHwQueues, mapQueues } = init
  const maps = Array.from({ length: nrMaps }, () => new BlkMqQueueMap(nrCpus))
  const [first] = maps
  assert(first !== undefined, 'queue maps: none')
  if (nrMaps === 1) first.nrQueues = nrHwQueues
  if (mapQueues === null) blkMqMapQueues(first)
  else mapQueues(maps, nrHwQueues)
  for (const [type, map] of maps.entries()) checkQueueMap(map, type, nrHwQueues)
  return maps
}

function checkQueueMap(map: BlkMqQueueMap, type: number, nrHwQueues: number): void {
  if (type === HctxType.DEFAULT && map.nrQueues < 1) {
    throw new KernelError('EINVAL', 'tag set: mapQueues leaves the default map without queues')
  }
  if (map.nrQueues === 0) return
  for (const [cpu, queue] of map.mqMap.entries()) {
    if (queue >= 0 && queue < nrHwQueues) continue
    throw new KernelError(
      'EINVAL',
      `tag set: mapQueues sends CPU ${cpu} to hardware queue ${queue}, but must send it to one from 0 to ${nrHwQueues - 1}`,
    )
  }
}
