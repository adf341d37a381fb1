// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  BlkStatus,
  blkMqCompleteRequest,
  blkMqRequeueRequest,
  blkMqRqStateName,
  blkOpStr,
  createDisk,
  createRequestSource,
  createTagSet,
  type Disk,
  type InFlightRequest,
  MqRqState,
  Plug,
  ReqFlags,
  ReqOp,
  type RequestSource,
} from '../../src/index.ts'
import { dmabufBio, FakeMap, makeDisk, makeMachine, runBio, ScriptedDriver } from '../support.ts'

const hold = (): 'hold' => 'hold'

/** Looks at a completion before it ends the request. */
class CompletingDriver extends ScriptedDriver {
  complete(): void {}
}

function listAll(source: RequestSource): InFlightRequest[] {
  const items: InFlightRequest[] = []
  for (let item = source.begin(); item !== null; item = source.next(item)) items.push(item)
  return items
}

function write(disk: Disk, sector: number): void {
  expect(disk.submitBio(runBio({ op: ReqOp.WRITE, sector, bytes: 4096 }), null)).toBe(BlkStatus.OK)
}

describe('the source of requests', () => {
  it('lists what has a tag, with all that there is to show, and nothing once it has ended', () => {
    const { scheduler, kernel } = makeMachine()
    const driver = new ScriptedDriver(kernel, hold)
    const disk = makeDisk(kernel, driver)
    const source = createRequestSource(() => [disk])
    expect(source.begin()).toBeNull()
    const map = new FakeMap(65536, 12)
    write(disk, 8)
    scheduler.runSync('5 us', sleep(scheduler, 5_000))
    disk.submitBio(dmabufBio(map, { op: ReqOp.READ, sector: 64, offset: 4096, bytes: 8192 }), null)
    scheduler.runSync('2 us', sleep(scheduler, 2_000))
    const items = listAll(source)
    expect(items.map((item) => ({ ...item }))).toEqual([
      {
        device: 'test0',
        hctx: 0,
        tag: 0,
        op: 'WRITE',
        sector: 8,
        bytes: 4096,
        state: 'in_flight',
        dmabuf: false,
        ageNs: 7000,
      },
      {
        device: 'test0',
        hctx: 0,
        tag: 1,
        op: 'READ',
        sector: 64,
        bytes: 8192,
        state: 'in_flight',
        dmabuf: true,
        ageNs: 2000,
      },
    ])
    expect(items.map((item) => source.show(item))).toEqual([
      'dev=test0 hctx=0 tag=0 op=WRITE sector=8 bytes=4096 state=in_flight dmabuf=0 age_ns=7000\n',
      'dev=test0 hctx=0 tag=1 op=READ sector=64 bytes=8192 state=in_flight dmabuf=1 age_ns=2000\n',
    ])
    driver.releaseHeld()
    expect(items.map((item) => source.live(item))).toEqual([false, false])
    expect(source.begin()).toBeNull()
    scheduler.runSync('destroy', disk.destroy())
    expect(scheduler.outstanding()).toEqual([])
  })

  it('an age that nobody could know is not made up', () => {
    const { kernel, scheduler } = makeMachine()
    const driver = new ScriptedDriver(kernel, hold)
    const disk = makeDisk(kernel, driver)
    write(disk, 0)
    const source = createRequestSource(() => [disk])
    const before = source.begin()
    expect(before?.ageNs).toBeNull()
    expect(before === null ? '' : source.show(before)).toContain('age_ns=-\n')
    write(disk, 8)
    expect(listAll(source).map(({ ageNs }) => ageNs)).toEqual([null, 0])
    driver.releaseHeld()
    scheduler.runSync('destroy', disk.destroy())
  })

  it('holds nothing: a walk that stops half-way keeps no tag, and goes on behind its place', () => {
    const { kernel, scheduler } = makeMachine()
    const driver = new ScriptedDriver(kernel, hold)
    const disk = makeDisk(kernel, driver, { queueDepth: 3 })
    for (const sector of [0, 8, 16]) write(disk, sector)
    const source = createRequestSource(() => [disk])
    const parked = source.begin()
    if (parked === null) throw new Error('three requests were there')
    driver.releaseHeld()
    // The same tags, other requests.
    for (const sector of [24, 32, 40]) write(disk, sector)
    expect(source.live(parked)).toBe(false)
    expect(parked.sector).toBe(0)
    const rest = source.next(parked)
    const tags = listAll(source).map(({ tag }) => tag)
    expect(tags).toEqual([0, 1, 2])
    expect(rest).toMatchObject({ tag: 1, sector: 32 })
    source.put(parked)
    driver.releaseHeld()
    scheduler.runSync('destroy', disk.destroy())
    expect(rest === null || source.live(rest)).toBe(false)
  })

  it('a request that its driver gave back is still the same one, and is shown as it is now', () => {
    const { kernel, scheduler } = makeMachine()
    const driver = new CompletingDriver(kernel, hold)
    const disk = makeDisk(kernel, driver)
    const source = createRequestSource(() => [disk])
    source.begin()
    write(disk, 8)
    const item = source.begin()
    const rq = driver.held.pop()
    if (item === null || rq === undefined) throw new Error('one request was there')
    expect(item.state).toBe('in_flight')
    blkMqRequeueRequest(rq, false)
    scheduler.runSync('1 us', sleep(scheduler, 1000))
    expect(source.live(item)).toBe(true)
    expect(item).toMatchObject({ state: 'idle', sector: 8, ageNs: 1000 })
    disk.queue.kickRequeueList()
    scheduler.runUntilIdle()
    expect(source.live(item)).toBe(true)
    expect(item.state).toBe('in_flight')
    const again = driver.held[0]
    if (again === undefined) throw new Error('it came again')
    blkMqCompleteRequest(again, BlkStatus.OK)
    expect(source.live(item)).toBe(true)
    expect(item.state).toBe('complete')
    driver.releaseHeld()
    scheduler.runSync('destroy', disk.destroy())
  })

  it('R-ITER-3: n requests take n + 1 calls, over all hardware queues, and those in a plug are idle', () => {
    const { kernel, scheduler } = makeMachine()
    const driver = new ScriptedDriver(kernel, hold)
    const disk = makeDisk(kernel, driver, { nrHwQueues: 3, queueDepth: 5 })
    const plugs = [0, 1, 2].map((cpu) => new Plug({ cpu }))
    for (let i = 0; i < 12; i++) {
      disk.submitBio(runBio({ op: ReqOp.READ, sector: i * 8, bytes: 512 }), plugs[i % 3] ?? null)
    }
    const source = createRequestSource(() => [disk])
    let calls = 1
    const seen: string[] = []
    for (let item = source.begin(); item !== null; item = source.next(item)) {
      calls++
      seen.push(`${item.hctx}/${item.tag}`)
      expect(item.state).toBe('idle')
    }
    expect(calls).toBe(13)
    expect(seen).toEqual([0, 1, 2].flatMap((hctx) => [0, 1, 2, 3].map((tag) => `${hctx}/${tag}`)))
    for (const plug of plugs) plug.finish()
    driver.releaseHeld()
    scheduler.runSync('destroy', disk.destroy())
  })

  it('disks that share their tags are told apart, and one that went away has nothing', () => {
    const { kernel, scheduler } = makeMachine()
    const driver = new ScriptedDriver(kernel, hold)
    const tagSet = createTagSet({ kernel }, { ops: driver, nrHwQueues: 1, queueDepth: 8 })
    const disks = ['a', 'b'].map((name) =>
      createDisk({ kernel, tagSet }, { name, capacitySectors: 1024 }),
    )
    const [a, b] = disks
    if (a === undefined || b === undefined) throw new Error('two disks')
    write(b, 0)
    write(a, 8)
    write(b, 16)
    const list = (of: readonly Disk[]): string[] =>
      listAll(createRequestSource(() => of)).map(({ device, tag }) => `${device}${tag}`)
    expect(list(disks)).toEqual(['a1', 'b0', 'b2'])
    expect(list([b])).toEqual(['b0', 'b2'])
    const source = createRequestSource(() => disks)
    const first = source.begin()
    driver.releaseHeld()
    scheduler.runSync('destroy', a.destroy())
    disks.shift()
    write(b, 24)
    if (first === null) throw new Error('a request of a was there')
    expect(source.next(first)).toMatchObject({ device: 'b', sector: 24 })
    driver.releaseHeld()
    scheduler.runSync('destroy', b.destroy())
    expect(source.begin()).toBeNull()
  })

  it('a flush is shown as the step that it has come to', () => {
    const { kernel, scheduler } = makeMachine()
    const driver = new ScriptedDriver(kernel, hold)
    const disk = makeDisk(kernel, driver, { limits: { writeCache: true } })
    const source = createRequestSource(() => [disk])
    source.begin()
    const op = ReqOp.WRITE | ReqFlags.PREFLUSH
    disk.submitBio(runBio({ op, sector: 8, bytes: 512 }), null)
    const item = source.begin()
    expect(item).toMatchObject({ op: 'FLUSH', bytes: 0 })
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(item !== null && source.live(item)).toBe(true)
    expect(item).toMatchObject({ op: 'WRITE', bytes: 512, sector: 8 })
    driver.releaseHeld()
    scheduler.runSync('destroy', disk.destroy())
  })
})

it('operations and states have the names that block debugfs gives them', () => {
  expect(blkOpStr(ReqOp.WRITE_ZEROES)).toBe('WRITE_ZEROES')
  expect(blkOpStr(200)).toBe('UNKNOWN')
  expect(Object.values(MqRqState).map(blkMqRqStateName)).toEqual(['idle', 'in_flight', 'complete'])
})
