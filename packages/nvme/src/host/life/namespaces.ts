// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDisk, type Disk, SECTOR_SHIFT, type TagSet } from '@iolayers/block-core'
import type { Op } from '@iolayers/kernel'
import type { AdminQueue } from '../admin/admin-queue.ts'
import {
  activeNamespaces,
  type IdentifyController,
  type IdentifyNamespace,
  identifyNamespace,
} from '../ctrl/identify.ts'
import { type HostBounds, namespaceLimits, unusableNamespace } from '../ctrl/limits.ts'
import type { NvmeIod } from '../dma/iod.ts'
import type { NvmeIo } from '../io/nvme-io.ts'
import type { NvmeDev } from './nvme-dev.ts'

/** A namespace of which no disk was made. */
export interface IgnoredNamespace {
  readonly nsid: number
  readonly reason: string
}

/** A disk, and what the controller last said of its namespace. */
interface KnownNamespace {
  readonly disk: Disk
  last: IdentifyNamespace
}

export interface NamespaceWay {
  readonly id: IdentifyController
  readonly bounds: HostBounds
  readonly io: NvmeIo
  readonly tagSet: TagSet<NvmeIod>
}

/** The namespaces of a controller and the disks made of them. */
export class Namespaces {
  readonly disks: Disk[]
  readonly ignored: IgnoredNamespace[]
  readonly #dev: NvmeDev
  readonly #known: KnownNamespace[]

  constructor(dev: NvmeDev) {
    this.disks = []
    this.ignored = []
    this.#dev = dev
    this.#known = []
  }

  /** Makes the disks. @see drivers/nvme/host/core.c nvme_scan_ns_list */
  *scan(admin: AdminQueue, way: NamespaceWay): Op<void> {
    for (const nsid of yield* activeNamespaces(admin)) {
      this.#add(yield* identifyNamespace(admin, nsid), way)
    }
  }

  /**
   * After a reset: a disk whose namespace is gone, or is formatted otherwise, dies; one that has another size gets it. New namespaces are not looked
   * for. @see drivers/nvme/host/core.c nvme_validate_ns
   */
  *revalidate(admin: AdminQueue): Op<void> {
    const active = yield* activeNamespaces(admin)
    for (const known of this.#known) {
      const { disk, last } = known
      if (!active.includes(last.nsid)) {
        disk.markDead()
        continue
      }
      const ns = yield* identifyNamespace(admin, last.nsid)
      if (ns.lbaShift !== last.lbaShift || ns.metadataSizeBytes !== last.metadataSizeBytes) {
        disk.markDead()
        continue
      }
      if (ns.nsze !== last.nsze) disk.setCapacity(ns.nsze * sectorsPerLba(ns))
      if (ns.writeProtected !== last.writeProtected) disk.setReadOnly(ns.writeProtected)
      known.last = ns
    }
  }

  #add(ns: IdentifyNamespace, way: NamespaceWay): void {
    const { nsid } = ns
    const reason = unusableNamespace(ns)
    if (reason !== null) {
      this.ignored.push({ nsid, reason })
      return
    }
    const { kernel, device, name, registrations } = this.#dev
    const disk = createDisk(
      { kernel, tagSet: way.tagSet },
      {
        name: `${name}n${nsid}`,
        capacitySectors: ns.nsze * sectorsPerLba(ns),
        limits: namespaceLimits(device, way.id, ns, way.bounds),
        readOnly: ns.writeProtected,
        dmabuf: registrations,
      },
    )
    this.disks.push(disk)
    this.#known.push({ disk, last: ns })
    way.io.addNamespace({ nsid, sectorsPerLba: sectorsPerLba(ns), disk })
  }
}

function sectorsPerLba(ns: IdentifyNamespace): number {
  return 2 ** (ns.lbaShift - SECTOR_SHIFT)
}
