// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory, PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler } from '@iolayers/kernel'
import { type BioVec, FolioQueue, FolioXarray } from '../src/index.ts'

export const vec = (frame: number, offsetBytes: number, lengthBytes: number): BioVec => ({
  frame,
  offsetBytes,
  lengthBytes,
})

/** Plain physical memory whose every byte is its address modulo 251. */
export function patternedMemory(pages: number): PhysicalMemory {
  const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: pages * 4096, backing: 'plain' })
  const region = memory.regions[0]
  if (region === undefined) throw new Error('memory without a region')
  const { bytes, baseAddr } = region
  // A whole number of patterns at a time; a loop over bytes would be most of what a property test costs.
  for (let at = 0; at < bytes.length; at += PERIOD) {
    const start = (baseAddr + at) % 251
    bytes.set(PATTERN.subarray(start, start + Math.min(PERIOD, bytes.length - at)), at)
  }
  return memory
}

const PERIOD = 251 * 64
const PATTERN: Uint8Array = Uint8Array.from({ length: PERIOD + 251 }, (_, i) => i % 251)

/** The first frame of a memory. */
export function firstFrame(memory: PhysicalMemory): number {
  const region = memory.regions[0]
  if (region === undefined) throw new Error('memory without a region')
  return region.baseFrame
}

/** The bytes of frames, in their order. */
export function readFrames(memory: PhysicalMemory, frames: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(frames.length * PAGE_SIZE)
  frames.forEach((frame, i) => {
    memory.read(frame * PAGE_SIZE, bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE))
  })
  return bytes
}

export function writeFrames(
  memory: PhysicalMemory,
  frames: readonly number[],
  bytes: Uint8Array,
): void {
  frames.forEach((frame, i) => {
    memory.write(frame * PAGE_SIZE, bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE))
  })
}

/** A queue of single-page folios. */
export function queueOfFrames(frames: readonly number[]): FolioQueue {
  const head = new FolioQueue()
  let tail = head
  for (const frame of frames) {
    if (tail.isFull) tail = tail.appendSegment()
    tail.append({ frame, order: 0 })
  }
  return head
}

/** An xarray of single-page folios, from index 0 on. */
export function xarrayOfFrames(frames: readonly number[]): FolioXarray {
  const xarray = new FolioXarray()
  frames.forEach((frame, index) => {
    xarray.store(index, { frame, order: 0 })
  })
  return xarray
}
