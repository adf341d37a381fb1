// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaDirection } from '@iolayers/dma-mapping'
import { Errno, File, KernelError, OpenFlags } from '@iolayers/kernel'
import { IocbFlags } from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import {
  createIoUring,
  FSYNC_DATASYNC,
  IoUringOp,
  RwFlags,
  SetupFlags,
  SQE_BYTES,
  SqeFlags,
  SqeOffset,
} from '../../src/index.ts'
import { Bench, SIZE } from '../bench.ts'
import { type Outcome, TwinFile } from '../twin.ts'

const AGAIN: Outcome = { kind: 'fail-now', result: -Errno.EAGAIN }

describe('setup', () => {
  it('rounds up to powers of two, and refuses what is out of range', () => {
    const { kernel, ring } = new Bench({ entries: 5 })
    expect([ring.sqEntries, ring.cqEntries]).toEqual([8, 16])
    const make = (init: { entries: number; cqEntries?: number; workers?: number }) => () =>
      createIoUring({ kernel }, init)
    for (const entries of [0, -1, 1.5, 32_769]) expect(make({ entries })).toThrow(KernelError)
    expect(make({ entries: 8, cqEntries: 4 })).toThrow('from 8 to 65536')
    expect(make({ entries: 8, workers: 0 })).toThrow('workers: 0')
    expect(make({ entries: 32_768 })().cqEntries).toBe(65_536)
  })

  it('lays entries out as struct io_uring_sqe does', () => {
    const bench = new Bench()
    const { ring } = bench
    ring.prepNop(ring.getSqe(), 1)
    const sqe = ring.getSqe()
    ring.prepWriteFixed(sqe, 3, 2 ** 40 + 512, 7, 2 ** 33, 0x8000_0000, 2 ** 52 + 1)
    ring.setRwFlags(sqe, RwFlags.DSYNC)
    const at = sqe * SQE_BYTES
    const bytes = new Uint8Array(ring.sqes.buffer, at, SQE_BYTES)
    expect([...bytes]).toEqual(
      [
        [5, 1, 0, 0, 3, 0, 0, 0],
        [0, 2, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 2, 0, 0, 0],
        [0, 0, 0, 0x80, 2, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 16, 0],
        [7, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
      ].flat(),
    )
    expect(ring.decodeSqe(sqe)).toEqual({
      opcode: IoUringOp.WRITE_FIXED,
      flags: SqeFlags.FIXED_FILE,
      ioprio: 0,
      fd: 3,
      off: 2 ** 40 + 512,
      addr: 2 ** 33,
      len: 0x8000_0000,
      rwFlags: RwFlags.DSYNC,
      userData: 2 ** 52 + 1,
      bufIndex: 7,
    })
    bench.finish()
  })

  it('says when the submission queue is full', () => {
    const bench = new Bench({ entries: 2 })
    const { ring } = bench
    expect([ring.getSqe(), ring.getSqe(), ring.getSqe(), ring.sqReady]).toEqual([0, 1, -1, 2])
    ring.prepNop(0, 1)
    ring.prepNop(1, 2)
    expect([ring.submit(), ring.submit(), ring.getSqe()]).toEqual([2, 0, 0])
    expect(() => ring.prepNop(2, 0)).toThrow('no such')
    bench.finish()
  })
})

describe('reads and writes', () => {
  it('reads and writes a registered dma-buf, with user data of 53 bits', () => {
    const bench = new Bench()
    const token = bench.register()
    bench.read(2 ** 52 + 3, 4096, 8192)
    expect(bench.complete(1)).toEqual([[2 ** 52 + 3, 8192]])
    const view = token.maps[0]?.segments
    expect(view?.[0]?.[5000]).toBe((5000 * 7) % 251)
    bench.twin.bytes.fill(0)
    bench.write(4, 4096, 8192)
    expect(bench.complete(1)).toEqual([[4, 8192]])
    expect([bench.twin.bytes[4095], bench.twin.bytes[5000]]).toEqual([0, (5000 * 7) % 251])
    bench.finish()
  })

  it('R6: makes the map in a worker for the first I/O, once, and then goes straight', () => {
    const bench = new Bench()
    const token = bench.register()
    for (let i = 0; i < 6; i += 1) bench.read(i)
    expect(bench.complete(6).map(([, res]) => res)).toEqual([512, 512, 512, 512, 512, 512])
    expect([token.maps.length, bench.ring.stats.asyncWork]).toEqual([1, 6])
    bench.read(9)
    bench.complete(1)
    expect([token.maps.length, bench.ring.stats.asyncWork]).toEqual([1, 6])
    bench.finish()
  })

  it('gives the file one plug a batch, and NOWAIT only where it may not sleep', () => {
    const bench = new Bench()
    bench.register()
    bench.read(1)
    bench.complete(1)
    bench.twin.decide = (form) => (form === 'plain' ? AGAIN : { kind: 'now' })
    bench.read(2)
    bench.complete(1)
    const { plugs, flags } = bench.twin
    expect(plugs.map((plug) => plug !== null)).toEqual([false, true, false])
    expect(flags.map((f) => f & IocbFlags.NOWAIT)).toEqual([0, IocbFlags.NOWAIT, 0])
    expect(flags.every((f) => (f & IocbFlags.DIRECT) !== 0)).toBe(true)
    bench.finish()
  })

  it('passes RWF flags on, and refuses those that do not fit', () => {
    const bench = new Bench()
    bench.register()
    bench.read(1, 0, 512, RwFlags.SYNC)
    bench.read(2, 0, 512, RwFlags.HIPRI)
    bench.read(3, 0, 512, 0x1000)
    bench.read(4, 0, 512, RwFlags.ATOMIC)
    expect(new Map(bench.complete(4))).toEqual(
      new Map([
        [2, -Errno.EINVAL],
        [3, -Errno.EOPNOTSUPP],
        [4, -Errno.EOPNOTSUPP],
        [1, 512],
      ]),
    )
    expect((bench.twin.flags[0] ?? 0) & 0xff).toBe(IocbFlags.SYNC | IocbFlags.DSYNC)
    bench.finish()
  })

  it('does I/O on registered memory, at an offset over several ranges', () => {
    const bench = new Bench()
    bench.ring.registerFiles([bench.file])
    const segments = [
      { frame: 1, offsetBytes: 0, lengthBytes: 4096 },
      { frame: 9, offsetBytes: 0, lengthBytes: 4096 },
    ]
    bench.run(bench.ring.registerBuffers([{ segments }]))
    bench.read(1, 4096, 4096)
    bench.read(2, 4096, 4097)
    expect(bench.complete(2)).toEqual([
      [1, 4096],
      [2, -Errno.EFAULT],
    ])
    expect(bench.ring.stats.asyncWork).toBe(0)
    bench.finish()
  })

  it('flushes a file, in a worker where that has to sleep, and does nothing for a NOP', () => {
    const bench = new Bench({ flags: SetupFlags.SUBMIT_ALL })
    bench.register()
    const { ring } = bench
    ring.prepFsync(ring.getSqe(), 0, FSYNC_DATASYNC, 1)
    ring.prepNop(ring.getSqe(), 2)
    ring.prepFsync(ring.getSqe(), 0, 2, 3)
    ring.prepFsync(ring.getSqe(), 5, 0, 4)
    expect(bench.complete(4)).toEqual([
      [1, 0],
      [2, 0],
      [3, -Errno.EINVAL],
      [4, -Errno.EBADF],
    ])
    bench.twin.decide = (form) => (form === 'plain' ? AGAIN : { kind: 'later' })
    const sqe = ring.getSqe()
    ring.prepFsync(sqe, 0, 0, 5)
    expect(bench.complete(1)).toEqual([[5, 0]])
    const odd = ring.getSqe()
    ring.prepFsync(odd, 0, 0, 6)
    ring.sqes.setUint16(odd * SQE_BYTES + SqeOffset.BUF_INDEX, 1, true)
    expect(bench.complete(1)).toEqual([[6, -Errno.EINVAL]])
    bench.finish()
  })

  it('goes to a worker at once for IOSQE_ASYNC', () => {
    const bench = new Bench()
    bench.register()
    bench.read(1)
    bench.complete(1)
    const before = bench.twin.flags.length
    bench.read(2)
    bench.ring.sqes.setUint8(SQE_BYTES + SqeOffset.FLAGS, SqeFlags.FIXED_FILE | SqeFlags.ASYNC)
    bench.complete(1)
    expect(bench.twin.flags.slice(before).map((f) => f & IocbFlags.NOWAIT)).toEqual([0])
    bench.finish()
  })
})

describe('errors of an entry', () => {
  it('S10: a range outside the buffer, or of no bytes, is EFAULT', () => {
    const bench = new Bench()
    bench.register()
    const { ring } = bench
    const lengths: readonly (readonly [number, number])[] = [
      [SIZE - 512, 513],
      [SIZE, 1],
      [2 ** 52, 512],
      [0, 0],
      [0, 0x7fff_f001],
      [0, SIZE + 512],
    ]
    for (const [offset, length] of lengths) {
      ring.prepReadFixed(ring.getSqe(), 0, 0, 0, offset, length, 1)
    }
    expect(bench.complete(6).every(([, res]) => res === -Errno.EFAULT)).toBe(true)
    ring.prepReadFixed(ring.getSqe(), 0, 0, 0, 0, SIZE, 1)
    expect(bench.complete(1)).toEqual([[1, SIZE]])
    bench.finish()
  })

  it('S9: a buffer that was registered with another file is EBADF', () => {
    const bench = new Bench()
    const other = new TwinFile(bench.kernel, SIZE)
    const otherFile = bench.openFile('other', other)
    bench.ring.registerFiles([bench.file, otherFile])
    bench.run(bench.ring.registerBuffers([{ dmabuf: bench.dmabuf, fileIndex: 1 }]))
    bench.read(1)
    expect(bench.complete(1)).toEqual([[1, -Errno.EBADF]])
    bench.run(bench.ring.close())
    otherFile.put()
    expect(other.released).toBe(1)
    bench.finish()
  })

  it('names what is missing: buffer EFAULT, file EBADF, operation EINVAL', () => {
    const bench = new Bench({ flags: SetupFlags.SUBMIT_ALL })
    bench.ring.registerFiles([bench.file])
    bench.run(bench.ring.registerBuffers([null]))
    const { ring } = bench
    ring.prepReadFixed(ring.getSqe(), 0, 0, 0, 0, 512, 1)
    ring.prepReadFixed(ring.getSqe(), 0, 0, 9, 0, 512, 2)
    ring.prepReadFixed(ring.getSqe(), 1, 0, 0, 0, 512, 3)
    ring.prepReadFixed(ring.getSqe(), -1, 0, 0, 0, 512, 4)
    const unknown = ring.getSqe()
    ring.prepNop(unknown, 5)
    ring.sqes.setUint8(unknown * SQE_BYTES, 200)
    const flags = ring.getSqe()
    ring.prepReadFixed(flags, 0, 0, 0, 0, 512, 6)
    ring.sqes.setUint8(flags * SQE_BYTES + SqeOffset.FLAGS, 0x80)
    const unfixed = ring.getSqe()
    ring.prepReadFixed(unfixed, 0, 0, 0, 0, 512, 7)
    ring.sqes.setUint8(unfixed * SQE_BYTES + SqeOffset.FLAGS, 0)
    expect(bench.complete(7).map(([, res]) => -res)).toEqual([
      Errno.EFAULT,
      Errno.EFAULT,
      Errno.EBADF,
      Errno.EBADF,
      Errno.EINVAL,
      Errno.EINVAL,
      Errno.EBADF,
    ])
    bench.finish()
  })

  it('keeps to the direction that the buffer was registered for', () => {
    for (const direction of [DmaDirection.TO_DEVICE, DmaDirection.FROM_DEVICE]) {
      const bench = new Bench()
      bench.ring.registerFiles([bench.file])
      bench.run(bench.ring.registerBuffers([{ dmabuf: bench.dmabuf, fileIndex: 0, direction }]))
      bench.read(1)
      bench.write(2)
      const results = new Map(bench.complete(2))
      const refused = direction === DmaDirection.TO_DEVICE ? 1 : 2
      expect(results.get(refused)).toBe(-Errno.EFAULT)
      expect(results.get(3 - refused)).toBe(512)
      bench.finish()
    }
  })

  it('a file that cannot do I/O of this kind is EINVAL, and EOPNOTSUPP for registration', () => {
    const bench = new Bench()
    const plain = new File(bench.kernel, { release: () => {} }, { name: 'plain', flags: 0 })
    bench.ring.registerFiles([plain])
    const register = (fileIndex: number) => () =>
      bench.run(bench.ring.registerBuffers([{ dmabuf: bench.dmabuf, fileIndex }]))
    expect(register(0)).toThrow('plain cannot do I/O on a dma-buf')
    expect(register(1)).toThrow('file 1 of 1')
    bench.read(1)
    expect(bench.complete(1)).toEqual([[1, -Errno.EINVAL]])
    bench.finish()
    plain.put()
  })
})

describe('O_DIRECT', () => {
  it('S8: is asked for at registration, and its loss is seen by the file for every I/O', () => {
    const bench = new Bench()
    const other = new TwinFile(bench.kernel, SIZE)
    const buffered = bench.openFile('buffered', other, OpenFlags.O_RDWR)
    bench.ring.registerFiles([buffered, bench.file])
    expect(() =>
      bench.run(bench.ring.registerBuffers([{ dmabuf: bench.dmabuf, fileIndex: 0 }])),
    ).toThrow('buffered is not open with O_DIRECT')
    bench.run(bench.ring.registerBuffers([{ dmabuf: bench.dmabuf, fileIndex: 1 }]))
    bench.file.flags = OpenFlags.O_RDWR
    bench.ring.prepReadFixed(bench.ring.getSqe(), 1, 0, 0, 0, 512, 1)
    bench.complete(1)
    expect((bench.twin.flags[0] ?? 0) & IocbFlags.DIRECT).toBe(0)
    bench.finish()
    buffered.put()
  })
})
