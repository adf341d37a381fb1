// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'
import { type QueueLimits, ReqFlags, ReqOp } from '../src/index.ts'

/** A bio, as the models see it. */
export interface Shape {
  readonly op: number
  readonly flags: number
  readonly sector: number
  readonly bytes: number
  /** Memory, cut into steps of which every length and limit is a multiple. */
  readonly runs: readonly BioVec[]
  readonly stepBytes: number
  readonly dmabuf: { readonly offset: number; readonly granule: number } | null
}

/** A piece is its bytes; what comes last may be a negative errno. */
export type Pieces = readonly number[]

/** The pieces that a bio goes out in, found slowly, from the rules alone. */
export function naivePieces(shape: Shape, limits: QueueLimits): Pieces {
  const pieces: number[] = []
  let done = 0
  while (done < shape.bytes) {
    const cut = naiveCut(shape, limits, done)
    pieces.push(cut)
    if (cut < 0) break
    done += cut
  }
  return pieces
}

function naiveCut(shape: Shape, limits: QueueLimits, done: number): number {
  const left = shape.bytes - done
  const sector = shape.sector + done / 512
  switch (shape.op) {
    case ReqOp.DISCARD:
      return discardCut(limits, sector, left, limits.maxDiscardSectors)
    case ReqOp.SECURE_ERASE:
      return discardCut(limits, sector, left, limits.maxSecureEraseSectors)
    case ReqOp.WRITE_ZEROES: {
      const most = mostBytes(shape, limits, sector)
      return most === 0 ? left : Math.min(left, most)
    }
    default:
      return shape.dmabuf === null
        ? memoryCut(shape, limits, done, mostBytes(shape, limits, sector))
        : dmabufCut(shape, limits, done, mostBytes(shape, limits, sector))
  }
}

function sectorBound(shape: Shape, limits: QueueLimits): number {
  if (shape.op === ReqOp.WRITE_ZEROES) return limits.maxWriteZeroesSectors
  return (shape.flags & ReqFlags.ATOMIC) !== 0 ? limits.atomicWriteMaxSectors : limits.maxSectors
}

function boundaryOf(shape: Shape, limits: QueueLimits): number {
  const isAtomic = (shape.flags & ReqFlags.ATOMIC) !== 0
  const boundary = isAtomic ? limits.atomicWriteBoundarySectors : 0
  return boundary > 0 ? boundary : limits.chunkSectors
}

/** The furthest end at a physical block, else at a logical one. */
function mostBytes(shape: Shape, limits: QueueLimits, sector: number): number {
  let most = sectorBound(shape, limits)
  const boundary = boundaryOf(shape, limits)
  if (boundary > 0) most = Math.min(most, (Math.floor(sector / boundary) + 1) * boundary - sector)
  const physical = limits.physicalBlockSizeBytes / 512
  const logical = limits.logicalBlockSizeBytes / 512
  for (let n = most; n > 0 && n > most - physical; n--) {
    if ((sector + n) % physical === 0) return n * 512
  }
  while (most % logical !== 0) most--
  return most * 512
}

function discardCut(limits: QueueLimits, sector: number, left: number, limit: number): number {
  const granularity = Math.max(1, limits.discardGranularityBytes / 512)
  const blocks = Math.floor(0xffff_ffff / limits.logicalBlockSizeBytes)
  let most = Math.min(limit, (blocks * limits.logicalBlockSizeBytes) / 512)
  while (most % granularity !== 0) most--
  if (most === 0 || left <= most * 512) return left
  const begin = (limits.discardAlignmentBytes / 512) % granularity
  let end = sector + most
  while ((end + granularity - begin) % granularity !== 0) end--
  return (end - sector) * 512
}

/** One step after the other, until a rule says no. */
function memoryCut(shape: Shape, limits: QueueLimits, done: number, most: number): number {
  const { stepBytes } = shape
  let at = 0
  let bytes = 0
  let segments = 0
  let segmentBytes = 0
  let previousEnd = -1
  for (const run of shape.runs) {
    const begin = Math.max(at, done)
    at += run.lengthBytes
    if (at <= done || run.lengthBytes === 0) continue
    const start = run.frame * 4096 + run.offsetBytes + begin - (at - run.lengthBytes)
    const length = at - begin
    const { dmaAlignmentMask: mask, virtBoundaryMask: virt } = limits
    if (start % (mask + 1) !== 0 || length % (mask + 1) !== 0) return -Errno.EINVAL
    if (previousEnd >= 0 && (previousEnd % (virt + 1) !== 0 || start % (virt + 1) !== 0)) {
      return rounded(shape, limits, bytes)
    }
    for (let i = 0; i < length; i += stepBytes) {
      const addr = start + i
      const isNew =
        i === 0 ||
        segmentBytes === limits.maxSegmentSizeBytes ||
        addr % (limits.segBoundaryMask + 1) === 0
      if (isNew) {
        if (i > 0 && addr % (virt + 1) !== 0) return rounded(shape, limits, bytes)
        segments++
        segmentBytes = 0
      }
      if (segments > limits.maxSegments || bytes + stepBytes > most) {
        return rounded(shape, limits, bytes)
      }
      segmentBytes += stepBytes
      bytes += stepBytes
    }
    previousEnd = start + length
  }
  return bytes
}

function dmabufCut(shape: Shape, limits: QueueLimits, done: number, most: number): number {
  if (shape.dmabuf === null) return 0
  const { granule } = shape.dmabuf
  const offset = shape.dmabuf.offset + done
  const left = shape.bytes - done
  const block = limits.logicalBlockSizeBytes
  if (offset % (limits.dmaAlignmentMask + 1) !== 0 || left % block !== 0) return -Errno.EINVAL
  const fits = (bytes: number): boolean => {
    const first = Math.floor(offset / granule)
    const last = Math.floor((offset + bytes - 1) / granule)
    return bytes <= most && last - first + 1 <= limits.maxSegments
  }
  if (fits(left)) return left
  let low = 0
  let high = left / block
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(middle * block)) low = middle
    else high = middle - 1
  }
  return rounded(shape, limits, low * block)
}

/** What is not whole has to be cut. */
function rounded(shape: Shape, limits: QueueLimits, bytes: number): number {
  if ((shape.flags & ReqFlags.ATOMIC) !== 0) return -Errno.EINVAL
  if ((shape.flags & ReqFlags.NOWAIT) !== 0) return -Errno.EAGAIN
  const cut = bytes - (bytes % limits.logicalBlockSizeBytes)
  return cut > 0 ? cut : -Errno.EINVAL
}

/** Physical segments of part of a bio: of each run, in each window between boundaries, as many as its size asks for. */
export function segmentsOf(
  shape: Shape,
  limits: QueueLimits,
  begin: number,
  bytes: number,
): number {
  if (shape.dmabuf !== null) return 0
  let segments = 0
  for (const { start, length } of partsOf(shape, begin, bytes)) {
    const window = limits.segBoundaryMask + 1
    for (let at = start; at < start + length; ) {
      const end = Math.min(start + length, (Math.floor(at / window) + 1) * window)
      segments += Math.ceil((end - at) / limits.maxSegmentSizeBytes)
      at = end
    }
  }
  return segments
}

function partsOf(shape: Shape, begin: number, bytes: number): { start: number; length: number }[] {
  const parts: { start: number; length: number }[] = []
  let at = 0
  for (const run of shape.runs) {
    const from = Math.max(begin - at, 0)
    const to = Math.min(begin + bytes - at, run.lengthBytes)
    if (to > from) {
      parts.push({ start: run.frame * 4096 + run.offsetBytes + from, length: to - from })
    }
    at += run.lengthBytes
  }
  return parts
}

/** Whether a device could do a piece at all: no word about where it had better end. */
export function allowed(shape: Shape, limits: QueueLimits, begin: number, bytes: number): boolean {
  const sector = shape.sector + begin / 512
  if (begin + bytes > shape.bytes) return false
  if (shape.op === ReqOp.DISCARD) return granulesOf(limits, bytes, limits.maxDiscardSectors)
  if (shape.op === ReqOp.SECURE_ERASE) {
    return granulesOf(limits, bytes, limits.maxSecureEraseSectors)
  }
  if (bytes > sectorBound(shape, limits) * 512) return false
  const boundary = boundaryOf(shape, limits)
  const last = sector + bytes / 512 - 1
  if (boundary > 0 && Math.floor(sector / boundary) !== Math.floor(last / boundary)) return false
  if (shape.op === ReqOp.WRITE_ZEROES) return true
  if (shape.dmabuf !== null) return granulesFit(shape.dmabuf, limits, begin, bytes)
  if (segmentsOf(shape, limits, begin, bytes) > limits.maxSegments) return false
  return limits.virtBoundaryMask === 0 || hasNoGap(shape, limits, begin, bytes)
}

/** The device takes so many whole granules; a limit below one of them is none. */
function granulesOf(limits: QueueLimits, bytes: number, maxSectors: number): boolean {
  const granule = Math.max(512, limits.discardGranularityBytes)
  const granules = Math.floor((maxSectors * 512) / granule)
  return granules === 0 || bytes <= granules * granule
}

function granulesFit(
  dmabuf: { readonly offset: number; readonly granule: number },
  limits: QueueLimits,
  begin: number,
  bytes: number,
): boolean {
  const offset = dmabuf.offset + begin
  const within = offset - Math.floor(offset / dmabuf.granule) * dmabuf.granule
  return Math.ceil((within + bytes) / dmabuf.granule) <= limits.maxSegments
}

/** Every segment but the first begins at the boundary, and every one but the last ends there. */
function hasNoGap(shape: Shape, limits: QueueLimits, begin: number, bytes: number): boolean {
  const unit = limits.virtBoundaryMask + 1
  const window = limits.segBoundaryMask + 1
  const edges: number[] = []
  for (const { start, length } of partsOf(shape, begin, bytes)) {
    let at = start
    while (at < start + length) {
      const room = Math.min(limits.maxSegmentSizeBytes, window - (at % window))
      const end = Math.min(start + length, at + room)
      edges.push(at, end)
      at = end
    }
  }
  return edges.slice(1, -1).every((edge) => edge % unit === 0)
}
