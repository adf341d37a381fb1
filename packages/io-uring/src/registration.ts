// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type DmabufInvalidationPolicy, dmabufFile } from '@iolayers/block-core'
import type { DmaBuf } from '@iolayers/dma-buf'
import { DmaDirection } from '@iolayers/dma-mapping'
import { type File, type Kernel, KernelError, type Op, OpenFlags } from '@iolayers/kernel'
import type { Kvec } from '@iolayers/uio'
import { BufferNode, FileNode } from './rsrc-node.ts'

/** @see io_uring/rsrc.h IORING_MAX_FIXED_FILES, IORING_MAX_REG_BUFFERS */
export const MAX_FIXED_FILES: number = 1 << 20
export const MAX_REG_BUFFERS: number = 1 << 14

/** A dma-buf, registered with the device behind one registered file, which has to be open with O_DIRECT. */
export interface DmabufBufferRegistration {
  readonly dmabuf: DmaBuf
  readonly fileIndex: number
  /** Which way data may move; both ways where it is not given. */
  readonly direction?: DmaDirection
  /**
   * Ours, not the series': how an eviction of this buffer ends its DMA. The token factory's policy where it is not given.
   */
  readonly policy?: DmabufInvalidationPolicy
  /**
   * Ours, not the series'. True: I/O on this buffer is implicitly synchronised. Before it begins, a write to the file, which reads the buffer, waits for
   * the WRITE fences that are in the buffer's reservation object then, and a read of the file for the READ ones too; with RWF_NOWAIT it ends with
   * EAGAIN instead. Nothing is added: others see nothing of the I/O. False by default: the contents are the user's to order.
   */
  readonly barrier?: boolean
}

/** Ranges of physical memory, which stay the caller's and have to stay in place. */
export interface MemoryBufferRegistration {
  readonly segments: readonly Kvec[]
}

export type BufferRegistration = DmabufBufferRegistration | MemoryBufferRegistration

export function checkCount(what: string, count: number, max: number): void {
  if (count >= 1 && count <= max) return
  throw new KernelError('EINVAL', `${what}: ${count} of them, at least 1 and at most ${max} can be`)
}

/** Takes a reference on the file. */
export function makeFileNode(kernel: Kernel, file: File, tag: number): FileNode {
  file.get()
  return new FileNode(kernel, file, file.query(dmabufFile) ?? null, tag)
}

/** Registers one buffer. Throws KernelError; then nothing is held. */
export function* makeBufferNode(
  kernel: Kernel,
  files: readonly (FileNode | null)[],
  registration: BufferRegistration,
  tag: number,
): Op<BufferNode> {
  if ('segments' in registration) return new BufferNode(kernel, null, registration.segments, tag)
  const { dmabuf, fileIndex } = registration
  const node = files[fileIndex]
  if (node === undefined || node === null) {
    throw new KernelError(
      'EBADF',
      `buffer registration: file ${fileIndex} of ${files.length} is not there`,
    )
  }
  const { file, ops } = node
  if (ops === null) {
    throw new KernelError(
      'EOPNOTSUPP',
      `buffer registration: ${file.name} cannot do I/O on a dma-buf`,
    )
  }
  if ((file.flags & OpenFlags.O_DIRECT) === 0) {
    throw new KernelError(
      'EINVAL',
      `buffer registration: ${file.name} is not open with O_DIRECT (flags 0o${file.flags.toString(8)})`,
    )
  }
  file.get()
  dmabuf.get()
  try {
    const direction = registration.direction ?? DmaDirection.BIDIRECTIONAL
    const { policy, barrier = false } = registration
    const options = policy === undefined ? {} : { policy }
    const token = yield* ops.createDmabufToken(dmabuf, direction, options)
    return new BufferNode(kernel, { dmabuf, file, token, barrier }, [], tag)
  } catch (error) {
    dmabuf.put()
    file.put()
    throw error
  }
}

/** Registers all, or none. */
export function* makeBufferNodes(
  kernel: Kernel,
  files: readonly (FileNode | null)[],
  registrations: readonly (BufferRegistration | null)[],
  tags: readonly number[],
): Op<(BufferNode | null)[]> {
  const nodes: (BufferNode | null)[] = []
  try {
    for (const registration of registrations) {
      const tag = tags[nodes.length] ?? 0
      nodes.push(
        registration === null ? null : yield* makeBufferNode(kernel, files, registration, tag),
      )
    }
    return nodes
  } catch (error) {
    for (const node of nodes) if (node !== null) yield* node.retire()
    throw error
  }
}
