// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { describe, expect, it } from 'vitest'
import {
  type BioVec,
  copyFromIter,
  copyToIter,
  extractBvecs,
  IovIter,
  ITER_DEST,
  ITER_SOURCE,
  iovIterExtractPages,
  PageList,
} from '../../src/index.ts'
import {
  patternedMemory,
  queueOfFrames,
  readFrames,
  vec,
  writeFrames,
  xarrayOfFrames,
} from '../support.ts'

const BUFFER_BYTES = 0x10_0000
const NR_PAGES = BUFFER_BYTES / PAGE_SIZE
const MAX_BYTES = 100 * 1024
const MAX_PAGES = 8

/** Byte ranges of a 1 MiB buffer: those of lib/tests/kunit_iov_iter.c. */
const RANGES: readonly (readonly [from: number, to: number])[] = [
  [0x00002, 0x00002],
  [0x00027, 0x03000],
  [0x05193, 0x18794],
  [0x20000, 0x20000],
  [0x20000, 0x24000],
  [0x24000, 0x27001],
  [0x29000, 0xffffb],
  [0xffffd, 0xffffe],
]

/** Ranges of its pages, from the same place. */
const PAGE_RANGES: readonly (readonly [page: number, from: number, to: number])[] = [
  [0, 0x0002, 0x0002],
  [1, 0x0027, 0x0893],
  [2, 0x0193, 0x0794],
  [3, 0x0000, 0x1000],
  [4, 0x0000, 0x1000],
  [5, 0x0000, 0x1000],
  [6, 0x0000, 0x0ffb],
  [6, 0x0ffd, 0x0ffe],
]
const PAGE_RANGES_FLAT = PAGE_RANGES.map(
  ([page, from, to]) => [page * PAGE_SIZE + from, page * PAGE_SIZE + to] as const,
)

const pattern = (x: number): number => (x + (x >> 8) + (x >> 16)) & 0xff
const PATTERNED: Uint8Array = Uint8Array.from({ length: BUFFER_BYTES }, (_, i) => pattern(i))
const patterned = (): Uint8Array => PATTERNED.slice()

/** The naive model: the offsets in the buffer that ranges name, one by one. */
function offsetsOf(ranges: readonly (readonly [number, number])[]): Int32Array {
  const offsets = new Int32Array(ranges.reduce((sum, [from, to]) => sum + to - from, 0))
  let at = 0
  for (const [from, to] of ranges) {
    for (let i = from; i < to; i += 1) {
      offsets[at] = i
      at += 1
    }
  }
  return offsets
}

/** A buffer; the pages of a scattered one are not in the order of their addresses. */
function buffer(scattered: boolean) {
  const memory = patternedMemory(NR_PAGES + 64)
  const first = memory.allocContiguous(NR_PAGES)
  const frames = Array.from({ length: NR_PAGES }, (_, i) => first + i)
  if (scattered) {
    for (let i = 0; i < NR_PAGES / 4; i += 1) {
      frames[i] = first + i + NR_PAGES / 2
      frames[i + NR_PAGES / 2] = first + i
    }
  }
  const frameAt = (page: number): number => frames[page] ?? -1
  return { memory, frames, frameAt, first }
}
type Buffer = ReturnType<typeof buffer>

function kvecs(buf: Buffer): BioVec[] {
  return RANGES.map(([from, to]) =>
    vec(buf.first + Math.floor(from / PAGE_SIZE), from % PAGE_SIZE, to - from),
  )
}

/** Pages that follow each other, in the buffer and in memory, are one vector. */
function bvecs(buf: Buffer): BioVec[] {
  const out: BioVec[] = []
  let next = -1
  for (const [page, from, to] of PAGE_RANGES) {
    const last = out.at(-1)
    if (last !== undefined && from === 0 && to > 0 && buf.frameAt(page) === next)
      last.lengthBytes += to
    else out.push(vec(buf.frameAt(page), from, to - from))
    next = to === PAGE_SIZE ? buf.frameAt(page) + 1 : -1
  }
  return out
}

function vectorIter(direction: 0 | 1, kind: 'kvec' | 'bvec', buf: Buffer): IovIter {
  const iter = new IovIter()
  const segments = kind === 'kvec' ? kvecs(buf) : bvecs(buf)
  const size = segments.reduce((sum, s) => sum + s.lengthBytes, 0)
  if (kind === 'kvec') iter.initKvec(direction, segments, segments.length, size)
  else iter.initBvec(direction, segments, segments.length, size)
  return iter
}

/** What must be in a zeroed buffer after the pattern went to the ranges. */
function imageOf(ranges: readonly (readonly [number, number])[]): Uint8Array {
  const image = new Uint8Array(BUFFER_BYTES)
  offsetsOf(ranges).forEach((offset, i) => {
    image[offset] = pattern(i)
  })
  return image
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

function checkCopyToVector(kind: 'kvec' | 'bvec', ranges: typeof RANGES): void {
  const buf = buffer(kind === 'bvec')
  writeFrames(buf.memory, buf.frames, new Uint8Array(BUFFER_BYTES))
  const iter = vectorIter(ITER_DEST, kind, buf)
  const size = iter.countBytes
  expect(copyToIter(buf.memory, patterned().subarray(0, size), iter)).toBe(size)
  expect([iter.countBytes, iter.nrSegs]).toEqual([0, 0])
  expect(same(readFrames(buf.memory, buf.frames), imageOf(ranges))).toBe(true)
}

function checkCopyFromVector(kind: 'kvec' | 'bvec', ranges: typeof RANGES): void {
  const buf = buffer(kind === 'bvec')
  writeFrames(buf.memory, buf.frames, patterned())
  const iter = vectorIter(ITER_SOURCE, kind, buf)
  const got = new Uint8Array(iter.countBytes)
  expect(copyFromIter(buf.memory, got, iter)).toBe(got.length)
  expect([iter.countBytes, iter.nrSegs]).toEqual([0, 0])
  expect(same(got, Uint8Array.from(offsetsOf(ranges), pattern))).toBe(true)
}

/** One iterator for each range: where it begins, and the offset that it must end with. */
interface FolioCase {
  init(iter: IovIter, direction: 0 | 1, from: number, to: number): void
  endOffset(from: number, to: number): number
}

function folioqCase(buf: Buffer): FolioCase {
  const queue = queueOfFrames(buf.frames)
  return {
    init: (iter, direction, from, to) => {
      iter.initFolioQueue(direction, queue, 0, 0, to)
      iter.advance(from)
    },
    endOffset: (_, to) => to % PAGE_SIZE,
  }
}

function xarrayCase(buf: Buffer): FolioCase {
  const xarray = xarrayOfFrames(buf.frames)
  return {
    init: (iter, direction, from, to) => iter.initXarray(direction, xarray, from, to - from),
    endOffset: (from, to) => to - from,
  }
}

function checkCopyToFolios(caseOf: (buf: Buffer) => FolioCase): void {
  const buf = buffer(true)
  writeFrames(buf.memory, buf.frames, new Uint8Array(BUFFER_BYTES))
  const folios = caseOf(buf)
  const source = patterned()
  const iter = new IovIter()
  let at = 0
  for (const [from, to] of RANGES) {
    folios.init(iter, ITER_DEST, from, to)
    expect(copyToIter(buf.memory, source.subarray(at, at + to - from), iter)).toBe(to - from)
    expect([iter.countBytes, iter.offsetBytes]).toEqual([0, folios.endOffset(from, to)])
    at += to - from
  }
  expect(same(readFrames(buf.memory, buf.frames), imageOf(RANGES))).toBe(true)
}

function checkCopyFromFolios(caseOf: (buf: Buffer) => FolioCase): void {
  const buf = buffer(true)
  writeFrames(buf.memory, buf.frames, patterned())
  const folios = caseOf(buf)
  const expected = Uint8Array.from(offsetsOf(RANGES), pattern)
  const got = new Uint8Array(expected.length)
  const iter = new IovIter()
  let at = 0
  for (const [from, to] of RANGES) {
    folios.init(iter, ITER_SOURCE, from, to)
    expect(copyFromIter(buf.memory, got.subarray(at, at + to - from), iter)).toBe(to - from)
    expect([iter.countBytes, iter.offsetBytes]).toEqual([0, folios.endOffset(from, to)])
    at += to - from
  }
  expect(same(got, expected)).toBe(true)
}

/** Takes all pages of an iterator, and returns the offsets in the buffer of the bytes that they hold. */
function drainPages(buf: Buffer, iter: IovIter): Int32Array {
  const pageOf = new Map(buf.frames.map((frame, page) => [frame, page]))
  const pages = new PageList()
  const offsets = new Int32Array(iter.countBytes)
  let got = 0
  while (iter.countBytes > 0) {
    const before = iter.countBytes
    pages.offsetBytes = -1
    const taken = iovIterExtractPages(iter, pages, MAX_BYTES, MAX_PAGES)
    expect(taken).toBeGreaterThan(0)
    expect(taken).toBeLessThanOrEqual(Math.min(before, MAX_BYTES))
    expect(iter.countBytes).toBe(before - taken)
    expect(pages.offsetBytes).toBeGreaterThanOrEqual(0)
    expect(pages.offsetBytes).toBeLessThan(PAGE_SIZE)
    expect(pages.nrPages).toBe(Math.ceil((pages.offsetBytes + taken) / PAGE_SIZE))
    expect(pages.nrPages).toBeLessThanOrEqual(MAX_PAGES)
    for (let i = 0; i < taken; i += 1) {
      const at = pages.offsetBytes + i
      const page = pageOf.get(pages.frames[Math.floor(at / PAGE_SIZE)] ?? -1) ?? -1
      offsets[got + i] = page * PAGE_SIZE + (at % PAGE_SIZE)
    }
    got += taken
  }
  return offsets
}

const equalLists = (a: Int32Array, b: Int32Array): boolean =>
  Buffer.compare(new Uint8Array(a.buffer), new Uint8Array(b.buffer)) === 0

function checkExtractVector(kind: 'kvec' | 'bvec', ranges: typeof RANGES): void {
  const buf = buffer(kind === 'bvec')
  const iter = vectorIter(ITER_DEST, kind, buf)
  expect(equalLists(drainPages(buf, iter), offsetsOf(ranges))).toBe(true)
}

function checkExtractFolios(caseOf: (buf: Buffer) => FolioCase): void {
  const buf = buffer(true)
  const folios = caseOf(buf)
  const iter = new IovIter()
  for (const [from, to] of RANGES) {
    folios.init(iter, ITER_SOURCE, from, to)
    expect(equalLists(drainPages(buf, iter), offsetsOf([[from, to]]))).toBe(true)
    expect(iter.offsetBytes).toBe(folios.endOffset(from, to))
  }
}

/** Runs in three goes (none, one, the rest up to a tail), read back in order. */
function checkExtractRuns(init: (iter: IovIter, buf: Buffer) => void, scattered: boolean): void {
  const tail = 16 * PAGE_SIZE
  const buf = buffer(scattered)
  writeFrames(buf.memory, buf.frames, patterned())
  const iter = new IovIter()
  init(iter, buf)
  const out: BioVec[] = []
  expect(extractBvecs(iter, out, 0, BUFFER_BYTES)).toBe(0)
  expect(iter.countBytes).toBe(BUFFER_BYTES)
  const got = new Uint8Array(BUFFER_BYTES)
  let at = 0
  const take = (maxVecs: number, maxBytes: number): number => {
    const vecs = extractBvecs(iter, out, maxVecs, maxBytes)
    for (const run of out.slice(0, vecs)) {
      buf.memory.read(
        run.frame * PAGE_SIZE + run.offsetBytes,
        got.subarray(at, at + run.lengthBytes),
      )
      at += run.lengthBytes
    }
    expect(iter.countBytes).toBe(BUFFER_BYTES - at)
    return vecs
  }
  expect(take(1, BUFFER_BYTES - tail)).toBe(1)
  take(NR_PAGES, BUFFER_BYTES - tail - at)
  expect(at).toBe(BUFFER_BYTES - tail)
  take(NR_PAGES, tail)
  expect(at).toBe(BUFFER_BYTES)
  expect(same(got, patterned())).toBe(true)
}

describe("the ranges of the kernel's iov_iter tests", () => {
  it('R-UIO-1: copy to a kvec', () => checkCopyToVector('kvec', RANGES))
  it('R-UIO-1: copy from a kvec', () => checkCopyFromVector('kvec', RANGES))
  it('R-UIO-1: copy to a bvec', () => checkCopyToVector('bvec', PAGE_RANGES_FLAT))
  it('R-UIO-1: copy from a bvec', () => checkCopyFromVector('bvec', PAGE_RANGES_FLAT))
  it('R-UIO-1: copy to a folio queue', () => checkCopyToFolios(folioqCase))
  it('R-UIO-1: copy from a folio queue', () => checkCopyFromFolios(folioqCase))
  it('R-UIO-1: copy to an xarray', () => checkCopyToFolios(xarrayCase))
  it('R-UIO-1: copy from an xarray', () => checkCopyFromFolios(xarrayCase))
  it('R-UIO-1: extract the pages of a kvec', () => checkExtractVector('kvec', RANGES))
  it('R-UIO-1: extract the pages of a bvec', () => checkExtractVector('bvec', PAGE_RANGES_FLAT))
  it('R-UIO-1: extract the pages of a folio queue', () => checkExtractFolios(folioqCase))
  it('R-UIO-1: extract the pages of an xarray', () => checkExtractFolios(xarrayCase))

  it('R-UIO-1: extract the runs of a kvec', () =>
    checkExtractRuns((iter, buf) => {
      iter.initKvec(ITER_DEST, [vec(buf.first, 0, BUFFER_BYTES)], 1, BUFFER_BYTES)
    }, false))
  it('R-UIO-1: extract the runs of a bvec', () =>
    checkExtractRuns((iter, buf) => {
      const pages = buf.frames.map((frame) => vec(frame, 0, PAGE_SIZE))
      iter.initBvec(ITER_DEST, pages, pages.length, BUFFER_BYTES)
    }, true))
  it('R-UIO-1: extract the runs of a folio queue', () =>
    checkExtractRuns((iter, buf) => {
      iter.initFolioQueue(ITER_DEST, queueOfFrames(buf.frames), 0, 0, BUFFER_BYTES)
    }, true))
  it('R-UIO-1: extract the runs of an xarray', () =>
    checkExtractRuns((iter, buf) => {
      iter.initXarray(ITER_DEST, xarrayOfFrames(buf.frames), 0, BUFFER_BYTES)
    }, true))
  it('R-UIO-1: extract the runs of a user buffer', () =>
    checkExtractRuns((iter, buf) => {
      iter.initUbuf(ITER_DEST, buf.first, 0, BUFFER_BYTES)
    }, false))
})
