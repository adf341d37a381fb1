// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The whole host driver and the whole controller, for what happens to registrations when a controller is reset, fails, or goes away. Probing is part of
// the set-up.

import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { Bio, type BlkStatus, type DmabufToken, ReqFlags, ReqOp } from '@iolayers/block-core'
import { createDmaBufCore, type DmaBufCore } from '@iolayers/dma-buf'
import {
  createDevice,
  createPhysicalMemory,
  type Device,
  DmaDirection,
  IommuMode,
} from '@iolayers/dma-mapping'
import { Completion, type Kernel, type Op } from '@iolayers/kernel'
import {
  createNvmeController,
  createSimulatedStore,
  type SimulatedStore,
} from '@iolayers/nvme/controller'
import { createNvmeHost, type NvmeHost } from '@iolayers/nvme/host'
import type { LeakProbe } from '../check/leaks.ts'
import { BLOCK_BYTES } from './block-bytes.ts'
import { MigratingExporter, type MigratingExporterInit } from './migrating-exporter.ts'
import { PageLedger } from './page-ledger.ts'
import type { DesignParts, Policy } from './stack.ts'

const RAM_BYTES = 512 * 1024
const LEDGER_PAGES = 8
const MEDIUM_BYTES = 32 * BLOCK_BYTES

export interface ControllerStackInit {
  readonly policy: Policy
  /** None by default. */
  readonly ioTimeoutNs?: number
}

export class ControllerStack {
  readonly kernel: Kernel
  readonly core: DmaBufCore
  readonly device: Device
  readonly store: SimulatedStore
  readonly host: NvmeHost
  readonly ledger: PageLedger
  readonly #tokens: ReturnType<typeof createDmabufTokenFactory>

  constructor(
    components: { readonly kernel: Kernel; readonly parts: DesignParts },
    init: ControllerStackInit,
  ) {
    const { kernel, parts } = components
    this.kernel = kernel
    const memory = createPhysicalMemory({ kernel }, { ramBytes: RAM_BYTES, backing: 'plain' })
    this.ledger = new PageLedger(memory, LEDGER_PAGES)
    this.device = createDevice(
      { kernel, memory, iommu: null },
      { name: 'nvme0', iommuMode: IommuMode.PASSTHROUGH },
    )
    this.core = createDmaBufCore({ kernel })
    this.#tokens = createDmabufTokenFactory(
      { kernel, fences: this.core, ...(parts.tokens && { parts: parts.tokens }) },
      { policy: init.policy },
    )
    this.store = createSimulatedStore({ kernel }, { sizeBytes: MEDIUM_BYTES })
    const controller = createNvmeController(
      { kernel, bus: this.device.bus },
      { maxQueuePairs: 1, maxQueueEntries: 4 },
    )
    controller.addNamespace(1, { store: this.store })
    this.host = createNvmeHost(
      {
        kernel,
        device: this.device,
        bar: controller.bar,
        interrupts: (sink) => controller.connectInterrupts(sink),
        tokens: this.#tokens,
        ...(parts.host && { parts: parts.host }),
      },
      {
        ioQueues: 1,
        queueDepth: 3,
        smallDescriptors: 3,
        pageDescriptors: 1,
        maxBytes: 65_536,
        // Steps of the probe and of resets that no scenario is about.
        watchNamespaces: false,
        ...(init.ioTimeoutNs !== undefined && { ioTimeoutNs: init.ioTimeoutNs }),
      },
    )
  }

  exporter(init: MigratingExporterInit): MigratingExporter {
    return new MigratingExporter(this, init)
  }

  *register(exporter: MigratingExporter): Op<DmabufToken> {
    const { dmabuf } = this.#disk
    if (dmabuf === null) throw new Error('a disk that takes no registrations')
    return yield* dmabuf.createDmabufToken(exporter.dmabuf, DmaDirection.BIDIRECTIONAL)
  }

  /** Reads the first block into the beginning of the buffer. */
  *read(token: DmabufToken): Op<BlkStatus> {
    const map = yield* token.getMap()
    const done = new Completion(this.kernel.scheduler, 'the end of a bio')
    const bio = new Bio()
    bio.init(ReqOp.READ | ReqFlags.DMABUF | ReqFlags.NOMERGE, 0, {
      bioEndIo: () => done.complete(),
    })
    bio.biDmabufMap = map
    bio.biIter.biSize = BLOCK_BYTES
    yield* this.#disk.submitBioWait(bio, null)
    yield* done.wait()
    map.put()
    return bio.biStatus
  }

  get probes(): readonly LeakProbe[] {
    const { core } = this
    return [
      { what: 'registrations', count: () => this.#tokens.stats.tokensLive },
      { what: 'maps', count: () => this.#tokens.stats.mapsLive },
      { what: 'buffers', count: () => core.stats.live },
      { what: 'mappings of buffers', count: () => core.stats.mapped - core.stats.unmapped },
    ]
  }

  get #disk(): NvmeHost['disks'][number] {
    const [disk] = this.host.disks
    if (disk === undefined) throw new Error('a host without a disk')
    return disk
  }
}
