// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { PhysicalMemory } from '@iolayers/dma-mapping'
import type { Kernel } from '@iolayers/kernel'
import type { DmaBuf } from '../buf/contracts.ts'
import type { CopyEngine } from './copy-engine.ts'
import type { DeviceBuffer } from './device-buffer.ts'
import type { Placement, SystemFallbacks } from './device-memory-contract.ts'
import type { Vram } from './vram.ts'

/** What the buffers of one device's memory have in common. */
export interface DeviceBufferHost {
  readonly kernel: Kernel
  readonly memory: PhysicalMemory
  readonly vram: Vram
  readonly engine: CopyEngine
  readonly timeoutNs: number
  countMapping(p2p: boolean, bytes: number): void
  countMove(dmabuf: DmaBuf, placement: Placement): void
  countFallback(reason: keyof SystemFallbacks): void
  /** The buffer is released. */
  forget(buffer: DeviceBuffer): void
}
