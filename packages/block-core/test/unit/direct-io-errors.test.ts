// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, OpenFlags } from '@iolayers/kernel'
import {
  IocbFlags,
  IovIter,
  ITER_DEST,
  Kiocb,
  RwfFlags,
  vfsIterRead,
  vfsIterWrite,
} from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import { BlkStatus, type DmabufIoMap, type Plug, ReqFlags } from '../../src/index.ts'
import {
  apart,
  closeFile,
  newInit,
  openFile,
  runOp,
  type Segments,
  vecIter,
} from '../file-support.ts'
import { dmabufIter, FakeMap, KiocbRecorder } from '../support.ts'

describe('registered buffers', () => {
  it('R8, R-MQ-8: fragments share one map; half refused, the whole is ESTALE and nothing more goes out', () => {
    const map = new FakeMap(1 << 20, 12)
    const maps = new Set<unknown>()
    const opened = openFile({ limits: { maxSegments: 1 } }, (rq) => {
      maps.add(rq.dmabufMap)
      if (rq.dmabufOffsetBytes === 8192) map.dead = true
      return BlkStatus.OK
    })
    const { io, file, driver } = opened
    const kiocb = new Kiocb<Plug>(null)
    kiocb.init(file, 0)
    const iter = dmabufIter(map, 0, 16_384)
    expect(runOp(opened, io.readIterWait(kiocb, iter))).toBe(-Errno.ESTALE)
    expect(kiocb.fragmentsIssued).toBe(true)
    expect(driver.issued.map((rq) => rq.offset)).toEqual([0, 4096])
    expect(maps).toEqual(new Set([map]))
    expect(map).toMatchObject({ active: 0, activations: 2, refs: 1 })
    expect(iter).toMatchObject({ countBytes: 16_384, offsetBytes: 0 })
    closeFile(opened)
  })

  it('R2: dead before anything went out, nothing was issued, so that it may be sent again', () => {
    const map = new FakeMap(1 << 20, 12)
    map.dead = true
    const opened = openFile({ limits: { maxSegments: 1 } })
    const { io, file } = opened
    const kiocb = new Kiocb<Plug>(null)
    kiocb.init(file, 0)
    const iter = dmabufIter(map, 0, 16_384)
    expect(runOp(opened, io.writeIterWait(kiocb, iter))).toBe(-Errno.ESTALE)
    expect(kiocb.fragmentsIssued).toBe(false)
    map.dead = false
    expect(runOp(opened, io.writeIterWait(kiocb, iter))).toBe(16_384)
    closeFile(opened)
  })

  it('S8: O_DIRECT cleared and set again while the file is open', () => {
    const opened = openFile()
    const { io, file, driver } = opened
    const map = new FakeMap(8192, 12)
    const all = [
      () => dmabufIter(map, 0, 4096),
      () => vecIter('iovec', apart(1, 512)),
      () => vecIter('kvec', apart(1, 512)),
      () => vecIter('bvec', apart(1, 512)),
    ]
    file.flags &= ~OpenFlags.O_DIRECT
    for (const make of all) {
      const iter = make()
      const before = iter.countBytes
      expect(runOp(opened, vfsIterRead(file, io, iter, 0))).toBe(-Errno.EINVAL)
      expect(runOp(opened, vfsIterWrite(file, io, iter, 0))).toBe(-Errno.EINVAL)
      expect(iter.countBytes).toBe(before)
    }
    expect(driver.issued).toEqual([])
    expect(map).toMatchObject({ activations: 0, refs: 1 })
    file.flags |= OpenFlags.O_DIRECT
    for (const make of all)
      expect(runOp(opened, vfsIterRead(file, io, make(), 0))).toBeGreaterThan(0)
    closeFile(opened)
  })
})

describe('what a disk refuses', () => {
  it('EINVAL: every vector entry is looked at, start and length', () => {
    const opened = openFile({ limits: { dmaAlignmentMask: 3 } })
    const { io, file } = opened
    const read = (segments: Segments): number =>
      runOp(opened, vfsIterRead(file, io, vecIter('iovec', segments), 0))
    expect(
      read([
        [1, 0, 256],
        [5, 4, 256],
      ]),
    ).toBe(512)
    expect(
      read([
        [1, 0, 256],
        [5, 2, 256],
      ]),
    ).toBe(-Errno.EINVAL)
    expect(
      read([
        [1, 0, 254],
        [5, 0, 258],
      ]),
    ).toBe(-Errno.EINVAL)
    expect(
      read([
        [1, 0, 256],
        [5, 1, 0],
        [7, 0, 256],
      ]),
    ).toBe(512)
    closeFile(opened)
  })

  it('EINVAL: metadata, and a negative position even for no bytes; EFAULT: no memory', () => {
    const opened = openFile()
    const { io, file } = opened
    const kiocb = newInit(new KiocbRecorder(), file)
    kiocb.flags |= IocbFlags.HAS_METADATA
    expect(io.readIter(kiocb, vecIter('kvec', apart(1, 512)))).toBe(-Errno.EINVAL)
    kiocb.init(file, -512)
    expect(io.readIter(kiocb, vecIter('kvec', []))).toBe(-Errno.EINVAL)
    kiocb.init(file, 0)
    const nothing = new IovIter<DmabufIoMap>()
    nothing.initDiscard(ITER_DEST, 512)
    expect(io.readIter(kiocb, nothing)).toBe(-Errno.EFAULT)
    closeFile(opened)
  })

  it('EPERM comes before what else is wrong; made writable, it goes', () => {
    const opened = openFile({ readOnly: true, capacitySectors: 8 })
    const { io, file, disk } = opened
    const write = (pos: number, bytes: number): number =>
      runOp(opened, vfsIterWrite(file, io, vecIter('kvec', [[1, 1, bytes]], true), pos))
    expect(write(0, 0)).toBe(-Errno.EPERM)
    expect(write(1 << 20, 7)).toBe(-Errno.EPERM)
    disk.setReadOnly(false)
    expect(write(0, 0)).toBe(0)
    expect(write(1 << 20, 7)).toBe(-Errno.ENOSPC)
    expect(write(0, 512)).toBe(-Errno.EINVAL)
    closeFile(opened)
  })

  it('atomic writes: one range, a power of two, at its own multiple, whole, and no larger than the disk does', () => {
    const atomic = { limits: { atomicWriteHwMaxBytes: 4096 }, capacitySectors: 20 }
    const opened = openFile(atomic)
    const { io, file, driver } = opened
    const map = new FakeMap(1 << 20, 12)
    const write = (iter: IovIter<DmabufIoMap>, pos: number): number =>
      runOp(opened, vfsIterWrite(file, io, iter, pos, RwfFlags.ATOMIC))
    expect(write(dmabufIter(map, 0, 4096, true), 4096)).toBe(4096)
    expect((driver.issued[0]?.op ?? 0) & ReqFlags.ATOMIC).toBe(ReqFlags.ATOMIC)
    expect(write(vecIter('kvec', [[1, 0, 1024]], true), 1024)).toBe(1024)
    expect(write(vecIter('iovec', [[1, 0, 1024]], true), 1024)).toBe(-Errno.EINVAL)
    expect(write(dmabufIter(map, 0, 1536, true), 0)).toBe(-Errno.EINVAL)
    expect(write(dmabufIter(map, 0, 4096, true), 512)).toBe(-Errno.EINVAL)
    expect(write(dmabufIter(map, 0, 4096, true), 8192)).toBe(-Errno.EINVAL)
    expect(write(dmabufIter(map, 0, 8192, true), 0)).toBe(-Errno.EINVAL)
    const read = vfsIterRead(file, io, dmabufIter(map, 0, 512), 0)
    expect(runOp(opened, read)).toBe(512)
    const kiocb = newInit(new KiocbRecorder(), file)
    kiocb.flags |= IocbFlags.ATOMIC
    expect(io.readIter(kiocb, dmabufIter(map, 0, 512))).toBe(-Errno.EOPNOTSUPP)
    closeFile(opened)
    const none = openFile()
    const refused = vfsIterWrite(
      none.file,
      none.io,
      dmabufIter(map, 0, 512, true),
      0,
      RwfFlags.ATOMIC,
    )
    expect(runOp(none, refused)).toBe(-Errno.EOPNOTSUPP)
    closeFile(none)
  })

  it('EIO once the device is gone, also for who waits; what the driver has ends as the driver says', () => {
    const opened = openFile({ queueDepth: 1, maxIos: 2 }, () => 'hold')
    const { io, file, disk, driver } = opened
    const recorder = new KiocbRecorder()
    io.readIter(newInit(recorder, file), vecIter('kvec', apart(1, 512)))
    opened.scheduler.spawn(
      'waiter',
      io.readIterWait(newInit(recorder, file), vecIter('kvec', apart(1, 512))),
      { daemon: true },
    )
    opened.scheduler.runUntilIdle()
    disk.markDead()
    opened.scheduler.runUntilIdle()
    expect(recorder.results).toEqual([-Errno.EIO])
    const kiocb = newInit(recorder, file)
    expect(io.readIter(kiocb, vecIter('kvec', apart(1, 512)))).toBe(-Errno.EIO)
    expect(runOp(opened, vfsIterWrite(file, io, vecIter('kvec', apart(1, 512), true), 0))).toBe(
      -Errno.EIO,
    )
    driver.releaseHeld()
    expect(recorder.results).toEqual([-Errno.EIO, 512])
    closeFile(opened)
  })
})

describe('a disk that changes its size', () => {
  it('is asked anew by each I/O; who waited while it shrank gets EIO', () => {
    const opened = openFile({ capacitySectors: 16, maxIos: 1 }, () => 'hold')
    const { io, file, disk, driver } = opened
    const recorder = new KiocbRecorder()
    io.readIter(newInit(recorder, file), vecIter('kvec', apart(1, 512)))
    const late = newInit(recorder, file)
    late.posBytes = 4096
    opened.scheduler.spawn('reader', io.readIterWait(late, vecIter('kvec', [[1, 0, 4096]])), {
      daemon: true,
    })
    opened.scheduler.runUntilIdle()
    disk.setCapacity(9)
    driver.releaseHeld()
    opened.scheduler.runUntilIdle()
    expect(recorder.results).toEqual([512, -Errno.EIO])
    driver.decide = () => BlkStatus.OK
    expect(runOp(opened, vfsIterRead(file, io, vecIter('kvec', [[1, 0, 4096]]), 4096))).toBe(512)
    disk.setCapacity(32)
    expect(runOp(opened, vfsIterRead(file, io, vecIter('kvec', [[1, 0, 4096]]), 4096))).toBe(4096)
    disk.setCapacity(0)
    expect(runOp(opened, vfsIterRead(file, io, vecIter('kvec', [[1, 0, 4096]]), 0))).toBe(0)
    closeFile(opened)
  })
})
