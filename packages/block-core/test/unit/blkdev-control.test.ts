// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type File, type Op, OpenFlags } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type BlkdevControl,
  type BlkLibComponents,
  BlkStatus,
  blkdevControl,
  blkdevIssueDiscard,
  blkdevIssueFlush,
  blkdevIssueSecureErase,
  blkdevIssueZeroout,
  createBlockDeviceFile,
  type Disk,
  FallocFlags,
  type QueueLimitsInit,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import {
  type Action,
  type DiskSetup,
  type Machine,
  makeDisk,
  makeMachine,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

const RDWR = OpenFlags.O_RDWR | OpenFlags.O_DIRECT
const RDONLY = OpenFlags.O_RDONLY | OpenFlags.O_DIRECT
const { KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE, COLLAPSE_RANGE, WRITE_ZEROES } = FallocFlags

interface Opened extends Machine {
  readonly driver: ScriptedDriver
  readonly disk: Disk
  readonly file: File
  readonly control: BlkdevControl
  readonly lib: BlkLibComponents
}

const ZERO_FRAME = 0x777

function open(
  setup: DiskSetup & { flags?: number; zeroFrame?: number } = {},
  decide: () => Action = () => BlkStatus.OK,
): Opened {
  const machine = makeMachine()
  const driver = new ScriptedDriver(machine.kernel, decide)
  const disk = makeDisk(machine.kernel, driver, setup)
  const zero = setup.zeroFrame === undefined ? {} : { zeroFrame: setup.zeroFrame }
  const lib = { kernel: machine.kernel, disk, ...zero }
  const file = createBlockDeviceFile(lib, { flags: setup.flags ?? RDWR, ...zero })
  const control = file.query(blkdevControl)
  if (control === undefined) throw new Error('no control')
  return { ...machine, driver, disk, file, control, lib }
}

function close(opened: Opened): void {
  opened.file.put()
  tearDown(opened, opened.disk)
}

/** The code of what an operation throws; 'ok'. */
function codeOf(opened: Opened, op: () => Op<void>): string {
  try {
    opened.scheduler.runSync('control', op())
    return 'ok'
  } catch (error) {
    return (error as { code: string }).code
  }
}

function ranges(opened: Opened): (readonly [number, number])[] {
  return opened.driver.issued.map((rq) => [rq.sector, rq.bytes / 512] as const)
}

describe('what a block device says of itself', () => {
  it('sizes and limits', () => {
    const limits: QueueLimitsInit = {
      logicalBlockSizeBytes: 4096,
      physicalBlockSizeBytes: 16_384,
      ioOptBytes: 65_536,
      maxHwSectors: 100_000,
      maxUserSectors: 80_000,
    }
    const opened = open({ limits, capacitySectors: 64 })
    const { control } = opened
    expect([control.blkGetSize64(), control.blkGetSize()]).toEqual([32_768, 64])
    expect([control.blkSszGet(), control.blkPbszGet()]).toEqual([4096, 16_384])
    expect([control.blkIoMin(), control.blkIoOpt()]).toEqual([16_384, 65_536])
    expect(control.blkSectGet()).toBe(65_535)
    expect([control.blkAlignOff(), control.blkRotational()]).toEqual([0, false])
    opened.disk.setCapacity(128)
    expect(control.blkGetSize64()).toBe(65_536)
    close(opened)
  })

  it('the offset of its blocks, unless stacked devices do not agree', () => {
    const offset = { physicalBlockSizeBytes: 4096, alignmentOffsetBytes: 512, rotational: true }
    const opened = open({ limits: offset })
    expect([opened.control.blkAlignOff(), opened.control.blkRotational()]).toEqual([512, true])
    close(opened)
    const stacked = open({ limits: { physicalBlockSizeBytes: 4096, misaligned: true } })
    expect(stacked.control.blkAlignOff()).toBe(-1)
    close(stacked)
  })

  it('BLKROSET refuses writes from then on, and lets them in again', () => {
    const opened = open()
    const { control, disk } = opened
    expect(control.blkRoGet()).toBe(false)
    control.blkRoSet(true)
    expect([control.blkRoGet(), disk.readOnly]).toEqual([true, true])
    expect(codeOf(opened, () => control.fallocate(ZERO_RANGE, 0, 512))).toBe('EPERM')
    control.blkRoSet(false)
    expect(disk.readOnly).toBe(false)
    close(opened)
  })

  it('lseek knows the ends and nothing of holes', () => {
    const opened = open({ capacitySectors: 8 })
    const { file } = opened
    const seek = (offset: number, whence: number): number | undefined =>
      file.ops.llseek?.(file, offset, whence)
    expect(seek(0, 2)).toBe(4096)
    expect(seek(-512, 2)).toBe(3584)
    expect(seek(100, 1)).toBe(3684)
    expect(file.posBytes).toBe(3684)
    expect(seek(4096, 0)).toBe(4096)
    expect(seek(1, 1)).toBe(-Errno.EINVAL)
    expect(seek(-1, 0)).toBe(-Errno.EINVAL)
    expect(seek(0, 3)).toBe(-Errno.EINVAL)
    expect(seek(0, 4)).toBe(-Errno.EINVAL)
    expect(file.posBytes).toBe(4096)
    close(opened)
  })
})

describe('discard', () => {
  const limits = { maxHwDiscardSectors: 64, discardGranularityBytes: 8192 }

  it('the first bio ends at the granularity, and all is discarded once', () => {
    const opened = open({ limits })
    const op = opened.control.blkDiscard(512 * 5, 512 * 200)
    opened.scheduler.runSync('discard', op)
    expect(ranges(opened)).toEqual([
      [5, 11],
      [16, 64],
      [80, 64],
      [144, 61],
    ])
    expect(opened.driver.issued.every((rq) => (rq.op & 0xff) === ReqOp.DISCARD)).toBe(true)
    close(opened)
  })

  it('a disk of 8 TiB takes several bios', () => {
    const limits = { maxHwDiscardSectors: 0xffff_ffff, discardGranularityBytes: 4096 }
    const opened = open({ limits, capacitySectors: 2 ** 34 })
    opened.scheduler.runSync('discard', opened.control.blkDiscard(0, 2 ** 43))
    const done = ranges(opened)
    expect(done.length).toBeGreaterThan(2047)
    let at = 0
    for (const [sector, sectors] of done) {
      expect(sector).toBe(at)
      at += sectors
    }
    expect(at).toBe(2 ** 34)
    close(opened)
  })

  it('EOPNOTSUPP, EBADF, EPERM, EINVAL, in this order', () => {
    const none = open({ flags: RDONLY })
    expect(codeOf(none, () => none.control.blkDiscard(1, 1))).toBe('EOPNOTSUPP')
    close(none)
    const reader = open({ limits, flags: RDONLY, readOnly: true })
    expect(codeOf(reader, () => reader.control.blkDiscard(1, 1))).toBe('EBADF')
    close(reader)
    const readOnly = open({ limits, readOnly: true })
    expect(codeOf(readOnly, () => readOnly.control.blkDiscard(1, 1))).toBe('EPERM')
    close(readOnly)
    const opened = open({ limits: { ...limits, logicalBlockSizeBytes: 4096 }, capacitySectors: 16 })
    const discard = (start: number, length: number): string =>
      codeOf(opened, () => opened.control.blkDiscard(start, length))
    expect(discard(512, 4096)).toBe('EINVAL')
    expect(discard(0, 512)).toBe('EINVAL')
    expect(discard(0, 0)).toBe('EINVAL')
    expect(discard(-4096, 4096)).toBe('EINVAL')
    expect(discard(4096, 8192)).toBe('EINVAL')
    expect(opened.driver.issued).toEqual([])
    expect(discard(4096, 4096)).toBe('ok')
    close(opened)
  })

  it('the helper takes a device without discard for done, and passes its error on', () => {
    const opened = open()
    expect(codeOf(opened, () => blkdevIssueDiscard(opened.lib, 0, 8))).toBe('ok')
    close(opened)
    const failing = open({ limits })
    failing.driver.endStatus = () => BlkStatus.MEDIUM
    expect(codeOf(failing, () => blkdevIssueDiscard(failing.lib, 0, 1 << 20))).toBe('ENODATA')
    close(failing)
  })
})

describe('secure erase', () => {
  const limits = { maxSecureEraseSectors: 20, logicalBlockSizeBytes: 4096 }

  it('in pieces of whole logical blocks', () => {
    const opened = open({ limits })
    opened.scheduler.runSync('erase', opened.control.blkSecDiscard(4096, 5 * 4096))
    expect(ranges(opened)).toEqual([
      [8, 16],
      [24, 16],
      [40, 8],
    ])
    expect(opened.driver.issued.every((rq) => (rq.op & 0xff) === ReqOp.SECURE_ERASE)).toBe(true)
    opened.driver.endStatus = () => BlkStatus.TARGET
    expect(codeOf(opened, () => opened.control.blkSecDiscard(0, 4096))).toBe('EREMOTEIO')
    close(opened)
  })

  it('EBADF, EOPNOTSUPP, EINVAL, EPERM', () => {
    const reader = open({ flags: RDONLY })
    expect(codeOf(reader, () => reader.control.blkSecDiscard(1, 1))).toBe('EBADF')
    close(reader)
    const none = open()
    expect(codeOf(none, () => none.control.blkSecDiscard(1, 1))).toBe('EOPNOTSUPP')
    expect(codeOf(none, () => blkdevIssueSecureErase(none.lib, 1, 1))).toBe('EOPNOTSUPP')
    close(none)
    const opened = open({ limits, capacitySectors: 16, readOnly: true })
    const erase = (start: number, length: number): string =>
      codeOf(opened, () => opened.control.blkSecDiscard(start, length))
    expect(erase(1, 512)).toBe('EINVAL')
    expect(erase(0, 512)).toBe('EINVAL')
    expect(erase(4096, 8192)).toBe('EINVAL')
    expect(erase(0, 4096)).toBe('EPERM')
    close(opened)
  })
})

describe('zeroing', () => {
  const limits = { maxWriteZeroesSectors: 16 }

  it('by the device, in pieces that it takes, the space kept or not', () => {
    const opened = open({ limits })
    const { control, scheduler, driver } = opened
    scheduler.runSync('zero', control.blkZeroOut(512, 512 * 40))
    expect(ranges(opened)).toEqual([
      [1, 16],
      [17, 16],
      [33, 8],
    ])
    const noUnmap = ReqOp.WRITE_ZEROES | ReqFlags.NOUNMAP
    expect(driver.issued.every((rq) => rq.op === noUnmap)).toBe(true)
    scheduler.runSync('punch', control.fallocate(PUNCH_HOLE | KEEP_SIZE, 0, 512))
    expect(driver.issued.at(-1)?.op).toBe(ReqOp.WRITE_ZEROES)
    scheduler.runSync('zero', control.fallocate(ZERO_RANGE, 0, 512))
    expect(driver.issued.at(-1)?.op).toBe(noUnmap)
    close(opened)
  })

  it('no bio is longer than 32 bits of bytes hold, in whole logical blocks', () => {
    const large = { maxWriteZeroesSectors: 0xffff_ffff, logicalBlockSizeBytes: 4096 }
    const opened = open({ limits: large, capacitySectors: 2 ** 24 })
    opened.scheduler.runSync('zero', opened.control.blkZeroOut(0, 2 ** 33))
    expect(ranges(opened)).toEqual([
      [0, 2 ** 23 - 8],
      [2 ** 23 - 8, 2 ** 23 - 8],
      [2 ** 24 - 16, 16],
    ])
    close(opened)
  })

  it('by pages of zeroes where the device cannot; a hole is never written', () => {
    const opened = open({ zeroFrame: ZERO_FRAME, limits: { maxHwSectors: 1024 } })
    const { control, scheduler, driver } = opened
    scheduler.runSync('zero', control.blkZeroOut(512 * 3, 512 * 3001))
    expect(ranges(opened).reduce((sum, [, sectors]) => sum + sectors, 0)).toBe(3001)
    expect(ranges(opened)[0]?.[0]).toBe(3)
    expect(driver.issued.every((rq) => (rq.op & 0xff) === ReqOp.WRITE)).toBe(true)
    const punch = PUNCH_HOLE | KEEP_SIZE
    expect(codeOf(opened, () => control.fallocate(punch, 0, 512))).toBe('EOPNOTSUPP')
    close(opened)
  })

  it('more than may be under way at once, also where the plug makes one request of it all', () => {
    const limits = { maxHwSectors: 1 << 20, maxUserSectors: 1 << 20, maxSegments: 65_535 }
    const opened = open({ zeroFrame: ZERO_FRAME, limits })
    const { control, scheduler, disk } = opened
    scheduler.runSync('zero', control.blkZeroOut(0, 100 << 20))
    expect(disk.stats.bytesWritten).toBe(100 << 20)
    close(opened)
  })

  it('the first of two errors is the one', () => {
    const opened = open({ limits })
    const { control, driver } = opened
    driver.endStatus = (rq) => (rq.sector === 0 ? BlkStatus.MEDIUM : BlkStatus.NOSPC)
    expect(codeOf(opened, () => control.blkZeroOut(0, 16_384))).toBe('ENODATA')
    expect(ranges(opened)).toHaveLength(2)
    close(opened)
  })

  it('without a page of zeroes EOPNOTSUPP', () => {
    const opened = open()
    expect(codeOf(opened, () => opened.control.blkZeroOut(0, 512))).toBe('EOPNOTSUPP')
    close(opened)
  })

  it('a device that says NOTSUPP at the command is written to instead; another error is the error', () => {
    const opened = open({ limits, zeroFrame: ZERO_FRAME })
    const { driver } = opened
    const isWrite = (op: number): boolean => (op & 0xff) === ReqOp.WRITE
    driver.endStatus = (rq) => (isWrite(rq.cmdFlags) ? BlkStatus.OK : BlkStatus.NOTSUPP)
    expect(codeOf(opened, () => opened.control.blkZeroOut(0, 4096))).toBe('ok')
    expect(driver.issued.map((rq) => isWrite(rq.op))).toEqual([false, true])
    driver.endStatus = () => BlkStatus.NOSPC
    expect(codeOf(opened, () => opened.control.blkZeroOut(0, 4096))).toBe('ENOSPC')
    close(opened)
  })

  it('EBADF, EINVAL, EPERM', () => {
    const reader = open({ limits, flags: RDONLY })
    expect(codeOf(reader, () => reader.control.blkZeroOut(1, 1))).toBe('EBADF')
    expect(codeOf(reader, () => reader.control.fallocate(ZERO_RANGE, 0, 512))).toBe('EBADF')
    close(reader)
    const opened = open({
      limits: { ...limits, logicalBlockSizeBytes: 4096 },
      capacitySectors: 16,
      zeroFrame: ZERO_FRAME,
    })
    const zero = (start: number, length: number): string =>
      codeOf(opened, () => opened.control.blkZeroOut(start, length))
    expect(zero(1, 512)).toBe('EINVAL')
    expect(zero(512, 4096)).toBe('EINVAL')
    expect(zero(0, 16_384)).toBe('EINVAL')
    expect(codeOf(opened, () => blkdevIssueZeroout(opened.lib, 8, 1))).toBe('EINVAL')
    opened.disk.setReadOnly(true)
    expect(zero(0, 4096)).toBe('EPERM')
    close(opened)
  })

  it('fallocate WRITE_ZEROES: only where zeroing frees, and never with KEEP_SIZE', () => {
    const unmap = { maxWriteZeroesSectors: 16, maxHwWzeroesUnmapSectors: 16 }
    const opened = open({ limits: unmap })
    const falloc = (mode: number): string =>
      codeOf(opened, () => opened.control.fallocate(mode, 0, 4096))
    expect(falloc(WRITE_ZEROES)).toBe('ok')
    expect(opened.driver.issued.map((rq) => rq.op)).toEqual([ReqOp.WRITE_ZEROES])
    expect(falloc(WRITE_ZEROES | KEEP_SIZE)).toBe('EOPNOTSUPP')
    close(opened)
    const keeping = open({ limits: { maxWriteZeroesSectors: 16 } })
    expect(codeOf(keeping, () => keeping.control.fallocate(WRITE_ZEROES, 0, 512))).toBe(
      'EOPNOTSUPP',
    )
    close(keeping)
  })

  it('fallocate: modes, and the end of the disk', () => {
    const opened = open({ limits, capacitySectors: 16 })
    const { control } = opened
    const falloc = (mode: number, start: number, length: number): string =>
      codeOf(opened, () => control.fallocate(mode, start, length))
    for (const mode of [0, KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE | PUNCH_HOLE]) {
      expect(falloc(mode, 0, 512)).toBe('EOPNOTSUPP')
    }
    expect(falloc(ZERO_RANGE, -512, 512)).toBe('EINVAL')
    expect(falloc(ZERO_RANGE, 0, 0)).toBe('EINVAL')
    expect(falloc(ZERO_RANGE, 8192 - 512, 1024)).toBe('EINVAL')
    expect(falloc(ZERO_RANGE | KEEP_SIZE, 8192, 512)).toBe('EINVAL')
    expect(falloc(ZERO_RANGE, 100, 512)).toBe('EINVAL')
    expect(opened.driver.issued).toEqual([])
    expect(falloc(ZERO_RANGE | KEEP_SIZE, 8192 - 512, 4096)).toBe('ok')
    expect(ranges(opened)).toEqual([[15, 1]])
    close(opened)
  })
})

describe('flush', () => {
  it('is a flush of the device, and none where it has no cache', () => {
    const opened = open({ limits: { writeCache: true } })
    expect(codeOf(opened, () => blkdevIssueFlush(opened.lib))).toBe('ok')
    expect(opened.driver.issued.map((rq) => rq.op)).toEqual([ReqOp.FLUSH])
    opened.driver.endStatus = () => BlkStatus.IOERR
    expect(codeOf(opened, () => blkdevIssueFlush(opened.lib))).toBe('EIO')
    close(opened)
    const plain = open()
    expect(codeOf(plain, () => blkdevIssueFlush(plain.lib))).toBe('ok')
    expect(plain.driver.issued).toEqual([])
    close(plain)
  })
})
