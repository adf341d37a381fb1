// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { IterContext } from '@iolayers/bpf-iter'
import { formatDmabuf } from '@iolayers/bpf-iter/dmabuf'
import type { DmaBuf } from '@iolayers/dma-buf'
import {
  assert,
  createEventLoopScheduler,
  errnoName,
  type File,
  KernelError,
  type Op,
  type Scheduler,
  yieldNow,
} from '@iolayers/kernel'
import { errorText } from '../cli/failure.ts'
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
const READS_PER_TURN = 1024

/** Exports buffers into a stack of its own and lists them, newest first, by reading the stack's dmabuf iterator to its end. */
export function listDmabufs(init: ListInit): Promise<ListedBuffer[]> {
  const scheduler = createEventLoopScheduler()
  const stack = createStack(scheduler, { ramBytes: init.create * PAGE_BYTES, iommu: 'passthrough' })
  return scheduler.run('dmabuf list', listWithin(stack, init))
}

function* listWithin(stack: Stack, init: ListInit): Op<ListedBuffer[]> {
  const buffers: DmaBuf[] = []
  try {
    for (let i = 0; i < init.create; i++) {
      buffers.push(stack.systemHeap.allocate(PAGE_BYTES, { name: `buffer-${i}` }))
    }
    const listed = yield* listBuffers(stack, init.readSizeBytes)
    for (const { references, inode } of buffers) {
      assert(references === 1, `the iterator kept a reference on a buffer it had passed`)
      assert(inode > 0, 'a buffer without an inode number')
    }
    return listed
  } finally {
    for (const buffer of buffers) buffer.put()
    yield* destroyStack(stack)
  }
}

/** The default program of the dmabuf target, and a line with the references. */
function showBuffer({ item, meta }: IterContext<DmaBuf>): number {
  if (item !== null) meta.seq.puts(`${formatDmabuf(item)}${item.references - 1}\n`)
  return 0
}

/** What the stack's iterator shows, from the newest buffer to the oldest. */
export function* listBuffers(stack: Stack, readSizeBytes: number): Op<ListedBuffer[]> {
  const file = stack.dmabufTarget.attach(showBuffer).open()
  try {
    return parseListing(yield* readToEnd(stack.kernel.scheduler, file, readSizeBytes))
  } finally {
    file.put()
  }
}

function* readToEnd(scheduler: Scheduler, file: File, readSizeBytes: number): Op<string> {
  const { read } = file.ops
  assert(read !== undefined, 'an iterator file without a read operation')
  const target = new Uint8Array(readSizeBytes)
  const decoder = new TextDecoder()
  let text = ''
  let reads = 0
  for (;;) {
    // A read of one byte is quick, a million of them are not: signals want to be seen.
    if (++reads % READS_PER_TURN === 0) yield* yieldNow(scheduler)
    const bytes = yield* read(file, target, 0, target.length)
    if (bytes === 0) return text + decoder.decode()
    if (bytes < 0) {
      const code = errnoName(bytes) ?? 'EIO'
      throw new KernelError(code, `reading the dmabuf iterator: ${errorText(code)}`)
    }
    text += decoder.decode(target.subarray(0, bytes), { stream: true })
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
