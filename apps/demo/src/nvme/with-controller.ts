// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A controller over one file, or over memory, for the time of one command.

import { statSync, truncateSync } from 'node:fs'
import {
  createDevice,
  createIommu,
  createPhysicalMemory,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import { createEventLoopScheduler, createKernel, type Kernel, type Op } from '@iolayers/kernel'
import {
  createMemoryStore,
  createNvmeController,
  type NamespaceStore,
} from '@iolayers/nvme/controller'
import { createFileStore } from '@iolayers/nvme/file'
import { createNvmeHost, NVME_IO_TIMEOUT_NS } from '@iolayers/nvme/host'
import type { LocalLocation, Location } from '../copy/location.ts'
import type { FabricOptions } from '../remote/fabric-options.ts'
import { remoteSession } from './remote-session.ts'
import { type NvmeSession, sessionOf } from './session.ts'

/** Memory for queues and descriptor lists. */
const QUEUE_BYTES = 16 << 20
/** For all namespaces that `create-ns` makes. */
const CREATED_BYTES = 16 << 20
const BLOCK_BYTES = 512

export interface SessionInit {
  readonly writes: boolean
  /** How a controller over NVMe/TCP is connected to. */
  readonly fabric: FabricOptions
}

/** Runs `use` with a controller over `target`, whose namespace 1 it is; all of it is gone afterwards but what was written to a file. */
export async function withController<T>(
  target: Location,
  init: SessionInit,
  use: (session: NvmeSession) => Op<T>,
): Promise<T> {
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler })
  if (target.kind === 'remote') {
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 2 * QUEUE_BYTES })
    const op = remoteSession({ kernel, memory }, target, init.fabric, use)
    return await scheduler.run('nvme', op)
  }
  const mediumBytes = target.kind === 'memory' ? target.sizeBytes : 0
  const memory = createPhysicalMemory(
    { kernel },
    { ramBytes: QUEUE_BYTES + 2 * CREATED_BYTES + 2 * mediumBytes },
  )
  const sizeBefore = target.kind === 'file' ? statSync(target.path).size : 0
  try {
    return await scheduler.run('nvme', session(kernel, memory, target, init, use))
  } finally {
    // A file may end within a block, of which the controller writes all.
    if (target.kind === 'file' && init.writes && statSync(target.path).size > sizeBefore) {
      truncateSync(target.path, sizeBefore)
    }
  }
}

function* session<T>(
  kernel: Kernel,
  memory: PhysicalMemory,
  target: LocalLocation,
  init: SessionInit,
  use: (session: NvmeSession) => Op<T>,
): Op<T> {
  const store = openStore(kernel, memory, target, init.writes)
  const iommu = createIommu({ kernel })
  const device = createDevice({ kernel, memory, iommu }, { name: 'nvme0', iommuMode: 'lazy' })
  const allocate = (sizeBytes: number): NamespaceStore =>
    createMemoryStore({ kernel, memory }, { sizeBytes })
  const controller = createNvmeController(
    { kernel, bus: device.bus },
    { capacity: { totalBytes: CREATED_BYTES, allocate } },
  )
  try {
    controller.addNamespace(1, { store })
    const host = createNvmeHost(
      {
        kernel,
        device,
        bar: controller.bar,
        interrupts: (sink) => controller.connectInterrupts(sink),
      },
      { ioTimeoutNs: NVME_IO_TIMEOUT_NS },
    )
    yield* host.probe()
    try {
      return yield* use(
        sessionOf(host, host.disks[0]?.name ?? 'nvme0n1', {
          register32: (offset) => controller.bar.read32(offset),
          register64: (offset) => controller.bar.read64(offset),
        }),
      )
    } finally {
      yield* host.shutdown()
    }
  } finally {
    controller.destroy()
    device.destroy()
    yield* store.close()
  }
}

function openStore(
  kernel: Kernel,
  memory: PhysicalMemory,
  target: LocalLocation,
  writes: boolean,
): NamespaceStore {
  if (target.kind === 'file')
    return createFileStore({ kernel }, { path: target.path, readOnly: !writes })
  const sizeBytes = Math.max(1, Math.ceil(target.sizeBytes / BLOCK_BYTES)) * BLOCK_BYTES
  return createMemoryStore({ kernel, memory }, { sizeBytes })
}
