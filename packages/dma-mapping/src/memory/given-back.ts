// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '../constants.ts'
import type { MemoryRegion } from './memory-region.ts'

/** What fills memory that was given back. @see include/linux/poison.h PAGE_POISON */
export const PAGE_POISON = 0xaa

/**
 * Which frames were allocated once and have been given back since. Frames that nobody ever allocated are not among them: whoever owns a
 * whole memory may use it as it likes. One byte a frame, for the regions in which something was freed.
 *
 * @internal
 */
export class GivenBack {
  readonly #flags: (Uint8Array | undefined)[] = []

  mark(region: MemoryRegion, index: number, frames: number): void {
    let flags = this.#flags[region.index]
    if (flags === undefined) {
      flags = new Uint8Array(region.frames)
      this.#flags[region.index] = flags
    }
    flags.fill(1, index, index + frames)
  }

  unmark(region: MemoryRegion, index: number, frames: number): void {
    this.#flags[region.index]?.fill(0, index, index + frames)
  }

  has(region: MemoryRegion, index: number): boolean {
    return this.#flags[region.index]?.[index] === 1
  }

  /** True if a byte of [offset, offset + length) of the region lies in such a frame. */
  touches(region: MemoryRegion, offset: number, length: number): boolean {
    const flags = this.#flags[region.index]
    if (flags === undefined) return false
    const last = Math.floor((offset + length - 1) / PAGE_SIZE)
    for (let i = Math.floor(offset / PAGE_SIZE); i <= last; i++) if (flags[i] === 1) return true
    return false
  }
}

/** Fills given-back frames on both sides of the memory. @see mm/page_poison.c __kernel_poison_pages @internal */
export function poisonFrames(region: MemoryRegion, index: number, frames: number): void {
  const start = index * PAGE_SIZE
  region.bytes.fill(PAGE_POISON, start, start + frames * PAGE_SIZE)
  if (region.deviceSide !== region)
    region.deviceSide.bytes.fill(PAGE_POISON, start, start + frames * PAGE_SIZE)
}

/** Offset of the first byte of a poisoned frame that somebody wrote, -1 when there is none. @see mm/page_poison.c check_poison_mem @internal */
export function findBrokenPoison(region: MemoryRegion, index: number): number {
  const start = index * PAGE_SIZE
  const sides = region.deviceSide === region ? [region] : [region, region.deviceSide]
  for (const { bytes } of sides) {
    for (let i = start; i < start + PAGE_SIZE; i++) if (bytes[i] !== PAGE_POISON) return i
  }
  return -1
}
