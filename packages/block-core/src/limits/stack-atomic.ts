// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SECTOR_SIZE } from '../req-flags.ts'
import { UINT_MAX } from './limit-checks.ts'
import type { QueueLimits, StackingLimits } from './queue-limits.ts'
import { validAtomicWritesBoundary } from './validate-atomic.ts'

/**
 * Adds the atomic writes of one device more; off for good when one has none, or they do not go together.
 * @see block/blk-settings.c blk_stack_atomic_writes_limits
 */
export function stackAtomicLimits(top: StackingLimits, bottom: QueueLimits, start: number): void {
  if (isStackable(bottom, start) && stackUnits(top, bottom)) {
    fitIntoChunk(top)
    const boundarySectors = top.atomicWriteHwBoundaryBytes / SECTOR_SIZE
    if (validAtomicWritesBoundary(top.chunkSectors, boundarySectors)) return
  }
  top.atomicWriteHwMaxBytes = 0
  top.atomicWriteHwUnitMaxBytes = 0
  top.atomicWriteHwUnitMinBytes = 0
  top.atomicWriteHwBoundaryBytes = 0
}

/** The device does some, and its begin lies where its units do. @see block/blk.h blk_atomic_write_start_sect_aligned */
function isStackable(bottom: QueueLimits, start: number): boolean {
  if (bottom.atomicWriteHwUnitMinBytes === 0) return false
  const alignment = Math.max(bottom.atomicWriteHwUnitMinBytes, bottom.atomicWriteHwBoundaryBytes)
  return (start * SECTOR_SIZE) % alignment === 0
}

function stackUnits(top: StackingLimits, bottom: QueueLimits): boolean {
  if (top.atomicWriteHwMaxBytes !== UINT_MAX) return stackTail(top, bottom)
  top.atomicWriteHwMaxBytes = bottom.atomicWriteHwMaxBytes
  top.atomicWriteHwUnitMinBytes = bottom.atomicWriteHwUnitMinBytes
  top.atomicWriteHwUnitMaxBytes = bottom.atomicWriteHwUnitMaxBytes
  top.atomicWriteHwBoundaryBytes = bottom.atomicWriteHwBoundaryBytes
  return true
}

/** Every device after the first. @see block/blk-settings.c blk_stack_atomic_writes_tail */
function stackTail(top: StackingLimits, bottom: QueueLimits): boolean {
  if (top.atomicWriteHwBoundaryBytes !== bottom.atomicWriteHwBoundaryBytes) return false
  if (top.atomicWriteHwUnitMinBytes > bottom.atomicWriteHwUnitMaxBytes) return false
  if (top.atomicWriteHwUnitMaxBytes < bottom.atomicWriteHwUnitMinBytes) return false
  top.atomicWriteHwMaxBytes = Math.min(top.atomicWriteHwMaxBytes, bottom.atomicWriteHwMaxBytes)
  top.atomicWriteHwUnitMinBytes = Math.max(
    top.atomicWriteHwUnitMinBytes,
    bottom.atomicWriteHwUnitMinBytes,
  )
  top.atomicWriteHwUnitMaxBytes = Math.min(
    top.atomicWriteHwUnitMaxBytes,
    bottom.atomicWriteHwUnitMaxBytes,
  )
  return true
}

/** What is whole does not cross a chunk. @see block/blk-settings.c blk_stack_atomic_writes_chunk_sectors */
function fitIntoChunk(top: StackingLimits): void {
  const { chunkSectors } = top
  if (chunkSectors === 0) return
  const bytes = chunkSectors * SECTOR_SIZE
  const chunkBytes = bytes > UINT_MAX ? chunkSectors : bytes
  top.atomicWriteHwUnitMaxBytes = Math.min(top.atomicWriteHwUnitMaxBytes, powerIn(chunkBytes))
  top.atomicWriteHwUnitMinBytes = Math.min(
    top.atomicWriteHwUnitMinBytes,
    top.atomicWriteHwUnitMaxBytes,
  )
  top.atomicWriteHwMaxBytes = Math.min(top.atomicWriteHwMaxBytes, chunkBytes)
}

/** The largest power of two that a number below 2^32 is a multiple of. */
function powerIn(value: number): number {
  return (value & -value) >>> 0
}
