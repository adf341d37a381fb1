// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type FdTable, type File, KernelError, Mutex, type Op } from '@iolayers/kernel'
import { fileOf } from './op-ctx.ts'
import {
  type BufferRegistration,
  checkCount,
  MAX_FIXED_FILES,
  MAX_REG_BUFFERS,
  makeBufferNode,
  makeBufferNodes,
  makeFileNode,
} from './registration.ts'
import type { RingCtx } from './ring-ctx.ts'
import { BufferNode, type FileNode } from './rsrc-node.ts'
import { CLONE_DST_REPLACE, REGISTER_FILES_SKIP } from './uapi-flags.ts'

/** A file, or the descriptor of one; null or -1: none; REGISTER_FILES_SKIP: leaves the slot as it is. */
export type FileEntry = File | number | null

export interface CloneBuffersInit {
  readonly srcOff?: number
  readonly dstOff?: number
  /** How many; all where it is 0 or not given. */
  readonly nr?: number
  /** 0 or CLONE_DST_REPLACE. */
  readonly flags?: number
}

type Node = BufferNode | FileNode

/**
 * The registered files and buffers. What leaves a table is found by no new I/O; when the I/O on it is over it is released, and its tag, if it has
 * one, is posted.
 * @see io_uring/rsrc.c
 */
export class RsrcTables {
  files: (FileNode | null)[] = []
  buffers: (BufferNode | null)[] = []
  readonly #ctx: RingCtx
  readonly #fds: FdTable | null
  readonly #lock: Mutex
  /** Where I/O ends only when somebody looks: a look. */
  readonly #pump: () => Op<void>

  constructor(ctx: RingCtx, fds: FdTable | null, pump: () => Op<void>) {
    this.#ctx = ctx
    this.#fds = fds
    this.#lock = new Mutex(ctx.kernel.scheduler, 'io_uring registration')
    this.#pump = pump
  }

  registerFiles(files: readonly FileEntry[], tags: readonly number[]): void {
    this.#checkOpen()
    if (this.files.length > 0) throw new KernelError('EBUSY', 'files are registered already')
    if (files.length > MAX_FIXED_FILES) {
      throw new KernelError('EMFILE', `registered files: ${files.length} of ${MAX_FIXED_FILES}`)
    }
    checkCount('registered files', files.length, MAX_FIXED_FILES)
    const nodes: (FileNode | null)[] = []
    try {
      files.forEach((file, i) => {
        nodes.push(this.#makeFile(file, tags[i] ?? 0))
      })
    } catch (error) {
      for (const node of nodes) node?.file.put()
      throw error
    }
    this.files = nodes
  }

  *updateFiles(offset: number, files: readonly FileEntry[], tags: readonly number[]): Op<number> {
    yield* this.#lock.lock()
    try {
      this.#checkOpen()
      checkRange('registered files', offset, files.length, this.files.length)
      let done = 0
      const old: FileNode[] = []
      try {
        for (const file of files) {
          this.#updateFile(offset + done, file, tags[done] ?? 0, old)
          done += 1
        }
      } catch (error) {
        if (done === 0 || !(error instanceof KernelError)) throw error
      } finally {
        yield* this.#retireAll(old)
      }
      return done
    } finally {
      this.#lock.unlock()
    }
  }

  *unregisterFiles(): Op<void> {
    if (this.files.length === 0) throw new KernelError('ENXIO', 'no files are registered')
    yield* this.#retireFiles()
  }

  *registerBuffers(
    registrations: readonly (BufferRegistration | null)[],
    tags: readonly number[],
  ): Op<void> {
    yield* this.#lock.lock()
    try {
      this.#checkOpen()
      checkCount('registered buffers', registrations.length, MAX_REG_BUFFERS)
      if (this.buffers.length > 0) throw new KernelError('EBUSY', 'buffers are registered already')
      registrations.forEach((registration, i) => {
        checkTag(registration === null, tags[i] ?? 0)
      })
      this.buffers = yield* makeBufferNodes(this.#ctx.kernel, this.files, registrations, tags)
    } finally {
      this.#lock.unlock()
    }
  }

  /** How many slots were replaced: those before the first that could not be, and at least one. */
  *updateBuffers(
    offset: number,
    registrations: readonly (BufferRegistration | null)[],
    tags: readonly number[],
  ): Op<number> {
    yield* this.#lock.lock()
    try {
      this.#checkOpen()
      checkRange('registered buffers', offset, registrations.length, this.buffers.length)
      let done = 0
      try {
        for (const registration of registrations) {
          yield* this.#updateBuffer(offset + done, registration, tags[done] ?? 0)
          done += 1
        }
      } catch (error) {
        if (done === 0 || !(error instanceof KernelError)) throw error
      }
      return done
    } finally {
      this.#lock.unlock()
    }
  }

  *unregisterBuffers(): Op<void> {
    yield* this.#lock.lock()
    try {
      if (this.buffers.length === 0) throw new KernelError('ENXIO', 'no buffers are registered')
      yield* this.#retireBuffers()
    } finally {
      this.#lock.unlock()
    }
  }

  /** @see io_uring/rsrc.c io_clone_buffers */
  *cloneBuffers(source: RsrcTables, init: CloneBuffersInit): Op<void> {
    yield* this.#lock.lock()
    try {
      this.#checkOpen()
      const table = this.#cloned(source, init)
      const from = init.dstOff ?? 0
      const old = this.buffers.filter((_, i) => i >= from && i < from + table.length)
      table.forEach((node, i) => {
        this.buffers[from + i] = node
      })
      for (let i = 0; i < this.buffers.length; i += 1) this.buffers[i] ??= null
      yield* this.#retireAll(old)
    } finally {
      this.#lock.unlock()
    }
  }

  /** The ring closes: no I/O is under way. */
  *close(finish: () => Op<void>): Op<void> {
    yield* this.#lock.lock()
    try {
      yield* finish()
      yield* this.#retireBuffers()
      yield* this.#retireFiles()
    } finally {
      this.#lock.unlock()
    }
  }

  #cloned(source: RsrcTables, init: CloneBuffersInit): (BufferNode | null)[] {
    const { srcOff = 0, dstOff = 0, flags = 0 } = init
    if ((flags & ~CLONE_DST_REPLACE) !== 0) {
      throw new KernelError('EINVAL', `clone of buffers: flags are 0x${flags.toString(16)}`)
    }
    if (this.buffers.length > 0 && (flags & CLONE_DST_REPLACE) === 0) {
      throw new KernelError('EBUSY', 'buffers are registered already')
    }
    const { length } = source.buffers
    if (length === 0) throw new KernelError('ENXIO', 'the other ring has no buffers registered')
    const nr = init.nr === undefined || init.nr === 0 ? length : init.nr
    if (nr > length || dstOff + nr > MAX_REG_BUFFERS) {
      throw new KernelError('EINVAL', `clone of buffers: ${nr} at ${dstOff}, of ${length}`)
    }
    if (srcOff + nr > length) {
      throw new KernelError('EOVERFLOW', `clone of buffers: ${nr} from ${srcOff} on, of ${length}`)
    }
    return source.buffers.slice(srcOff, srcOff + nr).map((node) => {
      if (node === null) return null
      if (node.token !== null) {
        throw new KernelError('EOPNOTSUPP', 'clone of buffers: a dma-buf belongs to one ring')
      }
      return new BufferNode(this.#ctx.kernel, null, node.segments, 0)
    })
  }

  *#updateBuffer(index: number, registration: BufferRegistration | null, tag: number): Op<void> {
    checkTag(registration === null, tag)
    const old = this.buffers[index] ?? null
    const { kernel } = this.#ctx
    this.buffers[index] =
      registration === null ? null : yield* makeBufferNode(kernel, this.files, registration, tag)
    if (old !== null) yield* this.#retire(old)
  }

  #updateFile(index: number, entry: FileEntry, tag: number, old: FileNode[]): void {
    if (entry === REGISTER_FILES_SKIP) {
      checkTag(true, tag)
      return
    }
    const node = this.#makeFile(entry, tag)
    const before = this.files[index] ?? null
    this.files[index] = node
    if (before !== null) old.push(before)
  }

  #makeFile(entry: FileEntry, tag: number): FileNode | null {
    checkTag(entry === null || entry === -1, tag)
    if (entry === null || entry === -1) return null
    if (typeof entry !== 'number') return makeFileNode(this.#ctx.kernel, entry, tag)
    const file = fileOf(this.#fds, entry)
    if (file === null) throw new KernelError('EBADF', `descriptor ${entry} is not open`)
    try {
      return makeFileNode(this.#ctx.kernel, file, tag)
    } finally {
      file.put()
    }
  }

  *#retireFiles(): Op<void> {
    const { files } = this
    this.files = []
    yield* this.#retireAll(files)
  }

  *#retireBuffers(): Op<void> {
    const { buffers } = this
    this.buffers = []
    yield* this.#retireAll(buffers)
  }

  *#retireAll(nodes: readonly (Node | null)[]): Op<void> {
    for (const node of nodes) if (node !== null) yield* this.#retire(node)
  }

  *#retire(node: Node): Op<void> {
    if (this.#ctx.iopoll) while (node.users > 0) yield* this.#pump()
    yield* node.retire()
    const { tag } = node
    if (tag !== 0) this.#ctx.post(tag | 0, (tag / 0x1_0000_0000) | 0, 0, 0)
  }

  #checkOpen(): void {
    if (this.#ctx.closing) throw new KernelError('EBADF', 'the ring is closed')
  }
}

function checkTag(isEmpty: boolean, tag: number): void {
  assert(Number.isSafeInteger(tag) && tag >= 0, 'a tag is a whole number below 2^53')
  if (isEmpty && tag !== 0) throw new KernelError('EINVAL', `tag ${tag} for an empty slot`)
}

/** @see io_uring/rsrc.c __io_register_rsrc_update */
function checkRange(what: string, offset: number, count: number, length: number): void {
  if (length === 0) throw new KernelError('ENXIO', `no ${what}`)
  if (offset + count > 0xffff_ffff) {
    throw new KernelError('EOVERFLOW', `${what}: ${count} from ${offset} on`)
  }
  if (count >= 1 && offset >= 0 && offset + count <= length) return
  throw new KernelError('EINVAL', `${what}: ${count} from ${offset} on, of ${length}`)
}
