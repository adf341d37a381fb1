// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// How a controller is taken out of service. The order is the point (H15, R-MQ-7): a request holds `active` of its map as long as the controller might
// do DMA for it, and only this may say that it cannot.
//
//   no more dispatch --> controller stopped: CC.EN 0 and CSTS.RDY 0, or else bus mastering off --> completions that are there are taken
//                                                                                    --> what is left is cancelled: `active` dropped, once

import type { Disk } from '@iolayers/block-core'
import type { Device } from '@iolayers/dma-mapping'
import { type Kernel, KernelError, Mutex, type Op } from '@iolayers/kernel'
import type { AdminQueue } from '../admin/admin-queue.ts'
import type { NvmeIo } from '../io/nvme-io.ts'
import type { NvmeQueue } from '../queue/nvme-queue.ts'

/** What is taken out of service. Null: there is none yet. */
export interface DisableTarget {
  readonly device: Device
  readonly disks: readonly Disk[]
  readonly io: NvmeIo | null
  readonly ioQueues: readonly NvmeQueue[]
  readonly admin: AdminQueue | null
  /** The controller is stopped when it returns, with what it has cached made safe where `shutdown`. Throws KernelError when it does not stop. */
  stopController(shutdown: boolean): Op<void>
}

/** @see drivers/nvme/host/pci.c nvme_dev_disable */
export class DevDisable {
  protected readonly kernel: Kernel
  protected readonly target: DisableTarget
  /** One at a time. @see drivers/nvme/host/pci.c struct nvme_dev shutdown_lock */
  protected readonly lock: Mutex
  protected quiesced: boolean

  constructor(components: { readonly kernel: Kernel }, target: DisableTarget) {
    this.kernel = components.kernel
    this.target = target
    this.lock = new Mutex(components.kernel.scheduler, 'nvme shutdown')
    this.quiesced = false
  }

  /**
   * When it returns, the controller can do no DMA, and no request is with it. Drain fences wait for this, so it depends on nothing that could wait for
   * them: it takes no reservation lock and no memory, and waits for the controller only so long (F13). Returns what the controller said, if it did not
   * stop; it cannot do DMA even so.
   */
  *run(shutdown: boolean): Op<KernelError | null> {
    yield* this.lock.lock()
    const cookie = this.kernel.signalling.begin('nvme disable')
    try {
      yield* this.stopDispatch()
      const failure = yield* this.stopController(shutdown)
      this.cancelInFlight()
      return failure
    } finally {
      this.kernel.signalling.end(cookie)
      this.lock.unlock()
    }
  }

  /** No request is handed over from now on, but those that are being so. From any context; more than once is as once. */
  quiesce(): void {
    if (this.quiesced) return
    this.quiesced = true
    for (const disk of this.target.disks) disk.queue.quiesce()
  }

  /** Requests are handed over again, those first that were given back. */
  unquiesce(): void {
    if (!this.quiesced) return
    this.quiesced = false
    for (const disk of this.target.disks) {
      disk.queue.unquiesce()
      disk.queue.kickRequeueList()
    }
  }

  /** Whoever is in the midst of a preparation holds `active`, and may not be missed by the cancellation. */
  protected *stopDispatch(): Op<void> {
    this.quiesce()
    for (const disk of this.target.disks) yield* disk.queue.waitQuiesceDone()
  }

  /** The proof that there is no more DMA: the controller says that it is stopped, or the bus lets it through no more (H15, D3). */
  protected *stopController(shutdown: boolean): Op<KernelError | null> {
    const { target } = this
    let failure: KernelError | null = null
    try {
      yield* target.stopController(shutdown)
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      failure = error
    }
    target.device.bus.enabled = false
    for (const queue of target.ioQueues) queue.online = false
    if (target.admin !== null) target.admin.queue.online = false
    if (target.io !== null) target.io.online = false
    return failure
  }

  /** Only now (H15): what was completed ends as it was completed, and the rest is taken back. */
  protected cancelInFlight(): void {
    const { io, admin, ioQueues } = this.target
    if (io !== null) {
      for (let index = 0; index < ioQueues.length; index++) io.reap(index)
      io.cancelAll()
    }
    if (admin === null) return
    admin.reap()
    admin.cancelAll()
  }
}
