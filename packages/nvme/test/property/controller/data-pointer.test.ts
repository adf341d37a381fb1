// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// PRP entries and SGL descriptors, built here without the host's code, against a model that knows only which bytes of memory the data is in.

import { BusAccess, type BusMaster, PAGE_SIZE } from '@iolayers/dma-mapping'
import { createPrng, type Prng } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StoreIo } from '../../../src/controller/contracts.ts'
import { DataPointer } from '../../../src/controller/transport/data-pointer.ts'
import {
  NvmOpcode,
  PSDT_SHIFT,
  Psdt,
  SGL_DESCRIPTOR_BYTES,
  SglType,
  SQE_BYTES,
  SqeOffset,
  STATUS_CODE_MASK,
  STATUS_DNR,
  Status,
  setUint64,
  writeSglDescriptor,
} from '../../../src/spec/index.ts'
import { type Command, RawDriver } from '../../raw-driver.ts'

const SGL_FLAGS = Psdt.SGL_MPTR_CONTIGUOUS << PSDT_SHIFT
const POISON = 0x5c
const ENTRIES_PER_LIST_PAGE = PAGE_SIZE / 8

/** Where data lies: offset in memory and length, in the order of the data. */
interface Piece {
  readonly at: number
  readonly length: number
}

interface Rig {
  readonly driver: RawDriver
  readonly medium: Uint8Array
}

function rig(sizeBytes = 4 << 20): Rig {
  const { driver, store } = RawDriver.ready({
    sizeBytes,
    mdtsBytes: 4 << 20,
    ramBytes: 24 << 20,
  })
  const [medium] = store.segments
  if (medium === undefined) throw new Error('no medium')
  let word = 1
  for (let i = 0; i < medium.length; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0
    medium[i] = word >>> 24
  }
  return { driver, medium }
}

/** Pages in an order that has nothing to do with their addresses. */
function scatteredPages(driver: RawDriver, prng: Prng, count: number): number[] {
  const first = driver.alloc(count * PAGE_SIZE)
  const pages = Array.from({ length: count }, (_, index) => first + index * PAGE_SIZE)
  for (let i = count - 1; i > 0; i--) {
    const j = prng.below(i + 1)
    ;[pages[i], pages[j]] = [pages[j] ?? 0, pages[i] ?? 0]
  }
  return pages
}

/** PRP1, PRP2 and lists for data that starts at `offset` in the first of `pages`. */
function buildPrps(
  driver: RawDriver,
  pages: readonly number[],
  offset: number,
  listOffset: number,
): Pick<Command, 'prp1' | 'prp2'> {
  const [first = 0, ...rest] = pages
  const prp1 = first + offset
  if (rest.length === 0) return { prp1 }
  if (rest.length === 1) return { prp1, prp2: rest[0] ?? 0 }
  let list = driver.alloc(PAGE_SIZE)
  const prp2 = list + listOffset
  let slot = listOffset / 8
  rest.forEach((page, index) => {
    if (slot === ENTRIES_PER_LIST_PAGE - 1 && index < rest.length - 1) {
      const next = driver.alloc(PAGE_SIZE)
      setUint64(driver.view, list + slot * 8, driver.base + next)
      list = next
      slot = 0
    }
    setUint64(driver.view, list + slot * 8, driver.base + page)
    slot++
  })
  return { prp1, prp2 }
}

function prpPieces(pages: readonly number[], offset: number, length: number): Piece[] {
  const pieces: Piece[] = []
  let left = length
  pages.forEach((page, index) => {
    const start = index === 0 ? offset : 0
    const part = Math.min(left, PAGE_SIZE - start)
    if (part > 0) pieces.push({ at: page + start, length: part })
    left -= part
  })
  expect(left).toBe(0)
  return pieces
}

/** Segments of the sizes that `sizes` gives, one after the other, chained; the data pointer of the command leads to the first. */
function buildSgl(
  driver: RawDriver,
  pieces: readonly Piece[],
  perSegment: () => number,
): NonNullable<Command['dptr']> {
  const { view, base } = driver
  let write: NonNullable<Command['dptr']> = (target, at) => {
    const [only] = pieces
    if (only === undefined) throw new Error('no pieces')
    writeSglDescriptor(target, at, SglType.DATA_BLOCK, base + only.at, only.length)
  }
  if (pieces.length === 1) return write
  const segments: Piece[][] = []
  for (let i = 0; i < pieces.length; ) {
    const size = Math.max(1, perSegment())
    segments.push(pieces.slice(i, i + size))
    i += size
  }
  // From the last one back, so that each link knows the length of what it leads to.
  let nextAt = -1
  let nextCount = 0
  let nextIsLast = true
  const link = (target: DataView, at: number, to: number, count: number, last: boolean) =>
    writeSglDescriptor(
      target,
      at,
      last ? SglType.LAST_SEGMENT : SglType.SEGMENT,
      base + to,
      count * SGL_DESCRIPTOR_BYTES,
    )
  for (const segment of segments.reverse()) {
    const count = segment.length + (nextAt < 0 ? 0 : 1)
    const at = driver.alloc(count * SGL_DESCRIPTOR_BYTES)
    segment.forEach((piece, index) => {
      const slot = at + index * SGL_DESCRIPTOR_BYTES
      writeSglDescriptor(view, slot, SglType.DATA_BLOCK, base + piece.at, piece.length)
    })
    const slot = at + segment.length * SGL_DESCRIPTOR_BYTES
    if (nextAt >= 0) link(view, slot, nextAt, nextCount, nextIsLast)
    const [to, isLast] = [at, nextAt < 0]
    nextIsLast = isLast
    nextAt = to
    nextCount = count
    write = (target, where) => link(target, where, to, count, isLast)
  }
  return write
}

function rw(command: Partial<Command>, opcode: number, block: number, length: number): Command {
  return { ...command, opcode, nsid: 1, cdw10: block, cdw12: length / 512 - 1 }
}

/** Reads into the pieces, then writes from them elsewhere on the medium: exactly those bytes, in that order. */
function expectMoves(
  { driver, medium }: Rig,
  pieces: readonly Piece[],
  command: Partial<Command>,
  block: number,
  length: number,
): void {
  const before = driver.bytes.slice()
  for (const { at, length: bytes } of pieces) before.fill(POISON, at, at + bytes)
  for (const { at, length: bytes } of pieces) driver.bytes.fill(POISON, at, at + bytes)
  const want = medium.slice(block * 512, block * 512 + length)
  expect(driver.exec(1, rw(command, NvmOpcode.READ, block, length)).status).toBe(0)
  let done = 0
  for (const { at, length: bytes } of pieces) {
    expect(
      Buffer.compare(driver.bytes.subarray(at, at + bytes), want.subarray(done, done + bytes)),
    ).toBe(0)
    done += bytes
  }
  expect(done).toBe(length)
  // Nothing else changed, but for the queues.
  for (const { at, length: bytes } of pieces) before.set(driver.bytes.subarray(at, at + bytes), at)
  for (const { at, length: bytes } of driver.queueRanges()) {
    before.set(driver.bytes.subarray(at, at + bytes), at)
  }
  expect(Buffer.compare(before, driver.bytes)).toBe(0)
  const elsewhere = (block + length / 512) * 512
  if (elsewhere + length > medium.length) return
  expect(driver.exec(1, rw(command, NvmOpcode.WRITE, block + length / 512, length)).status).toBe(0)
  expect(Buffer.compare(medium.subarray(elsewhere, elsewhere + length), want)).toBe(0)
}

describe('PRPs', () => {
  it('of any offset, length and list offset reach exactly the bytes that they name', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffff_ffff }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 0, max: PAGE_SIZE / 4 - 1 }),
        fc.integer({ min: 0, max: ENTRIES_PER_LIST_PAGE - 1 }),
        fc.integer({ min: 0, max: 1000 }),
        (seed, blocks, dwords, listSlot, block) => {
          const one = rig()
          const [offset, length] = [dwords * 4, blocks * 512]
          const count = Math.ceil((offset + length) / PAGE_SIZE)
          const pages = scatteredPages(one.driver, createPrng(seed), count)
          const prps = buildPrps(one.driver, pages, offset, listSlot * 8)
          expectMoves(one, prpPieces(pages, offset, length), prps, block, length)
        },
      ),
      { numRuns: 60 },
    )
  }, 60_000)

  it('chain over pages of the list: 511 to 514 and 1023 to 1025 entries', () => {
    for (const entries of [511, 512, 513, 514]) {
      const one = rig()
      const pages = scatteredPages(one.driver, createPrng(entries), entries + 1)
      const length = (entries + 1) * PAGE_SIZE
      const prps = buildPrps(one.driver, pages, 0, 0)
      expectMoves(one, prpPieces(pages, 0, length), prps, 0, length)
    }
    for (const entries of [1021, 1022, 1023]) {
      const one = rig(8 << 20)
      const pages = scatteredPages(one.driver, createPrng(entries), entries + 1)
      const length = (entries + 1) * PAGE_SIZE
      expectMoves(one, prpPieces(pages, 0, length), buildPrps(one.driver, pages, 0, 0), 0, length)
    }
  })
})

describe('SGLs', () => {
  it('of any descriptors in any segments reach exactly the bytes that they name', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffff_ffff }),
        fc.integer({ min: 1, max: 120 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 1000 }),
        (seed, blocks, pieceCount, perSegment, block) => {
          const one = rig()
          const prng = createPrng(seed)
          const length = blocks * 512
          // Cuts at any byte, some of them twice: descriptors of no bytes are allowed.
          const cuts = Array.from({ length: pieceCount - 1 }, () => prng.below(length + 1))
          const edges = [0, ...cuts.sort((a, b) => a - b), length]
          const pieces = edges.slice(1).map((edge, index) => {
            const bytes = edge - (edges[index] ?? 0)
            return { at: one.driver.alloc(bytes + 64) + prng.below(64), length: bytes }
          })
          const dptr = buildSgl(one.driver, pieces, () => 1 + prng.below(perSegment))
          const used = pieces.filter((piece) => piece.length > 0)
          expectMoves(one, used, { flags: SGL_FLAGS, dptr }, block, length)
        },
      ),
      { numRuns: 60 },
    )
  }, 60_000)

  it.each([1, 2, 255, 256, 257, 511, 512, 513, 1024, 2049])(
    'R-NVME-5: %i descriptors in segments of a page',
    (count) => {
      const one = rig()
      const data = one.driver.alloc(count * 1024)
      // Neighbours are a gap apart, so that none can be merged.
      const pieces = Array.from({ length: count }, (_, i) => ({ at: data + i * 1024, length: 512 }))
      const dptr = buildSgl(one.driver, pieces, () => 255)
      expectMoves(one, pieces, { flags: SGL_FLAGS, dptr }, 0, count * 512)
    },
  )

  it('a last segment may be filled to its 256th descriptor', () => {
    const one = rig()
    const data = one.driver.alloc(256 * 1024)
    const pieces = Array.from({ length: 256 }, (_, i) => ({ at: data + i * 1024, length: 512 }))
    const dptr = buildSgl(one.driver, pieces, () => 256)
    expectMoves(one, pieces, { flags: SGL_FLAGS, dptr }, 0, 256 * 512)
  })
})

describe('a descriptor that lies across two pages', () => {
  // Segments need to be aligned to 8 bytes only, and pages that are neighbours for the device need not be in memory.
  it.each([8, 4, 1, 15])('with %i bytes in the first is read whole', (inFirst) => {
    const { driver } = rig()
    const { bus } = driver.device
    const pagewise: BusMaster = {
      enabled: true,
      faultCount: 0,
      translate: (addr, length, access, out) =>
        bus.translate(addr, Math.min(length, PAGE_SIZE - (addr % PAGE_SIZE)), access, out),
    }
    const pointer = new DataPointer(pagewise, { pageBytes: PAGE_SIZE, sgl: true, oversize: false })
    const io = new StoreIo(0, { storeDone: () => {} })
    const at = driver.alloc(2 * PAGE_SIZE) + PAGE_SIZE - inFirst
    const data = driver.alloc(PAGE_SIZE)
    writeSglDescriptor(driver.view, at, SglType.DATA_BLOCK, driver.base + data, 100)
    writeSglDescriptor(driver.view, at + 16, SglType.DATA_BLOCK, driver.base + data + 1000, 412)
    const command = new DataView(new ArrayBuffer(SQE_BYTES))
    command.setUint8(SqeOffset.FLAGS, SGL_FLAGS)
    writeSglDescriptor(command, SqeOffset.DPTR, SglType.LAST_SEGMENT, driver.base + at, 32)
    expect(pointer.resolve(command, 0, 512, BusAccess.WRITE, io)).toBe(Status.SUCCESS)
    expect(io.offsets.slice(0, io.count)).toEqual([data, data + 1000])
    expect(io.lengths.slice(0, io.count)).toEqual([100, 412])
    // The second half out of reach is a fault, as any other.
    const edge = driver.region.sizeBytes - inFirst
    writeSglDescriptor(command, SqeOffset.DPTR, SglType.LAST_SEGMENT, driver.base + edge, 32)
    expect(pointer.resolve(command, 0, 512, BusAccess.WRITE, io)).toBe(Status.DATA_TRANSFER_ERROR)
  })
})

describe('what is wrong with a data pointer gets the status that the specification names', () => {
  const PAGE = 8 * PAGE_SIZE
  const KEYED = 4
  type Write = (view: DataView, at: number, driver: RawDriver) => void
  const sgl = (write: Write) => ({ flags: SGL_FLAGS, write })
  const descriptor =
    (type: number, address: number, length: number) => (view: DataView, at: number) =>
      writeSglDescriptor(view, at, type, address, length)

  it.each<[string, { flags: number; write: Write }, number]>([
    [
      'PRP1 off a dword',
      { flags: 0, write: (v, at, d) => setUint64(v, at, d.base + PAGE + 2) },
      Status.PRP_OFFSET_INVALID,
    ],
    [
      'PRP2 off a page',
      {
        flags: 0,
        write: (v, at, d) => {
          setUint64(v, at, d.base + PAGE + 512)
          setUint64(v, at + 8, d.base + PAGE + 4)
        },
      },
      Status.PRP_OFFSET_INVALID,
    ],
    [
      'PRP1 nowhere',
      { flags: 0, write: (v, at) => setUint64(v, at, 2 ** 44) },
      Status.DATA_TRANSFER_ERROR,
    ],
    [
      'PRP1 of 64 bits',
      { flags: 0, write: (v, at) => v.setBigUint64(at, (1n << 64n) - 8n, true) },
      Status.DATA_TRANSFER_ERROR,
    ],
    ['PSDT 3', { flags: 3 << PSDT_SHIFT, write: () => {} }, Status.INVALID_FIELD],
    ['half of a fused pair', { flags: 1, write: () => {} }, Status.FUSED_MISSING],
    [
      'a data block too short',
      sgl(descriptor(SglType.DATA_BLOCK, PAGE, 4095)),
      Status.SGL_DATA_LENGTH_INVALID,
    ],
    [
      'a data block too long',
      sgl(descriptor(SglType.DATA_BLOCK, PAGE, 4097)),
      Status.SGL_DATA_LENGTH_INVALID,
    ],
    [
      'a data block nowhere',
      sgl(descriptor(SglType.DATA_BLOCK, 2 ** 44, 4096)),
      Status.DATA_TRANSFER_ERROR,
    ],
    ['a bit bucket', sgl(descriptor(SglType.BIT_BUCKET, 0, 4096)), Status.SGL_TYPE_INVALID],
    ['a keyed data block', sgl(descriptor(KEYED, PAGE, 4096)), Status.SGL_TYPE_INVALID],
    ['an unknown type', sgl(descriptor(0xe, PAGE, 4096)), Status.SGL_TYPE_INVALID],
    [
      'a sub type',
      sgl((v, at) => {
        writeSglDescriptor(v, at, SglType.DATA_BLOCK, PAGE, 4096)
        v.setUint8(at + 15, 1)
      }),
      Status.SGL_TYPE_INVALID,
    ],
    [
      'a segment of no bytes',
      sgl(descriptor(SglType.LAST_SEGMENT, PAGE, 0)),
      Status.INVALID_SGL_SEGMENT,
    ],
    [
      'a segment of half a descriptor',
      sgl(descriptor(SglType.LAST_SEGMENT, PAGE, 24)),
      Status.INVALID_SGL_SEGMENT,
    ],
    [
      'a segment nowhere',
      sgl(descriptor(SglType.LAST_SEGMENT, 2 ** 44, 32)),
      Status.DATA_TRANSFER_ERROR,
    ],
  ])('%s', (_name, { flags, write }, status) => {
    const { driver } = rig()
    driver.alloc(16 * PAGE_SIZE)
    const command = rw(
      { flags, dptr: (view, at) => write(view, at, driver) },
      NvmOpcode.READ,
      0,
      4096,
    )
    const done = driver.exec(1, command)
    expect(done.status & STATUS_CODE_MASK).toBe(status)
    // A fault on the bus may be gone the next time; the rest is the command's own.
    expect((done.status & STATUS_DNR) !== 0).toBe(status !== Status.DATA_TRANSFER_ERROR)
    driver.expectQuiet()
  })

  /** Runs a read of 4096 bytes through one segment with these descriptors. */
  function segment(
    kind: number,
    descriptors: readonly (readonly [type: number, offset: number, length: number])[],
  ): number {
    const { driver } = rig()
    const data = driver.alloc(8 * PAGE_SIZE)
    const list = driver.alloc(PAGE_SIZE)
    descriptors.forEach(([type, offset, length], i) => {
      const to = type === SglType.DATA_BLOCK ? data : list
      writeSglDescriptor(driver.view, list + i * 16, type, driver.base + to + offset, length)
    })
    const dptr = (view: DataView, at: number) =>
      writeSglDescriptor(view, at, kind, driver.base + list, descriptors.length * 16)
    const done = driver.exec(1, rw({ flags: SGL_FLAGS, dptr }, NvmOpcode.READ, 0, 4096))
    driver.expectQuiet()
    return done.status & STATUS_CODE_MASK
  }

  const BLOCK = SglType.DATA_BLOCK
  const LINK = SglType.SEGMENT
  const LAST = SglType.LAST_SEGMENT

  it.each([
    ['too few bytes in all', LAST, [[BLOCK, 0, 4095]], Status.SGL_DATA_LENGTH_INVALID],
    [
      'too many bytes in all',
      LAST,
      [
        [BLOCK, 0, 4096],
        [BLOCK, 8192, 1],
      ],
      Status.SGL_DATA_LENGTH_INVALID,
    ],
    [
      'a length that wraps',
      LAST,
      [
        [BLOCK, 0, 4095],
        [BLOCK, 0, 0xffff_ffff],
      ],
      Status.SGL_DATA_LENGTH_INVALID,
    ],
    ['a segment without a link', LINK, [[BLOCK, 0, 4096]], Status.INVALID_SGL_SEGMENT],
    [
      'a link in a last segment',
      LAST,
      [
        [BLOCK, 0, 4096],
        [LINK, 0, 16],
      ],
      Status.INVALID_SGL_SEGMENT,
    ],
    [
      'a link before the end',
      LINK,
      [
        [LAST, 32, 16],
        [BLOCK, 0, 4096],
      ],
      Status.INVALID_SGL_SEGMENT,
    ],
    [
      'a loop',
      LINK,
      [
        [BLOCK, 0, 0],
        [LINK, 0, 32],
      ],
      Status.INVALID_SGL_COUNT,
    ],
  ] as const)('%s', (_name, kind, descriptors, status) => {
    expect(segment(kind, descriptors)).toBe(status)
  })

  it('a segment that is whole', () => {
    expect(
      segment(LAST, [
        [BLOCK, 0, 4000],
        [BLOCK, 8192, 96],
      ]),
    ).toBe(Status.SUCCESS)
  })

  it('an entry of a PRP list off a page', () => {
    const { driver } = rig()
    const data = driver.alloc(4 * PAGE_SIZE)
    const list = driver.alloc(PAGE_SIZE)
    for (let i = 0; i < 3; i++) setUint64(driver.view, list + i * 8, driver.base + data + 8)
    const prps = { prp1: data, prp2: list }
    const done = driver.exec(1, rw(prps, NvmOpcode.READ, 0, 4 * PAGE_SIZE))
    expect(done.status).toBe(Status.PRP_OFFSET_INVALID | STATUS_DNR)
    const odd = { prp1: data, prp2: list + 4 }
    const second = driver.exec(1, rw(odd, NvmOpcode.READ, 0, 4 * PAGE_SIZE))
    expect(second.status).toBe(Status.PRP_OFFSET_INVALID | STATUS_DNR)
  })

  it('a PRP list that leads to itself ends with the data', () => {
    const { driver } = rig()
    const data = driver.alloc(PAGE_SIZE)
    const list = driver.alloc(PAGE_SIZE)
    for (let i = 0; i < 511; i++) setUint64(driver.view, list + i * 8, driver.base + data)
    setUint64(driver.view, list + 511 * 8, driver.base + list)
    const prps = { prp1: data, prp2: list }
    const done = driver.exec(1, rw(prps, NvmOpcode.READ, 0, 4 << 20))
    expect(done.status).toBe(0)
  })

  it('an SGL where there is no support for it', () => {
    const { driver } = RawDriver.ready({ sgl: false })
    const dptr = descriptor(SglType.DATA_BLOCK, driver.base, 512)
    const done = driver.exec(1, rw({ flags: SGL_FLAGS, dptr }, NvmOpcode.READ, 0, 512))
    expect(done.status).toBe(Status.INVALID_FIELD | STATUS_DNR)
  })
})
