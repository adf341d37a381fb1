// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import {
  createKernel,
  createVirtualScheduler,
  Errno,
  File,
  type Op,
  OpenFlags,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  IocbFlags,
  IovIter,
  ITER_DEST,
  type IterFile,
  iocbFlags,
  Kiocb,
  kiocbSetRwFlags,
  RwfFlags,
  vfsIterRead,
  vfsIterWrite,
} from '../../src/index.ts'

describe('kiocb', () => {
  it('takes its flags from the file, and forgets the I/O before', () => {
    const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
    const file = new File(kernel, { release: () => {} }, { name: 'f', flags: OpenFlags.O_DIRECT })
    const ended: number[] = []
    const kiocb = new Kiocb<string>({ kiComplete: (_, result) => void ended.push(result) })
    kiocb.fragmentsIssued = true
    kiocb.plug = 'plug'
    kiocb.cookie = 3
    kiocb.init(file, 4096)
    expect([kiocb.flags, kiocb.posBytes, kiocb.cookie]).toEqual([IocbFlags.DIRECT, 4096, 0])
    expect([kiocb.fragmentsIssued, kiocb.plug]).toEqual([false, null])
    kiocb.completion?.kiComplete(kiocb, -5)
    expect(ended).toEqual([-5])
    file.put()
  })

  it('translates append, dsync and sync', () => {
    expect(iocbFlags(0o2000)).toBe(IocbFlags.APPEND)
    expect(iocbFlags(0o10000)).toBe(IocbFlags.DSYNC)
    expect(iocbFlags(0o4010000)).toBe(IocbFlags.DSYNC | IocbFlags.SYNC)
  })
})

describe('the flags of one read or write', () => {
  function set(rwFlags: number, isWrite: boolean, before = 0): readonly [number, number] {
    const kiocb = new Kiocb(null)
    kiocb.flags = before
    return [kiocbSetRwFlags(kiocb, rwFlags, isWrite), kiocb.flags]
  }

  it('are added; a full sync is a data sync too; NOAPPEND takes APPEND away', () => {
    expect(set(0, true, IocbFlags.DIRECT)).toEqual([0, IocbFlags.DIRECT])
    const both = RwfFlags.HIPRI | RwfFlags.NOWAIT
    expect(set(both, false)).toEqual([0, IocbFlags.HIPRI | IocbFlags.NOWAIT])
    expect(set(RwfFlags.SYNC, true)).toEqual([0, IocbFlags.SYNC | IocbFlags.DSYNC])
    expect(set(RwfFlags.ATOMIC, true)).toEqual([0, IocbFlags.ATOMIC])
    expect(set(RwfFlags.NOAPPEND, true, IocbFlags.APPEND | IocbFlags.DIRECT)).toEqual([
      0,
      IocbFlags.DIRECT,
    ])
  })

  it('EOPNOTSUPP for what is not known, DONTCACHE, an atomic read; EINVAL for APPEND and NOAPPEND', () => {
    expect(set(0x8000, true)).toEqual([-Errno.EOPNOTSUPP, 0])
    expect(set(RwfFlags.DONTCACHE, false)).toEqual([-Errno.EOPNOTSUPP, 0])
    expect(set(RwfFlags.ATOMIC, false)).toEqual([-Errno.EOPNOTSUPP, 0])
    expect(set(RwfFlags.APPEND | RwfFlags.NOAPPEND, true)).toEqual([-Errno.EINVAL, 0])
  })
})

describe('a read or write that waits for its end', () => {
  /** Says what it was asked for. */
  class EchoFile implements IterFile {
    readonly seen: unknown[] = []

    readIter(): number {
      return -Errno.EAGAIN
    }
    writeIter(): number {
      return -Errno.EAGAIN
    }
    *readIterWait(kiocb: Kiocb, iter: IovIter): Op<number> {
      this.seen.push(['read', kiocb.isSync, kiocb.posBytes, kiocb.flags])
      return iter.countBytes
    }
    *writeIterWait(kiocb: Kiocb, iter: IovIter): Op<number> {
      this.seen.push(['write', kiocb.isSync, kiocb.posBytes, kiocb.flags])
      return iter.countBytes
    }
    fsync(): number {
      return 0
    }
    *fsyncWait(): Op<number> {
      return 0
    }
  }

  it('gives the file a synchronous kiocb with the flags of both', () => {
    const scheduler = createVirtualScheduler({ seed: 1 })
    const kernel = createKernel({ scheduler })
    const file = new File(kernel, { release: () => {} }, { name: 'f', flags: OpenFlags.O_DIRECT })
    const io = new EchoFile()
    const iter = new IovIter()
    iter.initDiscard(ITER_DEST, 512)
    expect(scheduler.runSync('read', vfsIterRead(file, io, iter, 4096))).toBe(512)
    const write = vfsIterWrite(file, io, iter, 512, RwfFlags.DSYNC)
    expect(scheduler.runSync('write', write)).toBe(512)
    const dsync = IocbFlags.DIRECT | IocbFlags.WRITE | IocbFlags.DSYNC
    expect(io.seen).toEqual([
      ['read', true, 4096, IocbFlags.DIRECT],
      ['write', true, 512, dsync],
    ])
    file.put()
  })

  it('EINVAL before the start of the file, and what the flags say', () => {
    const scheduler = createVirtualScheduler({ seed: 1 })
    const kernel = createKernel({ scheduler })
    const file = new File(kernel, { release: () => {} }, { name: 'f', flags: 0 })
    const io = new EchoFile()
    const iter = new IovIter()
    const run = (op: Op<number>): number => scheduler.runSync('io', op)
    expect(run(vfsIterRead(file, io, iter, -512))).toBe(-Errno.EINVAL)
    expect(run(vfsIterWrite(file, io, iter, -512))).toBe(-Errno.EINVAL)
    expect(run(vfsIterRead(file, io, iter, 0, RwfFlags.ATOMIC))).toBe(-Errno.EOPNOTSUPP)
    expect(run(vfsIterWrite(file, io, iter, 0, 0x8000))).toBe(-Errno.EOPNOTSUPP)
    expect(io.seen).toEqual([])
    file.put()
  })
})
