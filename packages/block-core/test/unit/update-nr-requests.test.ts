// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import { BlkStatus, blkMqUpdateNrHwQueues, blkMqUpdateNrRequests } from '../../src/index.ts'
import { setUpTagSet as setUp } from '../tag-set-support.ts'

describe('blkMqUpdateNrRequests', () => {
  it('gives out fewer tags, and then all again', () => {
    const { scheduler, driver, tagSet, disks, submit, finish } = setUp({ queueDepth: 8 })
    const [disk] = disks
    if (disk === undefined) throw new Error('no disk')
    scheduler.runSync('update', blkMqUpdateNrRequests(disk, 3))
    expect([disk.nrRequests, tagSet.nrRequests, tagSet.queueDepth]).toEqual([3, 3, 8])
    expect([0, 1, 2, 3].map((cpu) => submit(disk, cpu))).toEqual([0, 0, 0, BlkStatus.AGAIN])
    driver.releaseHeld()
    scheduler.runSync('update', blkMqUpdateNrRequests(disk, 8))
    expect(Array.from({ length: 9 }, (_, i) => submit(disk, i)).lastIndexOf(0)).toBe(7)
    finish()
  })

  it('refuses a depth that leaves no tag, or is more than the set has', () => {
    const { scheduler, disks, finish } = setUp({ queueDepth: 8, reservedTags: 2 })
    const [disk] = disks
    if (disk === undefined) throw new Error('no disk')
    for (const wrong of [2, 9, 3.5]) {
      expect(() => scheduler.runSync('update', blkMqUpdateNrRequests(disk, wrong))).toThrow(
        /nr_requests is .*, but must be from 3 to 8/,
      )
    }
    finish()
  })

  it('freezes its own disk, and what another one has above the new depth comes back when it ends', () => {
    const { scheduler, driver, disks, submit, end, finish } = setUp({ queueDepth: 8 }, ['a', 'b'])
    const [a, b] = disks
    if (a === undefined || b === undefined) throw new Error('no disk')
    for (let i = 0; i < 6; i++) submit(b, i)
    const update = scheduler.spawn('update', blkMqUpdateNrRequests(a, 5))
    scheduler.runUntilIdle()
    expect([update.state, driver.held.map(({ tag }) => tag)]).toEqual(['done', [0, 1, 2, 3, 4, 5]])
    expect(submit(a, 0)).toBe(BlkStatus.AGAIN)
    driver.releaseHeld()
    expect(end.ended).toHaveLength(6)
    expect(Array.from({ length: 6 }, (_, i) => submit(a, i)).lastIndexOf(0)).toBe(4)
    finish()
  })

  it('waits for the requests of its own disk, and wakes submitters when the depth grows', () => {
    const { scheduler, driver, disks, submit, submitWait, heldOn, finish } = setUp({
      queueDepth: 4,
    })
    const [disk] = disks
    if (disk === undefined) throw new Error('no disk')
    scheduler.runSync('update', blkMqUpdateNrRequests(disk, 1))
    submit(disk, 0)
    for (let i = 0; i < 3; i++) submitWait(disk, 0)
    scheduler.runReady()
    const update = scheduler.spawn('update', blkMqUpdateNrRequests(disk, 4))
    scheduler.runReady()
    expect(update.state).not.toBe('done')
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect([update.state, heldOn()]).toEqual(['done', ['a/0', 'a/0', 'a/0']])
    finish()
  })

  it('holds for hardware queues that are made later', () => {
    const { scheduler, tagSet, disks, finish } = setUp({ queueDepth: 8 })
    const [disk] = disks
    if (disk === undefined) throw new Error('no disk')
    scheduler.runSync('update', blkMqUpdateNrRequests(disk, 3))
    scheduler.runSync('update', blkMqUpdateNrHwQueues(tagSet, 2))
    expect(tagSet.tagMaps.map(({ depth, free }) => [depth, free])).toEqual([
      [3, 3],
      [3, 3],
    ])
    expect(disk.nrRequests).toBe(6)
    finish()
  })
})
