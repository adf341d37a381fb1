// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { IterContext } from '@iolayers/bpf-iter'
import { formatDmabuf } from '@iolayers/bpf-iter/dmabuf'
import type { DmaBuf } from '@iolayers/dma-buf'
import { assert, createEventLoopScheduler, type Op } from '@iolayers/kernel'
import { readToEnd } from '../iter/read-to-end.ts'
import { createStack, destroyStack, type Stack } from '../stack/stack.ts'

/** One buffer, as the iterator shows it. */
export interface ListedBuffer {
  readonly inode: number
  /** Bytes. */
  readonly size: number
  /** May be empty. */
  readonly name: string
  readonly exporter: string
  /** References on the buffer's file, without the one that the iterator holds while it shows the buffer. */
  readonly references: number
}

/** What to list, and in which pieces to read it. */
export interface ListInit {
  /** Buffers of one page to export first. */
  readonly create: number
  readonly readSizeBytes: number
}

const PAGE_BYTES = 4096
const LINES_PER_BUFFER = 5

/** Exports buffers into a stack of its own and lists them, newest first, by reading the stack's dmabuf iterator to its end. */
export function listDmabufs(init: ListInit): Promise<ListedBuffer[]> {
  return withBuffers(init, listBuffers)
}

/** Exports buffers into a stack of its own, and takes both down after `work`. */
export function withBuffers<R>(
  { create, readSizeBytes }: ListInit,
  work: (stack: Stack, readSizeBytes: number) => Op<R>,
): Promise<R> {
  const scheduler = createEventLoopScheduler()
  const stack = createStack(scheduler, { ramBytes: create * PAGE_BYTES, iommu: 'passthrough' })
  function* run(): Op<R> {
    const buffers: DmaBuf[] = []
    try {
      for (let i = 0; i < create; i++) {
        buffers.push(stack.systemHeap.allocate(PAGE_BYTES, { name: `buffer-${i}` }))
      }
      const result = yield* work(stack, readSizeBytes)
      for (const { references } of buffers) {
        assert(references === 1, 'the iterator kept a reference on a buffer it had passed')
      }
      return result
    } finally {
      for (const buffer of buffers) buffer.put()
      yield* destroyStack(stack)
    }
  }
  return scheduler.run('dmabuf list', run())
}

/** The default program of the dmabuf target, and a line with the references. */
function showBuffer({ item, meta }: IterContext<DmaBuf>): number {
  if (item !== null) meta.seq.puts(`${formatDmabuf(item)}${item.references - 1}\n`)
  return 0
}

/** What the stack's iterator shows, from the newest buffer to the oldest. */
export function* listBuffers(stack: Stack, readSizeBytes: number): Op<ListedBuffer[]> {
  const link = stack.dmabufTarget.attach(showBuffer)
  const file = link.open()
  link.release()
  try {
    const { text } = yield* readToEnd(stack.kernel.scheduler, file, readSizeBytes)
    return parseListing(text)
  } finally {
    file.put()
  }
}

/** Lines are told apart by their position: a name may be empty. */
function parseListing(text: string): ListedBuffer[] {
  const lines = text.split('\n')
  const buffers: ListedBuffer[] = []
  for (
    let at = 0;
    at + LINES_PER_BUFFER < lines.length + 1 && lines[at] !== '';
    at += LINES_PER_BUFFER
  ) {
    const [inode = '', size = '', name = '', exporter = '', references = ''] = lines.slice(
      at,
      at + LINES_PER_BUFFER,
    )
    buffers.push({
      inode: Number(inode),
      size: Number(size),
      name,
      exporter,
      references: Number(references),
    })
  }
  return buffers
}
