// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDevice, createPhysicalMemory } from '@iolayers/dma-mapping'
import { createEventLoopScheduler, createKernel, type Op } from '@iolayers/kernel'
import { connectOp } from '@iolayers/nvme/tcp'
import type { RemoteAddress } from './address.ts'
import type { FabricOptions } from './fabric-options.ts'
import { findNamespace } from './find-namespace.ts'

const SECTOR_BYTES = 512
/** For queues. */
const MEMORY_BYTES = 32 << 20

/** A namespace, as it was when it was looked at. */
export interface RemoteNamespace {
  readonly sizeBytes: number
  readonly logicalBlockBytes: number
  readonly isReadOnly: boolean
}

/** Connects, looks at the namespace, and is gone. Rejects as `connect` and `findNamespace`. */
export function inspectRemote(
  address: RemoteAddress,
  options: FabricOptions,
): Promise<RemoteNamespace> {
  const scheduler = createEventLoopScheduler()
  return scheduler.run('inspect', inspect())

  function* inspect(): Op<RemoteNamespace> {
    const kernel = createKernel({ scheduler })
    const memory = createPhysicalMemory({ kernel }, { ramBytes: MEMORY_BYTES })
    const device = createDevice(
      { kernel, memory, iommu: null },
      { name: 'inspect', iommuMode: 'passthrough' },
    )
    const { host, port, subsystemNqn } = address
    const tcp = yield* connectOp({ kernel, device }, { ...options, host, port, subsystemNqn })
    try {
      const disk = yield* findNamespace(tcp.host, address)
      return {
        sizeBytes: disk.capacitySectors * SECTOR_BYTES,
        logicalBlockBytes: disk.limits.logicalBlockSizeBytes,
        isReadOnly: disk.readOnly,
      }
    } finally {
      yield* tcp.shutdown()
      device.destroy()
    }
  }
}
