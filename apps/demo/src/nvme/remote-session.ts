// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDevice, type PhysicalMemory } from '@iolayers/dma-mapping'
import type { Kernel, Op } from '@iolayers/kernel'
import { connectOp } from '@iolayers/nvme/tcp'
import { RefusedError } from '../cli/failure.ts'
import type { RemoteAddress } from '../remote/address.ts'
import type { FabricOptions } from '../remote/fabric-options.ts'
import { findNamespace } from '../remote/find-namespace.ts'
import { type NvmeSession, sessionOf } from './session.ts'

/** Runs `use` with a controller over NVMe/TCP, and disconnects. */
export function* remoteSession<T>(
  { kernel, memory }: { readonly kernel: Kernel; readonly memory: PhysicalMemory },
  address: RemoteAddress,
  fabric: FabricOptions,
  use: (session: NvmeSession) => Op<T>,
): Op<T> {
  const device = createDevice(
    { kernel, memory, iommu: null },
    { name: 'nvme0', iommuMode: 'passthrough' },
  )
  const { host, port, subsystemNqn, nid } = address
  const tcp = yield* connectOp({ kernel, device }, { ...fabric, host, port, subsystemNqn })
  try {
    const named = nid === null ? tcp.disks[0] : yield* findNamespace(tcp.host, address)
    const session = sessionOf(tcp.host, named?.name ?? 'nvme0n1', {
      register32: noRegisters,
      register64: noRegisters,
    })
    return yield* use(session)
  } finally {
    yield* tcp.shutdown()
    device.destroy()
  }
}

function noRegisters(): never {
  throw new RefusedError('a controller over nvme+tcp has no registers to be read')
}
