// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory, type PhysicalMemory } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler } from '@iolayers/kernel'

/** Plain physical memory whose every byte is its address modulo 251. */
export function patternedMemory(pages: number): PhysicalMemory {
  const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: pages * 4096, backing: 'plain' })
  const region = memory.regions[0]
  if (region === undefined) throw new Error('memory without a region')
  for (let i = 0; i < region.bytes.length; i += 1) region.bytes[i] = (region.baseAddr + i) % 251
  return memory
}
