// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  Bio,
  BlkStatus,
  bioAllowedMaxSectors,
  bioSplitToLimits,
  blkBoundarySectors,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import {
  EndRecorder,
  limitsOf,
  makeDisk,
  makeMachine,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

function dataless(op: number, sector: number, sectors: number, end = new EndRecorder()): Bio {
  const bio = new Bio()
  bio.init(op, sector, end)
  bio.biIter.biSize = sectors * 512
  return bio
}

describe('where bios are cut', () => {
  it('discards and secure erases at the end of a granule, as the device counts them', () => {
    const limits = limitsOf({
      maxHwDiscardSectors: 100,
      discardGranularityBytes: 4096,
      discardAlignmentBytes: 1024,
      maxSecureEraseSectors: 40,
    })
    expect(bioSplitToLimits(dataless(ReqOp.DISCARD, 3, 200), limits)).toBe(95 * 512)
    expect(bioSplitToLimits(dataless(ReqOp.DISCARD, 2, 200), limits)).toBe(96 * 512)
    expect(bioSplitToLimits(dataless(ReqOp.SECURE_ERASE, 3, 200), limits)).toBe(39 * 512)
    const tiny = limitsOf({ maxHwDiscardSectors: 4, discardGranularityBytes: 4096 })
    expect(bioSplitToLimits(dataless(ReqOp.DISCARD, 3, 200), tiny)).toBe(0)
    const wide = limitsOf({ logicalBlockSizeBytes: 4096, maxHwDiscardSectors: 0xffff_ffff })
    expect(bioAllowedMaxSectors(wide)).toBe(8_388_600)
    expect(bioSplitToLimits(dataless(ReqOp.DISCARD, 0, 2 ** 23), wide)).toBe(8_388_600 * 512)
  })

  it('write zeroes at their own limit and at chunks; whole without a limit', () => {
    const limits = limitsOf({ maxWriteZeroesSectors: 64, chunkSectors: 48, maxHwSectors: 8 })
    expect(bioSplitToLimits(dataless(ReqOp.WRITE_ZEROES, 40, 100), limits)).toBe(8 * 512)
    expect(bioSplitToLimits(dataless(ReqOp.WRITE_ZEROES, 48, 100), limits)).toBe(48 * 512)
    const none = limitsOf({ chunkSectors: 48 })
    expect(bioSplitToLimits(dataless(ReqOp.WRITE_ZEROES, 40, 100), none)).toBe(0)
  })

  it('R-BIO-5: an atomic write goes by its own limit and boundary, not by max sectors', () => {
    const limits = limitsOf({
      maxHwSectors: 64,
      maxUserSectors: 8,
      atomicWriteHwMaxBytes: 16_384,
      atomicWriteHwBoundaryBytes: 16_384,
      chunkSectors: 64,
    })
    const atomic = (sector: number, bytes: number): number =>
      bioSplitToLimits(runBio({ op: ReqOp.WRITE | ReqFlags.ATOMIC, sector, bytes }), limits)
    expect(atomic(32, 16_384)).toBe(0)
    expect(atomic(16, 16_384)).toBe(-Errno.EINVAL)
    expect(atomic(16, 8192)).toBe(0)
    expect(bioSplitToLimits(runBio({ op: ReqOp.WRITE, sector: 32, bytes: 16_384 }), limits)).toBe(
      4096,
    )
    expect([blkBoundarySectors(limits, true), blkBoundarySectors(limits, false)]).toEqual([32, 64])
  })

  it('a read that is cut is not polled any more, one that is whole is', () => {
    const limits = limitsOf({ maxHwSectors: 8 })
    const polled = (bytes: number): number => {
      const bio = runBio({ op: ReqOp.READ | ReqFlags.POLLED, sector: 0, bytes })
      bioSplitToLimits(bio, limits)
      return bio.biOpf & ReqFlags.POLLED
    }
    expect([polled(8192), polled(4096)]).toEqual([0, ReqFlags.POLLED])
  })

  it('a bio without data, and an operation without limits, are whole and have no segments', () => {
    const limits = limitsOf({})
    for (const bio of [dataless(ReqOp.READ, 0, 0), dataless(ReqOp.DRV_OUT, 0, 100_000)]) {
      bio.biNrSegments = 7
      expect([bioSplitToLimits(bio, limits), bio.biNrSegments]).toEqual([0, 0])
    }
  })
})

describe('what a disk refuses', () => {
  it('secure erase where it has none, and atomic writes that are no multiple of the unit', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const plain = makeDisk(machine.kernel, driver)
    expect(plain.submitBio(dataless(ReqOp.SECURE_ERASE, 0, 8), null)).toBe(BlkStatus.NOTSUPP)
    tearDown(machine, plain)
    const limits = {
      maxSecureEraseSectors: 4,
      atomicWriteHwMaxBytes: 16_384,
      atomicWriteHwUnitMinBytes: 2048,
    }
    const disk = makeDisk(machine.kernel, driver, { limits })
    const end = new EndRecorder()
    const erase = dataless(ReqOp.SECURE_ERASE, 0, 8, end)
    machine.scheduler.runSync('erase', disk.submitBioWait(erase, null))
    const atomic = (bytes: number): number =>
      disk.submitBio(runBio({ op: ReqOp.WRITE | ReqFlags.ATOMIC, sector: 0, bytes }, end), null)
    expect([1024, 2048, 32_768].map(atomic)).toEqual([
      BlkStatus.INVAL,
      BlkStatus.OK,
      BlkStatus.INVAL,
    ])
    machine.scheduler.runUntilIdle()
    expect(driver.issued.map(({ bytes }) => bytes)).toEqual([2048, 2048, 2048])
    expect(end.statuses).toEqual([BlkStatus.OK, BlkStatus.OK])
    tearDown(machine, disk)
  })

  it('R-BIO-5: a NOWAIT discard does not wait for a bio to be cut with', () => {
    const machine = makeMachine()
    const { scheduler } = machine
    const driver = new ScriptedDriver(machine.kernel, () => 'hold')
    const limits = { maxHwDiscardSectors: 8 }
    const disk = makeDisk(machine.kernel, driver, { limits, queueDepth: 2 })
    const end = new EndRecorder()
    const waiters = 100
    for (let i = 0; i < waiters; i++) {
      const bio = dataless(ReqOp.DISCARD, i * 32, 24, end)
      scheduler.spawn(`discard ${i}`, disk.submitBioWait(bio, null))
    }
    scheduler.runSync('others run', sleep(scheduler, 1000))
    const nowait = dataless(ReqOp.DISCARD | ReqFlags.NOWAIT, 8192, 16, end)
    scheduler.runSync('discard', disk.submitBioWait(nowait, null))
    expect(end.ended).toEqual([nowait])
    expect([end.statuses, driver.held.length]).toEqual([[BlkStatus.AGAIN], 2])
    driver.decide = () => BlkStatus.OK
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(end.statuses).toHaveLength(waiters + 1)
    expect(driver.issued).toHaveLength(waiters * 3)
    tearDown(machine, disk)
  })
})
