// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The product's layers from the token to the NVMe submission queue, put together small: what most scenarios weave. Hardware and exporter are
// models of weave; everything in between is what an app uses.

import { type CountingTokenFactory, createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import type { TokenParts } from '@iolayers/blk-mq-token/parts'
import {
  createDisk,
  createTagSet,
  type Disk,
  type DmabufRegistrar,
  type QueueLimitsInit,
  type TagSet,
} from '@iolayers/block-core'
import type { IterSource, IterTarget, SourceIterPrivate } from '@iolayers/bpf-iter'
import { createDmaBufCore, type DmaBuf, type DmaBufCore, type DmaFence } from '@iolayers/dma-buf'
import type { DmaBufParts } from '@iolayers/dma-buf/parts'
import {
  createDevice,
  createIommu,
  createPhysicalMemory,
  type Device,
  type Iommu,
  IommuMode,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import type { RingParts } from '@iolayers/io-uring/parts'
import type { Kernel } from '@iolayers/kernel'
import {
  CommandData,
  createDescriptorPools,
  type DescriptorPools,
  DiscardData,
  DmabufData,
  HostCounters,
  type HostParts,
  HostTrace,
  type IodBounds,
  MappedData,
  NvmeIo,
  type NvmeIod,
  NvmeQueue,
  PrpList,
  SglList,
} from '@iolayers/nvme/parts'
import type { LeakProbe } from '../check/leaks.ts'
import { BLOCK_BYTES } from './block-bytes.ts'
import { bufferByte } from './data-pattern.ts'
import { MigratingExporter, type MigratingExporterInit } from './migrating-exporter.ts'
import { PageLedger } from './page-ledger.ts'
import { QueueDevice } from './queue-device.ts'
import { TransferLog } from './transfer-log.ts'

/** Which policy registrations are made with. */
export type Policy = 'fence' | 'drain'

/** Makes the iterator target over all buffers. */
export type DmabufTarget = (
  source: IterSource<DmaBuf>,
) => IterTarget<DmaBuf, SourceIterPrivate<DmaBuf>>

/** The classes that a design puts in the place of ours; nothing: it is ours. */
export interface DesignParts {
  readonly tokens?: TokenParts
  readonly io?: typeof NvmeIo
  readonly dmabufData?: typeof DmabufData
  readonly sglList?: typeof SglList
  readonly ring?: RingParts
  readonly dmaBuf?: DmaBufParts
  readonly fence?: typeof DmaFence
  readonly host?: HostParts
  readonly exporter?: typeof MigratingExporter
  readonly dmabufTarget?: DmabufTarget
  /** Whether registrations with a ring wait for what others do with the contents; true by default. */
  readonly barrier?: boolean
}

export interface StackInit {
  readonly policy: Policy
  /** Commands in flight at once; 2 by default. */
  readonly queueDepth?: number
  /** Blocks of 512 bytes of the medium; 32 by default. */
  readonly blocks?: number
  /** Pages that all exporters of the run can take together; 16 by default. */
  readonly pages?: number
  /** PASSTHROUGH by default: nothing but the rules stands between the device and memory. */
  readonly iommuMode?: IommuMode
  /** True by default. */
  readonly coherent?: boolean
  readonly limits?: QueueLimitsInit
  /** Descriptor blocks of 256 bytes, and of a page; 4 and 1 by default. */
  readonly smallDescriptors?: number
  readonly pageDescriptors?: number
  /** How long making a map waits for the exporter's fences. */
  readonly mapTimeoutNs?: number
  readonly maxRetries?: number
  /** No memory for the slot of a fence: true where there is none. */
  readonly failReserveFences?: () => boolean
}

const DOORBELL_SQ = 0x1008
const DOORBELL_CQ = 0x100c
const RAM_PAGES_FOR_QUEUES = 8
const PAGE_SIZE = 4096

export class Stack {
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly iommu: Iommu | null
  readonly device: Device
  readonly core: DmaBufCore
  readonly tokens: CountingTokenFactory
  readonly ledger: PageLedger
  readonly transfers: TransferLog
  readonly hardware: QueueDevice
  readonly io: NvmeIo
  readonly tagSet: TagSet<NvmeIod>
  readonly disk: Disk
  readonly counters: HostCounters = new HostCounters()
  readonly policy: Policy
  readonly parts: DesignParts
  readonly #queue: NvmeQueue
  readonly #pools: DescriptorPools
  /** What buffers hold at first. */
  #pattern: Uint8Array = new Uint8Array(0)

  constructor(
    components: { readonly kernel: Kernel; readonly parts: DesignParts },
    init: StackInit,
  ) {
    const { kernel, parts } = components
    const depth = init.queueDepth ?? 2
    const ledgerPages = init.pages ?? 16
    const small = init.smallDescriptors ?? 4
    const pages = init.pageDescriptors ?? 1
    const ramPages = ledgerPages + RAM_PAGES_FOR_QUEUES + pages + small
    this.kernel = kernel
    this.policy = init.policy
    this.parts = parts
    this.memory = createPhysicalMemory(
      { kernel },
      { ramBytes: ramPages * PAGE_SIZE, backing: 'plain' },
    )
    const iommuMode = init.iommuMode ?? IommuMode.PASSTHROUGH
    this.iommu = iommuMode === IommuMode.PASSTHROUGH ? null : createIommu({ kernel })
    this.device = createDevice(
      { kernel, memory: this.memory, iommu: this.iommu },
      { name: 'nvme0', iommuMode, coherent: init.coherent ?? true },
    )
    this.core = createDmaBufCore(
      { kernel, ...(parts.dmaBuf && { parts: parts.dmaBuf }) },
      init.failReserveFences && { failReserveFences: init.failReserveFences },
    )
    this.tokens = createDmabufTokenFactory(
      { kernel, fences: this.core, ...(parts.tokens && { parts: parts.tokens }) },
      {
        policy: init.policy,
        ...(init.mapTimeoutNs !== undefined && { timeoutNs: init.mapTimeoutNs }),
      },
    )
    this.ledger = new PageLedger(this.memory, ledgerPages)
    const blocks = init.blocks ?? 32
    this.transfers = new TransferLog(blocks)
    this.hardware = new QueueDevice(
      { kernel, bus: this.device.bus, ledger: this.ledger, transfers: this.transfers },
      { blocks, entries: depth + 1, sqDoorbell: DOORBELL_SQ, cqDoorbell: DOORBELL_CQ },
    )
    this.#pools = createDescriptorPools(this.device, { small, page: pages })
    this.#queue = this.#makeQueue(depth + 1)
    this.hardware.attach(this.#queue)
    this.io = this.#makeIo(parts, depth, { descriptors: pages, mappings: 8 }, init)
    this.io.addQueue(this.#queue)
    this.hardware.handler = () => {
      this.io.reap(0)
    }
    this.tagSet = createTagSet<NvmeIod>(
      { kernel },
      { ops: this.io, nrHwQueues: 1, queueDepth: depth },
    )
    const registrar: DmabufRegistrar = {
      createDmabufToken: (dmabuf, direction, options) =>
        this.tokens.create(this.device, dmabuf, direction, options),
    }
    this.disk = createDisk(
      { kernel, tagSet: this.tagSet },
      {
        name: 'nvme0n1',
        capacitySectors: blocks,
        limits: { maxSegments: 8, dmaAlignmentMask: 3, ...init.limits },
        dmabuf: registrar,
      },
    )
    this.io.addNamespace({ nsid: 1, sectorsPerLba: 1, deallocatesZeroes: false, disk: this.disk })
  }

  /** Ready for another run: as it was made, but for counters. False when something of the last one is still there. */
  reset(): boolean {
    if (this.hardware.busy > 0) return false
    this.ledger.reset()
    this.transfers.reset()
    this.hardware.reset()
    this.device.bus.enabled = true
    return true
  }

  /** A buffer; its maker has the one reference. */
  exporter(init: MigratingExporterInit): MigratingExporter {
    const exporter = new (this.parts.exporter ?? MigratingExporter)(this, init)
    if (this.#pattern.length < init.pages * PAGE_SIZE) {
      this.#pattern = Uint8Array.from({ length: init.pages * PAGE_SIZE }, (_, at) => bufferByte(at))
    }
    exporter.fill(this.#pattern)
    return exporter
  }

  /** What has to be zero at the end of a run. */
  get probes(): readonly LeakProbe[] {
    const { tokens, core } = this
    return [
      { what: 'registrations', count: () => tokens.stats.tokensLive },
      { what: 'maps', count: () => tokens.stats.mapsLive },
      { what: 'buffers', count: () => core.stats.live },
      { what: 'mappings of buffers', count: () => core.stats.mapped - core.stats.unmapped },
      {
        what: 'requests in flight',
        count: () => this.disk.stats.inFlightReads + this.disk.stats.inFlightWrites,
      },
      { what: 'descriptor blocks', count: () => this.#descriptorsTaken() },
      { what: 'commands at the device', count: () => this.hardware.busy - this.hardware.hung },
    ]
  }

  #descriptorsTaken(): number {
    const { small, page } = this.#pools
    return small.used + page.used
  }

  #makeQueue(entries: number): NvmeQueue {
    return new NvmeQueue(
      { device: this.device, bar: this.hardware, counters: this.counters },
      { qid: 1, entries, vector: 1, sqDoorbell: DOORBELL_SQ, cqDoorbell: DOORBELL_CQ },
    )
  }

  #makeIo(parts: DesignParts, queueDepth: number, bounds: IodBounds, init: StackInit): NvmeIo {
    const { device, counters, kernel } = this
    const sgl = new (parts.sglList ?? SglList)(this.#pools)
    const policy = {
      sglSupported: true,
      sglThresholdBytes: BLOCK_BYTES,
      sglOnly: false,
      maxSegmentSizeBytes: device.maxSegmentSizeBytes,
      segBoundaryMask: device.segBoundaryMask,
    }
    const lists = { sgl, prp: new PrpList(this.#pools) }
    return new (parts.io ?? NvmeIo)(
      {
        dmabufData: new (parts.dmabufData ?? DmabufData)(device, sgl, counters),
        mappedData: new MappedData(device, lists, policy, counters),
        discardData: new DiscardData(this.#pools, false),
        commandData: new CommandData(lists.prp, false),
        trace: new HostTrace(kernel.tracer, 0),
        counters,
      },
      { bounds, queueDepth, maxRetries: init.maxRetries ?? 5 },
    )
  }
}
