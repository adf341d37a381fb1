// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDisk, type Disk, SECTOR_SHIFT, type TagSet } from '@iolayers/block-core'
import { KernelError, type Op } from '@iolayers/kernel'
import type { AdminQueue } from '../admin/admin-queue.ts'
import { CtrlState } from '../ctrl/ctrl-state.ts'
import {
  activeNamespaces,
  type IdentifyController,
  type IdentifyNamespace,
  type IdentifyNvmController,
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
  /** Its namespace was found to be gone, or another one. */
  isLost: boolean
}

export interface NamespaceWay {
  readonly id: IdentifyController
  readonly nvm: IdentifyNvmController
  readonly bounds: HostBounds
  readonly io: NvmeIo
  readonly tagSet: TagSet<NvmeIod>
}

/** The namespaces of a controller and the disks made of them. The lists are new ones with each change. */
export class Namespaces {
  readonly #dev: NvmeDev
  /** In the order of the identifiers. */
  #known: readonly KnownNamespace[]
  #disks: readonly Disk[]
  #ignored: readonly IgnoredNamespace[]
  /** How disks are made; null until the first scan. */
  #way: NamespaceWay | null

  constructor(dev: NvmeDev) {
    this.#dev = dev
    this.#known = []
    this.#disks = []
    this.#ignored = []
    this.#way = null
  }

  get disks(): readonly Disk[] {
    return this.#disks
  }

  get ignored(): readonly IgnoredNamespace[] {
    return this.#ignored
  }

  /** Null where there is none. */
  diskOf(nsid: number): Disk | null {
    return this.#find(nsid)?.disk ?? null
  }

  /** Of one command; 0 before the first scan. */
  get maxTransferBytes(): number {
    return this.#way?.bounds.maxBytes ?? 0
  }

  /** Makes the first disks. @see drivers/nvme/host/core.c nvme_scan_ns_list */
  *scan(admin: AdminQueue, way: NamespaceWay): Op<void> {
    this.#way = way
    for (const nsid of yield* activeNamespaces(admin)) {
      this.#add(yield* identifyNamespace(admin, nsid), way)
    }
  }

  /**
   * After a reset, before anything is handed over again: a disk whose namespace is gone, or is another one, dies; one that has another size gets it.
   * Makes and destroys no disk. True where `update` is to. @see drivers/nvme/host/core.c nvme_validate_ns
   */
  *revalidate(admin: AdminQueue): Op<boolean> {
    const active = yield* activeNamespaces(admin)
    const ignored = this.#ignored.map(({ nsid }) => nsid)
    let differs = active.some((nsid) => this.#find(nsid) === null && !ignored.includes(nsid))
    for (const known of this.#known) {
      const { nsid } = known.last
      const ns = active.includes(nsid) ? yield* identifyNamespace(admin, nsid) : null
      if (ns !== null && takeOver(known, ns)) continue
      known.isLost = true
      known.disk.markDead()
      differs = true
    }
    return differs
  }

  /**
   * Makes the disks be those of the namespaces that there are now. A disk whose namespace is gone, or is another one by its identity or format, dies, and
   * is destroyed once what it has in flight has ended. Namespaces that the controller refuses to identify stay as they are; the first such refusal is thrown,
   * when the others are done. Throws KernelError ENODEV where the controller is not live any more.
   * @see drivers/nvme/host/core.c nvme_scan_ns_list, nvme_remove_invalid_namespaces
   */
  *update(admin: AdminQueue): Op<void> {
    const active = yield* activeNamespaces(admin)
    let failure: KernelError | null = null
    for (const nsid of active) {
      try {
        yield* this.#updateOne(admin, nsid)
      } catch (error) {
        if (!(error instanceof KernelError)) throw error
        failure ??= error
      }
      this.#refuseUnlessLive()
    }
    this.#ignored = this.#ignored.filter(({ nsid }) => active.includes(nsid))
    for (const known of this.#known) {
      if (!active.includes(known.last.nsid)) yield* this.#remove(known)
    }
    if (failure !== null) throw failure
  }

  *#updateOne(admin: AdminQueue, nsid: number): Op<void> {
    const ns = yield* identifyNamespace(admin, nsid)
    const known = this.#find(nsid)
    const stays = known !== null && !known.isLost && takeOver(known, ns)
    if (stays) return
    if (known !== null) yield* this.#remove(known)
    // A reset would not know of a disk that is made while it is under way.
    this.#refuseUnlessLive()
    this.#ignored = this.#ignored.filter((ignored) => ignored.nsid !== nsid)
    if (this.#way !== null) this.#add(ns, this.#way)
  }

  /** It is one of the disks, for resets and removal, as long as it has requests. @see drivers/nvme/host/core.c nvme_ns_remove */
  *#remove(known: KnownNamespace): Op<void> {
    const { disk } = known
    known.isLost = true
    disk.markDead()
    yield* disk.destroy()
    this.#way?.io.removeNamespace(disk)
    this.#setKnown(this.#known.filter((other) => other !== known))
  }

  #add(ns: IdentifyNamespace, way: NamespaceWay): void {
    // It went while it was looked at.
    if (ns.ncap === 0) return
    const { nsid } = ns
    const reason = unusableNamespace(ns)
    if (reason !== null) {
      this.#ignored = [...this.#ignored, { nsid, reason }].toSorted((a, b) => a.nsid - b.nsid)
      return
    }
    const { kernel, device, name, registrations } = this.#dev
    const disk = createDisk(
      { kernel, tagSet: way.tagSet },
      {
        name: `${name}n${nsid}`,
        capacitySectors: ns.nsze * sectorsPerLba(ns),
        limits: namespaceLimits(device, way.id, ns, way.bounds, way.nvm),
        readOnly: ns.writeProtected,
        dmabuf: registrations,
      },
    )
    this.#setKnown([...this.#known, { disk, last: ns, isLost: false }])
    const { deallocatesZeroes } = ns
    way.io.addNamespace({ nsid, sectorsPerLba: sectorsPerLba(ns), deallocatesZeroes, disk })
  }

  #setKnown(known: readonly KnownNamespace[]): void {
    this.#known = known.toSorted((a, b) => a.last.nsid - b.last.nsid)
    this.#disks = this.#known.map(({ disk }) => disk)
  }

  #find(nsid: number): KnownNamespace | null {
    return this.#known.find(({ last }) => last.nsid === nsid) ?? null
  }

  #refuseUnlessLive(): void {
    const { name, state } = this.#dev
    if (state.current === CtrlState.LIVE) return
    throw new KernelError('ENODEV', `${name}: namespaces looked for, and no live controller`)
  }
}

/** The disk follows what the controller says now. False: that is another namespace, or none. */
function takeOver(known: KnownNamespace, ns: IdentifyNamespace): boolean {
  const { disk, last } = known
  const isSame =
    ns.ncap !== 0 &&
    ns.identity === last.identity &&
    ns.lbaShift === last.lbaShift &&
    ns.metadataSizeBytes === last.metadataSizeBytes
  if (!isSame) return false
  if (ns.nsze !== last.nsze) disk.setCapacity(ns.nsze * sectorsPerLba(ns))
  if (ns.writeProtected !== last.writeProtected) disk.setReadOnly(ns.writeProtected)
  known.last = ns
  return true
}

function sectorsPerLba(ns: IdentifyNamespace): number {
  return 2 ** (ns.lbaShift - SECTOR_SHIFT)
}
