// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { createSimulatedStore, StoreOp } from '../../../src/controller/index.ts'
import {
  AdminOpcode,
  ErrorLogEntry,
  Fuse,
  LogId,
  NvmOpcode,
  SqeOffset,
  STATUS_DNR,
  Status,
  setUint64,
} from '../../../src/spec/index.ts'
import { type Command, RawDriver } from '../../raw-driver.ts'

const { COMPARE, COPY, FLUSH, READ, VERIFY, WRITE, WRITE_ZEROES } = NvmOpcode
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

describe('fused Compare and Write', () => {
  function pair(
    world: ReturnType<typeof ready>,
    more: Partial<Command> = {},
    second: Partial<Command> = {},
  ) {
    const { driver, page } = world
    const common = { nsid: 1, cdw10: 20, cdw12: 1 }
    driver.bytes.fill(0xee, page + 4096, page + 4096 + 2 * BLOCK)
    const a = driver.push(1, { ...common, opcode: COMPARE, flags: Fuse.FIRST, prp1: page, ...more })
    const b = driver.push(1, {
      ...common,
      opcode: WRITE,
      flags: Fuse.SECOND,
      prp1: page + 4096,
      ...second,
    })
    driver.ring(1)
    driver.idle()
    const done = new Map(driver.reap(1).map(({ cid, status }) => [cid, status]))
    driver.expectQuiet()
    return [done.get(a), done.get(b)]
  }

  it('writes where the blocks were as expected', () => {
    const world = ready()
    world.driver.bytes.set(blocks(world.medium, 20, 2), world.page)
    expect(pair(world)).toEqual([0, 0])
    expect(world.medium[20 * BLOCK]).toBe(0xee)
  })

  it('does not where they were not', () => {
    const world = ready()
    const before = world.medium.slice()
    expect(pair(world)).toEqual([Status.COMPARE_FAILURE | STATUS_DNR, Status.FUSED_FAIL])
    expect(Buffer.compare(world.medium, before)).toBe(0)
  })

  it.each<[string, Partial<Command>, Partial<Command>, readonly number[]]>([
    ['other blocks', {}, { cdw10: 21 }, [Status.INVALID_FIELD, Status.INVALID_FIELD]],
    ['another command', {}, { opcode: WRITE_ZEROES }, [Status.INVALID_FIELD, Status.INVALID_FIELD]],
    [
      'blocks that are not there',
      { cdw10: 4000 },
      { cdw10: 4000 },
      [Status.LBA_OUT_OF_RANGE, Status.FUSED_FAIL],
    ],
    [
      'too many blocks',
      { cdw12: 128 },
      { cdw12: 128 },
      [Status.ATOMIC_WRITE_UNIT_EXCEEDED, Status.FUSED_FAIL],
    ],
    [
      'a write that cannot be',
      {},
      { cdw12: 1 | (1 << 20) },
      [Status.FUSED_FAIL, Status.INVALID_FIELD],
    ],
  ])('refuses %s, and writes nothing', (_name, first, second, statuses) => {
    const world = ready()
    world.driver.bytes.set(blocks(world.medium, 20, 2), world.page)
    const before = world.medium.slice()
    const codes = pair(world, first, second).map((status) => (status ?? -1) & 0x7ff)
    expect(codes).toEqual(statuses)
    expect(Buffer.compare(world.medium, before)).toBe(0)
  })

  it('a half alone has no other: before another command, at the end of the queue, or as the second', () => {
    const { driver, page } = ready()
    const missing = Status.FUSED_MISSING | STATUS_DNR
    const first = { opcode: COMPARE, nsid: 1, flags: Fuse.FIRST, prp1: page }
    expect(driver.exec(1, first).status).toBe(missing)
    expect(driver.exec(1, { ...first, opcode: WRITE, flags: Fuse.SECOND }).status).toBe(missing)
    const lone = driver.push(1, first)
    const plain = driver.push(1, { opcode: FLUSH, nsid: 1 })
    driver.ring(1)
    driver.idle()
    expect(driver.reap(1).map(({ cid, status }) => [cid, status])).toEqual([
      [lone, missing],
      [plain, 0],
    ])
    driver.expectQuiet()
  })

  it('is invalid on the admin queue', () => {
    const { driver } = ready()
    const identify = { opcode: AdminOpcode.IDENTIFY, flags: Fuse.FIRST }
    expect(driver.admin(identify).status).toBe(Status.INVALID_FIELD | STATUS_DNR)
  })

  it('lets nobody write in between, and waits for who is writing', () => {
    const driver = new RawDriver({ seed: 5 })
    const store = createSimulatedStore(
      { kernel: driver.kernel },
      { sizeBytes: 1 << 16, stepBytes: 64 },
    )
    driver.controller.addNamespace(1, { store })
    driver.enable()
    driver.createQueuePair(1)
    const data = driver.alloc(4 * 4096)
    driver.bytes.fill(1, data, data + BLOCK)
    driver.bytes.fill(2, data + 4096, data + 4096 + BLOCK)
    driver.bytes.fill(3, data + 8192, data + 8192 + BLOCK)
    const at = { nsid: 1, cdw10: 0 }
    // A write of 1s is under way; the pair expects them and writes 2s; a write of 3s comes after.
    driver.push(1, { ...at, opcode: WRITE, prp1: data })
    driver.push(1, { ...at, opcode: COMPARE, flags: Fuse.FIRST, prp1: data })
    driver.push(1, { ...at, opcode: WRITE, flags: Fuse.SECOND, prp1: data + 4096 })
    driver.push(1, { ...at, opcode: WRITE, prp1: data + 8192 })
    driver.ring(1)
    driver.idle()
    expect(driver.reap(1).map(({ status }) => status)).toEqual([0, 0, 0, 0])
    expect(new Set(store.bytes.subarray(0, BLOCK))).toEqual(new Set([3]))
    driver.expectQuiet()
  })

  it('a reset while one half waits, or while both are at work, leaves nothing behind', () => {
    for (const steps of [0, 1, 2]) {
      const driver = new RawDriver({ seed: 7 + steps })
      const store = createSimulatedStore(
        { kernel: driver.kernel },
        { sizeBytes: 1 << 16, stepBytes: 64 },
      )
      driver.controller.addNamespace(1, { store })
      driver.enable()
      driver.createQueuePair(1)
      const data = driver.alloc(4096)
      store.hold()
      const at = { nsid: 1, cdw10: 0, prp1: data }
      if (steps > 0) driver.push(1, { ...at, opcode: WRITE })
      driver.push(1, { ...at, opcode: COMPARE, flags: Fuse.FIRST })
      driver.push(1, { ...at, opcode: WRITE, flags: Fuse.SECOND })
      if (steps > 1) driver.push(1, { ...at, opcode: WRITE })
      driver.ring(1)
      driver.idle()
      expect(driver.disable()).toBe(0)
      expect(driver.controller.outstanding).toBe(0)
      store.releaseHeld()
      driver.expectQuiet()
    }
  })
})

describe('the error log', () => {
  it('says which field was wrong', () => {
    const { driver, page } = ready()
    const wrong: readonly [Command, number, number][] = [
      [{ opcode: READ, nsid: 2 }, SqeOffset.NSID, 0],
      [{ opcode: READ, nsid: 1, cdw10: 5000 }, SqeOffset.CDW10, 0],
      [{ opcode: WRITE_ZEROES, nsid: 1, cdw12: 1 << 23 }, SqeOffset.CDW12 + 2, 7],
      [{ opcode: VERIFY, nsid: 1, cdw12: 1 << 26 }, SqeOffset.CDW12 + 3, 2],
    ]
    for (const [command, byte, bit] of wrong) {
      driver.exec(1, command)
      const get = { opcode: AdminOpcode.GET_LOG_PAGE, prp1: page, cdw10: LogId.ERROR | (15 << 16) }
      expect(driver.admin(get).status).toBe(0)
      const location = driver.view.getUint16(page + ErrorLogEntry.PARAMETER_LOCATION, true)
      expect([location & 0xff, location >>> 8]).toEqual([byte, bit])
    }
  })

  it('goes on behind a write whose completion found its queue full', () => {
    const { driver } = RawDriver.ready({ sizeBytes: 1 << 20 })
    driver.createQueuePair(2, 16, 2)
    const data = driver.alloc(4 * 4096)
    const at = { nsid: 1, cdw10: 0 }
    driver.push(2, { ...at, opcode: WRITE, prp1: data })
    driver.push(2, { ...at, opcode: WRITE, prp1: data })
    driver.push(2, { ...at, opcode: COMPARE, flags: Fuse.FIRST, prp1: data })
    driver.push(2, { ...at, opcode: WRITE, flags: Fuse.SECOND, prp1: data + 4096 })
    driver.ring(2)
    driver.idle()
    const statuses: number[] = []
    // The queue holds one entry: each look makes room for the next.
    for (let looks = 0; looks < 4; looks++) {
      statuses.push(...driver.reap(2).map(({ status }) => status))
      driver.idle()
    }
    expect(statuses).toEqual([0, 0, 0, 0])
    driver.expectQuiet()
  })
})

describe('a pair, and a copy to its namespace from another', () => {
  function world() {
    const driver = new RawDriver({ seed: 3 })
    const init = { sizeBytes: 1 << 16, stepBytes: 512 }
    const target = createSimulatedStore({ kernel: driver.kernel }, init)
    const source = createSimulatedStore({ kernel: driver.kernel }, init)
    source.bytes.fill(9)
    driver.controller.addNamespace(1, { store: target })
    driver.controller.addNamespace(2, { store: source })
    driver.enable()
    driver.createQueuePair(1)
    const behavior = driver.alloc(4096)
    // Host Behavior Support, CDFE: copy format 2.
    driver.view.setUint8(behavior + 4, 1 << 2)
    const set = { opcode: AdminOpcode.SET_FEATURES, cdw10: 0x16, prp1: behavior }
    expect(driver.admin(set).status).toBe(0)
    const data = driver.alloc(4 * 4096)
    driver.bytes.fill(2, data + 4096, data + 8192)
    return { driver, target, source, data }
  }

  /** Entries of one block of namespace 2 each. */
  function copy({ driver, data }: ReturnType<typeof world>, to: number, from: number[]): number {
    const list = data + 8192
    from.forEach((block, index) => {
      driver.view.setUint32(list + 32 * index, 2, true)
      setUint64(driver.view, list + 32 * index + 8, block)
    })
    const cdw12 = (2 << 8) | (from.length - 1)
    return driver.push(1, { opcode: COPY, nsid: 1, cdw10: to, cdw12, prp1: list })
  }

  function pair({ driver, data }: ReturnType<typeof world>): number[] {
    const at = { nsid: 1, cdw10: 0 }
    return [
      driver.push(1, { ...at, opcode: COMPARE, flags: Fuse.FIRST, prp1: data }),
      driver.push(1, { ...at, opcode: WRITE, flags: Fuse.SECOND, prp1: data + 4096 }),
    ]
  }

  it('that reads its source: the pair waits for its write', () => {
    const one = world()
    const { driver, source, target } = one
    source.hold()
    copy(one, 0, [0])
    driver.ring(1)
    driver.idle()
    expect(source.held).toBe(1)
    const [compare, write] = pair(one)
    driver.ring(1)
    driver.idle()
    expect(driver.reap(1)).toEqual([])
    source.releaseHeld()
    driver.idle()
    // The copy came first: what the pair expected is not there any more, and its write does not happen.
    const statuses = new Map(driver.reap(1).map(({ cid, status }) => [cid, status]))
    expect(statuses.get(compare ?? -1)).toBe(Status.COMPARE_FAILURE | STATUS_DNR)
    expect(statuses.get(write ?? -1)).toBe(Status.FUSED_FAIL)
    expect(statuses.size).toBe(3)
    expect(target.bytes[0]).toBe(9)
    driver.expectQuiet()
  })

  it('that cannot read its source: the pair that waited for it goes on', () => {
    const one = world()
    const { driver, source, target } = one
    target.hold((io) => io.op === StoreOp.WRITE)
    const cid = copy(one, 50, [0, 10])
    driver.ring(1)
    driver.idle()
    expect(target.held).toBe(1)
    pair(one)
    driver.ring(1)
    driver.idle()
    source.shrinkTo(512 * 5)
    target.releaseHeld()
    driver.idle()
    const done = driver.reap(1)
    const failed = done.filter(({ status }) => status !== 0).map((one) => one.cid)
    expect(done).toHaveLength(3)
    expect(failed).toEqual([cid])
    expect(target.bytes[0]).toBe(2)
    driver.expectQuiet()
  })
})
