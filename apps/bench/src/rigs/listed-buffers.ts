// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Many dma-bufs without memory, listed twice over: by reading the stack's iterator as a user would, and by a bare walk of
// the same list that writes the same records. Both hash what they give.

import { createEventLoopScheduler, type EventLoopScheduler, type Op } from '@iolayers/kernel'
import { createStack, destroyStack, type Stack } from 'iolayers'
import { liveBytes } from '../measure/held-memory.ts'

const READ_BYTES = 4096
const PAGE_BYTES = 4096
const RECORD_BYTES_MAX = 128
const NEWLINE = 10
const LINES_PER_RECORD = 4
const SOME_READS = 8
const HALF_READ_FILES = 8
const FNV_OFFSET = 0x811c_9dc5
const FNV_PRIME = 0x0100_0193

type DmaBuf = ReturnType<Stack['systemHeap']['allocate']>
type IterFile = ReturnType<Stack['iters']['dmabuf']['open']>

const opsWithoutMemory = {
  mapDmaBuf: (): never => {
    throw new Error('a listed buffer has no memory')
  },
  unmapDmaBuf: (): void => undefined,
  release: (): void => undefined,
}

/** The buffers of one stack; their listing has `count` records. */
export class ListedBuffers {
  readonly count: number
  /** Of the text that the listing has to be. */
  readonly hash: string
  readonly #scheduler: EventLoopScheduler
  readonly #stack: Stack
  readonly #buffers: DmaBuf[] = []
  readonly #read: Uint8Array = new Uint8Array(READ_BYTES)
  readonly #record: Uint8Array = new Uint8Array(RECORD_BYTES_MAX)
  readonly #encoder = new TextEncoder()

  constructor(count: number) {
    this.count = count
    this.#scheduler = createEventLoopScheduler()
    this.#stack = createStack(this.#scheduler, {
      ramBytes: PAGE_BYTES,
      queueMemoryBytes: PAGE_BYTES,
      iommu: 'passthrough',
    })
    const { dmaBufs } = this.#stack
    for (let i = 0; i < count; i++) {
      const info = { ops: opsWithoutMemory, sizeBytes: PAGE_BYTES, exporterName: 'system' }
      this.#buffers.push(dmaBufs.export({ ...info, name: `buffer-${i}` }))
    }
    this.hash = this.#expectedHash()
  }

  /** Lists all of them through the iterator, in reads of 4 KiB. Throws when a byte is not as it has to be. */
  list(): number {
    let hash = FNV_OFFSET
    this.#run(
      this.#readAll((bytes, length) => {
        hash = hashed(hash, bytes, length)
      }),
    )
    return this.#checked(hash)
  }

  /** Walks the list itself, record after record, and nothing else. */
  walk(): number {
    const { dmaBufs } = this.#stack
    let hash = FNV_OFFSET
    for (let item = dmaBufs.begin(); item !== null; item = dmaBufs.next(item)) {
      const { written } = this.#encoder.encodeInto(dmaBufs.show(item), this.#record)
      hash = hashed(hash, this.#record, written)
    }
    return this.#checked(hash)
  }

  /** Calls of begin and next that one listing takes. */
  countCalls(): number {
    const { dmaBufs } = this.#stack
    const { begin, next } = dmaBufs
    let calls = 0
    dmaBufs.begin = () => {
      calls++
      return begin.call(dmaBufs)
    }
    dmaBufs.next = (current) => {
      calls++
      return next.call(dmaBufs, current)
    }
    try {
      this.list()
    } finally {
      dmaBufs.begin = begin
      dmaBufs.next = next
    }
    return calls
  }

  /** Lists the first of them, so few that no garbage is collected meanwhile; returns how many. */
  listSome(): number {
    const file = this.#open()
    let lines = 0
    this.#run(
      this.#readSome(file, SOME_READS, (bytes, length) => {
        for (let i = 0; i < length; i++) if (bytes[i] === NEWLINE) lines++
      }),
    )
    file.put()
    return Math.floor(lines / LINES_PER_RECORD)
  }

  /** What an iterator that has been read half-way holds in memory: the mean of several. */
  async heldBytes(): Promise<number> {
    const halfReads = Math.floor(this.count / 2 / this.listSome()) * SOME_READS
    const files = Array.from({ length: HALF_READ_FILES }, () => this.#open())
    const before = await liveBytes()
    for (const file of files) this.#run(this.#readSome(file, halfReads, () => undefined))
    const held = (await liveBytes()) - before
    for (const file of files) file.put()
    return Math.round(Math.max(0, held) / HALF_READ_FILES)
  }

  async destroy(): Promise<void> {
    for (const buffer of this.#buffers) {
      if (buffer.references !== 1) throw new Error('the iterator kept a reference')
      buffer.put()
    }
    await this.#scheduler.run('take down', destroyStack(this.#stack))
  }

  #open(): IterFile {
    return this.#stack.iters.dmabuf.open('text')
  }

  *#readAll(onBytes: (bytes: Uint8Array, length: number) => void): Op<void> {
    const file = this.#open()
    try {
      yield* this.#readSome(file, Number.POSITIVE_INFINITY, onBytes)
    } finally {
      file.put()
    }
  }

  *#readSome(
    file: IterFile,
    reads: number,
    onBytes: (bytes: Uint8Array, length: number) => void,
  ): Op<void> {
    const { read } = file.ops
    if (read === undefined) throw new Error('an iterator that cannot be read')
    for (let i = 0; i < reads; i++) {
      const length = yield* read(file, this.#read, 0, READ_BYTES)
      if (length <= 0) return
      onBytes(this.#read, length)
    }
  }

  #run(op: Op<void>): void {
    const task = this.#scheduler.spawn('list', op)
    this.#scheduler.runUntilIdle()
    const { outcome } = task
    if (outcome === null) throw new Error('the listing waits for something')
    if (!outcome.ok) throw outcome.error
  }

  #expectedHash(): string {
    let hash = FNV_OFFSET
    for (const { inode, name } of this.#buffers.toReversed()) {
      const text = `${inode}\n${PAGE_BYTES}\n${name}\nsystem\n`
      const { written } = this.#encoder.encodeInto(text, this.#record)
      hash = hashed(hash, this.#record, written)
    }
    return hex(hash)
  }

  #checked(hash: number): number {
    if (hex(hash) === this.hash) return this.count
    throw new Error(`a listing of ${this.count} buffers is not what it has to be`)
  }
}

function hashed(before: number, bytes: Uint8Array, length: number): number {
  let hash = before
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), FNV_PRIME)
  return hash
}

function hex(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, '0')
}
