// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { MemoryRegion } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'
import { ASYNC_EVENTS_MAX } from './admin/async-events.ts'
import type { ControllerIdentity } from './admin/identify-data.ts'
import type { NamespaceCapacity } from './admin/namespace-table.ts'
import type {
  ControllerBar,
  InterruptControl,
  InterruptSink,
  NamespaceInit,
  NvmeControllerStats,
} from './contracts.ts'

/** CC.MPS as bytes before the host says otherwise. */
export const PAGE_BYTES = 4096
const ABORTS = 4
/** Where nothing else is said. */
const CONTROLLER_ID = 1
/** Higher ones are reserved. @see NVMe Base 2.1, 3.1.3 */
const CONTROLLER_ID_MAX = 0xffef

export interface NvmeControllerInit {
  /** Whether SGLs are supported; true by default. */
  readonly sgl?: boolean
  /** Largest transfer of a command: a power of two, at least 4096; 1 MiB by default. */
  readonly mdtsBytes?: number
  /** I/O queue pairs; 8 by default, at most 64. */
  readonly maxQueuePairs?: number
  /** Entries of a queue; 1024 by default, 2 to 65536. */
  readonly maxQueueEntries?: number
  readonly serialNumber?: string
  /** CNTLID: 1 by default, up to 65519. Controllers of one subsystem have different ones. */
  readonly controllerId?: number
  /** SUBNQN; made of the serial number by default. */
  readonly subsystemNqn?: string
  /** It is reached over a fabric: what Identify says of that. Left out, it is on PCIe. */
  readonly fabric?: FabricIdentity
  /**
   * CRDT1 to CRDT3 in units of 100 ms, 0 to 65535: what a status with a Command Retry Delay of 1 to 3 asks a host for. Only faults say so. Left out: none.
   */
  readonly retryDelays?: readonly [number, number, number]
  /**
   * Memory of the controller that the host can use for queues, lists and data: a region of the device's. The caller's, who may hand out parts of it, as by
   * `createDeviceMemory` of @iolayers/dma-buf. Left out, there is no controller memory buffer.
   */
  readonly memoryBuffer?: MemoryRegion
  /** Where namespaces that a host creates get their blocks from. Left out, no host can create any. */
  readonly capacity?: NamespaceCapacity
}

/** What Identify Controller says of a controller that is reached over a fabric. @see NVMe Base 2.1, figure 312 */
export interface FabricIdentity {
  /** Data in a command capsule of an I/O queue at most: a multiple of 16. */
  readonly inCapsuleBytes: number
  /** MAXCMD: commands of an I/O queue at once. */
  readonly commandsMax: number
  /** It is a discovery controller, and this is its log page. */
  readonly discoveryLog?: () => Uint8Array
}

/** An NVMe controller, driven as hardware is. @see NVMe Base 2.1; NVMe over PCIe Transport 1.1 */
export interface NvmeController {
  readonly bar: ControllerBar
  /** Which interrupts there are, and their masks. */
  readonly interrupts: InterruptControl
  readonly stats: NvmeControllerStats
  /** Commands fetched and not completed, held asynchronous event requests not counted. */
  readonly outstanding: number
  connectInterrupts(sink: InterruptSink): void
  /** The store stays the caller's. Throws EEXIST, EINVAL. */
  addNamespace(nsid: number, init: NamespaceInit): void
  /** The host hears of it. Commands that are at the store end. Throws ENOENT. */
  removeNamespace(nsid: number): void
  /** Another store takes the place of the one that there is, as that of one that grew. The host hears of it. Throws ENOENT, EINVAL. */
  replaceNamespace(nsid: number, init: NamespaceInit): void
  /** Stops at once: no command is fetched or completed any more. Idempotent. */
  destroy(): void
}

/** The value, or EINVAL naming it and its bounds. */
export function within(name: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  throw new KernelError('EINVAL', name, { value, accepted: `${min} to ${max}` })
}

/** What a controller is made with, defaults filled in. Throws EINVAL. */
export function controllerSettings(init: NvmeControllerInit): {
  readonly pairs: number
  readonly queueEntriesMax: number
  readonly transferBytesMax: number
  readonly identity: ControllerIdentity
} {
  const pairs = within('maxQueuePairs', init.maxQueuePairs ?? 8, 1, 64)
  const queueEntriesMax = within('maxQueueEntries', init.maxQueueEntries ?? 1024, 2, 65536)
  const transferBytesMax = within('mdtsBytes', init.mdtsBytes ?? 1 << 20, PAGE_BYTES, 1 << 27)
  const mdts = Math.log2(transferBytesMax / PAGE_BYTES)
  if (!Number.isInteger(mdts)) {
    throw new KernelError('EINVAL', 'mdtsBytes', {
      value: transferBytesMax,
      accepted: 'a power of two',
    })
  }
  const serialNumber = init.serialNumber ?? 'IOLAYERS0001'
  const identity = {
    serialNumber,
    modelNumber: 'iolayers NVMe controller',
    firmwareRevision: '1.0',
    subsystemNqn: init.subsystemNqn ?? `nqn.2026-11.org.iolayers:${serialNumber}`,
    fabric: init.fabric ?? null,
    mdts,
    sgl: init.sgl ?? true,
    asyncEvents: ASYNC_EVENTS_MAX,
    aborts: ABORTS,
    controllerId: within('controllerId', init.controllerId ?? CONTROLLER_ID, 0, CONTROLLER_ID_MAX),
    totalBytes: init.capacity?.totalBytes ?? 0,
    retryDelays: (init.retryDelays ?? []).map((units) => within('retryDelays', units, 0, 65_535)),
  }
  return { pairs, queueEntriesMax, transferBytesMax, identity }
}
