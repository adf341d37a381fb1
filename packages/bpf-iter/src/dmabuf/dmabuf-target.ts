// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { IterSource } from '../iter-source.ts'
import type { IterContext, IterTarget } from '../iter-target.ts'
import { createSourceIterTarget, type SourceIterPrivate } from '../source-target.ts'

/** What the dmabuf target has to know of a buffer. @see include/linux/dma-buf.h struct dma_buf */
export interface DmabufIterItem {
  readonly inode: number
  readonly sizeBytes: number
  /** May be empty. */
  readonly name: string
  readonly exporterName: string
}

/** Longest name that is shown. @see include/linux/dma-buf.h DMA_BUF_NAME_LEN */
const NAME_CHARS_MAX = 31

/**
 * The `dmabuf` target over a source of buffers.
 * @see kernel/bpf/dmabuf_iter.c
 */
export function createDmabufIterTarget<D extends DmabufIterItem>(
  source: IterSource<D>,
): IterTarget<D, SourceIterPrivate<D>> {
  return createSourceIterTarget('dmabuf', source)
}

/**
 * Four lines a buffer: inode number, size in bytes, name, exporter. The name may be empty, so a reader has to take lines by
 * their position; a newline in it becomes a space, and at most 31 characters are shown.
 * @see tools/testing/selftests/bpf/progs/dmabuf_iter.c
 */
export function formatDmabuf(dmabuf: DmabufIterItem): string {
  const name = dmabuf.name.slice(0, NAME_CHARS_MAX).replaceAll('\n', ' ')
  return `${dmabuf.inode}\n${dmabuf.sizeBytes}\n${name}\n${dmabuf.exporterName}\n`
}

/** The default program of the target. @see tools/testing/selftests/bpf/progs/dmabuf_iter.c dmabuf_collector */
export function dmabufTextProgram(context: IterContext<DmabufIterItem>): number {
  if (context.item !== null) context.meta.seq.puts(formatDmabuf(context.item))
  return 0
}
