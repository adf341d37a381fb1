// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import type { BioVec } from '@iolayers/uio'
import {
  Bio,
  bioSplitFront,
  bioSplitToLimits,
  type QueueLimits,
  type QueueLimitsInit,
  ReqFlags,
  ReqOp,
  validateLimits,
} from '../src/index.ts'
import { allowed, naivePieces, type Shape, segmentsOf } from './split-model.ts'
import { EndRecorder, FakeMap } from './support.ts'

/** Answers with an integer from 0 to below `n`. */
export type Pick = (n: number) => number

export interface SplitCase {
  readonly init: QueueLimitsInit
  readonly limits: QueueLimits
  readonly shape: Shape
}

const STEPS = [512, 512, 512, 64, 512, 512, 512, 64, 512, 512, 512, 4] as const
const OPS = [
  ReqOp.READ,
  ReqOp.READ,
  ReqOp.WRITE,
  ReqOp.WRITE,
  ReqOp.DISCARD,
  ReqOp.WRITE_ZEROES,
  ReqOp.SECURE_ERASE,
] as const

function oneOf<T>(pick: Pick, choices: readonly [T, ...T[]]): T {
  return choices[pick(choices.length)] ?? choices[0]
}

/** Limits of which all vary at once. Sizes of segments are multiples of the step, so that the model can go by it. */
function makeInit(pick: Pick, stepBytes: number, isLarge: boolean): QueueLimitsInit {
  const logical = 512 << pick(4)
  const physical = logical << pick(4)
  const blockSectors = logical / 512
  const most = isLarge ? 2 ** 24 : 72
  const sectors = (least: number): number => least + pick(most)
  const hw = sectors(Math.max(8, blockSectors))
  const chunkSectors = oneOf(pick, [0, 1, 1]) * blockSectors * (1 + pick(40))
  const boundary = logical << pick(7)
  const whole = chunkSectors === 0 ? boundary : Math.min(boundary, chunkSectors * 512)
  const hwMax = logical * (1 + pick(whole / logical))
  return {
    logicalBlockSizeBytes: logical,
    physicalBlockSizeBytes: physical,
    ioMinBytes: physical << pick(2),
    ioOptBytes: pick(3) * physical * 3,
    maxHwSectors: hw,
    maxDevSectors: pick(4) === 0 ? sectors(Math.max(8, blockSectors)) : 0,
    maxUserSectors: pick(3) === 0 || isLarge ? sectors(Math.max(8, blockSectors)) : 0,
    maxSegments: 1 + pick(9),
    maxSegmentSizeBytes: 4096 + stepBytes * pick(32),
    segBoundaryMask: oneOf(pick, [4095, 8191, 16_383, 65_535, 0xffff_ffff]),
    virtBoundaryMask: oneOf(pick, [0, 0, 0, 511, 4095, 16_383]),
    dmaAlignmentMask: oneOf(pick, [stepBytes - 1, 3, 3, 3, 2 * stepBytes - 1]),
    chunkSectors,
    maxHwDiscardSectors: pick(200),
    maxUserDiscardSectors: pick(3) === 0 ? pick(200) : 0xffff_ffff,
    discardGranularityBytes: 512 * pick(64),
    discardAlignmentBytes: 512 * pick(64),
    maxSecureEraseSectors: pick(150),
    maxWriteZeroesSectors: pick(150),
    atomicWriteHwMaxBytes: hwMax,
    atomicWriteHwBoundaryBytes: (chunkSectors * 512) % boundary === 0 ? pick(2) * boundary : 0,
    writeCache: pick(2) === 1,
    fua: pick(2) === 1,
  }
}

/** What contradicts itself for atomic writes goes without them. */
function limitsOf(init: QueueLimitsInit): QueueLimits {
  try {
    return validateLimits(init)
  } catch (error) {
    if (!(error instanceof KernelError) || !error.message.includes('atomic')) throw error
    return validateLimits({ ...init, atomicWriteHwMaxBytes: 0 })
  }
}

/** Runs of any length, the last of which makes the whole a multiple of the logical block; now and then one off the alignment. */
function makeRuns(pick: Pick, stepBytes: number, block: number): BioVec[] {
  const runs: BioVec[] = []
  const count = 1 + pick(7)
  const unit = pick(2) === 0 ? stepBytes : 512
  const longest = 60
  let total = 0
  let frame = pick(64)
  for (let i = 0; i < count; i++) {
    const isPage = pick(3) > 0
    const offset = isPage ? 0 : stepBytes * pick(4096 / stepBytes)
    const length = isPage ? 4096 * (1 + pick(3)) : unit * pick(longest)
    runs.push({ frame, offsetBytes: offset, lengthBytes: length })
    total += length
    frame += 1 + pick(4)
  }
  const excess = total % block
  if (excess > 0) runs.push({ frame: frame + 3, offsetBytes: 0, lengthBytes: block - excess })
  return runs
}

function makeShape(pick: Pick, limits: QueueLimits, stepBytes: number, isLarge: boolean): Shape {
  const op = oneOf(pick, OPS)
  const block = limits.logicalBlockSizeBytes
  const isData = op === ReqOp.READ || op === ReqOp.WRITE
  let flags = oneOf<number>(pick, [0, 0, 0, 0, ReqFlags.POLLED, ReqFlags.NOWAIT])
  if (op === ReqOp.WRITE && limits.atomicWriteMaxSectors > 0 && pick(3) === 0) {
    flags |= ReqFlags.ATOMIC
  }
  const sector = (block / 512) * pick(4096)
  const none = { op, flags, sector, runs: [], stepBytes, dmabuf: null }
  if (!isData) return { ...none, bytes: block * (1 + pick(80)) }
  if (!isLarge && pick(2) === 0) {
    const runs = makeRuns(pick, stepBytes, block)
    return { ...none, runs, bytes: runs.reduce((sum, run) => sum + run.lengthBytes, 0) }
  }
  const granule = 2 ** (9 + pick(22))
  const unit = limits.dmaAlignmentMask + 1
  const offset = unit * pick(2 ** 30) + (pick(16) === 0 ? 1 : 0)
  const chunk = limits.chunkSectors === 0 ? limits.maxSectors : limits.chunkSectors
  const piece = Math.min(limits.maxSectors * 512, chunk * 512, limits.maxSegments * granule)
  const most = Math.min(2 ** 34 / block, Math.max(1, Math.ceil((piece * 8) / block)))
  return { ...none, bytes: block * (1 + pick(most)), dmabuf: { offset, granule } }
}

export function makeCase(pick: Pick): SplitCase {
  const isLarge = pick(6) === 5
  const stepBytes = oneOf(pick, STEPS)
  const init = makeInit(pick, stepBytes, isLarge)
  const limits = limitsOf(init)
  return { init, limits, shape: makeShape(pick, limits, stepBytes, isLarge) }
}

const END = new EndRecorder()

function makeBio(shape: Shape): Bio {
  const bio = new Bio()
  bio.init(shape.op | shape.flags, shape.sector, END)
  bio.biIter.biSize = shape.bytes
  if (shape.dmabuf === null) {
    bio.biIoVec = shape.runs
    bio.biVcnt = shape.runs.length
    return bio
  }
  const { offset, granule } = shape.dmabuf
  bio.biOpf |= ReqFlags.DMABUF
  bio.biDmabufMap = new FakeMap(offset + shape.bytes, Math.log2(granule))
  bio.biIter.biBvecDone = offset
  return bio
}

function fail(what: string): never {
  throw new Error(what)
}

/** Where the bio stands in its payload, in bytes from the begin. */
function placeOf(bio: Bio, shape: Shape): number {
  const { biIdx, biBvecDone } = bio.biIter
  if (shape.dmabuf !== null) return biBvecDone - shape.dmabuf.offset
  return shape.runs.slice(0, biIdx).reduce((sum, run) => sum + run.lengthBytes, biBvecDone)
}

function isData(shape: Shape): boolean {
  return shape.op === ReqOp.READ || shape.op === ReqOp.WRITE
}

/** One piece: where the bio was cut off, that is what is left of it, with its segments. */
function checkPiece(piece: Bio, done: number, bytes: number, wasCut: boolean, c: SplitCase): void {
  const { shape, limits } = c
  const { biSector, biSize } = piece.biIter
  if (biSize !== bytes) fail(`piece at ${done}: ${biSize} bytes`)
  if (biSector !== shape.sector + done / 512) fail(`piece at ${done}: sector ${biSector}`)
  if (!isData(shape)) {
    const segments = shape.op === ReqOp.WRITE_ZEROES ? 0 : 1
    if (piece.biNrSegments !== segments) fail(`piece at ${done}: ${piece.biNrSegments} segments`)
    return
  }
  if (placeOf(piece, shape) !== done) fail(`piece at ${done}: begins at ${placeOf(piece, shape)}`)
  const segments = segmentsOf(shape, limits, done, bytes)
  const counted = piece.biNrSegments
  // Those of the bytes that were cut off again, to a whole block, stay counted, as in the kernel.
  const fits = wasCut ? counted >= segments && counted <= limits.maxSegments : counted === segments
  if (!fits && shape.dmabuf === null) fail(`piece at ${done}: ${counted} segments for ${segments}`)
}

/** A piece could not be longer: neither by a block nor, where it ends at a physical block or granule, by one of those. */
function checkLongest(c: SplitCase, done: number, bytes: number): void {
  const { shape, limits } = c
  const end = shape.sector + (done + bytes) / 512
  if (shape.op === ReqOp.DISCARD || shape.op === ReqOp.SECURE_ERASE) {
    const more = bytes + Math.max(512, limits.discardGranularityBytes)
    const isShort = done + more <= shape.bytes && allowed(shape, limits, done, more)
    if (isShort) fail(`piece at ${done}: one granule more is allowed`)
    return
  }
  if (!allowed(shape, limits, done, bytes + limits.logicalBlockSizeBytes)) return
  const physical = limits.physicalBlockSizeBytes
  if (end % (physical / 512) !== 0) fail(`piece at ${done}: one block more is allowed`)
  const isShort = allowed(shape, limits, done, bytes + physical)
  if (isShort) fail(`piece at ${done}: one physical block more is allowed`)
}

/** Splits the bio to its end, and compares each piece with the model and the rules. Returns how many pieces there were. */
export function checkCase(c: SplitCase): number {
  const { shape, limits } = c
  const wanted = naivePieces(shape, limits)
  const bio = makeBio(shape)
  const front = new Bio()
  let done = 0
  for (const want of wanted) {
    const isLast = want < 0 || done + want === shape.bytes
    const cut = bioSplitToLimits(bio, limits)
    if (want < 0) {
      if (cut !== want) fail(`at ${done}: ${cut}, and ${want} in the model`)
      return wanted.length
    }
    if (cut !== (isLast ? 0 : want)) fail(`at ${done}: cut ${cut}, and ${want} in the model`)
    if (!isLast) bioSplitFront(bio, cut, front)
    const piece = isLast ? bio : front
    const isSame = piece.biDmabufMap === bio.biDmabufMap && piece.biIoVec === bio.biIoVec
    if (!isSame) fail(`piece at ${done}: another payload`)
    checkPiece(piece, done, want, !isLast, c)
    const isUnlimited = shape.op === ReqOp.WRITE_ZEROES && limits.maxWriteZeroesSectors === 0
    if (!isUnlimited && !allowed(shape, limits, done, want)) fail(`piece at ${done}: not allowed`)
    if (!isLast) checkLongest(c, done, want)
    const isPolled = (piece.biOpf & ReqFlags.POLLED) !== 0
    const wasPolled = (shape.flags & ReqFlags.POLLED) !== 0
    if (isPolled !== (wasPolled && (wanted.length === 1 || !isData(shape)))) fail('polled')
    done += want
  }
  if (done !== shape.bytes) fail(`pieces of ${done} bytes`)
  return wanted.length
}

/** For the message of a failure. */
export function describeCase({ init, shape }: SplitCase): string {
  return JSON.stringify({ init, shape }, null, 1)
}
