// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk, DmabufTokenFactory } from '@iolayers/block-core'
import type { Device } from '@iolayers/dma-mapping'
import type { Kernel, Op } from '@iolayers/kernel'
import type { InterruptSink, RegisterBar } from '../../controller/contracts.ts'
import type { AdminQueue } from '../admin/admin-queue.ts'
import { ControllerState, CtrlState } from '../ctrl/ctrl-state.ts'
import type { IdentifyController } from '../ctrl/identify.ts'
import { deleteIoQueue } from '../ctrl/io-queues.ts'
import { sglSupported } from '../ctrl/limits.ts'
import { type ControllerCap, NvmeRegs } from '../ctrl/nvme-regs.ts'
import type { DescriptorPools } from '../dma/descriptor-pools.ts'
import type { HostSettings } from '../host-init.ts'
import type { HostParts } from '../host-parts.ts'
import { HostTrace } from '../io/host-trace.ts'
import type { NvmeIo } from '../io/nvme-io.ts'
import { HostInterrupts } from '../queue/interrupts.ts'
import type { NvmeQueue } from '../queue/nvme-queue.ts'
import { HostCounters } from '../stats.ts'
import type { DisableTarget } from './dev-disable.ts'
import { KeepAlive } from './keep-alive.ts'
import { NamespaceScan } from './namespace-scan.ts'
import { Namespaces } from './namespaces.ts'
import { Registrations } from './registrations.ts'

const SHUTDOWN_TIMEOUT_NS = 5e9

export interface NvmeDevComponents {
  readonly kernel: Kernel
  readonly device: Device
  readonly bar: RegisterBar
  readonly interrupts: (sink: InterruptSink) => void
  readonly tokens?: DmabufTokenFactory
}

/**
 * What the driver of a controller has: memory, queues, disks, registrations. Others do with it what probing, resetting and removing is.
 * @see drivers/nvme/host/pci.c struct nvme_dev
 */
export class NvmeDev implements DisableTarget {
  readonly kernel: Kernel
  readonly device: Device
  readonly bar: RegisterBar
  readonly settings: HostSettings
  readonly parts: Required<HostParts>
  readonly counters: HostCounters
  readonly trace: HostTrace
  readonly regs: NvmeRegs
  readonly state: ControllerState
  readonly interrupts: HostInterrupts
  readonly namespaces: Namespaces
  readonly scan: NamespaceScan
  readonly keepAlive: KeepAlive
  readonly registrations: Registrations
  readonly connectInterrupts: (sink: InterruptSink) => void
  readonly ioQueues: NvmeQueue[]
  cap: ControllerCap | null
  controller: IdentifyController | null
  admin: AdminQueue | null
  pools: DescriptorPools | null
  io: NvmeIo | null

  constructor(components: NvmeDevComponents, settings: HostSettings, parts: Required<HostParts>) {
    const { kernel, device, bar } = components
    this.kernel = kernel
    this.device = device
    this.bar = bar
    this.settings = settings
    this.parts = parts
    this.counters = new HostCounters()
    this.trace = new HostTrace(kernel.tracer, settings.instance)
    this.regs = new NvmeRegs(bar, kernel.scheduler)
    this.state = new ControllerState(this.trace)
    this.interrupts = new HostInterrupts(kernel, this.counters)
    this.namespaces = new Namespaces(this)
    this.scan = new NamespaceScan(this)
    this.keepAlive = new KeepAlive(this)
    this.registrations = new Registrations({
      scheduler: kernel.scheduler,
      device,
      tokens: components.tokens ?? null,
      sglSupported: () => this.controller !== null && sglSupported(this.controller),
    })
    this.connectInterrupts = components.interrupts
    this.ioQueues = []
    this.cap = null
    this.controller = null
    this.admin = null
    this.pools = null
    this.io = null
  }

  get name(): string {
    return `nvme${this.settings.instance}`
  }

  get disks(): readonly Disk[] {
    return this.namespaces.disks
  }

  /** @see drivers/nvme/host/core.c nvme_disable_ctrl */
  *stopController(shutdown: boolean): Op<void> {
    const { cap, admin, regs } = this
    if (cap === null || regs.gone) return
    if (!shutdown) {
      yield* regs.disable(cap.readyTimeoutNs)
      return
    }
    if (this.state.current === CtrlState.DEAD) return
    if (admin !== null) for (const queue of this.ioQueues) yield* deleteIoQueue(admin, queue)
    yield* regs.shutdown(this.#shutdownTimeoutNs())
  }

  /** Gives all memory back. The controller is stopped, and no request is left. */
  free(): void {
    this.keepAlive.stop()
    this.device.bus.enabled = false
    this.interrupts.free()
    for (const queue of this.ioQueues) queue.destroy()
    this.ioQueues.length = 0
    this.pools?.small.destroy()
    this.pools?.page.destroy()
    this.pools = null
    this.admin?.destroy()
    this.admin = null
    this.cap = null
  }

  #shutdownTimeoutNs(): number {
    const asked = (this.controller?.rtd3eUs ?? 0) * 1000
    return this.settings.shutdownTimeoutNs ?? Math.max(asked, SHUTDOWN_TIMEOUT_NS)
  }
}
