// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createFdTable, Errno } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createIoUring, NopFlags, RwFlags, SetupFlags, SqeFlags } from '../../src/index.ts'
import { Bench, SIZE } from '../bench.ts'
import type { Outcome } from '../twin.ts'

const { EBADF, EFAULT, EINVAL, EOPNOTSUPP } = Errno

/** A bench whose file copies to and from memory, an open descriptor, and an address of 8 KiB. */
function userBench(flags = SetupFlags.SUBMIT_ALL): { bench: Bench; fd: number; addr: number } {
  const bench = new Bench({ flags, entries: 16 })
  bench.twin.memory = bench.memory
  return { bench, fd: bench.openFd(), addr: bench.userAddr + 4096 }
}

function bytesAt(bench: Bench, addr: number, length: number): number[] {
  const bytes = new Uint8Array(length)
  bench.memory.read(addr, bytes)
  return [...bytes]
}

/** An array of struct iovec at the start of user memory. */
function iovecs(bench: Bench, ranges: readonly (readonly [number, number])[]): number {
  const view = new DataView(new ArrayBuffer(Math.max(16, ranges.length * 16)))
  ranges.forEach(([addr, length], i) => {
    view.setUint32(i * 16, addr, true)
    view.setUint32(i * 16 + 4, Math.floor(addr / 2 ** 32), true)
    view.setInt32(i * 16 + 8, length, true)
    view.setInt32(i * 16 + 12, length < 0 ? -1 : 0, true)
  })
  return bench.userBytes(bench.userAddr, new Uint8Array(view.buffer))
}

describe('READ and WRITE', () => {
  it('move bytes between a file and user memory, by descriptor and by registered file', () => {
    const { bench, fd, addr } = userBench()
    const { ring, twin } = bench
    bench.register()
    ring.prepRead(ring.getSqe(), fd, addr, 1000, 300, 1)
    expect(bench.complete(1)).toEqual([[1, 1000]])
    expect(bytesAt(bench, addr, 1000)).toEqual([...twin.bytes.subarray(300, 1300)])
    const sqe = ring.getSqe()
    ring.prepWrite(sqe, 0, addr, 1000, 5000, 2)
    ring.setSqeFlags(sqe, SqeFlags.FIXED_FILE)
    expect(bench.complete(1)).toEqual([[2, 1000]])
    expect([...twin.bytes.subarray(5000, 6000)]).toEqual([...twin.bytes.subarray(300, 1300)])
    expect(bench.file.references).toBe(4)
    bench.finish()
  })

  it('are short at the end of the file, and read nothing of length 0', () => {
    const { bench, fd, addr } = userBench()
    const { ring } = bench
    ring.prepRead(ring.getSqe(), fd, addr, 1000, SIZE - 100, 1)
    ring.prepRead(ring.getSqe(), fd, addr, 0, 0, 2)
    expect(bench.complete(2)).toEqual([
      [1, 100],
      [2, 0],
    ])
    bench.finish()
  })

  it('at -1 go on where the file is', () => {
    const { bench, fd, addr } = userBench()
    const { ring, twin } = bench
    bench.file.posBytes = 512
    ring.prepRead(ring.getSqe(), fd, addr, 512, -1, 1)
    bench.complete(1)
    twin.decide = () => ({ kind: 'later' })
    ring.prepWrite(ring.getSqe(), fd, addr, 100, -1, 2)
    bench.complete(1)
    expect(twin.positions).toEqual([512, 1024])
    expect(bench.file.posBytes).toBe(1124)
    bench.finish()
  })

  it('refuse a position that no file reaches, and a file that is not there', () => {
    const { bench, fd, addr } = userBench()
    const { ring } = bench
    ring.prepRead(ring.getSqe(), fd, addr, 512, 0, 1)
    ring.sqes.setInt32(12, -5, true)
    ring.prepRead(ring.getSqe(), fd + 1, addr, 512, 0, 2)
    ring.prepRead(ring.getSqe(), -1, addr, 512, 0, 3)
    ring.prepRead(ring.getSqe(), fd, addr, 512, 0, 4)
    ring.setSqeFlags(3, SqeFlags.FIXED_FILE)
    expect(bench.complete(4).map(([, res]) => -res)).toEqual([EINVAL, EBADF, EBADF, EBADF])
    bench.finish()
  })

  it('S10: memory that is not there is EFAULT, and so is all memory of a ring without any', () => {
    const { bench, fd, addr } = userBench()
    const { ring } = bench
    ring.prepRead(ring.getSqe(), fd, 2 ** 52, 512, 0, 1)
    ring.prepWrite(ring.getSqe(), fd, addr, 0x7fff_ffff, 0, 2)
    ring.prepReadv(ring.getSqe(), fd, 2 ** 52, 1, 0, 3)
    expect(bench.complete(3).map(([, res]) => -res)).toEqual([EFAULT, EFAULT, EFAULT])
    const { kernel } = bench
    const bare = createIoUring({ kernel }, { entries: 8, flags: SetupFlags.SUBMIT_ALL })
    bare.prepRead(bare.getSqe(), fd, addr, 512, 0, 1)
    bare.prepTimeout(bare.getSqe(), addr, 0, 0, 2)
    bare.prepNop(bare.getSqe(), 3)
    bare.setRwFlags(2, NopFlags.FILE)
    bare.submit()
    const results = new Int32Array(3)
    bare.reap(new Int32Array(3), results, 3)
    expect([...results]).toEqual([-EFAULT, -EFAULT, -EBADF])
    bench.run(bare.close())
    bench.finish()
  })

  it('give the priority of the entry to the file, and refuse one that is none', () => {
    const { bench, fd, addr } = userBench()
    const { ring } = bench
    const priorities = [(2 << 13) | 4, 3 << 13, (1 << 13) | 1, 5, 4 << 13]
    priorities.forEach((priority, i) => {
      ring.prepRead(ring.getSqe(), fd, addr, 512, 0, i)
      ring.sqes.setUint16(i * 64 + 2, priority, true)
    })
    expect(bench.complete(5).map(([, res]) => res)).toEqual([512, 512, 512, -EINVAL, -EINVAL])
    expect(bench.twin.ioprios).toEqual(priorities.slice(0, 3))
    bench.finish()
  })

  it('take RWF flags as a fixed one does', () => {
    const { bench, fd, addr } = userBench()
    const { ring } = bench
    const flags = [RwFlags.DSYNC, RwFlags.HIPRI, 0x1000, RwFlags.APPEND | RwFlags.NOAPPEND]
    flags.forEach((rwFlags, i) => {
      const sqe = ring.getSqe()
      ring.prepWrite(sqe, fd, addr, 512, 0, i)
      ring.setRwFlags(sqe, rwFlags)
    })
    const expected = [512, -EINVAL, -EOPNOTSUPP, -EINVAL]
    expect(bench.complete(4).map(([, res]) => res)).toEqual(expected)
    bench.finish()
  })

  it('start from the beginning again in a worker', () => {
    const { bench, fd, addr } = userBench()
    const { ring, twin } = bench
    const again: Outcome = { kind: 'fail-later', result: -Errno.EAGAIN, issued: false }
    twin.decide = (form) => (form === 'plain' ? again : { kind: 'later' })
    ring.prepRead(ring.getSqe(), fd, addr, 512, 1024, 1)
    ring.prepReadv(ring.getSqe(), fd, iovecs(bench, [[addr + 512, 256]]), 1, 0, 2)
    expect(bench.complete(2)).toEqual([
      [1, 512],
      [2, 256],
    ])
    expect(bytesAt(bench, addr, 512)).toEqual([...twin.bytes.subarray(1024, 1536)])
    expect(bench.file.references).toBe(2)
    bench.finish()
  })
})

describe('READV and WRITEV', () => {
  it('move bytes over the ranges of an array of struct iovec in user memory', () => {
    const { bench, fd, addr } = userBench()
    const { ring, twin } = bench
    const vector = iovecs(bench, [
      [addr, 100],
      [addr + 1000, 0],
      [addr + 500, 200],
    ])
    ring.prepReadv(ring.getSqe(), fd, vector, 3, 64, 1)
    expect(bench.complete(1)).toEqual([[1, 300]])
    expect(bytesAt(bench, addr, 100)).toEqual([...twin.bytes.subarray(64, 164)])
    expect(bytesAt(bench, addr + 500, 200)).toEqual([...twin.bytes.subarray(164, 364)])
    ring.prepWritev(ring.getSqe(), fd, vector, 3, 9000, 2)
    // The array is read when the entry is taken.
    ring.submit()
    iovecs(bench, [[0, 1]])
    bench.run(ring.waitCqes(1))
    expect(bench.reap()).toEqual([[2, 300]])
    expect([...twin.bytes.subarray(9000, 9300)]).toEqual([...twin.bytes.subarray(64, 364)])
    bench.finish()
  })

  it('refuse too many ranges, a negative length and memory that is not there', () => {
    const { bench, fd, addr } = userBench()
    const { ring } = bench
    ring.prepReadv(ring.getSqe(), fd, addr, 1025, 0, 1)
    ring.prepReadv(ring.getSqe(), fd, iovecs(bench, [[addr, -1]]), 1, 0, 2)
    expect(bench.complete(2).map(([, res]) => -res)).toEqual([EINVAL, EINVAL])
    ring.prepWritev(ring.getSqe(), fd, iovecs(bench, [[2 ** 45, 8]]), 1, 0, 3)
    expect(bench.complete(1)).toEqual([[3, -EFAULT]])
    ring.prepReadv(ring.getSqe(), fd, iovecs(bench, []), 0, 0, 4)
    expect(bench.complete(1)).toEqual([[4, 0]])
    bench.finish()
  })
})

describe('NOP and FSYNC', () => {
  it('a NOP ends with what it is told to, and can look for a file', () => {
    const { bench, fd } = userBench()
    const { ring } = bench
    bench.register()
    bench.nop(1, 0, 77)
    bench.nop(2, 0, -EFAULT)
    ;[
      [fd, NopFlags.FILE],
      [0, NopFlags.FILE | NopFlags.FIXED_FILE],
      [5, NopFlags.FILE],
      [5, NopFlags.FILE | NopFlags.FIXED_FILE],
    ].forEach(([file = 0, flags = 0], i) => {
      const sqe = ring.getSqe()
      ring.prepNop(sqe, 3 + i)
      ring.sqes.setInt32(sqe * 64 + 4, file, true)
      ring.setRwFlags(sqe, flags)
    })
    expect(bench.complete(6).map(([, res]) => res)).toEqual([77, -EFAULT, 0, 0, -EBADF, -EBADF])
    bench.finish()
  })

  it('FSYNC by descriptor; its range may not be negative, and it has no address', () => {
    const { bench, fd } = userBench()
    const { ring } = bench
    for (const [offset, value] of [
      [8, 0],
      [8, 4096],
      [12, -1],
      [16, 1],
      [20, 1],
      [44, 1],
    ] as const) {
      const sqe = ring.getSqe()
      ring.prepFsync(sqe, fd, 0, 1)
      ring.setSqeFlags(sqe, 0)
      ring.sqes.setInt32(sqe * 64 + offset, value, true)
    }
    expect(bench.complete(6).map(([, res]) => -res)).toEqual([
      -0,
      -0,
      EINVAL,
      EINVAL,
      EINVAL,
      EINVAL,
    ])
    expect(createFdTable().open).toBe(0)
    bench.finish()
  })
})
