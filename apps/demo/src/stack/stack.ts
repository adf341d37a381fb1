// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Composes a stack: the one place that knows every layer. Nothing here decides anything that a layer could decide.

import {
  type CountingTokenFactory,
  createDmabufTokenFactory,
  type InvalidationPolicyName,
} from '@iolayers/blk-mq-token'
import { createBlockDeviceFile, createRequestSource, type Disk } from '@iolayers/block-core'
import { type BpfIter, createBpfIter, type RegisteredTarget } from '@iolayers/bpf-iter'
import {
  createDmaBufCore,
  createMovableHeap,
  createSystemHeap,
  type DmaBuf,
  type DmaBufCore,
  type DmaHeap,
  type MovableHeap,
} from '@iolayers/dma-buf'
import {
  createDevice,
  createIommu,
  createPhysicalMemory,
  type Device,
  type Iommu,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import { createIoUring, type IoUring } from '@iolayers/io-uring'
import {
  createKernel,
  type File,
  type Kernel,
  KernelError,
  type Op,
  OpenFlags,
  type Scheduler,
} from '@iolayers/kernel'
import { createNvmeController, type NamespaceStore } from '@iolayers/nvme/controller'
import { createNvmeHost, type NvmeHost } from '@iolayers/nvme/host'
import { connectOp, type LinkEvent } from '@iolayers/nvme/tcp'
import { type IterTargets, registerIterTargets } from '../iter/iter-targets.ts'
import type { RemoteAddress } from '../remote/address.ts'
import type { FabricOptions } from '../remote/fabric-options.ts'
import { findNamespace } from '../remote/find-namespace.ts'
import { LOGICAL_BLOCK_BYTES, MDTS_BYTES, RING_ENTRIES, SEGMENTS_MAX } from './limits.ts'

/** How the devices of a stack reach memory. `strict` flushes the IOTLB at each unmap, `lazy` in batches, `passthrough` translates nothing. */
export type IommuMode = 'strict' | 'lazy' | 'passthrough'

/** What a stack is made of. */
export interface StackInit {
  /** Bytes of memory for buffers and in-memory namespaces; queues come on top. */
  readonly ramBytes: number
  readonly iommu: IommuMode
  readonly coherent?: boolean
  readonly policy?: InvalidationPolicyName
  /** Ownership and lock checks on; for tests. */
  readonly checked?: boolean
  /** Small plain memory for tests, WebAssembly memory otherwise. */
  readonly backing?: 'wasm' | 'plain'
  readonly ringEntries?: number
  /** Bytes of memory for the queues and descriptor lists of all controllers; 32 MiB by default. */
  readonly queueMemoryBytes?: number
  /** Pages for descriptor lists of each controller; what the driver finds right by default. */
  readonly pageDescriptors?: number
}

/** The layers, wired. Namespaces are added with `attachNvme` and `attachRemote`. */
export interface Stack {
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly iommu: Iommu
  readonly dmaBufs: DmaBufCore
  readonly systemHeap: DmaHeap
  readonly movableHeap: MovableHeap
  readonly tokens: CountingTokenFactory
  readonly ring: IoUring
  readonly sides: NvmeSide[]
  readonly iterators: BpfIter
  readonly dmabufTarget: RegisteredTarget<DmaBuf>
  /** The iterator targets of the stack: its dma-bufs, the requests of its disks, and the registrations of dma-bufs with them. */
  readonly iters: IterTargets['iters']
  readonly init: StackInit
}

/** The driver of one controller, the disk of one of its namespaces, and the disk's file. */
export interface NvmeSide {
  readonly name: string
  readonly device: Device
  readonly host: NvmeHost
  /** Null for one that is somewhere else. */
  readonly store: NamespaceStore | null
  readonly disk: Disk
  readonly file: File
  /** Takes down what is below the file. */
  end(): Op<void>
}

const QUEUE_MEMORY_BYTES = 32 * 1024 * 1024

/** Wires the layers, without a disk. The caller owns the stack and ends it with `destroyStack`. Errors: ENOMEM, EINVAL for a bad size. */
export function createStack(scheduler: Scheduler, init: StackInit): Stack {
  const kernel = createKernel({ scheduler }, { checked: init.checked ?? false })
  const memory = createPhysicalMemory(
    { kernel },
    {
      ramBytes: init.ramBytes + (init.queueMemoryBytes ?? QUEUE_MEMORY_BYTES),
      backing: init.backing ?? 'wasm',
    },
  )
  const iommu = createIommu({ kernel })
  const dmaBufs = createDmaBufCore({ kernel })
  const heapParts = { kernel, memory, core: dmaBufs }
  const iterators = createBpfIter({ kernel })
  const tokens = createDmabufTokenFactory(
    { kernel, fences: dmaBufs },
    { policy: init.policy ?? 'fence' },
  )
  const sides: NvmeSide[] = []
  const requests = createRequestSource(() => sides.map(({ disk }) => disk))
  return {
    kernel,
    memory,
    iommu,
    dmaBufs,
    systemHeap: createSystemHeap(heapParts),
    movableHeap: createMovableHeap(heapParts),
    tokens,
    ring: createIoUring({ kernel }, { entries: init.ringEntries ?? RING_ENTRIES }),
    sides,
    iterators,
    ...registerIterTargets(iterators, { dmabufs: dmaBufs, requests, tokens: tokens.source }),
    init,
  }
}

/** A store, and how it is driven. */
export interface NvmeSideInit {
  readonly name: string
  readonly store: NamespaceStore
  readonly queueDepth: number
}

/** Puts a store behind a controller, probes it, and opens the disk for direct I/O. The stack owns the store from here on. */
export function* attachNvme(stack: Stack, init: NvmeSideInit): Op<NvmeSide> {
  const { kernel, memory, iommu, tokens } = stack
  const device = createDevice(
    { kernel, memory, iommu },
    { name: init.name, iommuMode: stack.init.iommu, coherent: stack.init.coherent ?? true },
  )
  const controller = createNvmeController(
    { kernel, bus: device.bus },
    { mdtsBytes: MDTS_BYTES, maxQueueEntries: Math.max(2, init.queueDepth + 1) },
  )
  controller.addNamespace(1, {
    store: init.store,
    logicalBlockBytes: LOGICAL_BLOCK_BYTES,
  })
  const host = createNvmeHost(
    {
      kernel,
      device,
      bar: controller.bar,
      interrupts: (sink) => controller.connectInterrupts(sink),
      tokens,
    },
    {
      instance: stack.sides.length,
      queueDepth: Math.max(2, init.queueDepth),
      maxSegments: SEGMENTS_MAX,
      ...(stack.init.pageDescriptors === undefined
        ? {}
        : { pageDescriptors: stack.init.pageDescriptors }),
    },
  )
  yield* host.probe()
  const [disk] = host.disks
  if (disk === undefined) throw new KernelError('ENODEV', `${init.name} has no namespace`)
  const { name, store } = init
  const side: NvmeSide = {
    name,
    device,
    host,
    store,
    disk,
    file: openDirect(kernel, disk),
    *end() {
      yield* host.shutdown()
      controller.destroy()
      device.destroy()
      yield* store.close()
    },
  }
  stack.sides.push(side)
  return side
}

/** A namespace over NVMe/TCP, and how it is driven. */
export interface RemoteSideInit {
  readonly name: string
  readonly address: RemoteAddress
  readonly fabric: FabricOptions
  readonly queueDepth: number
  readonly onEvent: (event: LinkEvent) => void
}

const REMOTE_DEPTH_MAX = 1023

/** Connects to a controller, and opens the disk of the one namespace for direct I/O. Throws as `connect` and `findNamespace`. */
export function* attachRemote(stack: Stack, init: RemoteSideInit): Op<NvmeSide> {
  const { kernel, memory, iommu, tokens } = stack
  const { name, address, fabric, onEvent } = init
  const device = createDevice(
    { kernel, memory, iommu },
    { name, iommuMode: stack.init.iommu, coherent: stack.init.coherent ?? true },
  )
  const { host, port, subsystemNqn } = address
  const tcp = yield* connectOp(
    { kernel, device, tokens },
    {
      ...fabric,
      host,
      port,
      subsystemNqn,
      onEvent,
      instance: stack.sides.length,
      queueDepth: Math.min(REMOTE_DEPTH_MAX, Math.max(2, init.queueDepth)),
    },
  )
  const end = function* (): Op<void> {
    yield* tcp.shutdown()
    device.destroy()
  }
  try {
    const disk = yield* findNamespace(tcp.host, address)
    const file = openDirect(kernel, disk)
    const side: NvmeSide = { name, device, host: tcp.host, store: null, disk, file, end }
    stack.sides.push(side)
    return side
  } catch (error) {
    yield* end()
    throw error
  }
}

function openDirect(kernel: Kernel, disk: Disk): File {
  return createBlockDeviceFile({ kernel, disk }, { flags: OpenFlags.O_RDWR | OpenFlags.O_DIRECT })
}

/** Takes everything down, in the opposite order; the counters stay readable. The ring has to be idle. */
export function* destroyStack(stack: Stack): Op<void> {
  yield* stack.ring.close()
  for (const side of stack.sides.toReversed()) {
    side.file.put()
    yield* side.end()
  }
}
