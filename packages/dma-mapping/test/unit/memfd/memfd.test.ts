// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { joinTask, KernelError, type Op, OpenFlags, Timer } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createMemfd,
  type Memfd,
  MemfdFlags,
  MemfdSeals,
  memfdFile,
  PAGE_SIZE,
} from '../../../src/index.ts'
import { type Bench, makeBench, pattern, same } from '../../support.ts'

const { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_EXEC } =
  MemfdSeals

interface Rig extends Bench {
  readonly memfd: Memfd
  run<T>(op: Op<T>): T
  code(op: Op<unknown>): string
  close(): void
}

function setup(flags: number = MemfdFlags.MFD_ALLOW_SEALING, pages = 64): Rig {
  const bench = makeBench(pages, { checked: true })
  const free = bench.memory.stats.pagesFree
  const memfd = createMemfd(bench, 'test', { flags })
  const run = <T>(op: Op<T>): T => bench.scheduler.runSync('test', op)
  return {
    ...bench,
    memfd,
    run,
    code: (op) => codeOf(() => run(op)),
    close() {
      memfd.file.put()
      expect(bench.memory.stats.pagesFree).toBe(free)
      expect(bench.kernel.reports).toEqual([])
    },
  }
}

function codeOf(body: () => unknown): string {
  try {
    body()
  } catch (error) {
    if (error instanceof KernelError) return error.code
    throw error
  }
  return 'none'
}

function read(memfd: Memfd, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(0xee)
  return bytes.subarray(0, memfd.read(bytes, offset))
}

describe('a memory file', () => {
  it('gives back what was written, zeros for what was not, and allocates only what was written', () => {
    const { memfd, run, close } = setup()
    expect(memfdFile).toBe(memfdFile)
    expect(memfd.file.query(memfdFile)).toBe(memfd)
    expect(memfd.file.name).toBe('memfd:test')
    const bytes = pattern(PAGE_SIZE + 100, 3)
    expect(run(memfd.write(bytes, 5 * PAGE_SIZE - 50))).toBe(bytes.length)
    expect(memfd.sizeBytes).toBe(6 * PAGE_SIZE + 50)
    expect(memfd.pages).toBe(3)
    expect(same(read(memfd, 5 * PAGE_SIZE - 50, bytes.length), bytes)).toBe(true)
    expect(read(memfd, 0, 3 * PAGE_SIZE).every((byte) => byte === 0)).toBe(true)
    expect(memfd.pages).toBe(3)
    expect(read(memfd, memfd.sizeBytes - 4, 10)).toHaveLength(4)
    expect(read(memfd, memfd.sizeBytes, 10)).toHaveLength(0)
    close()
  })

  it('reads as a file does, from its position', () => {
    const { memfd, run, close } = setup()
    run(memfd.write(pattern(10, 1), 0))
    const bytes = new Uint8Array(8)
    const readFile = (length: number): number =>
      run(memfd.file.ops.read?.(memfd.file, bytes, 1, length) ?? none())
    expect([readFile(6), readFile(6), readFile(6)]).toEqual([6, 4, 0])
    expect(memfd.file.posBytes).toBe(10)
    expect(same(bytes.subarray(1, 5), pattern(10, 1).subarray(6))).toBe(true)
    close()
  })

  it('cuts and grows: what was cut off is zero when it comes back', () => {
    const { memfd, run, code, close } = setup()
    run(memfd.write(pattern(3 * PAGE_SIZE, 2), 0))
    run(memfd.truncate(PAGE_SIZE + 10))
    expect([memfd.sizeBytes, memfd.pages]).toEqual([PAGE_SIZE + 10, 2])
    run(memfd.truncate(3 * PAGE_SIZE))
    const bytes = read(memfd, 0, 3 * PAGE_SIZE)
    expect(same(bytes.subarray(0, PAGE_SIZE + 10), pattern(PAGE_SIZE + 10, 2))).toBe(true)
    expect(bytes.subarray(PAGE_SIZE + 10).every((byte) => byte === 0)).toBe(true)
    for (const size of [-1, 1.5, Number.NaN]) expect(code(memfd.truncate(size))).toBe('EINVAL')
    close()
  })

  it('punches holes: whole pages are given back, parts are zeroed', () => {
    const { memfd, run, code, close } = setup()
    run(memfd.write(pattern(4 * PAGE_SIZE, 2), 0))
    run(memfd.punchHole(PAGE_SIZE - 10, PAGE_SIZE + 20))
    expect(memfd.pages).toBe(3)
    run(memfd.punchHole(3 * PAGE_SIZE + 1, 5))
    run(memfd.punchHole(3 * PAGE_SIZE + 4000, 10 * PAGE_SIZE))
    const want = pattern(4 * PAGE_SIZE, 2)
    want.fill(0, PAGE_SIZE - 10, 2 * PAGE_SIZE + 10)
    want.fill(0, 3 * PAGE_SIZE + 1, 3 * PAGE_SIZE + 6)
    want.fill(0, 3 * PAGE_SIZE + 4000)
    expect(same(read(memfd, 0, want.length), want)).toBe(true)
    expect(code(memfd.punchHole(0, 0))).toBe('EINVAL')
    close()
  })

  it('writes what it has memory for, and says ENOMEM when that is nothing', () => {
    const { memfd, run, code, memory, close } = setup(MemfdFlags.MFD_ALLOW_SEALING, 8)
    const held = [0, 1, 2, 3, 4, 5].map(() => memory.allocPages(0))
    expect(run(memfd.write(pattern(4 * PAGE_SIZE, 2), 0))).toBe(2 * PAGE_SIZE)
    expect(memfd.sizeBytes).toBe(2 * PAGE_SIZE)
    expect(code(memfd.write(pattern(1, 2), 2 * PAGE_SIZE))).toBe('ENOMEM')
    run(memfd.truncate(4 * PAGE_SIZE))
    expect(code(memfd.pin(0, 4 * PAGE_SIZE))).toBe('ENOMEM')
    for (const frame of held) memory.freePages(frame, 0)
    close()
  })

  it('refuses flags and names that cannot be', () => {
    const bench = makeBench(4)
    for (const flags of [0x4, 0x20, MemfdFlags.MFD_EXEC | MemfdFlags.MFD_NOEXEC_SEAL, 0.5]) {
      expect(codeOf(() => createMemfd(bench, 'x', { flags }))).toBe('EINVAL')
    }
    expect(codeOf(() => createMemfd(bench, 'x'.repeat(250)))).toBe('EINVAL')
  })

  it('lets nobody write, seal or map for writing who opened it for reading', () => {
    const { memfd, code, close } = setup()
    memfd.file.flags = OpenFlags.O_RDONLY
    expect(code(memfd.write(pattern(1, 1), 0))).toBe('EBADF')
    expect(code(memfd.truncate(0))).toBe('EINVAL')
    expect(code(memfd.punchHole(0, 1))).toBe('EBADF')
    expect(code(memfd.addSeals(F_SEAL_GROW))).toBe('EPERM')
    expect(codeOf(() => memfd.mmap(0, PAGE_SIZE, 'write'))).toBe('EACCES')
    close()
  })
})

describe('seals', () => {
  it('are sealed from the start unless the maker allows them', () => {
    const { memfd, code, close } = setup(0)
    expect(memfd.getSeals()).toBe(F_SEAL_SEAL)
    expect(code(memfd.addSeals(F_SEAL_SHRINK))).toBe('EPERM')
    close()
  })

  it('can only be added, and F_SEAL_SEAL ends that', () => {
    const { memfd, run, code, close } = setup()
    expect(memfd.getSeals()).toBe(0)
    expect(code(memfd.addSeals(0x40))).toBe('EINVAL')
    run(memfd.addSeals(F_SEAL_SHRINK))
    run(memfd.addSeals(F_SEAL_SEAL | F_SEAL_GROW))
    expect(memfd.getSeals()).toBe(F_SEAL_SHRINK | F_SEAL_SEAL | F_SEAL_GROW)
    expect(code(memfd.addSeals(F_SEAL_WRITE))).toBe('EPERM')
    close()
  })

  it('F_SEAL_SHRINK and F_SEAL_GROW hold the size, each on its side', () => {
    const { memfd, run, code, close } = setup()
    run(memfd.truncate(2 * PAGE_SIZE))
    run(memfd.addSeals(F_SEAL_SHRINK))
    expect(code(memfd.truncate(PAGE_SIZE))).toBe('EPERM')
    run(memfd.truncate(2 * PAGE_SIZE))
    run(memfd.truncate(3 * PAGE_SIZE))
    run(memfd.addSeals(F_SEAL_GROW))
    expect(code(memfd.truncate(4 * PAGE_SIZE))).toBe('EPERM')
    expect(code(memfd.write(pattern(2, 1), 3 * PAGE_SIZE))).toBe('EPERM')
    // What fits is written, page by page.
    expect(run(memfd.write(pattern(PAGE_SIZE + 5, 1), 2 * PAGE_SIZE))).toBe(PAGE_SIZE)
    close()
  })

  it('F_SEAL_WRITE and F_SEAL_FUTURE_WRITE refuse writes, holes and writable mappings', () => {
    for (const seal of [F_SEAL_WRITE, F_SEAL_FUTURE_WRITE]) {
      const { memfd, run, code, close } = setup()
      run(memfd.truncate(PAGE_SIZE))
      run(memfd.addSeals(seal))
      expect(code(memfd.write(pattern(1, 1), 0))).toBe('EPERM')
      expect(code(memfd.punchHole(0, PAGE_SIZE))).toBe('EPERM')
      expect(codeOf(() => memfd.mmap(0, PAGE_SIZE, 'write'))).toBe('EPERM')
      const mapping = memfd.mmap(0, PAGE_SIZE, 'read')
      expect(mapping.segments()).toHaveLength(1)
      mapping.munmap()
      run(memfd.truncate(2 * PAGE_SIZE))
      close()
    }
  })

  it('F_SEAL_WRITE is refused while a writable mapping is left, F_SEAL_FUTURE_WRITE is not', () => {
    const { memfd, run, code, close } = setup()
    run(memfd.truncate(PAGE_SIZE))
    const mapping = memfd.mmap(0, PAGE_SIZE, 'write')
    expect(code(memfd.addSeals(F_SEAL_WRITE))).toBe('EBUSY')
    run(memfd.addSeals(F_SEAL_FUTURE_WRITE))
    mapping.segments()[0]?.fill(7)
    expect(read(memfd, 0, 1)).toEqual(Uint8Array.of(7))
    mapping.munmap()
    run(memfd.addSeals(F_SEAL_WRITE))
    close()
  })

  it('F_SEAL_WRITE waits 150 ms for pinned pages, then gives up with EBUSY', () => {
    const { memfd, run, code, scheduler, close } = setup()
    run(memfd.truncate(2 * PAGE_SIZE))
    const pin = run(memfd.pin(0, PAGE_SIZE))
    const startNs = scheduler.nowNs()
    expect(code(memfd.addSeals(F_SEAL_WRITE))).toBe('EBUSY')
    expect(scheduler.nowNs() - startNs).toBe(150_000_000)
    expect(memfd.getSeals()).toBe(0)
    const sealing = scheduler.spawn('seal', memfd.addSeals(F_SEAL_WRITE))
    new Timer(scheduler, 'unpin', () => pin.unpin()).arm(50_000_000)
    run(joinTask(scheduler, sealing))
    expect(memfd.getSeals()).toBe(F_SEAL_WRITE)
    close()
  })

  it('F_SEAL_EXEC on a file that may be executed implies the seals of its bytes', () => {
    const executable = setup()
    executable.run(executable.memfd.addSeals(F_SEAL_EXEC))
    expect(executable.memfd.getSeals()).toBe(0x3e)
    executable.close()
    const plain = setup(MemfdFlags.MFD_NOEXEC_SEAL)
    expect(plain.memfd.getSeals()).toBe(F_SEAL_EXEC)
    plain.run(plain.memfd.addSeals(F_SEAL_EXEC))
    expect(plain.memfd.getSeals()).toBe(F_SEAL_EXEC)
    plain.close()
  })
})

describe('pinned pages of a memory file', () => {
  it('are allocated, zeroed, and outlive the file', () => {
    const { memfd, memory, run, kernel } = setup()
    const free = memory.stats.pagesFree
    run(memfd.truncate(4 * PAGE_SIZE))
    const pin = run(memfd.pin(PAGE_SIZE, 2 * PAGE_SIZE))
    expect(memfd.pages).toBe(2)
    run(memfd.write(Uint8Array.of(9), PAGE_SIZE))
    const byte = new Uint8Array(1)
    memory.read((pin.frames[0] ?? 0) * PAGE_SIZE, byte)
    expect(byte[0]).toBe(9)
    run(memfd.punchHole(PAGE_SIZE, PAGE_SIZE))
    expect(read(memfd, PAGE_SIZE, 1)[0]).toBe(0)
    memfd.file.put()
    expect(memory.stats.pagesFree).toBe(free - 2)
    memory.read((pin.frames[0] ?? 0) * PAGE_SIZE, byte)
    expect(byte[0]).toBe(9)
    pin.unpin()
    expect(() => pin.unpin()).toThrow('unpinned twice')
    expect(memory.stats.pagesFree).toBe(free)
    expect(kernel.reports).toEqual([])
  })

  it('are refused for a range that is not whole pages, empty or beyond the end, and by whoever asks', () => {
    const { memfd, run, code, close } = setup()
    run(memfd.truncate(2 * PAGE_SIZE))
    for (const [offset, length] of [
      [1, PAGE_SIZE],
      [0, 100],
      [0, 0],
      [PAGE_SIZE, 2 * PAGE_SIZE],
      [2 * PAGE_SIZE, PAGE_SIZE],
      [-PAGE_SIZE, PAGE_SIZE],
    ] as const) {
      expect(code(memfd.pin(offset, length))).toBe('EINVAL')
    }
    const refuse = (): void => {
      throw new KernelError('EBADFD', 'no')
    }
    expect(code(memfd.pin(0, PAGE_SIZE, refuse))).toBe('EBADFD')
    expect(memfd.pages).toBe(0)
    close()
  })
})

describe('a mapping of a memory file', () => {
  it('sees the bytes where they are, and EFAULT where the file has ended', () => {
    const { memfd, run, close } = setup()
    run(memfd.truncate(2 * PAGE_SIZE))
    const mapping = memfd.mmap(0, 2 * PAGE_SIZE, 'write')
    mapping.segments()[1]?.fill(5)
    expect(read(memfd, PAGE_SIZE, 1)[0]).toBe(5)
    run(memfd.truncate(PAGE_SIZE))
    expect(codeOf(() => mapping.segments())).toBe('EFAULT')
    mapping.munmap()
    expect(() => mapping.munmap()).toThrow('unmapped twice')
    expect(() => mapping.segments()).toThrow('after munmap')
    expect(codeOf(() => memfd.mmap(0, 10, 'read'))).toBe('EINVAL')
    close()
  })
})

function* none(): Op<number> {
  return -1
}
