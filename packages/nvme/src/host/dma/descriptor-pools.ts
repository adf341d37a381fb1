// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Device } from '@iolayers/dma-mapping'
import { DescriptorPool } from './descriptor-pool.ts'

export const SMALL_DESCRIPTOR_SIZE = 256
export const PAGE_DESCRIPTOR_SIZE = 4096

/** Small blocks for the short lists, whole pages for the long ones. @see drivers/nvme/host/pci.c struct nvme_descriptor_pools */
export interface DescriptorPools {
  readonly small: DescriptorPool
  readonly page: DescriptorPool
}

export interface DescriptorPoolSizes {
  readonly small: number
  readonly page: number
}

/** Throws KernelError ENOMEM. */
export function createDescriptorPools(device: Device, sizes: DescriptorPoolSizes): DescriptorPools {
  const small = new DescriptorPool(device, SMALL_DESCRIPTOR_SIZE, sizes.small)
  try {
    return { small, page: new DescriptorPool(device, PAGE_DESCRIPTOR_SIZE, sizes.page) }
  } catch (error) {
    small.destroy()
    throw error
  }
}

/**
 * Blocks of a chain of `entries` entries, `perBlock` of them in a block: in each block but the last, the last place is the link
 * to the next.
 */
export function chainBlocks(entries: number, perBlock: number): number {
  return entries <= perBlock ? 1 : Math.ceil((entries - 1) / (perBlock - 1))
}
