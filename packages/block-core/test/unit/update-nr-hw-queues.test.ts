// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  BlkStatus,
  blkMqMapQueues,
  blkMqUpdateNrHwQueues,
  createDisk,
  createRequestSource,
  HctxType,
  type MapQueues,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import { setUpTagSet as setUp } from '../tag-set-support.ts'

describe('blkMqUpdateNrHwQueues', () => {
  it('makes requests and hardware queues of every disk, and CPUs use them', () => {
    const { scheduler, driver, tagSet, disks, submit, heldOn, finish } = setUp({}, ['a', 'b'])
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 2))
    expect(driver.log).toEqual(['init 1/0', 'init 1/1', '+a/1', '+b/1'])
    expect([tagSet.nrHwQueues, disks[0]?.nrRequests]).toEqual([2, 4])
    for (const disk of disks) for (const cpu of [0, 1]) submit(disk, cpu)
    expect(heldOn()).toEqual(['a/0', 'a/1', 'b/0', 'b/1'])
    finish()
  })

  it('gives back those that go, and keeps those that stay', () => {
    const { scheduler, driver, tagSet, disks, submit, heldOn, finish } = setUp({ nrHwQueues: 3 })
    const [first] = tagSet.tagMaps
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 1))
    expect(driver.log).toEqual(['-a/2', '-a/1', 'exit 1/0', 'exit 1/1', 'exit 2/0', 'exit 2/1'])
    expect(tagSet.tagMaps).toEqual([first])
    expect([0, 1, 2].map((cpu) => submit(disks[0], cpu))).toEqual([0, 0, BlkStatus.AGAIN])
    expect(heldOn()).toEqual(['a/0', 'a/0'])
    finish()
  })

  it('has nothing to do where the number is the same, and refuses one out of range', () => {
    const { scheduler, driver, tagSet, finish } = setUp({ nrHwQueues: 2 })
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 2))
    expect(driver.log).toEqual([])
    for (const wrong of [0, -1, 1.5, 65_536]) {
      expect(() => scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, wrong))).toThrow(
        /nrHwQueues is .*, but must be from 1 to 65535/,
      )
    }
    finish()
  })

  it('makes no more of one kind than there are CPUs', () => {
    const { scheduler, tagSet, finish } = setUp({ nrCpus: 3 })
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 9))
    expect([tagSet.nrHwQueues, tagSet.nrCpus, [...(tagSet.map[0]?.mqMap ?? [])]]).toEqual([
      3,
      3,
      [0, 1, 2],
    ])
    finish()
  })

  it('waits until all requests of all disks have ended, and keeps new ones out', () => {
    const { scheduler, driver, tagSet, disks, end, submit, heldOn, finish } = setUp({}, ['a', 'b'])
    for (const disk of disks) submit(disk, 0)
    const update = scheduler.spawn('update', blkMqUpdateNrHwQueues(tagSet, 2))
    scheduler.runReady()
    expect([submit(disks[0], 0), tagSet.nrHwQueues]).toEqual([BlkStatus.AGAIN, 1])
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect([update.state, tagSet.nrHwQueues, end.ended.length]).toEqual(['done', 2, 2])
    submit(disks[0], 1)
    expect(heldOn()).toEqual(['a/1'])
    finish()
  })

  it('submitters that sleep for a tag of a queue that goes take one of a queue that is there', () => {
    const { scheduler, driver, tagSet, disks, end, submit, submitWait, heldOn, finish } = setUp({
      nrHwQueues: 2,
    })
    for (let i = 0; i < 2; i++) submit(disks[0], 1)
    for (let i = 0; i < 2; i++) submitWait(disks[0], 1)
    scheduler.runReady()
    expect([heldOn(), disks[0]?.stats.tagWaits]).toEqual([['a/1', 'a/1'], 2])
    scheduler.spawn('update', blkMqUpdateNrHwQueues(tagSet, 1))
    scheduler.runReady()
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect([heldOn(), end.ended.length]).toEqual([['a/0', 'a/0'], 2])
    finish()
  })

  it('one that runs out of memory for requests leaves all as it was', () => {
    const { scheduler, driver, tagSet, disks, submit, submitWait, heldOn, finish } = setUp({})
    driver.failAt = 'init 2/1'
    submit(disks[0], 0)
    submit(disks[0], 0)
    submitWait(disks[0], 0)
    const errors: unknown[] = []
    const update = function* (): Op<void> {
      try {
        yield* blkMqUpdateNrHwQueues(tagSet, 4)
      } catch (error) {
        errors.push(error)
      }
    }
    scheduler.spawn('update', update())
    scheduler.runReady()
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(errors).toEqual([expect.objectContaining({ code: 'ENOMEM' })])
    expect(driver.log).toEqual([
      'init 1/0',
      'init 1/1',
      'init 2/0',
      'exit 2/0',
      'exit 1/0',
      'exit 1/1',
    ])
    expect([tagSet.nrHwQueues, heldOn()]).toEqual([1, ['a/0']])
    finish()
  })

  it('one whose driver fails for the hardware queue of a later disk leaves all as it was', () => {
    const { scheduler, driver, tagSet, disks, submit, heldOn, finish } = setUp({}, ['a', 'b'])
    driver.failAt = '+b/2'
    expect(() => scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 3))).toThrow(/no memory/)
    expect(driver.log.filter((line) => line.startsWith('-'))).toEqual(['-b/1', '-a/2', '-a/1'])
    expect(driver.log.filter((line) => line.startsWith('exit'))).toHaveLength(4)
    expect([tagSet.nrHwQueues, tagSet.tagMaps[0]?.users.length]).toEqual([1, 2])
    for (const disk of disks) submit(disk, 1)
    expect(heldOn()).toEqual(['a/0', 'b/0'])
    driver.failAt = ''
    driver.releaseHeld()
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 3))
    expect(tagSet.nrHwQueues).toBe(3)
    finish()
  })

  it('a map that the driver cannot make for the new number leaves all as it was', () => {
    const mapQueues: MapQueues = ([map], nrHwQueues) => {
      if (map === undefined) return
      map.nrQueues = nrHwQueues
      map.mqMap.fill(nrHwQueues > 2 ? 99 : 0)
    }
    const { scheduler, driver, tagSet, finish } = setUp({ nrHwQueues: 2, mapQueues })
    expect(() => scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 3))).toThrow(/99/)
    expect([driver.log, tagSet.nrHwQueues]).toEqual([[], 2])
    finish()
  })

  it('with several kinds the driver shares queues out anew, the same number too', () => {
    let reads = 1
    const mapQueues: MapQueues = (maps, nrHwQueues) => {
      const [writeMap, readMap] = maps
      if (writeMap === undefined || readMap === undefined) return
      writeMap.nrQueues = nrHwQueues - reads
      readMap.nrQueues = reads
      readMap.queueOffset = nrHwQueues - reads
      for (const map of maps) blkMqMapQueues(map)
    }
    const { scheduler, driver, tagSet, disks, submit, heldOn, finish } = setUp({
      nrHwQueues: 3,
      nrCpus: 2,
      nrMaps: 2,
      mapQueues,
    })
    const types = () => driver.hctxs.map(({ type, nrCtx }) => [type, nrCtx])
    const { DEFAULT, READ } = HctxType
    submit(disks[0], 1)
    submit(disks[0], 0, ReqOp.READ)
    expect([heldOn(), types()]).toEqual([
      ['a/1', 'a/2'],
      [
        [DEFAULT, 1],
        [DEFAULT, 1],
        [READ, 2],
      ],
    ])
    driver.releaseHeld()
    reads = 2
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 3))
    expect(driver.log).toEqual([])
    submit(disks[0], 1)
    submit(disks[0], 0, ReqOp.READ)
    expect([heldOn(), types()]).toEqual([
      ['a/0', 'a/1'],
      [
        [DEFAULT, 2],
        [READ, 1],
        [READ, 1],
      ],
    ])
    finish()
  })

  it('polled I/O is no longer polled where the queues for it go', () => {
    let polls = 1
    const mapQueues: MapQueues = (maps, nrHwQueues) => {
      const [map, , pollMap] = maps
      if (map === undefined || pollMap === undefined) return
      map.nrQueues = nrHwQueues - polls
      blkMqMapQueues(map)
      pollMap.nrQueues = polls
      pollMap.queueOffset = nrHwQueues - polls
      if (polls > 0) blkMqMapQueues(pollMap)
    }
    const { scheduler, driver, tagSet, disks, submit, heldOn, finish } = setUp({
      nrHwQueues: 2,
      nrCpus: 1,
      nrMaps: 3,
      mapQueues,
    })
    submit(disks[0], 0, ReqOp.READ | ReqFlags.POLLED)
    expect([heldOn(), driver.held.map((rq) => rq.cmdFlags & ReqFlags.POLLED)]).toEqual([
      ['a/1'],
      [ReqFlags.POLLED],
    ])
    driver.releaseHeld()
    polls = 0
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 1))
    submit(disks[0], 0, ReqOp.READ | ReqFlags.POLLED)
    expect([heldOn(), driver.held.map((rq) => rq.cmdFlags & ReqFlags.POLLED)]).toEqual([
      ['a/0'],
      [0],
    ])
    finish()
  })

  it('host-wide tags stay as they are', () => {
    const { scheduler, driver, tagSet, disks, submit, heldOn, finish } = setUp({ hctxShared: true })
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 3))
    expect([driver.log, disks[0]?.nrRequests]).toEqual([['+a/1', '+a/2'], 2])
    expect([2, 1, 0].map((cpu) => submit(disks[0], cpu))).toEqual([0, 0, BlkStatus.AGAIN])
    expect(heldOn()).toEqual(['a/2', 'a/1'])
    driver.releaseHeld()
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 1))
    expect(submit(disks[0], 2)).toBe(BlkStatus.OK)
    expect(heldOn()).toEqual(['a/0'])
    finish()
  })

  it('two at a time happen one after the other', () => {
    const { scheduler, driver, tagSet, disks, submit, finish } = setUp({})
    submit(disks[0], 0)
    const tasks = [3, 2].map((n) => scheduler.spawn(`to ${n}`, blkMqUpdateNrHwQueues(tagSet, n)))
    scheduler.runReady()
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(tasks.map(({ state }) => state)).toEqual(['done', 'done'])
    expect([2, 3]).toContain(tagSet.nrHwQueues)
    finish()
  })

  it('disks that come or go meanwhile are as the others', () => {
    const { machine, scheduler, driver, tagSet, disks, submit, heldOn, finish } = setUp({}, [
      'a',
      'b',
    ])
    for (const disk of disks) submit(disk, 0)
    scheduler.spawn('update', blkMqUpdateNrHwQueues(tagSet, 2))
    scheduler.runReady()
    const late = createDisk(
      { kernel: machine.kernel, tagSet },
      { name: 'late', capacitySectors: 1 << 20 },
    )
    scheduler.spawn('destroy', disks.splice(1, 1)[0]?.destroy() ?? blkMqUpdateNrHwQueues(tagSet, 9))
    scheduler.runReady()
    driver.releaseHeld()
    scheduler.runUntilIdle()
    disks.push(late)
    for (const disk of disks) submit(disk, 1)
    expect(heldOn()).toEqual(['a/1', 'late/1'])
    expect(tagSet.tagMaps.map(({ users }) => users.length)).toEqual([2, 2])
    finish()
  })

  it('what is in flight can be listed before, while and after', () => {
    const { scheduler, driver, tagSet, disks, submit, finish } = setUp({ nrHwQueues: 3 })
    const source = createRequestSource(() => disks)
    for (const cpu of [0, 1, 2]) submit(disks[0], cpu)
    let item = source.begin()
    expect(item?.hctx).toBe(0)
    item = item === null ? null : source.next(item)
    expect(item?.hctx).toBe(1)
    driver.releaseHeld()
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 1))
    expect(item !== null && source.live(item)).toBe(false)
    expect(item !== null ? source.next(item) : 'none').toBe(null)
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 4))
    submit(disks[0], 3)
    const found = item !== null ? source.next(item) : null
    expect([found?.hctx, found?.tag, found?.ageNs]).toEqual([3, 0, 0])
    expect(disks[0]?.stats).toMatchObject({ requests: 4, completions: 3, inFlight: 1 })
    finish()
  })
})
