// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The memory of a copy: dma-bufs, each registered once with both files, cut into slots of one block.

import type { InvalidationPolicyName } from '@iolayers/blk-mq-token'
import type { DmaBuf } from '@iolayers/dma-buf'
import type { DmabufBufferRegistration } from '@iolayers/io-uring'
import type { Op } from '@iolayers/kernel'
import type { Stack } from '../stack/stack.ts'
import type { TransferSlot } from './transfer.ts'

/** Buffers and what lies in them; released by whoever made them. */
export interface RegisteredSlots {
  readonly buffers: readonly DmaBuf[]
  readonly slots: readonly TransferSlot[]
  memoryOf(slot: number): { readonly buffer: DmaBuf; readonly offsetBytes: number }
  /** Ends the registrations and drops the buffers. The ring has to be idle. */
  release(): Op<void>
}

/** How much memory, in how many buffers. Buffers that are to be moved come from another heap. */
export interface SlotsInit {
  readonly blockSizeBytes: number
  readonly queueDepth: number
  readonly buffers: number
  readonly evictEvery: number | null
  /** Registered files that the buffers are registered with; 2 by default. */
  readonly files?: number
  /** Of the registrations; the stack's where it is not given. */
  readonly policy?: InvalidationPolicyName
}

const PAGE_BYTES = 4096

/** Bytes of all buffers together: a block for each I/O in flight, spread evenly, in whole pages. */
export function slotBytes(init: SlotsInit): number {
  return init.buffers * bufferBytes(init)
}

function bufferBytes({ blockSizeBytes, queueDepth, buffers }: SlotsInit): number {
  const perBuffer = Math.ceil(queueDepth / buffers)
  return Math.ceil((perBuffer * blockSizeBytes) / PAGE_BYTES) * PAGE_BYTES
}

/** Allocates and registers the buffers. Errors: ENOMEM; nothing is left behind then. */
export function* createRegisteredSlots(stack: Stack, init: SlotsInit): Op<RegisteredSlots> {
  const { ring } = stack
  const { files = 2 } = init
  const sizeBytes = bufferBytes(init)
  const heap = init.evictEvery === null ? stack.systemHeap : stack.movableHeap
  const policy = init.policy === undefined ? {} : { policy: init.policy }
  const buffers: DmaBuf[] = []
  let registered = false
  function* release(): Op<void> {
    if (registered) yield* ring.unregisterBuffers()
    registered = false
    for (let buffer = buffers.pop(); buffer !== undefined; buffer = buffers.pop()) buffer.put()
  }
  try {
    const table: DmabufBufferRegistration[] = []
    for (let i = 0; i < init.buffers; i++) {
      const dmabuf = heap.allocate(sizeBytes, { name: `copy-${i}` })
      buffers.push(dmabuf)
      for (let fileIndex = 0; fileIndex < files; fileIndex++) {
        table.push({ dmabuf, fileIndex, ...policy })
      }
    }
    yield* ring.registerBuffers(table)
    registered = true
  } catch (error) {
    yield* release()
    throw error
  }
  const slots = Array.from({ length: init.queueDepth }, (_, index): TransferSlot => {
    const buffer = index % init.buffers
    return {
      bufferOffsetBytes: Math.floor(index / init.buffers) * init.blockSizeBytes,
      bufferIndexFor: ({ fileIndex }) => buffer * files + fileIndex,
    }
  })
  return {
    buffers,
    slots,
    memoryOf(slot) {
      const buffer = buffers[slot % init.buffers]
      const offsetBytes = slots[slot]?.bufferOffsetBytes
      if (buffer === undefined || offsetBytes === undefined) throw new RangeError(`no slot ${slot}`)
      return { buffer, offsetBytes }
    },
    release,
  }
}
