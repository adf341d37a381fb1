// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import {
  createKernel,
  createVirtualScheduler,
  type File,
  KernelError,
  type Op,
  type VirtualScheduler,
} from '@iolayers/kernel'
import { type DmabufIterItem, formatDmabuf } from '../src/dmabuf/index.ts'
import {
  type BpfIter,
  createBpfIter,
  type IterProgram,
  type IterSource,
  type IterTarget,
} from '../src/index.ts'

/** A buffer of the test source; `refs` counts its users and its iterators. */
export interface TestBuffer extends DmabufIterItem {
  refs: number
}

/** A list of counted buffers, newest first, as dma-buf keeps one. */
export class TestSource implements IterSource<TestBuffer> {
  readonly list: TestBuffer[] = []
  calls = 0
  #inodes = 0

  export(init: { name?: string; sizeBytes?: number; exporterName?: string } = {}): TestBuffer {
    this.#inodes += 1
    const buffer: TestBuffer = {
      inode: this.#inodes,
      sizeBytes: init.sizeBytes ?? 4096,
      name: init.name ?? '',
      exporterName: init.exporterName ?? 'system',
      refs: 1,
    }
    this.list.unshift(buffer)
    return buffer
  }

  begin(): TestBuffer | null {
    this.calls += 1
    return this.#take(0)
  }

  next(current: TestBuffer): TestBuffer | null {
    this.calls += 1
    const following = this.#take(this.list.indexOf(current) + 1)
    this.put(current)
    return following
  }

  put(buffer: TestBuffer): void {
    if (buffer.refs <= 0) throw new Error(`buffer ${buffer.inode}: put of a dead buffer`)
    buffer.refs -= 1
    if (buffer.refs === 0) this.list.splice(this.list.indexOf(buffer), 1)
  }

  show(buffer: TestBuffer): string {
    return formatDmabuf(buffer)
  }

  /** What the default program would write for all of them. */
  text(): string {
    return this.list.map(formatDmabuf).join('')
  }

  #take(from: number): TestBuffer | null {
    const found = this.list[from]
    if (found === undefined) return null
    if (found.refs === 0) return this.#take(from + 1)
    found.refs += 1
    return found
  }
}

export class Bench {
  readonly scheduler: VirtualScheduler = createVirtualScheduler({ seed: 1 })
  readonly iters: BpfIter = createBpfIter({ kernel: createKernel({ scheduler: this.scheduler }) })

  open<T, P>(target: IterTarget<T, P>, program: IterProgram<T>): File {
    const registered = this.iters.registerTarget(target)
    const file = registered.attach(program).open()
    registered.unregister()
    return file
  }

  /** A read's text, or its negative errno. */
  read(file: File, size: number): string | number {
    return this.scheduler.runSync('reader', readText(file, size))
  }

  /** Reads until 0; errors stand in the list as numbers, and end it after `errorsMax` of them. */
  readToEnd(
    file: File,
    size: number,
    errorsMax = 0,
  ): { text: string; errors: number[]; reads: number } {
    const errors: number[] = []
    let text = ''
    let reads = 0
    for (;;) {
      const got = this.read(file, size)
      reads += 1
      if (got === '') return { text, errors, reads }
      if (typeof got === 'string') text += got
      else if (errors.push(got) > errorsMax) return { text, errors, reads }
    }
  }
}

export function* readText(file: File, size: number): Op<string | number> {
  const read = file.ops.read
  if (read === undefined) throw new Error('cannot be read')
  const target = new Uint8Array(size + 2).fill(0xee)
  let result: string | number
  try {
    const count = yield* read.call(file.ops, file, target, 1, size)
    result = new TextDecoder().decode(target.subarray(1, 1 + count))
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    result = error.errno
  }
  if (target[0] !== 0xee || target[size + 1] !== 0xee) throw new Error('wrote beside the target')
  return result
}

export const EAGAIN = -11
export const E2BIG = -7
