// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import type { DmaBuf } from '../buf/contracts.ts'
import type { DmaFence } from '../fence/dma-fence.ts'
import type { DmaHeapAllocation } from '../heap/heap-contract.ts'

/** Where a buffer is: in the device's own memory, or in system memory. @see include/drm/ttm/ttm_placement.h TTM_PL_VRAM, TTM_PL_TT */
export type Placement = 'vram' | 'system'

/** Why a buffer went to system memory, or stayed there, that could have been in the device's. */
export interface SystemFallbacks {
  /** A static importer pinned it, and cannot be told when it moves: DMA goes to a copy outside the device, silently. */
  static: number
  /** The importer does not take peer addresses. */
  notAllowed: number
  /** The importer's device cannot reach other devices. */
  unreachable: number
  /** It lies outside the window that peers see of the device's memory, and there was no room within. */
  window: number
  /** There was no room, and nothing to evict. */
  full: number
}

export interface DeviceMemoryStats {
  readonly allocations: number
  /** Buffers that had to make room for others. */
  readonly evictions: number
  readonly movesToSystem: number
  readonly movesToVram: number
  readonly movedBytes: number
  /** Mappings made of device memory, and of system memory, and the bytes that each covered. */
  readonly mappingsP2p: number
  readonly mappingsSystem: number
  readonly bytesP2p: number
  readonly bytesSystem: number
  readonly fallbacks: Readonly<SystemFallbacks>
}

/** One buffer, now. */
export interface DeviceBufferInfo {
  readonly placement: Placement
  /** Pieces of memory; more than one where neighbouring room was short. */
  readonly segments: number
  /** All of it can be reached by peers and by the CPU. Always so in system memory. */
  readonly visible: boolean
  readonly pinned: boolean
  /** A move is still being copied. */
  readonly moving: boolean
  /** Mappings that lead to device memory now, and to system memory. */
  readonly mappingsP2p: number
  readonly mappingsSystem: number
}

export interface DeviceMemoryAllocation extends DmaHeapAllocation {
  /** `vram` by default, and `system` when there is no room. */
  readonly placement?: Placement
}

/** Work of the device itself on one of its buffers. */
export interface DeviceJob {
  /** `write` by default. */
  readonly access?: 'read' | 'write'
  /** Virtual time that it takes; 0 by default. */
  readonly durationNs?: number
  /** What it does to the bytes, at its end. Atomic. */
  readonly work?: (segments: readonly Uint8Array[]) => void
}

/**
 * Memory of a device, as a GPU driver manages its own: buffers are moved to system memory when others need the room, and back when the device uses them.
 *
 * @see drivers/gpu/drm/ttm/ttm_bo.c, drivers/gpu/drm/amd/amdgpu/amdgpu_dma_buf.c
 */
export interface DeviceMemory {
  readonly name: string
  readonly stats: DeviceMemoryStats
  readonly freeBytes: number
  /** A zeroed buffer. Evicts what was not used for longest when there is no room. Throws EINVAL, ENOMEM, and ETIME when that takes too long. */
  allocate(sizeBytes: number, init?: DeviceMemoryAllocation): Op<DmaBuf>
  /**
   * The device works on the buffer: brings it back first, if there is or can be made room and nobody has pinned it elsewhere, and adds the fence of the job as READ or WRITE. The fence
   * that is returned comes with a reference for the caller. Throws EINVAL for a buffer of another memory; ENOMEM, ETIME.
   */
  use(dmabuf: DmaBuf, job?: DeviceJob): Op<DmaFence>
  /** Moves the buffer to system memory; false when it is there or pinned. Throws as a move does: ENOMEM, ETIME. */
  evict(dmabuf: DmaBuf): Op<boolean>
  inspect(dmabuf: DmaBuf): DeviceBufferInfo
  /** Gives the memory up; no buffer may be left. */
  destroy(): void
}
