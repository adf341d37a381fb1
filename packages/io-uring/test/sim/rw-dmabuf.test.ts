// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { createBlockDeviceFile, createRamDisk } from '@iolayers/block-core'
import { createDmaBufCore, createMovableHeap, type DmaBuf } from '@iolayers/dma-buf'
import { createDevice, createPhysicalMemory } from '@iolayers/dma-mapping'
import {
  createFdTable,
  createKernel,
  createVirtualScheduler,
  Errno,
  type File,
  fifoStrategy,
  type Kernel,
  type Op,
  OpenFlags,
  sleep,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createIoUring, type IoUring, SetupFlags } from '../../src/index.ts'

const BLOCK = 512
const DISK_BYTES = 4 << 20
const BUFFER_BYTES = (2 << 20) + 16 * BLOCK
const OFFSETS = [0, 1, 2, 7]
const SIZES = [1, 2, 7, 8, 64, 512]
const MODES = [
  ['plain', 0],
  ['DEFER_TASKRUN', SetupFlags.DEFER_TASKRUN | SetupFlags.SINGLE_ISSUER],
  ['IOPOLL', SetupFlags.IOPOLL],
] as const

/** A ring over a RAM disk, with two buffers that can move and user memory. */
class Rig {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly memory
  readonly core
  readonly heap
  readonly file: File
  readonly ring: IoUring
  readonly out: DmaBuf
  readonly back: DmaBuf
  readonly fds = createFdTable()
  readonly userAddr: number
  readonly #userData = new Int32Array(64)
  readonly #results = new Int32Array(64)

  constructor(flags: number, maxSegments: number, seed?: number) {
    this.scheduler = createVirtualScheduler(
      seed === undefined ? { strategy: fifoStrategy() } : { seed },
    )
    const kernel = createKernel({ scheduler: this.scheduler }, { checked: true })
    this.kernel = kernel
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 32 << 20, backing: 'plain' })
    this.memory = memory
    this.core = createDmaBufCore({ kernel })
    this.heap = createMovableHeap({ kernel, memory, core: this.core })
    const device = createDevice(
      { kernel, memory, iommu: null },
      { name: 'ram', iommuMode: 'passthrough' },
    )
    const tokens = createDmabufTokenFactory({ kernel, fences: this.core })
    const disk = createRamDisk(
      { kernel, memory, device, tokens },
      { name: 'ram0', sizeBytes: DISK_BYTES, queueDepth: 16, limits: { maxSegments } },
    )
    const open = { flags: OpenFlags.O_RDWR | OpenFlags.O_DIRECT }
    this.file = createBlockDeviceFile({ kernel, disk }, open)
    this.ring = createIoUring({ kernel, memory, fds: this.fds }, { entries: 16, flags })
    this.out = this.heap.allocate(BUFFER_BYTES)
    this.back = this.heap.allocate(BUFFER_BYTES)
    this.userAddr = memory.allocPages(2) * 4096
  }

  /** Submits and waits for all that was prepared: [user data, result], oldest first. */
  *complete(): Op<(readonly [number, number])[]> {
    const count = this.ring.sqReady
    yield* this.ring.submitAndWait(count)
    return this.reap()
  }

  reap(): (readonly [number, number])[] {
    const count = this.ring.reap(this.#userData, this.#results, 64)
    return Array.from({ length: count }, (_, i) => [
      this.#userData[i] ?? Number.NaN,
      this.#results[i] ?? Number.NaN,
    ])
  }

  *bytesOf(buffer: DmaBuf): Op<Buffer> {
    const view = yield* buffer.vmap()
    const bytes = Buffer.concat(view.segments)
    buffer.vunmap()
    return bytes
  }

  *fill(buffer: DmaBuf, valueAt: (at: number) => number): Op<void> {
    const view = yield* buffer.vmap()
    let at = 0
    for (const segment of view.segments) {
      for (let i = 0; i < segment.length; i += 1, at += 1) segment[i] = valueAt(at)
    }
    buffer.vunmap()
  }

  *register(): Op<void> {
    this.ring.registerFiles([this.file])
    yield* this.ring.registerBuffers([
      { dmabuf: this.out, fileIndex: 0 },
      { dmabuf: this.back, fileIndex: 0 },
    ])
    yield* this.fill(this.out, (at) => (at * 31 + (at >> 9)) % 251)
  }

  run(main: Op<void>): void {
    this.scheduler.runSync('main', main)
    expect([this.out.references, this.back.references]).toEqual([1, 1])
    this.out.put()
    this.back.put()
    this.file.put()
    this.memory.freePages(this.userAddr / 4096, 2)
    this.scheduler.runUntilIdle()
    expect(this.core.begin()).toBeNull()
    expect(this.scheduler.outstanding()).toEqual([])
    expect(this.kernel.reports).toEqual([])
  }
}

describe.each(MODES)('reads and writes of registered dma-bufs, %s', (_name, flags) => {
  it('of any size, at any offset of the buffer and the disk, move just those bytes', () => {
    const rig = new Rig(flags, 128)
    const { ring } = rig
    function* transfer(blocks: number, offset: number): Op<void> {
      const [at, bytes] = [offset * BLOCK, blocks * BLOCK]
      ring.prepWriteFixed(ring.getSqe(), 0, at, 0, at, bytes, 1)
      expect(yield* rig.complete()).toEqual([[1, bytes]])
      ring.prepReadFixed(ring.getSqe(), 0, at, 1, 8 * BLOCK + at, bytes, 2)
      expect(yield* rig.complete()).toEqual([[2, bytes]])
    }
    function* main(): Op<void> {
      yield* rig.register()
      for (const offset of OFFSETS) {
        for (const blocks of SIZES) {
          yield* rig.fill(rig.back, () => 0xee)
          yield* transfer(blocks, offset)
          const [source, target] = [yield* rig.bytesOf(rig.out), yield* rig.bytesOf(rig.back)]
          const [from, to] = [offset * BLOCK, (offset + blocks) * BLOCK]
          const moved = target.subarray(8 * BLOCK + from, 8 * BLOCK + to)
          expect(Buffer.compare(moved, source.subarray(from, to))).toBe(0)
          expect(target.subarray(0, 8 * BLOCK + from).every((byte) => byte === 0xee)).toBe(true)
          expect([target[8 * BLOCK + to]]).toEqual([0xee])
        }
      }
      yield* transfer((2 << 20) / BLOCK, 0)
      yield* ring.close()
    }
    rig.run(main())
  })

  it('a thousand of one block, sixteen in flight, and striped writes: every block where it belongs', () => {
    const rig = new Rig(flags, 128)
    const { ring } = rig
    function* stream(isWrite: boolean, count: number, blockOf: (i: number) => number): Op<void> {
      let [sent, done] = [0, 0]
      while (done < count) {
        for (; sent < count && sent - done < 16; sent += 1) {
          const at = blockOf(sent) * BLOCK
          const sqe = ring.getSqe()
          if (isWrite) ring.prepWriteFixed(sqe, 0, at, 0, at, BLOCK, sent)
          else ring.prepReadFixed(sqe, 0, at, 1, at, BLOCK, sent)
        }
        yield* ring.submitAndWait(1)
        for (const [, res] of rig.reap()) {
          expect(res).toBe(BLOCK)
          done += 1
        }
      }
    }
    function* main(): Op<void> {
      yield* rig.register()
      // Four stripes, one after the other.
      yield* stream(true, 1000, (i) => (i % 250) * 4 + Math.floor(i / 250))
      yield* stream(false, 1000, (i) => (i * 7) % 1000)
      const [source, target] = [yield* rig.bytesOf(rig.out), yield* rig.bytesOf(rig.back)]
      const bytes = 1000 * BLOCK
      expect(Buffer.compare(source.subarray(0, bytes), target.subarray(0, bytes))).toBe(0)
      yield* ring.close()
    }
    rig.run(main())
  })

  it('S8: once O_DIRECT is cleared every I/O is refused', () => {
    const rig = new Rig(flags, 128)
    function* main(): Op<void> {
      yield* rig.register()
      rig.file.flags = OpenFlags.O_RDWR
      rig.ring.prepReadFixed(rig.ring.getSqe(), 0, 0, 1, 0, BLOCK, 1)
      const refused = flags === SetupFlags.IOPOLL ? Errno.EOPNOTSUPP : Errno.EINVAL
      expect(yield* rig.complete()).toEqual([[1, -refused]])
      rig.file.flags |= OpenFlags.O_DIRECT
      rig.ring.prepReadFixed(rig.ring.getSqe(), 0, 0, 1, 0, BLOCK, 2)
      expect(yield* rig.complete()).toEqual([[2, BLOCK]])
      yield* rig.ring.close()
    }
    rig.run(main())
  })

  it('R2, R8: while the buffers move each I/O is done once and whole, or ends with ESTALE', () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const rig = new Rig(flags, 1, seed)
      const { ring } = rig
      const bytes = 32 * BLOCK
      let running = true
      function* mover(): Op<void> {
        while (running) {
          yield* rig.heap.move(rig.back)
          yield* sleep(rig.scheduler, 1000 * seed)
        }
      }
      function* main(): Op<void> {
        yield* rig.register()
        for (let i = 0; i < 8; i += 1) {
          ring.prepWriteFixed(ring.getSqe(), 0, i * bytes, 0, i * bytes, bytes, i)
        }
        yield* rig.complete()
        rig.scheduler.spawn('mover', mover())
        const todo = [0, 1, 2, 3, 4, 5, 6, 7]
        for (let round = 0; todo.length > 0; round += 1) {
          expect(round).toBeLessThan(200)
          for (const i of todo.splice(0)) {
            ring.prepReadFixed(ring.getSqe(), 0, i * bytes, 1, i * bytes, bytes, i)
          }
          for (const [id, res] of yield* rig.complete()) {
            if (res === -Errno.ESTALE) todo.push(id)
            else expect(res).toBe(bytes)
          }
        }
        running = false
        const [source, target] = [yield* rig.bytesOf(rig.out), yield* rig.bytesOf(rig.back)]
        expect(Buffer.compare(source.subarray(0, 8 * bytes), target.subarray(0, 8 * bytes))).toBe(0)
        yield* ring.close()
      }
      rig.run(main())
    }
  })
})

describe('user memory over a real disk', () => {
  it('READ, WRITE, READV and WRITEV by descriptor; what is not aligned is EINVAL', () => {
    const rig = new Rig(0, 128)
    const { ring, memory, userAddr, fds } = rig
    const fd = fds.reserve()
    rig.file.get()
    fds.install(fd, rig.file)
    const pattern = Uint8Array.from({ length: 4096 }, (_, i) => (i * 11) % 249)
    const vector = new DataView(new ArrayBuffer(32))
    vector.setUint32(0, userAddr + 8192, true)
    vector.setUint32(8, 1024, true)
    vector.setUint32(16, userAddr + 12_288, true)
    vector.setUint32(24, 2048, true)
    function* main(): Op<void> {
      memory.write(userAddr, pattern)
      ring.prepWrite(ring.getSqe(), fd, userAddr, 4096, 8192, 1)
      expect(yield* rig.complete()).toEqual([[1, 4096]])
      ring.prepRead(ring.getSqe(), fd, userAddr + 4096, 4096, 8192, 2)
      expect(yield* rig.complete()).toEqual([[2, 4096]])
      const read = new Uint8Array(4096)
      memory.read(userAddr + 4096, read)
      expect(read).toEqual(pattern)
      memory.write(userAddr, new Uint8Array(vector.buffer))
      ring.prepReadv(ring.getSqe(), fd, userAddr, 2, 8192, 3)
      expect(yield* rig.complete()).toEqual([[3, 3072]])
      memory.read(userAddr + 12_288, read.subarray(0, 2048))
      expect(read.subarray(0, 2048)).toEqual(pattern.subarray(1024, 3072))
      ring.prepWritev(ring.getSqe(), fd, userAddr, 2, 0, 4)
      ring.prepRead(ring.getSqe(), fd, userAddr + 4096, 100, 0, 5)
      ring.prepRead(ring.getSqe(), fd, userAddr + 4096, 512, DISK_BYTES, 6)
      expect(new Map(yield* rig.complete())).toEqual(
        new Map([
          [4, 3072],
          [5, -Errno.EINVAL],
          [6, 0],
        ]),
      )
      yield* ring.close()
      fds.close(fd)
    }
    rig.run(main())
  })
})
