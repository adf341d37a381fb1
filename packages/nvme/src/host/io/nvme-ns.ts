// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Disk } from '@iolayers/block-core'

/** A namespace, as commands are made for it. @see drivers/nvme/host/nvme.h struct nvme_ns */
export interface NvmeNs {
  readonly nsid: number
  /** 512-byte sectors of a logical block. */
  readonly sectorsPerLba: number
  /** Write Zeroes may deallocate: deallocated blocks read as zeros. @see drivers/nvme/host/nvme.h NVME_NS_DEAC */
  readonly deallocatesZeroes: boolean
  readonly disk: Disk
}
