// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'
import { expect } from 'vitest'
import { type BioVec, IterType, userBackedIter } from '../src/index.ts'
import type { ByteModel, World } from './byte-model.ts'

/** The frame that faults, for what may fault. */
export const badFrameOf = ({ iter, first, setup }: World): number =>
  userBackedIter(iter) ? first + setup.badPage : -1

/** The offset that an iterator without segments has to be aligned at. */
function flatOffset({ iter, model, setup }: World): number {
  if (iter.iterType === IterType.XARRAY) return iter.xarrayStartBytes + model.position
  if (iter.iterType === IterType.DMABUF_MAP) return setup.startBytes + model.position
  return iter.iterType === IterType.FOLIOQ ? model.intoSegment() : 0
}

function alignmentBits(world: World): { addresses: number; lengths: number } {
  const { iter, model } = world
  if (model.count === 0 || iter.iterType === IterType.DISCARD) return { addresses: 0, lengths: 0 }
  if (iter.iterType > IterType.KVEC) return { addresses: flatOffset(world), lengths: model.count }
  const bits = { addresses: 0, lengths: 0 }
  for (const [address, length] of model.ranges()) {
    bits.addresses |= address
    bits.lengths |= length
  }
  return bits
}

function expectedPages(world: World): number {
  const { iter, model } = world
  if (model.count === 0 || iter.iterType === IterType.DISCARD) return 0
  const ranges =
    iter.iterType > IterType.KVEC ? [[flatOffset(world), model.count] as const] : model.ranges()
  return ranges.reduce(
    (sum, [at, length]) =>
      sum + Math.floor((at + length - 1) / PAGE_SIZE) - Math.floor(at / PAGE_SIZE) + 1,
    0,
  )
}

function expectedSingle({ iter, model }: World): number {
  const vector = iter.hasVector
  if (vector && iter.segments[iter.segIndex]?.lengthBytes === 0) return 0
  if (vector || iter.iterType === IterType.FOLIOQ) return model.ranges()[0]?.[1] ?? 0
  return model.count
}

/** As `expect(...).toBe`, a hundred times cheaper where they are equal. */
export function same(what: string, actual: number | boolean, wanted: number | boolean): void {
  if (actual !== wanted) expect({ [what]: actual }).toEqual({ [what]: wanted })
}

/** Everything that can be asked of an iterator without moving it. */
export function check(world: World): void {
  const { iter, model } = world
  same('count', iter.countBytes, model.count)
  const { addresses, lengths } = alignmentBits(world)
  same('alignment', iter.alignment(), addresses | lengths)
  same('aligned 511, 511', iter.isAligned(511, 511), ((addresses | lengths) & 511) === 0)
  same('aligned 4095, 3', iter.isAligned(4095, 3), ((addresses & 4095) | (lengths & 3)) === 0)
  same('aligned 3, 4095', iter.isAligned(3, 4095), ((addresses & 3) | (lengths & 4095)) === 0)
  same('single segment', iter.singleSegCount(), expectedSingle(world))
  same('gap alignment', iter.gapAlignment(), expectedGaps(world))
  checkSegments(world)
  if (iter.iterType === IterType.DMABUF_MAP) {
    expect(() => iter.npages(1)).toThrow(KernelError)
    return
  }
  same('pages', iter.npages(1 << 20), expectedPages(world))
  same('pages, at most 2', iter.npages(2), Math.min(expectedPages(world), 2))
  if (iter.iterType !== IterType.DISCARD) checkRun(world)
}

/** The segments that are left: those with bytes from the position on for sure, and empty ones beside it perhaps. */
function checkSegments({ iter, model }: World): void {
  if (!iter.hasVector) {
    same('segments', iter.nrSegs, iter.iterType === IterType.UBUF ? 1 : 0)
    return
  }
  let start = 0
  let least = 0
  let most = 0
  for (const length of model.lengths) {
    if (start + length > model.position) least += 1
    if (start + length >= model.position) most += 1
    start += length
  }
  same('at least the segments with bytes', iter.nrSegs >= least, true)
  same('at most those from the position on', iter.nrSegs <= most, true)
}

/** The run at the position: it begins there, and what it holds is what the model has. */
function checkRun({ iter, model }: World): void {
  const run: BioVec = { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  const length = iter.peekRun(700, run)
  same('run', length, Math.min(model.reach(700, -1), length))
  same('an empty run', length === 0, model.count === 0 || model.at(0) < 0)
  const address = run.frame * PAGE_SIZE + run.offsetBytes
  for (let i = 0; i < length; i += 1) same('address in the run', address + i, model.at(i))
  same('count after a look', iter.countBytes, model.count)
}

function expectedGaps({ iter, model }: World): number {
  if (iter.iterType === IterType.IOVEC) return gaps(model)
  const isOneRange = iter.iterType === IterType.UBUF || iter.iterType === IterType.DMABUF_MAP
  return isOneRange ? 0 : 0xffff_ffff
}

function gaps(model: ByteModel): number {
  const ranges = model.ranges()
  let bits = 0
  for (let i = 1; i < ranges.length; i += 1) {
    const [address, length] = ranges[i - 1] ?? [0, 0]
    bits |= (address + length) | (ranges[i]?.[0] ?? 0)
  }
  return bits
}
