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
import {
  type AdminCommand,
  type AdminResult,
  createNvmeHost,
  type IoCommand,
  NVME_IO_TIMEOUT_NS,
  nvmeStatusText,
} from '@iolayers/nvme/host'
import { statusName } from '@iolayers/nvme/spec'
import { RefusedError } from '../cli/failure.ts'
import type { Location } from '../copy/location.ts'

/** What a command has of the controller. */
export interface NvmeSession {
  /** The disk's name, as nvme-cli would name the device. */
  readonly device: string
  /** Throws RefusedError, exit 1, with the words of the status where the controller refuses. */
  admin(what: string, command: AdminCommand): Op<number>
  /** The same, with the data that comes back. */
  read(what: string, command: AdminCommand, lengthBytes: number): Op<Uint8Array>
  /** A command on an I/O queue; the rest as `admin`. */
  io(what: string, nsid: number, command: IoCommand): Op<number>
  /** Bytes of a logical block. Throws RefusedError where there is no disk of the namespace. */
  blockBytes(nsid: number): number
  /** Looks for namespaces again, and returns the names of their disks. */
  rescan(): Op<readonly string[]>
  reset(): Op<void>
  register32(offset: number): number
  register64(offset: number): bigint
}

/** Memory for queues and descriptor lists. */
const QUEUE_BYTES = 16 << 20
/** For all namespaces that `create-ns` makes. */
const CREATED_BYTES = 16 << 20
const BLOCK_BYTES = 512

/** Runs `use` with a controller over `target`, whose namespace 1 it is; all of it is gone afterwards but what was written to a file. */
export async function withController<T>(
  target: Location,
  init: { readonly writes: boolean },
  use: (session: NvmeSession) => Op<T>,
): Promise<T> {
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler })
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
  target: Location,
  init: { readonly writes: boolean },
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
      return yield* use({
        device: host.disks[0]?.name ?? 'nvme0n1',
        *admin(what, command) {
          return checked(what, yield* host.adminPassthru(command)).result
        },
        *read(what, command, lengthBytes) {
          const dataIn = new Uint8Array(lengthBytes)
          checked(what, yield* host.adminPassthru({ ...command, dataIn }))
          return dataIn
        },
        *io(what, nsid, command) {
          return checked(what, yield* host.ioPassthru(nsid, command)).result
        },
        blockBytes(nsid) {
          const disk = host.disks.find(({ name }) => name === `nvme0n${nsid}`)
          if (disk === undefined) throw new RefusedError(`there is no namespace ${nsid}`)
          return disk.limits.logicalBlockSizeBytes
        },
        *rescan() {
          yield* host.rescan()
          return host.disks.map(({ name }) => name)
        },
        reset: () => host.reset(),
        register32: (offset) => controller.bar.read32(offset),
        register64: (offset) => controller.bar.read64(offset),
      })
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
  target: Location,
  writes: boolean,
): NamespaceStore {
  if (target.kind === 'file')
    return createFileStore({ kernel }, { path: target.path, readOnly: !writes })
  const sizeBytes = Math.max(1, Math.ceil(target.sizeBytes / BLOCK_BYTES)) * BLOCK_BYTES
  return createMemoryStore({ kernel, memory }, { sizeBytes })
}

function checked(what: string, result: AdminResult): AdminResult {
  if (result.status === 0) return result
  const { status } = result
  throw new RefusedError(`${what}: ${statusName(status)} (${nvmeStatusText(status)})`)
}
