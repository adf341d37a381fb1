// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmabufFile, DmabufIoMap, DmabufToken } from '@iolayers/block-core'
import { type DmaBuf, type DmaResv, dmaResvUsageRw, MAX_SCHEDULE_TIMEOUT } from '@iolayers/dma-buf'
import { DmaDirection } from '@iolayers/dma-mapping'
import {
  assert,
  assertRef,
  Completion,
  type File,
  type Kernel,
  KernelError,
  type Op,
} from '@iolayers/kernel'
import type { Kvec } from '@iolayers/uio'

/**
 * A registered resource: I/O that uses it counts itself in `users`. Once it is taken out of its table no new I/O finds it,
 * and `retire` waits for those that did.
 * @see io_uring/rsrc.h struct io_rsrc_node
 */
class RsrcNode {
  users: number
  /** User data of the completion that says that it is released; 0: none. */
  readonly tag: number
  readonly #drained: Completion
  #retiring: boolean

  constructor(kernel: Kernel, name: string, tag: number) {
    this.users = 0
    this.tag = tag
    this.#drained = new Completion(kernel.scheduler, name)
    this.#retiring = false
  }

  put(): void {
    assertRef(this.users > 0, 'io_uring: a resource is put more often than it was used')
    this.users -= 1
    if (this.users === 0 && this.#retiring) this.#drained.complete()
  }

  protected *drain(): Op<void> {
    this.#retiring = true
    if (this.users > 0) yield* this.#drained.wait()
  }
}

/** A file of the table, with its operations, looked up once. */
export class FileNode extends RsrcNode {
  readonly file: File
  /** null for a file that cannot do this kind of I/O. */
  readonly ops: DmabufFile | null

  constructor(kernel: Kernel, file: File, ops: DmabufFile | null, tag: number) {
    super(kernel, `registered file ${file.name}`, tag)
    this.file = file
    this.ops = ops
  }

  *retire(): Op<void> {
    yield* this.drain()
    this.file.put()
  }
}

/** What a dmabuf buffer was registered with: one file's device. */
export interface DmabufRegistration {
  readonly dmabuf: DmaBuf
  readonly file: File
  readonly token: DmabufToken
  /** Whether I/O waits for what others do with the contents of the buffer. */
  readonly barrier: boolean
}

/** A buffer of the table: a token (`dmabuf`), or ranges of memory. */
export class BufferNode extends RsrcNode {
  readonly sizeBytes: number
  readonly token: DmabufToken | null
  /** The only file that may be used with it; null for memory. */
  readonly file: File | null
  readonly segments: readonly Kvec[]
  /** Which operations the registration allows. */
  readonly canRead: boolean
  readonly canWrite: boolean
  readonly #dmabuf: DmabufRegistration | null
  /** Whose fences I/O waits for first; null where contents are the user's to order. */
  readonly #barrier: DmaResv | null

  constructor(
    kernel: Kernel,
    dmabuf: DmabufRegistration | null,
    segments: readonly Kvec[],
    tag: number,
  ) {
    super(kernel, 'registered buffer', tag)
    this.#dmabuf = dmabuf
    this.token = dmabuf?.token ?? null
    this.#barrier = dmabuf?.barrier === true ? dmabuf.dmabuf.resv : null
    this.file = dmabuf?.file ?? null
    this.segments = segments
    const direction = dmabuf?.token.direction ?? DmaDirection.BIDIRECTIONAL
    this.canRead = direction !== DmaDirection.TO_DEVICE
    this.canWrite = direction !== DmaDirection.FROM_DEVICE
    this.sizeBytes =
      dmabuf?.token.sizeBytes ?? segments.reduce((sum, segment) => sum + segment.lengthBytes, 0)
  }

  /**
   * The map for an I/O that writes into the buffer, or reads from it: of a buffer with a token only. Null where the map has to be made, or where
   * the barrier has to be waited for. Does not sleep.
   */
  tryGetMap(write: boolean): DmabufIoMap | null {
    if (this.#barrier !== null && !this.#barrier.testSignaled(dmaResvUsageRw(write))) return null
    return this.token?.tryGetMap() ?? null
  }

  /** As `tryGetMap`, and waits. Throws KernelError: ERESTARTSYS when a signal came, and what making the map threw. */
  *getMap(write: boolean): Op<DmabufIoMap> {
    assert(this.token !== null, 'io_uring: a map of a buffer that is no dma-buf')
    if (this.#barrier !== null) yield* waitForContents(this.#barrier, write)
    return yield* this.token.getMap()
  }

  /** Waits for the I/O that uses it, and for the registration's last DMA and unmap. */
  *retire(): Op<void> {
    yield* this.drain()
    if (this.#dmabuf === null) return
    yield* this.#dmabuf.token.release()
    this.#dmabuf.file.put()
    this.#dmabuf.dmabuf.put()
  }
}

/** A writer waits for readers and writers, a reader for writers; neither for the drain fences of registrations, which are BOOKKEEP. */
function* waitForContents(resv: DmaResv, write: boolean): Op<void> {
  const left = yield* resv.waitTimeout(dmaResvUsageRw(write), true, MAX_SCHEDULE_TIMEOUT)
  if (left > 0) return
  throw new KernelError(
    'ERESTARTSYS',
    'interrupted by a signal while waiting for others to use the buffer',
  )
}
