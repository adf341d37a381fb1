// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmabufData } from './dma/dmabuf-data.ts'
import { MappedData } from './dma/mapped-data.ts'
import { PrpList } from './dma/prp-list.ts'
import { SglList } from './dma/sgl-list.ts'
import { NvmeIo } from './io/nvme-io.ts'
import { DevDisable } from './life/dev-disable.ts'
import { Recovery } from './life/recovery.ts'
import { Removal } from './life/removal.ts'
import { NvmeQueue } from './queue/nvme-queue.ts'

/** The classes that a host is made of, where one of their steps is to be another than ours. What is left out is ours. */
export interface HostParts {
  readonly io?: typeof NvmeIo
  readonly queue?: typeof NvmeQueue
  readonly dmabufData?: typeof DmabufData
  readonly mappedData?: typeof MappedData
  readonly sglList?: typeof SglList
  readonly prpList?: typeof PrpList
  readonly disable?: typeof DevDisable
  readonly recovery?: typeof Recovery
  readonly removal?: typeof Removal
}

/** @internal */
export function hostParts(parts: HostParts): Required<HostParts> {
  return {
    io: NvmeIo,
    queue: NvmeQueue,
    dmabufData: DmabufData,
    mappedData: MappedData,
    sglList: SglList,
    prpList: PrpList,
    disable: DevDisable,
    recovery: Recovery,
    removal: Removal,
    ...parts,
  }
}
