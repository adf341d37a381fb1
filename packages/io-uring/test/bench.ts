// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createDmaBufCore, createSystemHeap, type DmaBuf, type DmaBufCore } from '@iolayers/dma-buf'
import { createPhysicalMemory, type PhysicalMemory } from '@iolayers/dma-mapping'
import {
  createFdTable,
  createKernel,
  createVirtualScheduler,
  type FdTable,
  File,
  fifoStrategy,
  type Kernel,
  type Op,
  OpenFlags,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { createIoUring, type IoUring, type IoUringInit } from '../src/index.ts'
import { TwinFile, type TwinToken } from './twin.ts'

export const SIZE: number = 64 * 1024
/** Pages of user memory: 2^2. */
const USER_ORDER = 2

/** A ring over a twin file, with one dma-buf registered at 0. */
export class Bench {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly core: DmaBufCore
  readonly memory: PhysicalMemory
  /** Four pages of user memory. */
  readonly userAddr: number
  readonly fds: FdTable = createFdTable()
  readonly dmabuf: DmaBuf
  readonly twin: TwinFile
  readonly file: File
  readonly ring: IoUring
  readonly #open: number[] = []
  readonly #userData: Float64Array = new Float64Array(256)
  readonly #results: Int32Array = new Int32Array(256)

  constructor(
    init: Partial<IoUringInit> = {},
    seed?: number,
    makeTwin: (kernel: Kernel) => TwinFile = (kernel) => new TwinFile(kernel, SIZE),
  ) {
    this.scheduler = createVirtualScheduler(
      seed === undefined ? { strategy: fifoStrategy() } : { seed },
    )
    const kernel = createKernel({ scheduler: this.scheduler })
    this.kernel = kernel
    this.core = createDmaBufCore({ kernel })
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'plain' })
    this.memory = memory
    this.userAddr = memory.allocPages(USER_ORDER) * 4096
    this.dmabuf = createSystemHeap({ kernel, memory, core: this.core }).allocate(SIZE)
    this.twin = makeTwin(kernel)
    for (let i = 0; i < SIZE; i += 1) this.twin.bytes[i] = (i * 7) % 251
    this.file = this.openFile('twin', this.twin)
    this.ring = createIoUring({ kernel, fds: this.fds, memory }, { entries: 8, ...init })
  }

  /** An open descriptor of the file, which the bench keeps. */
  openFd(): number {
    const fd = this.fds.reserve()
    this.file.get()
    this.fds.install(fd, this.file)
    this.#open.push(fd)
    return fd
  }

  /** Puts bytes into user memory. */
  userBytes(addr: number, bytes: Uint8Array): number {
    this.memory.write(addr, bytes)
    return addr
  }

  /** A struct __kernel_timespec in user memory. */
  timespec(timeNs: number, addr: number = this.userAddr): number {
    const view = new DataView(new ArrayBuffer(16))
    view.setUint32(0, Math.floor(timeNs / 1e9), true)
    view.setUint32(8, timeNs % 1e9, true)
    return this.userBytes(addr, new Uint8Array(view.buffer))
  }

  openFile(
    name: string,
    twin: TwinFile,
    flags: number = OpenFlags.O_DIRECT | OpenFlags.O_RDWR,
  ): File {
    return new File(this.kernel, twin, { name, flags })
  }

  run<T>(op: Op<T>): T {
    return this.scheduler.runSync('user', op)
  }

  /** Registers the file and the buffer. */
  register(): TwinToken {
    this.ring.registerFiles([this.file])
    this.run(this.ring.registerBuffers([{ dmabuf: this.dmabuf, fileIndex: 0 }]))
    return this.token
  }

  get token(): TwinToken {
    const token = this.twin.tokens.at(-1)
    if (token === undefined) throw new Error('nothing is registered')
    return token
  }

  read(userData: number, at = 0, length = 512, rwFlags = 0): void {
    const sqe = this.ring.getSqe()
    this.ring.prepReadFixed(sqe, 0, at, 0, at, length, userData)
    this.ring.setRwFlags(sqe, rwFlags)
  }

  write(userData: number, at = 0, length = 512): void {
    this.ring.prepWriteFixed(this.ring.getSqe(), 0, at, 0, at, length, userData)
  }

  /** Everything that is ready: [user data, result]. */
  reap(max = 256): (readonly [number, number])[] {
    const count = this.ring.reap(this.#userData, this.#results, max)
    return Array.from({ length: count }, (_, i) => [
      this.#userData[i] ?? Number.NaN,
      this.#results[i] ?? Number.NaN,
    ])
  }

  /** A NOP with flags, that ends with `result`. */
  nop(userData: number, flags = 0, result = 0): void {
    const sqe = this.ring.getSqe()
    this.ring.prepNopResult(sqe, result, userData)
    this.ring.setSqeFlags(sqe, flags)
  }

  timeout(userData: number, timeNs: number, count = 0, timeoutFlags = 0, sqeFlags = 0): void {
    const sqe = this.ring.getSqe()
    this.ring.prepTimeout(sqe, this.timespec(timeNs), count, timeoutFlags, userData)
    this.ring.setSqeFlags(sqe, sqeFlags)
  }

  cancel(userData: number, target: number, cancelFlags = 0): void {
    this.ring.prepCancel(this.ring.getSqe(), target, cancelFlags, userData)
  }

  /** Submits, waits for `count` completions, and reaps them. */
  complete(count: number): (readonly [number, number])[] {
    this.run(this.ring.submitAndWait(count))
    return this.reap()
  }

  /** Closes the ring and checks that nothing is left of it. */
  finish(): void {
    this.run(this.ring.close())
    const problems = this.outstanding()
    this.dmabuf.put()
    this.memory.freePages(this.userAddr / 4096, USER_ORDER)
    for (const fd of this.#open.splice(0)) this.fds.close(fd)
    this.file.put()
    this.scheduler.runUntilIdle()
    if (this.core.begin() !== null) problems.push('a dma-buf is left')
    if (this.twin.released !== 1) problems.push(`the file was released ${this.twin.released} times`)
    problems.push(...this.scheduler.outstanding())
    if (problems.length > 0) throw new Error(`outstanding: ${problems.join('; ')}`)
  }

  outstanding(): string[] {
    const problems: string[] = []
    if (this.ring.inflight > 0) problems.push(`${this.ring.inflight} requests`)
    for (const token of this.twin.tokens) {
      if (!token.released) problems.push('a token')
      for (const map of token.maps) if (map.refs > 0) problems.push(`${map.refs} map references`)
    }
    const descriptors = this.#open.length
    if (this.file.references !== 1 + descriptors)
      problems.push(`${this.file.references} file references`)
    if (this.dmabuf.references !== 1) problems.push(`${this.dmabuf.references} dma-buf references`)
    return problems
  }
}
