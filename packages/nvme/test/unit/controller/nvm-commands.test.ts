// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { createMemoryStore, createNullStore, StoreOp } from '../../../src/controller/index.ts'
import { BlockRanges } from '../../../src/controller/io/block-ranges.ts'
import {
  NSID_BROADCAST,
  NvmOpcode,
  STATUS_DNR,
  Status,
  setUint64,
} from '../../../src/spec/index.ts'
import { type Command, RawDriver } from '../../raw-driver.ts'

const { COMPARE, COPY, DATASET_MANAGEMENT, FLUSH, READ, VERIFY, WRITE } = NvmOpcode
const { WRITE_UNCORRECTABLE, WRITE_ZEROES } = NvmOpcode
const BLOCK = 512

function ready() {
  const { driver, store } = RawDriver.ready({ sizeBytes: 1 << 20 })
  const medium = store.segments[0]!
  for (let i = 0; i < medium.length; i++) medium[i] = (i * 7 + (i >>> 9)) & 0xff
  const page = driver.alloc(8 * 4096)
  return { driver, medium, page }
}

function blocks(medium: Uint8Array, first: number, count: number): Uint8Array {
  return medium.slice(first * BLOCK, (first + count) * BLOCK)
}

describe('Compare', () => {
  it('ends well for the same bytes, and with Compare Failure for others', () => {
    const { driver, medium, page } = ready()
    const command = { opcode: COMPARE, nsid: 1, prp1: page, cdw10: 10, cdw12: 3 }
    driver.bytes.set(blocks(medium, 10, 4), page)
    expect(driver.exec(1, command).status).toBe(0)
    driver.bytes[page + 4 * BLOCK - 1]! ^= 1
    expect(driver.exec(1, command).status).toBe(Status.COMPARE_FAILURE | STATUS_DNR)
    driver.expectQuiet()
  })

  it('compares more than a piece, over a list of pages', () => {
    const { driver, medium } = ready()
    const list = driver.alloc(4096)
    const data = driver.alloc(48 * 4096)
    driver.bytes.set(blocks(medium, 0, 384), data)
    for (let i = 1; i < 48; i++) {
      setUint64(driver.view, list + (i - 1) * 8, driver.base + data + i * 4096)
    }
    const command = { opcode: COMPARE, nsid: 1, prp1: data, prp2: list, cdw12: 383 }
    expect(driver.exec(1, command).status).toBe(0)
    driver.bytes[data + 48 * 4096 - 1]! ^= 1
    expect(driver.exec(1, command).status).toBe(Status.COMPARE_FAILURE | STATUS_DNR)
    driver.expectQuiet()
  })
})

describe('Write Zeroes', () => {
  for (const deallocate of [0, 1 << 25]) {
    it(`makes blocks zero, and no others${deallocate === 0 ? '' : ', deallocating'}`, () => {
      const { driver, medium } = ready()
      const before = medium.slice()
      const command = { opcode: WRITE_ZEROES, nsid: 1, cdw10: 5, cdw12: 299 | deallocate }
      expect(driver.exec(1, command).status).toBe(0)
      before.fill(0, 5 * BLOCK, 305 * BLOCK)
      expect(Buffer.compare(medium, before)).toBe(0)
      driver.expectQuiet()
    })
  }

  it('writes zeros to a store that cannot, and flushes with FUA', () => {
    const driver = new RawDriver()
    const bytes = new Uint8Array(1 << 20).fill(9)
    const ops: number[] = []
    driver.controller.addNamespace(1, {
      store: {
        sizeBytes: bytes.length,
        lastError: null,
        submit(io) {
          ops.push(io.op)
          if (io.op === StoreOp.WRITE) {
            const from = io.offsets[0] ?? 0
            const data = io.sides[0]!.bytes.subarray(from, from + io.lengthBytes)
            bytes.set(data, io.offsetBytes)
          }
          io.completion.storeDone(io, 0)
        },
        *close() {},
      },
    })
    driver.enable()
    driver.createQueuePair(1)
    const command = { opcode: WRITE_ZEROES, nsid: 1, cdw10: 1, cdw12: 255 | (1 << 30) }
    expect(driver.exec(1, command).status).toBe(0)
    expect(bytes.subarray(BLOCK, 257 * BLOCK).every((byte) => byte === 0)).toBe(true)
    expect([bytes[BLOCK - 1], bytes[257 * BLOCK]]).toEqual([9, 9])
    expect(ops).toEqual([StoreOp.WRITE, StoreOp.WRITE, StoreOp.FLUSH])
    driver.expectQuiet()
  })

  it('of all blocks at once is not offered', () => {
    const { driver } = ready()
    const command = { opcode: WRITE_ZEROES, nsid: 1, cdw12: 1 << 23 }
    expect(driver.exec(1, command).status).toBe(Status.INVALID_FIELD | STATUS_DNR)
  })
})

describe('Write Uncorrectable', () => {
  it('makes blocks fail until they are written, zeroed or deallocated', () => {
    const { driver, medium, page } = ready()
    const read = (first: number, count = 1) =>
      driver.exec(1, { opcode: READ, nsid: 1, prp1: page, cdw10: first, cdw12: count - 1 }).status
    const bad = Status.UNRECOVERED_READ | STATUS_DNR
    const mark = { opcode: WRITE_UNCORRECTABLE, nsid: 1, cdw10: 100, cdw12: 9 }
    expect(driver.exec(1, mark).status).toBe(0)
    expect([read(99), read(100), read(109), read(110), read(98, 4)]).toEqual([0, bad, bad, 0, bad])
    for (const opcode of [COMPARE, VERIFY]) {
      expect(driver.exec(1, { opcode, nsid: 1, prp1: page, cdw10: 105 }).status).toBe(bad)
    }
    expect(
      driver.exec(1, { opcode: WRITE, nsid: 1, prp1: page, cdw10: 104, cdw12: 1 }).status,
    ).toBe(0)
    expect([read(103), read(104), read(105), read(106)]).toEqual([bad, 0, 0, bad])
    expect(driver.exec(1, { opcode: WRITE_ZEROES, nsid: 1, cdw10: 100, cdw12: 1 }).status).toBe(0)
    expect([read(100), read(101), read(102)]).toEqual([0, 0, bad])
    // What was there is still there: it was only marked.
    expect(medium[103 * BLOCK]).toBe((103 * BLOCK * 7 + 103) & 0xff)
    driver.expectQuiet()
  })

  it('stays where writes would cut it into more ranges than are kept: such a write is an internal error', () => {
    const { driver } = RawDriver.ready({ sizeBytes: 4 << 20 })
    const page = driver.alloc(4096)
    const whole = { opcode: WRITE_UNCORRECTABLE, nsid: 1, cdw10: 0, cdw12: 8191 }
    expect(driver.exec(1, whole).status).toBe(0)
    const rewrite = (opcode: number, first: number, blocks = 1) =>
      driver.exec(1, { opcode, nsid: 1, prp1: page, cdw10: first, cdw12: blocks - 1 }).status
    for (let i = 1; i < 1024; i++) expect(rewrite(WRITE, 2 * i)).toBe(0)
    const refused = Status.INTERNAL_ERROR | STATUS_DNR
    expect([rewrite(WRITE, 4000), rewrite(WRITE_ZEROES, 4000)]).toEqual([refused, refused])
    expect(rewrite(READ, 4000)).toBe(Status.UNRECOVERED_READ | STATUS_DNR)
    // What cuts nothing in two is written, and makes room.
    expect(rewrite(WRITE, 8191)).toBe(0)
    expect(rewrite(WRITE, 2, 4)).toBe(0)
    expect([rewrite(WRITE, 4000), rewrite(READ, 4000)]).toEqual([0, 0])
    driver.expectQuiet()
  })

  it('of more ranges than the controller keeps is an internal error, and marks nothing', () => {
    const { driver } = RawDriver.ready({ sizeBytes: 2 << 20 })
    const page = driver.alloc(4096)
    const mark = (block: number) =>
      driver.exec(1, { opcode: WRITE_UNCORRECTABLE, nsid: 1, cdw10: block }).status
    const read = (block: number) =>
      driver.exec(1, { opcode: READ, nsid: 1, prp1: page, cdw10: block }).status
    for (let i = 0; i < 1024; i++) expect(mark(i * 2)).toBe(0)
    expect(mark(3000)).toBe(Status.INTERNAL_ERROR | STATUS_DNR)
    expect(read(3000)).toBe(0)
    // A neighbour joins two of them, and makes room for another.
    expect([mark(1), mark(3000)]).toEqual([0, 0])
    expect([read(1), read(3000)]).toEqual(Array(2).fill(Status.UNRECOVERED_READ | STATUS_DNR))
  })
})

describe('a set of blocks', () => {
  it('joins what touches, cuts what is taken out, and refuses one range too many', () => {
    const ranges = new BlockRanges(2)
    expect([ranges.add(10, 5), ranges.add(20, 5), ranges.add(30, 1)]).toEqual([true, true, false])
    expect(ranges.add(15, 5)).toBe(true)
    expect(ranges.list()).toEqual([{ first: 10, count: 15 }])
    ranges.remove(12, 3)
    expect(ranges.list()).toEqual([
      { first: 10, count: 2 },
      { first: 15, count: 10 },
    ])
    expect([ranges.overlaps(12, 3), ranges.overlaps(11, 1), ranges.overlaps(0, 10)]).toEqual([
      false,
      true,
      false,
    ])
    ranges.remove(0, 100)
    expect(ranges.empty).toBe(true)
  })
})

describe('Dataset Management', () => {
  function withRanges(ranges: readonly (readonly [number, number])[]) {
    const world = ready()
    ranges.forEach(([first, count], i) => {
      world.driver.view.setUint32(world.page + i * 16 + 4, count, true)
      setUint64(world.driver.view, world.page + i * 16 + 8, first)
    })
    const command = {
      opcode: DATASET_MANAGEMENT,
      nsid: 1,
      prp1: world.page,
      cdw10: ranges.length - 1,
      cdw11: 4,
    }
    return { ...world, command }
  }

  it('deallocates ranges, which then read as zeros; one of no blocks is nothing', () => {
    const { driver, medium, command } = withRanges([
      [3, 2],
      [0, 0],
      [100, 50],
    ])
    const expected = medium.slice()
    expected.fill(0, 3 * BLOCK, 5 * BLOCK)
    expected.fill(0, 100 * BLOCK, 150 * BLOCK)
    expect(driver.exec(1, command).status).toBe(0)
    expect(Buffer.compare(medium, expected)).toBe(0)
    driver.expectQuiet()
  })

  it('refuses all of them for one that is not in the namespace', () => {
    const { driver, medium, command } = withRanges([
      [3, 2],
      [2047, 2],
    ])
    const before = medium.slice()
    expect(driver.exec(1, command).status).toBe(Status.LBA_OUT_OF_RANGE | STATUS_DNR)
    expect(Buffer.compare(medium, before)).toBe(0)
  })

  it('without AD is advice, and changes nothing', () => {
    const { driver, medium, command } = withRanges([[3, 2]])
    const before = medium.slice()
    expect(driver.exec(1, { ...command, cdw11: 3 }).status).toBe(0)
    expect(Buffer.compare(medium, before)).toBe(0)
  })
})

describe('Verify', () => {
  it('reads, and moves nothing', () => {
    const { driver, page } = ready()
    const before = driver.bytes.slice(page, page + 4096)
    expect(driver.exec(1, { opcode: VERIFY, nsid: 1, prp1: page, cdw12: 2047 }).status).toBe(0)
    expect(Buffer.compare(driver.bytes.subarray(page, page + 4096), before)).toBe(0)
    expect(driver.exec(1, { opcode: VERIFY, nsid: 1, cdw10: 2048 }).status).toBe(
      Status.LBA_OUT_OF_RANGE | STATUS_DNR,
    )
  })
})

describe('Copy', () => {
  interface Entry {
    readonly first: number
    readonly count: number
    readonly nsid?: number
    readonly options?: number
  }

  function withEntries(entries: readonly Entry[], format = 0) {
    const world = ready()
    const { driver, page } = world
    entries.forEach(({ first, count, nsid = 0, options = 0 }, i) => {
      const at = page + i * 32
      driver.view.setUint32(at, nsid, true)
      setUint64(driver.view, at + 8, first)
      driver.view.setUint16(at + 16, count - 1, true)
      driver.view.setUint16(at + 22, options, true)
    })
    const cdw12 = (entries.length - 1) | (format << 8)
    const command: Command = { opcode: COPY, nsid: 1, prp1: page, cdw10: 1000, cdw12 }
    return { ...world, command }
  }

  it('copies ranges one after the other', () => {
    const { driver, medium, command } = withEntries([
      { first: 0, count: 200 },
      { first: 500, count: 3 },
    ])
    const expected = medium.slice()
    expected.set(blocks(medium, 0, 200), 1000 * BLOCK)
    expected.set(blocks(medium, 500, 3), 1200 * BLOCK)
    expect(driver.exec(1, command)).toMatchObject({ status: 0, result: 0 })
    expect(Buffer.compare(medium, expected)).toBe(0)
    driver.expectQuiet()
  })

  it.each<[string, readonly Entry[], number, Partial<Command>, number]>([
    ['a source past the end', [{ first: 2040, count: 9 }], 0, {}, Status.LBA_OUT_OF_RANGE],
    [
      'a target past the end',
      [{ first: 0, count: 9 }],
      0,
      { cdw10: 2040 },
      Status.LBA_OUT_OF_RANGE,
    ],
    ['a range onto itself', [{ first: 995, count: 6 }], 0, {}, Status.OVERLAPPING_IO_RANGE],
    ['a format that is not there', [{ first: 0, count: 1 }], 1, {}, Status.INVALID_FIELD],
    [
      'format 2 from a host that does not know it',
      [{ first: 0, count: 1 }],
      2,
      {},
      Status.INVALID_FIELD,
    ],
    [
      'more ranges than MSRC',
      [{ first: 0, count: 1 }],
      0,
      { cdw12: 128 },
      Status.COMMAND_SIZE_LIMIT_EXCEEDED,
    ],
  ])('refuses %s', (_name, entries, format, more, status) => {
    const { driver, medium, command } = withEntries(entries, format)
    const before = medium.slice()
    expect(driver.exec(1, { ...command, ...more }).status).toBe(status | STATUS_DNR)
    expect(Buffer.compare(medium, before)).toBe(0)
    driver.expectQuiet()
  })

  it('says in dword 0 which entry was not copied', () => {
    const { driver, medium, command } = withEntries([
      { first: 0, count: 4 },
      { first: 500, count: 3 },
    ])
    driver.exec(1, { opcode: WRITE_UNCORRECTABLE, nsid: 1, cdw10: 501 })
    const expected = medium.slice()
    expected.set(blocks(medium, 0, 4), 1000 * BLOCK)
    const { status, result } = driver.exec(1, command)
    expect([status, result]).toEqual([Status.UNRECOVERED_READ | STATUS_DNR, 1])
    expect(Buffer.compare(medium, expected)).toBe(0)
  })
})

describe('Flush', () => {
  it('of all namespaces asks every one of them', () => {
    const driver = new RawDriver()
    const { kernel, memory } = driver
    const flushed: number[] = []
    for (const nsid of [1, 4, 9]) {
      const store = createMemoryStore({ kernel, memory }, { sizeBytes: 4096 })
      const submit = store.submit.bind(store)
      store.submit = (io) => {
        if (io.op === StoreOp.FLUSH) flushed.push(nsid)
        submit(io)
      }
      driver.controller.addNamespace(nsid, { store })
    }
    driver.enable()
    driver.createQueuePair(1)
    expect(driver.exec(1, { opcode: FLUSH, nsid: NSID_BROADCAST }).status).toBe(0)
    expect(flushed).toEqual([1, 4, 9])
    driver.expectQuiet()
  })
})

describe('a namespace of more than 2^32 blocks, that keeps nothing', () => {
  it.each([512, 4096] as const)('of %i bytes: its last block is there, and no other', (block) => {
    const driver = new RawDriver()
    const blocks = 2 ** 33
    const store = createNullStore({ sizeBytes: blocks * block })
    driver.controller.addNamespace(1, { store, logicalBlockBytes: block })
    driver.enable()
    driver.createQueuePair(1)
    const page = driver.alloc(4096)
    driver.bytes.fill(7, page, page + 4096)
    const at = (opcode: number, cdw10: number, cdw11: number) =>
      driver.exec(1, { opcode, nsid: 1, prp1: page, cdw10, cdw11 }).status
    expect(at(WRITE, 0xffff_ffff, 1)).toBe(0)
    expect(driver.bytes[page]).toBe(7)
    expect(at(READ, 0xffff_ffff, 1)).toBe(0)
    expect(driver.bytes.subarray(page, page + block).every((byte) => byte === 0)).toBe(true)
    for (const opcode of [READ, WRITE, WRITE_ZEROES, COMPARE]) {
      expect(at(opcode, 0, 2)).toBe(Status.LBA_OUT_OF_RANGE | STATUS_DNR)
    }
    driver.expectQuiet()
  })

  it('has a size', () => {
    expect(() => createNullStore({ sizeBytes: 0 })).toThrow(/more than 0 bytes/)
    expect(() => createNullStore({ sizeBytes: 2 ** 54 })).toThrow(/more than 0 bytes/)
  })
})
