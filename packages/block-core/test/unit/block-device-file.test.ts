// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import { DmaDirection } from '@iolayers/dma-mapping'
import { Ability, Errno, type File, OpenFlags } from '@iolayers/kernel'
import { IocbFlags, IovIter, ITER_DEST, ITER_SOURCE, type Kiocb } from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import {
  BlkStatus,
  createBlockDeviceFile,
  createDisk,
  createTagSet,
  type Disk,
  type DmabufFile,
  type DmabufIoMap,
  type DmabufToken,
  type DmabufTokenOptions,
  dmabufFile,
  Plug,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import {
  BatchDriver,
  type DiskSetup,
  dmabufIter,
  FakeMap,
  KiocbRecorder,
  type Machine,
  makeDisk,
  makeMachine,
  newKiocb,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

interface Opened extends Machine {
  readonly driver: ScriptedDriver
  readonly disk: Disk
  readonly file: File
  readonly io: DmabufFile
  readonly recorder: KiocbRecorder
  readonly kiocb: Kiocb<Plug>
}

const RDWR = OpenFlags.O_RDWR | OpenFlags.O_DIRECT

function open(
  setup: DiskSetup & { flags?: number; batch?: boolean; maxIos?: number } = {},
  decide: ConstructorParameters<typeof ScriptedDriver>[1] = () => BlkStatus.OK,
): Opened {
  const machine = makeMachine()
  const Driver = setup.batch === true ? BatchDriver : ScriptedDriver
  const driver = new Driver(machine.kernel, decide)
  const disk = makeDisk(machine.kernel, driver, setup)
  const init = { flags: setup.flags ?? RDWR, ...(setup.maxIos ? { maxIos: setup.maxIos } : {}) }
  const file = createBlockDeviceFile({ kernel: machine.kernel, disk }, init)
  const io = file.query(dmabufFile)
  if (io === undefined) throw new Error('no dmabuf file')
  const recorder = new KiocbRecorder()
  const kiocb = newKiocb(recorder)
  kiocb.init(file, 0)
  return { ...machine, driver, disk, file, io, recorder, kiocb }
}

function close(opened: Opened): void {
  opened.file.put()
  tearDown(opened, opened.disk)
}

function kvecIter(runs: number, bytes: number, write = false): IovIter<DmabufIoMap> {
  const iter = new IovIter<DmabufIoMap>()
  const list = Array.from({ length: runs }, (_, i) => ({
    frame: 2 * i + 1,
    offsetBytes: 0,
    lengthBytes: bytes,
  }))
  iter.initKvec(write ? ITER_SOURCE : ITER_DEST, list, runs, runs * bytes)
  return iter
}

describe('opening', () => {
  it('needs O_DIRECT: EINVAL that shows the flags', () => {
    const { kernel } = makeMachine()
    const disk = makeDisk(kernel, new ScriptedDriver(kernel))
    expect(() => createBlockDeviceFile({ kernel, disk }, { flags: OpenFlags.O_RDWR })).toThrow(
      /flags are 02, O_DIRECT/,
    )
  })

  it('O_EXCL: EBUSY while another has the disk, which keeps out nobody else', () => {
    const { kernel } = makeMachine()
    const disk = makeDisk(kernel, new ScriptedDriver(kernel))
    const opening = (flags: number): File => createBlockDeviceFile({ kernel, disk }, { flags })
    const first = opening(RDWR | OpenFlags.O_EXCL)
    expect(disk.claim.isClaimed).toBe(true)
    expect(() => opening(RDWR | OpenFlags.O_EXCL)).toThrow(
      expect.objectContaining({ code: 'EBUSY' }),
    )
    opening(RDWR).put()
    first.put()
    const second = opening(RDWR | OpenFlags.O_EXCL)
    expect(() => disk.claim.claim(disk)).toThrow('exclusive holder')
    second.put()
    disk.claim.claim(disk)
    disk.claim.claim(disk)
    disk.claim.release(disk)
    expect(() => opening(RDWR | OpenFlags.O_EXCL)).toThrow('exclusive holder')
    expect(() => disk.claim.release({})).toThrow('somebody else')
    disk.claim.release(disk)
    expect(disk.claim.isClaimed).toBe(false)
  })

  it('answers the dmabuf ability and no other', () => {
    const opened = open()
    expect(opened.file.query(new Ability<string>('other'))).toBe(undefined)
    close(opened)
  })
})

describe('reading and writing', () => {
  it('a dmabuf read is queued, and completes with its bytes', () => {
    const opened = open()
    const { io, kiocb, recorder, scheduler, driver } = opened
    const map = new FakeMap(1 << 20, 12)
    const iter = dmabufIter(map, 8192, 4096)
    kiocb.posBytes = 65_536
    expect(io.readIter(kiocb, iter)).toBe(-Errno.EIOCBQUEUED)
    expect(iter.countBytes).toBe(0)
    expect(recorder.results).toEqual([])
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([4096])
    expect(kiocb).toMatchObject({ posBytes: 69_632, fragmentsIssued: true })
    expect(driver.issued).toMatchObject([{ sector: 128, bytes: 4096, offset: 8192 }])
    expect(map).toMatchObject({ refs: 1, active: 0 })
    close(opened)
  })

  it('a plug in the kiocb gathers plain submissions', () => {
    const opened = open({ batch: true })
    const { io, kiocb, recorder, scheduler, driver } = opened
    const plug = new Plug()
    const second = newKiocb(recorder)
    for (const each of [kiocb, second]) {
      each.init(opened.file, 0)
      each.plug = plug
      io.writeIter(each, kvecIter(1, 4096, true))
    }
    expect(driver.issued).toHaveLength(0)
    plug.finish()
    expect(driver.batches).toEqual([2])
    expect(driver.issued[0]?.op).toBe(ReqOp.WRITE | ReqFlags.SYNC | ReqFlags.IDLE)
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([4096, 4096])
    close(opened)
  })

  it('is short at the end of the device, 0 or ENOSPC beyond it', () => {
    const opened = open({ capacitySectors: 16 })
    const { io, kiocb, recorder, scheduler } = opened
    const map = new FakeMap(1 << 20, 12)
    const iter = dmabufIter(map, 0, 8192)
    kiocb.posBytes = 4096
    expect(io.readIter(kiocb, iter)).toBe(-Errno.EIOCBQUEUED)
    expect(iter).toMatchObject({ countBytes: 4096, offsetBytes: 4096 })
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([4096])
    expect(kiocb.posBytes).toBe(8192)
    expect(io.readIter(kiocb, iter)).toBe(0)
    expect(io.writeIter(kiocb, iter)).toBe(-Errno.ENOSPC)
    const waiting = scheduler.runSync('read', io.readIterWait(kiocb, dmabufIter(map, 0, 4096)))
    expect(waiting).toBe(0)
    expect(io.readIter(kiocb, dmabufIter(map, 0, 0))).toBe(0)
    close(opened)
  })

  it('EINVAL: position, count, offset in the buffer or address off their alignment', () => {
    const limits = { logicalBlockSizeBytes: 4096, dmaAlignmentMask: 511 }
    const opened = open({ limits })
    const { io, kiocb } = opened
    const map = new FakeMap(1 << 20, 12)
    const read = (pos: number, offset: number, bytes: number) => {
      kiocb.posBytes = pos
      return io.readIter(kiocb, dmabufIter(map, offset, bytes))
    }
    expect(read(512, 0, 4096)).toBe(-Errno.EINVAL)
    expect(read(-4096, 0, 4096)).toBe(-Errno.EINVAL)
    expect(read(0, 0, 512)).toBe(-Errno.EINVAL)
    expect(read(0, 4, 4096)).toBe(-Errno.EINVAL)
    const iter = new IovIter<DmabufIoMap>()
    iter.initKvec(ITER_DEST, [{ frame: 1, offsetBytes: 8, lengthBytes: 4096 }], 1, 4096)
    kiocb.posBytes = 0
    expect(io.readIter(kiocb, iter)).toBe(-Errno.EINVAL)
    close(opened)
  })

  it('S8: with O_DIRECT cleared later no iterator is taken', () => {
    const opened = open()
    const { io, kiocb, file, driver } = opened
    file.flags &= ~OpenFlags.O_DIRECT
    kiocb.init(file, 0)
    expect(io.readIter(kiocb, dmabufIter(new FakeMap(8192, 12), 0, 4096))).toBe(-Errno.EINVAL)
    expect(io.writeIter(kiocb, kvecIter(1, 4096, true))).toBe(-Errno.EINVAL)
    expect(driver.issued).toHaveLength(0)
    close(opened)
  })

  it('EBADF against the mode of the file, EPERM for a write to a read-only disk', () => {
    const reader = open({ flags: OpenFlags.O_RDONLY | OpenFlags.O_DIRECT })
    expect(reader.io.writeIter(reader.kiocb, kvecIter(1, 512, true))).toBe(-Errno.EBADF)
    const waited = reader.io.writeIterWait(reader.kiocb, kvecIter(1, 512, true))
    expect(reader.scheduler.runSync('write', waited)).toBe(-Errno.EBADF)
    close(reader)
    const writer = open({ flags: OpenFlags.O_WRONLY | OpenFlags.O_DIRECT })
    expect(writer.io.readIter(writer.kiocb, kvecIter(1, 512))).toBe(-Errno.EBADF)
    const read = writer.io.readIterWait(writer.kiocb, kvecIter(1, 512))
    expect(writer.scheduler.runSync('read', read)).toBe(-Errno.EBADF)
    close(writer)
    const readOnly = open({ readOnly: true })
    expect(readOnly.io.writeIter(readOnly.kiocb, kvecIter(1, 512, true))).toBe(-Errno.EPERM)
    close(readOnly)
  })

  it('R6, R-BIO-5: what needs a split is EAGAIN with the iterator as it was; the waiting form does it', () => {
    const opened = open({ limits: { maxSegments: 2 }, batch: true })
    const { io, kiocb, scheduler, recorder, driver } = opened
    const map = new FakeMap(1 << 20, 12)
    const iter = dmabufIter(map, 4096, 32_768)
    expect(io.readIter(kiocb, iter)).toBe(-Errno.EAGAIN)
    expect(iter).toMatchObject({ countBytes: 32_768, offsetBytes: 4096 })
    expect(kiocb.fragmentsIssued).toBe(false)
    const result = scheduler.runSync('read', io.readIterWait(kiocb, iter))
    expect(result).toBe(-Errno.EIOCBQUEUED)
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([32_768])
    expect(driver.batches).toEqual([4])
    expect(iter.countBytes).toBe(0)
    close(opened)
  })

  it('an I/O of more runs than a bio has entries takes several bios', () => {
    const limits = { maxHwSectors: 8192, maxSegments: 512, atomicWriteHwMaxBytes: 524_288 }
    const opened = open({ queueDepth: 2, limits })
    const { io, kiocb, scheduler, recorder, disk } = opened
    const iter = kvecIter(600, 512)
    expect(io.readIter(kiocb, iter)).toBe(-Errno.EAGAIN)
    expect(iter.countBytes).toBe(600 * 512)
    scheduler.runSync('read', io.readIterWait(kiocb, iter))
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([600 * 512])
    expect(disk.stats.bios).toBe(3)
    expect(iter.countBytes).toBe(0)
    kiocb.init(opened.file, 0)
    kiocb.flags |= IocbFlags.NOWAIT
    const nowait = io.readIterWait(kiocb, kvecIter(600, 512))
    expect(scheduler.runSync('read', nowait)).toBe(-Errno.EAGAIN)
    kiocb.flags = IocbFlags.DIRECT | IocbFlags.ATOMIC
    const atomic = io.writeIterWait(kiocb, kvecIter(512, 512, true))
    expect(scheduler.runSync('write', atomic)).toBe(-Errno.EINVAL)
    close(opened)
  })

  it('more bios than the file has wait for each other', () => {
    const opened = open({
      queueDepth: 1,
      maxIos: 1,
      limits: { maxHwSectors: 8192, maxSegments: 512 },
    })
    const { io, scheduler, recorder, file } = opened
    for (let i = 0; i < 3; i++) {
      const kiocb = newKiocb(recorder)
      kiocb.init(file, 0)
      scheduler.spawn(`reader ${i}`, io.readIterWait(kiocb, kvecIter(1100, 512)))
    }
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([563_200, 563_200, 563_200])
    close(opened)
  })

  it('runs that together are less than a block end the I/O with EINVAL', () => {
    const limits = {
      logicalBlockSizeBytes: 4096,
      dmaAlignmentMask: 3,
      maxSegments: 2048,
      maxHwSectors: 8192,
    }
    const opened = open({ limits })
    const { io, kiocb, scheduler, recorder } = opened
    const iter = new IovIter<DmabufIoMap>()
    const list = Array.from({ length: 1024 }, (_, i) => ({
      frame: 2 * i + 1,
      offsetBytes: 0,
      lengthBytes: 4,
    }))
    iter.initKvec(ITER_DEST, list, 1024, 4096)
    expect(io.readIter(kiocb, iter)).toBe(-Errno.EINVAL)
    expect(scheduler.runSync('read', io.readIterWait(kiocb, iter))).toBe(-Errno.EINVAL)
    expect(iter.countBytes).toBe(4096)
    const mixed = new IovIter<DmabufIoMap>()
    const long = [{ frame: 9000, offsetBytes: 0, lengthBytes: 8192 - 4 }, ...list]
    mixed.initKvec(ITER_DEST, long, 1025, 12_288 - 4 - 4092 + 4092)
    mixed.truncate(12_288 - 4096)
    mixed.reexpand(12_288 - 4096)
    scheduler.runSync('read', io.readIterWait(kiocb, mixed))
    scheduler.runUntilIdle()
    expect(recorder.results).toHaveLength(1)
    close(opened)
  })

  it('EAGAIN where there is no direct I/O free, and the waiting form waits', () => {
    const opened = open({ maxIos: 1 }, () => 'hold')
    const { io, kiocb, scheduler, recorder, driver, file } = opened
    const map = new FakeMap(1 << 20, 12)
    io.readIter(kiocb, dmabufIter(map, 0, 4096))
    const second = newKiocb(recorder)
    second.init(file, 4096)
    expect(io.readIter(second, dmabufIter(map, 0, 4096))).toBe(-Errno.EAGAIN)
    expect(io.fsync(second)).toBe(0)
    scheduler.spawn('reader', io.readIterWait(second, dmabufIter(map, 0, 4096)), { daemon: true })
    scheduler.runUntilIdle()
    driver.releaseHeld()
    scheduler.runUntilIdle()
    driver.releaseHeld()
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([4096, 4096])
    close(opened)
  })

  it('R2, R-MQ-8: a map lost between fragments is ESTALE with fragmentsIssued; lost before, without', () => {
    const map = new FakeMap(1 << 20, 12)
    const opened = open({ limits: { maxSegments: 1 } }, (rq) => {
      if (rq.dmabufOffsetBytes === 4096) map.dead = true
      return BlkStatus.OK
    })
    const { io, kiocb, scheduler, recorder, file } = opened
    scheduler.runSync('read', io.readIterWait(kiocb, dmabufIter(map, 0, 8192)))
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([-Errno.ESTALE])
    expect(kiocb).toMatchObject({ fragmentsIssued: true, posBytes: 0 })
    kiocb.init(file, 0)
    expect(io.readIter(kiocb, dmabufIter(map, 0, 4096))).toBe(-Errno.EIOCBQUEUED)
    expect(recorder.results).toEqual([-Errno.ESTALE, -Errno.ESTALE])
    expect(kiocb.fragmentsIssued).toBe(false)
    close(opened)
  })

  it('kiocb flags become request flags', () => {
    const opened = open({ limits: { writeCache: true, fua: true, atomicWriteHwMaxBytes: 4096 } })
    const { io, kiocb, scheduler, driver } = opened
    kiocb.flags |= IocbFlags.DSYNC | IocbFlags.ATOMIC | IocbFlags.NOWAIT
    io.writeIter(kiocb, kvecIter(1, 4096, true))
    scheduler.runUntilIdle()
    const wanted = ReqFlags.FUA | ReqFlags.ATOMIC | ReqFlags.NOWAIT
    expect((driver.issued[0]?.op ?? 0) & wanted).toBe(wanted)
    kiocb.posBytes = opened.disk.capacitySectors * 512 - 512
    expect(io.writeIter(kiocb, kvecIter(1, 1024, true))).toBe(-Errno.EINVAL)
    close(opened)
  })
})

describe('fsync', () => {
  it('without a write cache there is nothing to do', () => {
    const opened = open()
    expect(opened.io.fsync(opened.kiocb)).toBe(0)
    expect(opened.scheduler.runSync('fsync', opened.io.fsyncWait(opened.kiocb))).toBe(0)
    close(opened)
  })

  it('with one it is a flush, in both forms, and 0 at the end', () => {
    const opened = open({ limits: { writeCache: true }, queueDepth: 1, maxIos: 1 })
    const { io, kiocb, scheduler, recorder, driver } = opened
    expect(io.fsync(kiocb)).toBe(-Errno.EIOCBQUEUED)
    expect(io.fsync(kiocb)).toBe(-Errno.EAGAIN)
    scheduler.spawn('fsync', io.fsyncWait(kiocb))
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([0, 0])
    expect(driver.issued.map((rq) => rq.op)).toEqual([ReqOp.FLUSH, ReqOp.FLUSH])
    close(opened)
  })
})

describe('registration', () => {
  const buffer = { name: 'b' } as unknown as DmaBuf

  it('R-MQ-1: EOPNOTSUPP where the disk takes none', () => {
    const opened = open()
    expect(() => opened.io.createDmabufToken(buffer, DmaDirection.BIDIRECTIONAL)).toThrow(
      expect.objectContaining({ code: 'EOPNOTSUPP' }),
    )
    close(opened)
  })

  it('R-MQ-1: goes to the driver of the disk, with what the registration chose', () => {
    const machine = makeMachine()
    const driver = new ScriptedDriver(machine.kernel)
    const tagSet = createTagSet(
      { kernel: machine.kernel },
      { ops: driver, nrHwQueues: 1, queueDepth: 1 },
    )
    const token = { sizeBytes: 4096 } as DmabufToken
    const seen: unknown[] = []
    const dmabuf = {
      *createDmabufToken(dmabuf: DmaBuf, direction: DmaDirection, options?: DmabufTokenOptions) {
        seen.push(dmabuf, direction, options)
        return token
      },
    }
    const disk = createDisk(
      { kernel: machine.kernel, tagSet },
      { name: 'd0', capacitySectors: 8, dmabuf },
    )
    const file = createBlockDeviceFile({ kernel: machine.kernel, disk }, { flags: RDWR })
    const io = file.query(dmabufFile)
    if (io === undefined) throw new Error('no dmabuf file')
    const options = { policy: 'drain' } as const
    const made = machine.scheduler.runSync('register', io.createDmabufToken(buffer, 0, options))
    expect(made).toBe(token)
    expect(seen).toEqual([buffer, 0, options])
    tearDown(machine, disk)
  })
})
