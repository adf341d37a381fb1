// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createDisk,
  createTagSet,
  type Disk,
  type DmabufRegistrar,
  type DmabufToken,
  type DmabufTokenFactory,
  type DmabufTokenOptions,
  SECTOR_SHIFT,
  type TagSet,
} from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import type { Device, DmaDirection } from '@iolayers/dma-mapping'
import { type Kernel, KernelError, type Op } from '@iolayers/kernel'
import type { InterruptSink, RegisterBar } from '../controller/contracts.ts'
import { Reg } from '../spec/index.ts'
import { AdminQueue, NVME_AQ_DEPTH } from './admin/admin-queue.ts'
import {
  activeNamespaces,
  type IdentifyController,
  identifyController,
  identifyNamespace,
} from './ctrl/identify.ts'
import { createIoQueue, deleteIoQueue, setQueueCount } from './ctrl/io-queues.ts'
import {
  commandBounds,
  type HostBounds,
  iodBounds,
  namespaceLimits,
  sglSupported,
  unusableNamespace,
} from './ctrl/limits.ts'
import { type ControllerCap, NvmeRegs } from './ctrl/nvme-regs.ts'
import { createDescriptorPools, type DescriptorPools } from './dma/descriptor-pools.ts'
import type { NvmeIod } from './dma/iod.ts'
import { type HostSettings, hostSettings, type NvmeHostInit } from './host-init.ts'
import { type HostParts, hostParts } from './host-parts.ts'
import { HostTrace } from './io/host-trace.ts'
import type { NvmeIo } from './io/nvme-io.ts'
import { HostInterrupts } from './queue/interrupts.ts'
import type { NvmeQueue } from './queue/nvme-queue.ts'
import { HostCounters, type NvmeHostStats } from './stats.ts'

const SHUTDOWN_TIMEOUT_NS = 5e9
const UINT_MAX = 0xffff_ffff

export interface NvmeHostComponents {
  readonly kernel: Kernel
  /** The controller, as its driver sees it on the bus. */
  readonly device: Device
  readonly bar: RegisterBar
  /** Called once, by `probe`: from then on the controller's interrupts go to the sink. */
  readonly interrupts: (sink: InterruptSink) => void
  /** Without it no dma-buf can be registered. */
  readonly tokens?: DmabufTokenFactory
  /** See `@iolayers/nvme/parts`. */
  readonly parts?: HostParts
}

/** A namespace of which no disk was made. */
export interface IgnoredNamespace {
  readonly nsid: number
  readonly reason: string
}

/** The driver of one controller. */
export interface NvmeHost {
  /**
   * Enables the controller and makes a disk of each of its namespaces. Once. Throws KernelError ENODEV for a controller that does not
   * answer or cannot be driven, EIO for one in fatal error, ETIMEDOUT, ENOMEM, or what its answers stand for; nothing is left
   * behind then.
   */
  probe(): Op<void>
  /** In the order of the namespace identifiers. */
  readonly disks: readonly Disk[]
  readonly ignoredNamespaces: readonly IgnoredNamespace[]
  /** Null before `probe`. */
  readonly controller: IdentifyController | null
  /**
   * Waits for what is in flight, deletes the queues, shuts the controller down, and gives all memory back. Registered
   * buffers have to be released by whoever registered them, before. Idempotent. Throws KernelError when the controller does not shut down;
   * everything is given back then too.
   */
  shutdown(): Op<void>
  readonly stats: NvmeHostStats
}

class PciHost implements NvmeHost, DmabufRegistrar {
  readonly #kernel: Kernel
  readonly #device: Device
  readonly #bar: RegisterBar
  readonly #connect: (sink: InterruptSink) => void
  readonly #tokens: DmabufTokenFactory | null
  readonly #parts: Required<HostParts>
  readonly #settings: HostSettings
  readonly #counters: HostCounters
  readonly #regs: NvmeRegs
  readonly #interrupts: HostInterrupts
  readonly #disks: Disk[]
  readonly #ignored: IgnoredNamespace[]
  /** Known to the controller. */
  readonly #ioQueues: NvmeQueue[]
  #probed: boolean
  #cap: ControllerCap | null
  #controller: IdentifyController | null
  #admin: AdminQueue | null
  #pools: DescriptorPools | null

  constructor(components: NvmeHostComponents, settings: HostSettings) {
    this.#kernel = components.kernel
    this.#device = components.device
    this.#bar = components.bar
    this.#connect = components.interrupts
    this.#tokens = components.tokens ?? null
    this.#parts = hostParts(components.parts ?? {})
    this.#settings = settings
    this.#counters = new HostCounters()
    this.#regs = new NvmeRegs(components.bar, components.kernel.scheduler)
    this.#interrupts = new HostInterrupts(components.kernel, this.#counters)
    this.#disks = []
    this.#ignored = []
    this.#ioQueues = []
    this.#probed = false
    this.#cap = null
    this.#controller = null
    this.#admin = null
    this.#pools = null
  }

  get disks(): readonly Disk[] {
    return this.#disks
  }

  get ignoredNamespaces(): readonly IgnoredNamespace[] {
    return this.#ignored
  }

  get controller(): IdentifyController | null {
    return this.#controller
  }

  get stats(): NvmeHostStats {
    return this.#counters
  }

  /** @see drivers/nvme/host/pci.c nvme_probe */
  *probe(): Op<void> {
    if (this.#probed) throw new KernelError('EBUSY', 'nvme host: probed before')
    this.#probed = true
    try {
      yield* this.#start()
    } catch (error) {
      yield* this.#stop()
      throw error
    }
  }

  /** @see drivers/nvme/host/pci.c nvme_remove, nvme_dev_disable */
  *shutdown(): Op<void> {
    const cap = this.#cap
    this.#cap = null
    if (cap === null) return
    let failure: unknown = null
    for (const disk of this.#disks) yield* disk.destroy()
    try {
      if (this.#admin !== null) {
        for (const queue of this.#ioQueues) yield* deleteIoQueue(this.#admin, queue)
      }
      yield* this.#regs.shutdown(this.#shutdownTimeoutNs())
    } catch (error) {
      failure = error
    }
    this.#free()
    if (failure !== null) throw failure
  }

  *createDmabufToken(
    dmabuf: DmaBuf,
    direction: DmaDirection,
    options?: DmabufTokenOptions,
  ): Op<DmabufToken> {
    if (this.#controller === null || !sglSupported(this.#controller)) {
      throw new KernelError(
        'EOPNOTSUPP',
        'nvme: the controller has no SGL support (SGLS), which registered dma-bufs need',
      )
    }
    if (this.#tokens === null) {
      throw new KernelError('EOPNOTSUPP', 'nvme: this host was made without dma-buf registration')
    }
    return yield* this.#tokens.create(this.#device, dmabuf, direction, options)
  }

  *#start(): Op<void> {
    this.#device.bus.enabled = true
    const cap = this.#regs.readCap()
    this.#cap = cap
    yield* this.#regs.disable(cap.readyTimeoutNs)
    this.#connect(this.#interrupts)
    const admin = this.#makeAdminQueue(cap)
    yield* this.#regs.enable(cap)
    const id = yield* identifyController(admin)
    this.#controller = id
    const bounds = commandBounds(id, this.#settings)
    const wanted = this.#settings.ioQueues
    const queues = Math.min(yield* setQueueCount(admin, wanted), wanted)
    const depth = Math.min(this.#settings.queueDepth, cap.maxQueueEntries - 1)
    const io = this.#makeIo(id, bounds, depth)
    for (let qid = 1; qid <= queues; qid++) yield* this.#addIoQueue(cap, admin, io, qid, depth + 1)
    const init = { ops: io, nrHwQueues: queues, queueDepth: depth }
    const tagSet = createTagSet<NvmeIod>({ kernel: this.#kernel }, init)
    for (const nsid of yield* activeNamespaces(admin)) {
      yield* this.#addNamespace(admin, id, bounds, { io, tagSet }, nsid)
    }
  }

  #makeAdminQueue(cap: ControllerCap): AdminQueue {
    const entries = Math.min(NVME_AQ_DEPTH, cap.maxQueueEntries)
    const queue = this.#makeQueue(cap, 0, entries)
    const components = {
      kernel: this.#kernel,
      device: this.#device,
      counters: this.#counters,
      queue,
    }
    const admin = new AdminQueue(components, this.#settings.adminTimeoutNs)
    this.#admin = admin
    this.#interrupts.request(0, `${this.#name}q0`, () => admin.reap())
    this.#regs.setAdminQueue(entries, queue.sqDmaAddr, queue.cqDmaAddr)
    return admin
  }

  #makeQueue(cap: ControllerCap, qid: number, entries: number): NvmeQueue {
    const components = { device: this.#device, bar: this.#bar, counters: this.#counters }
    return new this.#parts.queue(components, {
      qid,
      entries,
      vector: qid,
      sqDoorbell: Reg.DBS + 2 * qid * cap.doorbellStride,
      cqDoorbell: Reg.DBS + (2 * qid + 1) * cap.doorbellStride,
    })
  }

  #makeIo(id: IdentifyController, bounds: HostBounds, depth: number): NvmeIo {
    const room = iodBounds(bounds)
    const pools = createDescriptorPools(this.#device, {
      small: this.#settings.smallDescriptors ?? Math.min(1024, depth * this.#settings.ioQueues),
      page: this.#settings.pageDescriptors ?? room.descriptors + 64,
    })
    this.#pools = pools
    const parts = this.#parts
    const sgl = new parts.sglList(pools)
    const hasSgl = sglSupported(id)
    const policy = {
      sglSupported: hasSgl,
      sglThresholdBytes: this.#settings.sglThresholdBytes,
      maxSegmentSizeBytes: hasSgl ? this.#device.maxSegmentSizeBytes : UINT_MAX,
      segBoundaryMask: this.#device.segBoundaryMask,
    }
    const lists = { sgl, prp: new parts.prpList(pools) }
    return new parts.io(
      {
        dmabufData: new parts.dmabufData(this.#device, sgl, this.#counters),
        mappedData: new parts.mappedData(this.#device, lists, policy, this.#counters),
        trace: new HostTrace(this.#kernel.tracer, this.#settings.instance),
        counters: this.#counters,
      },
      { bounds: room, queueDepth: depth, maxRetries: this.#settings.maxRetries },
    )
  }

  *#addIoQueue(
    cap: ControllerCap,
    admin: AdminQueue,
    io: NvmeIo,
    qid: number,
    entries: number,
  ): Op<void> {
    const queue = this.#makeQueue(cap, qid, entries)
    this.#ioQueues.push(queue)
    io.addQueue(queue)
    this.#interrupts.request(queue.vector, `${this.#name}q${qid}`, () => {
      io.reap(qid - 1)
    })
    yield* createIoQueue(admin, queue)
  }

  *#addNamespace(
    admin: AdminQueue,
    id: IdentifyController,
    bounds: HostBounds,
    blk: { readonly io: NvmeIo; readonly tagSet: TagSet<NvmeIod> },
    nsid: number,
  ): Op<void> {
    const ns = yield* identifyNamespace(admin, nsid)
    const reason = unusableNamespace(ns)
    if (reason !== null) {
      this.#ignored.push({ nsid, reason })
      return
    }
    const sectorsPerLba = 2 ** (ns.lbaShift - SECTOR_SHIFT)
    const disk = createDisk(
      { kernel: this.#kernel, tagSet: blk.tagSet },
      {
        name: `${this.#name}n${nsid}`,
        capacitySectors: ns.nsze * sectorsPerLba,
        limits: namespaceLimits(this.#device, id, ns, bounds),
        readOnly: ns.writeProtected,
        dmabuf: this,
      },
    )
    this.#disks.push(disk)
    blk.io.addNamespace({ nsid, sectorsPerLba, disk })
  }

  get #name(): string {
    return `nvme${this.#settings.instance}`
  }

  #shutdownTimeoutNs(): number {
    const asked = (this.#controller?.rtd3eUs ?? 0) * 1000
    return this.#settings.shutdownTimeoutNs ?? Math.max(asked, SHUTDOWN_TIMEOUT_NS)
  }

  /** After a failed start: the controller is stopped if it lets itself be. */
  *#stop(): Op<void> {
    const cap = this.#cap
    this.#cap = null
    for (const disk of this.#disks) yield* disk.destroy()
    try {
      if (cap !== null) yield* this.#regs.disable(cap.readyTimeoutNs)
    } catch (error) {
      // Without bus mastering it can do no harm to the memory that is given back now.
      if (!(error instanceof KernelError)) throw error
    } finally {
      this.#free()
    }
  }

  #free(): void {
    this.#device.bus.enabled = false
    this.#interrupts.free()
    for (const queue of this.#ioQueues) queue.destroy()
    this.#ioQueues.length = 0
    this.#pools?.small.destroy()
    this.#pools?.page.destroy()
    this.#pools = null
    this.#admin?.destroy()
    this.#admin = null
  }
}

/** Throws KernelError EINVAL for a setting out of range. The controller is not touched before `probe`. */
export function createNvmeHost(components: NvmeHostComponents, init: NvmeHostInit = {}): NvmeHost {
  return new PciHost(components, hostSettings(init))
}
