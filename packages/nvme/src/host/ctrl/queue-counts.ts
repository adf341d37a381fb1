// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { blkMqMapQueues, HctxType, type TagSetInit } from '@iolayers/block-core'
import type { NvmeIod } from '../dma/iod.ts'
import type { HostSettings } from '../host-init.ts'

/** How many I/O queues of each kind there are. */
export interface QueueCounts {
  readonly withInterrupts: number
  readonly polled: number
}

export function wantedQueues({ ioQueues, pollQueues }: HostSettings): number {
  return Math.min(ioQueues + pollQueues, 65_535)
}

/** Of those that are granted: one with interrupts first of all, then the polled ones. @see drivers/nvme/host/pci.c nvme_setup_irqs */
export function queueCounts(settings: HostSettings, granted: number): QueueCounts {
  const queues = Math.min(granted, wantedQueues(settings))
  const polled = Math.min(settings.pollQueues, queues - 1)
  return { withInterrupts: queues - polled, polled }
}

/** @see drivers/nvme/host/pci.c nvme_pci_map_queues */
export function polledMaps({
  withInterrupts,
  polled,
}: QueueCounts): Pick<TagSetInit<NvmeIod>, 'nrMaps' | 'nrCpus' | 'mapQueues'> {
  return {
    nrMaps: HctxType.POLL + 1,
    nrCpus: withInterrupts,
    mapQueues(maps) {
      const place = (type: HctxType, nrQueues: number, queueOffset: number): void => {
        const map = maps[type]
        if (map === undefined) return
        map.nrQueues = nrQueues
        map.queueOffset = queueOffset
        if (nrQueues > 0) blkMqMapQueues(map)
      }
      place(HctxType.DEFAULT, withInterrupts, 0)
      place(HctxType.READ, 0, 0)
      place(HctxType.POLL, polled, withInterrupts)
    },
  }
}
