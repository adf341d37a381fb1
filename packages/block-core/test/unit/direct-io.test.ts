// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno } from '@iolayers/kernel'
import { IocbFlags, type IovIter, Kiocb, RwfFlags, vfsIterRead, vfsIterWrite } from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import {
  type BlkMqHwCtx,
  BlkStatus,
  blkMqEndRequest,
  blkMqMapQueues,
  blkMqStartRequest,
  createBlockDeviceFile,
  createDisk,
  createTagSet,
  type DmabufIoMap,
  type Plug,
  ReqFlags,
  ReqOp,
  type Request,
} from '../../src/index.ts'
import {
  apart,
  closeFile,
  fileOf,
  newInit,
  type OpenedFile,
  openFile,
  RDWR,
  runOp,
  vecIter,
} from '../file-support.ts'
import {
  dmabufIter,
  FakeMap,
  KiocbRecorder,
  makeMachine,
  newKiocb,
  ScriptedDriver,
} from '../support.ts'

describe('synchronous I/O', () => {
  it('O_APPEND means nothing to a disk', () => {
    const opened = openFile()
    const { io, file, driver } = opened
    const write = vfsIterWrite(
      file,
      io,
      vecIter('kvec', apart(1, 512), true),
      4096,
      RwfFlags.APPEND,
    )
    expect(runOp(opened, write)).toBe(512)
    expect(driver.issued[0]?.sector).toBe(8)
    closeFile(opened)
  })

  it('returns its bytes, moves the position, and is never polled', () => {
    const opened = openFile()
    const { io, file, driver } = opened
    const kiocb = new Kiocb<Plug>(null)
    kiocb.init(file, 4096)
    kiocb.flags |= IocbFlags.HIPRI
    const iter = vecIter('kvec', apart(3, 4096))
    expect(runOp(opened, io.readIterWait(kiocb, iter))).toBe(12_288)
    expect(kiocb).toMatchObject({ posBytes: 16_384, fragmentsIssued: true })
    expect(iter.countBytes).toBe(0)
    expect((driver.issued[0]?.op ?? 0) & ReqFlags.POLLED).toBe(0)
    expect(runOp(opened, vfsIterWrite(file, io, vecIter('bvec', apart(1, 512), true), 0))).toBe(512)
    closeFile(opened)
  })

  it('waits for every bio of several, and as many at once as the file has', () => {
    const limits = { maxHwSectors: 8192, maxSegments: 512 }
    const opened = openFile({ limits, maxIos: 1, queueDepth: 2 })
    const { io, file, disk } = opened
    const iter = vecIter('iovec', apart(1000, 512))
    const results: number[] = []
    for (let i = 0; i < 3; i++) {
      opened.scheduler.spawn(
        `reader ${i}`,
        (function* () {
          results.push(yield* vfsIterRead(file, io, vecIter('iovec', apart(600, 512)), 0))
        })(),
      )
    }
    expect(runOp(opened, vfsIterRead(file, io, iter, 512))).toBe(512_000)
    opened.scheduler.runUntilIdle()
    expect(results).toEqual([307_200, 307_200, 307_200])
    expect(disk.stats.bios).toBe(4 + 9)
    closeFile(opened)
  })

  it('bios that wait in its own plug do not keep it waiting', () => {
    const opened = openFile({ limits: { maxHwSectors: 8192, maxSegments: 512 }, maxIos: 1 })
    const { io, file } = opened
    const read = vfsIterRead(file, io, vecIter('iovec', apart(1100, 512)), 0)
    expect(runOp(opened, read)).toBe(563_200)
    closeFile(opened)
  })

  it('an error comes back with the iterator as it was; the first of several is the one', () => {
    const limits = { maxHwSectors: 8192, maxSegments: 512 }
    const opened = openFile({ limits })
    const { io, file, driver } = opened
    driver.endStatus = (rq) => (rq.sector >= 256 ? BlkStatus.MEDIUM : BlkStatus.OK)
    const iter = vecIter('iovec', apart(600, 512))
    const kiocb = new Kiocb<Plug>(null)
    kiocb.init(file, 0)
    expect(runOp(opened, io.readIterWait(kiocb, iter))).toBe(-Errno.ENODATA)
    expect(iter.countBytes).toBe(307_200)
    expect(kiocb).toMatchObject({ posBytes: 0, fragmentsIssued: true })
    driver.endStatus = (rq) => (rq.sector >= 512 ? BlkStatus.NOSPC : BlkStatus.TARGET)
    expect(runOp(opened, io.readIterWait(kiocb, iter))).toBe(-Errno.EREMOTEIO)
    closeFile(opened)
  })

  it('is short at the end of the disk, and asks nothing of what lies behind', () => {
    const opened = openFile({ capacitySectors: 16 })
    const { io, file } = opened
    const iter = vecIter('iovec', [
      [1, 0, 4096],
      [9, 3, 100],
    ])
    expect(runOp(opened, vfsIterRead(file, io, iter, 4096))).toBe(4096)
    expect(iter.countBytes).toBe(100)
    expect(runOp(opened, vfsIterRead(file, io, iter, 8192))).toBe(0)
    closeFile(opened)
  })

  it('is refused by the form that never waits', () => {
    const opened = openFile({ limits: { writeCache: true } })
    const kiocb = new Kiocb<Plug>(null)
    kiocb.init(opened.file, 0)
    expect(() => opened.io.readIter(kiocb, vecIter('kvec', apart(1, 512)))).toThrow(/synchronous/)
    expect(() => opened.io.fsync(kiocb)).toThrow(/synchronous/)
    expect(runOp(opened, opened.io.fsyncWait(kiocb))).toBe(0)
    closeFile(opened)
  })
})

describe('durable writes', () => {
  const FUA_OP = ReqOp.WRITE | ReqFlags.SYNC | ReqFlags.IDLE | ReqFlags.FUA
  const WRITE_OP = FUA_OP & ~ReqFlags.FUA

  it.each([
    ['no cache: a plain write', { writeCache: false }, [WRITE_OP]],
    ['a cache and FUA: a FUA write', { writeCache: true, fua: true }, [FUA_OP]],
    ['a cache without FUA: a write, then a flush', { writeCache: true }, [WRITE_OP, ReqOp.FLUSH]],
  ])('asynchronous DSYNC with %s', (_name, limits, wanted) => {
    const opened = openFile({ limits })
    const recorder = new KiocbRecorder()
    const kiocb = newKiocb(recorder)
    kiocb.init(opened.file, 0)
    kiocb.flags |= IocbFlags.DSYNC
    opened.io.writeIter(kiocb, vecIter('kvec', apart(1, 512), true))
    opened.scheduler.runUntilIdle()
    expect(recorder.results).toEqual([512])
    expect(opened.driver.issued.map((rq) => rq.op)).toEqual(wanted)
    closeFile(opened)
  })

  it('synchronous DSYNC flushes in the end, whose error is the result', () => {
    const opened = openFile({ limits: { writeCache: true, fua: true } })
    const { io, file, driver } = opened
    const write = (rwf: number): number =>
      runOp(opened, vfsIterWrite(file, io, vecIter('kvec', apart(1, 512), true), 0, rwf))
    expect(write(RwfFlags.SYNC)).toBe(512)
    expect(driver.issued.map((rq) => rq.op)).toEqual([FUA_OP, ReqOp.FLUSH])
    driver.endStatus = (rq) => (rq.dataBytes === 0 ? BlkStatus.TRANSPORT : BlkStatus.OK)
    expect(write(RwfFlags.DSYNC)).toBe(-Errno.ENOLINK)
    expect(write(0)).toBe(512)
    closeFile(opened)
  })
})

describe('NOWAIT', () => {
  it('R6: no tag, no direct I/O, a split or several bios are EAGAIN in the waiting form too', () => {
    const limits = { maxSegments: 2, maxHwSectors: 8192 }
    const opened = openFile({ limits, queueDepth: 1, maxIos: 2 }, () => 'hold')
    const { io, file, driver, disk } = opened
    const map = new FakeMap(1 << 20, 12)
    const recorder = new KiocbRecorder()
    const read = (iter: IovIter<DmabufIoMap>): number => {
      const kiocb = newKiocb(recorder)
      kiocb.init(file, 0)
      kiocb.flags |= IocbFlags.NOWAIT
      return runOp(opened, io.readIterWait(kiocb, iter))
    }
    const split = dmabufIter(map, 0, 65_536)
    expect(read(split)).toBe(-Errno.EIOCBQUEUED)
    expect(recorder.results).toEqual([-Errno.EAGAIN])
    const many = vecIter('kvec', apart(600, 512))
    expect(read(many)).toBe(-Errno.EAGAIN)
    expect(many.countBytes).toBe(600 * 512)
    const first = newKiocb(recorder)
    first.init(file, 0)
    expect(io.readIter(first, dmabufIter(map, 0, 4096))).toBe(-Errno.EIOCBQUEUED)
    expect(read(dmabufIter(map, 0, 4096))).toBe(-Errno.EIOCBQUEUED)
    expect(recorder.results).toEqual([-Errno.EAGAIN, -Errno.EAGAIN])
    opened.scheduler.spawn(
      'reader',
      io.readIterWait(newInit(recorder, file), dmabufIter(map, 0, 512)),
      { daemon: true },
    )
    opened.scheduler.runUntilIdle()
    expect(read(dmabufIter(map, 0, 4096))).toBe(-Errno.EAGAIN)
    driver.releaseHeld()
    opened.scheduler.runUntilIdle()
    driver.releaseHeld()
    expect(recorder.results).toEqual([-Errno.EAGAIN, -Errno.EAGAIN, 4096, 512])
    expect(disk.stats.again).toBeGreaterThan(0)
    closeFile(opened)
  })
})

describe('polled I/O', () => {
  /** Ends nothing by itself what is polled. */
  class PollDriver extends ScriptedDriver {
    readonly polled: Request[] = []
    polls = 0

    override queueRq(
      hctx: BlkMqHwCtx,
      rq: Request<{ requeued: number }>,
      last: boolean,
    ): BlkStatus {
      if ((rq.cmdFlags & ReqFlags.POLLED) === 0) return super.queueRq(hctx, rq, last)
      blkMqStartRequest(rq)
      this.polled.push(rq)
      return BlkStatus.OK
    }

    poll(): number {
      this.polls++
      const found = this.polled.splice(0)
      for (const rq of found) blkMqEndRequest(rq, BlkStatus.OK)
      return found.length
    }
  }

  function openPolled(nrMaps: number): OpenedFile & { driver: PollDriver } {
    const machine = makeMachine()
    const driver = new PollDriver(machine.kernel)
    const tagSet = createTagSet(
      { kernel: machine.kernel },
      {
        ops: driver,
        nrHwQueues: 2,
        queueDepth: 4,
        nrMaps,
        nrCpus: 1,
        mapQueues: (maps) => {
          for (const [kind, map] of maps.entries()) {
            map.nrQueues = kind === 1 ? 0 : 1
            map.queueOffset = kind === 2 ? 1 : 0
            if (map.nrQueues > 0) blkMqMapQueues(map)
          }
        },
      },
    )
    const limits = { maxHwSectors: 8192, maxSegments: 512 }
    const init = { name: 'poll0', capacitySectors: 1 << 16, limits }
    const disk = createDisk({ kernel: machine.kernel, tagSet }, init)
    const file = createBlockDeviceFile({ kernel: machine.kernel, disk }, { flags: RDWR })
    return { ...machine, driver, disk, file, io: fileOf(file) }
  }

  function hipri(opened: OpenedFile, recorder: KiocbRecorder): Kiocb<Plug> {
    const kiocb = newInit(recorder, opened.file)
    kiocb.flags |= IocbFlags.HIPRI
    return kiocb
  }

  it('ends when somebody polls, and not before', () => {
    const opened = openPolled(3)
    const { io, scheduler, driver } = opened
    const recorder = new KiocbRecorder()
    const kiocb = hipri(opened, recorder)
    expect(io.readIter(kiocb, vecIter('kvec', apart(1, 4096)))).toBe(-Errno.EIOCBQUEUED)
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([])
    expect(io.ioPoll?.(kiocb)).toBe(1)
    expect(recorder.results).toEqual([4096])
    expect(driver.polls).toBeGreaterThan(0)
    closeFile(opened)
  })

  it('F4, D2: I/O on a registered buffer ends by itself, whether or not anybody polls', () => {
    const opened = openPolled(3)
    const { io, scheduler, driver } = opened
    const recorder = new KiocbRecorder()
    const map = new FakeMap(1 << 20, 12)
    expect(io.readIter(hipri(opened, recorder), dmabufIter(map, 0, 4096))).toBe(-Errno.EIOCBQUEUED)
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([4096])
    expect([driver.polls, map.active]).toEqual([0, 0])
    closeFile(opened)
  })

  it('whoever waits for the end polls nothing, and is not polled', () => {
    const opened = openPolled(3)
    const { io, driver } = opened
    const kiocb = new Kiocb<Plug>(null)
    kiocb.init(opened.file, 0)
    kiocb.flags |= IocbFlags.HIPRI
    expect(runOp(opened, io.readIterWait(kiocb, vecIter('kvec', apart(1, 512))))).toBe(512)
    expect(driver.polled).toEqual([])
    closeFile(opened)
  })

  it('several bios, and disks without queues to poll, complete by themselves', () => {
    const opened = openPolled(3)
    const recorder = new KiocbRecorder()
    const many = vecIter('kvec', apart(600, 512))
    runOp(opened, opened.io.readIterWait(hipri(opened, recorder), many))
    opened.scheduler.runUntilIdle()
    expect(recorder.results).toEqual([600 * 512])
    expect(opened.driver.polled).toEqual([])
    closeFile(opened)
    const plain = openPolled(1)
    plain.io.readIter(hipri(plain, recorder), vecIter('kvec', apart(1, 512)))
    plain.scheduler.runUntilIdle()
    expect(recorder.results).toEqual([600 * 512, 512])
    closeFile(plain)
  })
})

describe('several bios', () => {
  it('a bio that cannot be built ends the whole with EINVAL, after what went out', () => {
    const limits = { logicalBlockSizeBytes: 4096, dmaAlignmentMask: 3, maxSegments: 2048 }
    const opened = openFile({ limits: { ...limits, maxHwSectors: 8192 } })
    const { io, file, driver } = opened
    const recorder = new KiocbRecorder()
    const tiny = Array.from({ length: 1024 }, (_, i) => [4096 + 2 * i, 0, 4] as const)
    const iter = vecIter('kvec', [...apart(256, 4096), ...tiny])
    const kiocb = newInit(recorder, file)
    expect(runOp(opened, io.readIterWait(kiocb, iter))).toBe(-Errno.EIOCBQUEUED)
    expect(recorder.results).toEqual([])
    opened.scheduler.runUntilIdle()
    expect(recorder.results).toEqual([-Errno.EINVAL])
    expect(kiocb).toMatchObject({ fragmentsIssued: true, posBytes: 0 })
    expect(iter.countBytes).toBe(4096)
    const issued = driver.issued.reduce((sum, rq) => sum + rq.bytes, 0)
    expect(issued).toBe(1 << 20)
    const again = vecIter('kvec', [...apart(256, 4096), ...tiny])
    expect(runOp(opened, vfsIterRead(file, io, again, 0))).toBe(-Errno.EINVAL)
    expect(again.countBytes).toBe((1 << 20) + 4096)
    closeFile(opened)
  })

  it('the priority is that of the kiocb, in every bio', () => {
    const seen: (number | undefined)[] = []
    const limits = { maxHwSectors: 8192, maxSegments: 512 }
    const opened = openFile({ limits }, (rq) => {
      seen.push(rq.bio?.biIoprio)
      return BlkStatus.OK
    })
    const kiocb = newInit(new KiocbRecorder(), opened.file)
    kiocb.ioprio = (1 << 13) | 4
    runOp(opened, opened.io.readIterWait(kiocb, vecIter('kvec', apart(600, 512))))
    opened.scheduler.runUntilIdle()
    expect(new Set(seen)).toEqual(new Set([kiocb.ioprio]))
    closeFile(opened)
  })
})
