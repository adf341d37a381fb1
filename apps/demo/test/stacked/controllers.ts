// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk } from '@iolayers/block-core'
import { createDevice } from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'
import { createNvmeController, type NamespaceStore } from '@iolayers/nvme/controller'
import { createNvmeHost } from '@iolayers/nvme/host'
import { LOGICAL_BLOCK_BYTES, MDTS_BYTES, type Stack } from '../../src/index.ts'

/** Descriptors of one command: a transfer of MDTS in scattered pages, and one more for an offset in the first. */
const SEGMENTS_MAX = 257

export interface ControllerInit {
  readonly name: string
  readonly instance: number
  /** One for each namespace; the controller's from here on. */
  readonly stores: readonly NamespaceStore[]
  readonly queueDepth: number
}

/** A controller with its driver, and a disk for each namespace. */
export interface AttachedController {
  readonly disks: readonly Disk[]
  /** Nothing above may use the disks any more. */
  close(): Op<void>
}

/** As `attachNvme`, with as many namespaces as there are stores. */
export function* attachController(stack: Stack, init: ControllerInit): Op<AttachedController> {
  const { kernel, memory, iommu, tokens } = stack
  const { name, instance, stores, queueDepth } = init
  const { iommu: iommuMode, coherent = true, pageDescriptors } = stack.init
  const device = createDevice({ kernel, memory, iommu }, { name, iommuMode, coherent })
  const controller = createNvmeController(
    { kernel, bus: device.bus },
    { mdtsBytes: MDTS_BYTES, maxQueueEntries: queueDepth + 1 },
  )
  for (const [index, store] of stores.entries()) {
    controller.addNamespace(index + 1, { store, logicalBlockBytes: LOGICAL_BLOCK_BYTES })
  }
  const host = createNvmeHost(
    {
      kernel,
      device,
      bar: controller.bar,
      interrupts: (sink) => controller.connectInterrupts(sink),
      tokens,
    },
    {
      instance,
      queueDepth,
      maxSegments: SEGMENTS_MAX,
      ...(pageDescriptors === undefined ? {} : { pageDescriptors }),
    },
  )
  yield* host.probe()
  return {
    disks: host.disks,
    *close(): Op<void> {
      yield* host.shutdown()
      controller.destroy()
      device.destroy()
      for (const store of stores) yield* store.close()
    },
  }
}
