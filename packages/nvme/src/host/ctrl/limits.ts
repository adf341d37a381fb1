// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type QueueLimitsInit, SECTOR_SHIFT, SECTOR_SIZE } from '@iolayers/block-core'
import type { Device } from '@iolayers/dma-mapping'
import { chainBlocks } from '../dma/descriptor-pools.ts'
import { DSM_MAX_RANGES } from '../dma/discard-data.ts'
import type { IodBounds } from '../dma/iod.ts'
import { CTRL_PAGE_SIZE, PRP_PAGE_ENTRIES } from '../dma/prp-list.ts'
import { sglBlocks } from '../dma/sgl-list.ts'
import {
  hasDatasetManagement,
  hasWriteZeroes,
  type IdentifyController,
  type IdentifyNamespace,
  type IdentifyNvmController,
} from './identify.ts'

/** @see drivers/nvme/host/pci.c NVME_MAX_BYTES, NVME_MAX_SEGS */
export const NVME_MAX_BYTES: number = 8 << 20
export const NVME_MAX_SEGS = 128

const SGLS_SUPPORT_MASK = 3
const SECTOR_SHIFT_MAX = 16
const UINT_MAX = 0xffff_ffff
/** NLB has 16 bits, 0's based. */
const COMMAND_BLOCKS_MAX = 65_536

/** What the controller says of SGLs. @see drivers/nvme/host/nvme.h nvme_ctrl_sgl_supported */
export function sglSupported(id: IdentifyController): boolean {
  const support = id.sgls & SGLS_SUPPORT_MASK
  return support === 1 || support === 2
}

/** SGL Descriptor Threshold; 0: none. */
function sglDescriptorThreshold(id: IdentifyController): number {
  return (id.sgls >>> 8) & 0xff
}

/** Bounds that the host sets for itself. */
export interface HostBounds {
  readonly maxBytes: number
  readonly maxSegments: number
}

/** What one command of this controller may be, by its own word and by the host's. */
export function commandBounds(id: IdentifyController, host: HostBounds): HostBounds {
  const mdtsBytes = id.mdts === 0 ? Number.POSITIVE_INFINITY : 2 ** id.mdts * CTRL_PAGE_SIZE
  const threshold = sglSupported(id) ? sglDescriptorThreshold(id) : 0
  return {
    maxBytes: Math.min(mdtsBytes, host.maxBytes),
    maxSegments: threshold === 0 ? host.maxSegments : Math.min(threshold, host.maxSegments),
  }
}

/** Room that a request needs for what a command within the bounds can take. */
export function iodBounds(bounds: HostBounds): IodBounds {
  // One entry more when the first does not begin at a page.
  const prps = Math.ceil(bounds.maxBytes / CTRL_PAGE_SIZE) + 1
  const prpLists = chainBlocks(prps, PRP_PAGE_ENTRIES)
  return {
    descriptors: Math.max(prpLists, sglBlocks(bounds.maxSegments), 1),
    mappings: bounds.maxSegments,
  }
}

/** Why this host makes no disk of a namespace; null where it does. @see drivers/nvme/host/core.c nvme_update_disk_info */
export function unusableNamespace(ns: IdentifyNamespace): string | null {
  if (ns.lbaShift < SECTOR_SHIFT || ns.lbaShift > SECTOR_SHIFT_MAX) {
    return `logical blocks of 2^${ns.lbaShift} bytes`
  }
  return ns.metadataSizeBytes === 0 ? null : `metadata of ${ns.metadataSizeBytes} bytes`
}

/**
 * The block layer's limits of a namespace. With SGLs any run of bytes can follow any other; with PRP entries alone only whole
 * pages can lie between the first and the last.
 * @see drivers/nvme/host/core.c nvme_set_ctrl_limits, nvme_update_ns_info_block
 */
export function namespaceLimits(
  device: Device,
  id: IdentifyController,
  ns: IdentifyNamespace,
  bounds: HostBounds,
  nvm: IdentifyNvmController,
): QueueLimitsInit {
  const hasSgl = sglSupported(id)
  const blockBytes = 2 ** ns.lbaShift
  const writeCache = (id.vwc & 1) !== 0
  return {
    logicalBlockSizeBytes: blockBytes,
    physicalBlockSizeBytes: blockBytes,
    maxHwSectors: Math.floor(bounds.maxBytes / SECTOR_SIZE),
    maxSegments: bounds.maxSegments,
    ...(hasSgl
      ? { maxSegmentSizeBytes: device.maxSegmentSizeBytes }
      : { virtBoundaryMask: CTRL_PAGE_SIZE - 1 }),
    segBoundaryMask: device.segBoundaryMask,
    dmaAlignmentMask: 3,
    atomicWriteHwMaxBytes: (id.awupf + 1) * blockBytes,
    writeCache,
    fua: writeCache,
    ...discardLimits(id, nvm, blockBytes),
    ...zeroLimits(id, nvm, ns, bounds),
  }
}

/** @see drivers/nvme/host/core.c nvme_config_discard */
function discardLimits(
  id: IdentifyController,
  { dmrl, dmrsl, dmsl }: IdentifyNvmController,
  blockBytes: number,
): QueueLimitsInit {
  if (!hasDatasetManagement(id)) return {}
  const sectorsPerBlock = blockBytes / SECTOR_SIZE
  const bounds = [dmrsl, dmsl].filter((blocks) => blocks > 0)
  return {
    maxHwDiscardSectors: Math.min(UINT_MAX, ...bounds.map((blocks) => blocks * sectorsPerBlock)),
    maxDiscardSegments: dmrl === 0 ? DSM_MAX_RANGES : dmrl,
    discardGranularityBytes: blockBytes,
  }
}

/** Cautious: a controller that names no bound is taken to mean that of MDTS. @see drivers/nvme/host/core.c nvme_init_non_mdts_limits */
function zeroLimits(
  id: IdentifyController,
  { wzsl }: IdentifyNvmController,
  ns: IdentifyNamespace,
  bounds: HostBounds,
): QueueLimitsInit {
  if (!hasWriteZeroes(id)) return {}
  const most = wzsl === 0 ? bounds.maxBytes : 2 ** wzsl * CTRL_PAGE_SIZE
  const bytes = Math.min(most, COMMAND_BLOCKS_MAX * 2 ** ns.lbaShift)
  const maxWriteZeroesSectors = Math.floor(bytes / SECTOR_SIZE)
  return {
    maxWriteZeroesSectors,
    maxHwWzeroesUnmapSectors: ns.deallocatesZeroes ? maxWriteZeroesSectors : 0,
  }
}
