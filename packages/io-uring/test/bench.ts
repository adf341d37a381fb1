// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createDmaBufCore, createSystemHeap, type DmaBuf, type DmaBufCore } from '@iolayers/dma-buf'
import { createPhysicalMemory } from '@iolayers/dma-mapping'
import {
  createKernel,
  createVirtualScheduler,
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

/** A ring over a twin file, with one dma-buf registered at 0. */
export class Bench {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly core: DmaBufCore
  readonly dmabuf: DmaBuf
  readonly twin: TwinFile
  readonly file: File
  readonly ring: IoUring
  readonly #userData: Float64Array = new Float64Array(256)
  readonly #results: Int32Array = new Int32Array(256)

  constructor(init: Partial<IoUringInit> = {}, seed?: number) {
    this.scheduler = createVirtualScheduler(
      seed === undefined ? { strategy: fifoStrategy() } : { seed },
    )
    const kernel = createKernel({ scheduler: this.scheduler })
    this.kernel = kernel
    this.core = createDmaBufCore({ kernel })
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'plain' })
    this.dmabuf = createSystemHeap({ kernel, memory, core: this.core }).allocate(SIZE)
    this.twin = new TwinFile(kernel, SIZE)
    for (let i = 0; i < SIZE; i += 1) this.twin.bytes[i] = (i * 7) % 251
    this.file = this.openFile('twin', this.twin)
    this.ring = createIoUring({ kernel }, { entries: 8, ...init })
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
    if (this.file.references !== 1) problems.push(`${this.file.references} file references`)
    if (this.dmabuf.references !== 1) problems.push(`${this.dmabuf.references} dma-buf references`)
    return problems
  }
}
