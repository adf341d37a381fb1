// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Ordinary pages for a buffer: blocks of mixed orders, the largest first.

import { PAGE_SHIFT, PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'
import { PageBacking, type PageBlock } from './page-backing.ts'

/** 1 MiB, 64 KiB and single pages. @see drivers/dma-buf/heaps/system_heap.c orders */
const ORDERS = [8, 4, 0] as const

/**
 * The pages that `sizeBytes` takes. Throws EINVAL for a size that is not positive, ENOMEM for one that is beyond all memory, which is no reason to
 * take every page that there is first.
 */
export function heapPages(memory: PhysicalMemory, sizeBytes: number): number {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) {
    throw new KernelError('EINVAL', 'size of a heap allocation', {
      value: sizeBytes,
      accepted: 'a positive whole number of bytes',
    })
  }
  const pages = Math.ceil(sizeBytes / PAGE_SIZE)
  const total = totalRamPages(memory)
  if (pages <= total) return pages
  throw new KernelError('ENOMEM', `no memory for ${sizeBytes} bytes`, {
    value: sizeBytes,
    accepted: `at most ${total * 2 ** PAGE_SHIFT} bytes`,
  })
}

/**
 * Takes pages from the page allocator. Throws ENOMEM; the bytes are as they were left.
 *
 * @see drivers/dma-buf/heaps/system_heap.c alloc_largest_available: an order that ran out is not tried again
 */
export function allocPageBacking(memory: PhysicalMemory, pages: number): PageBacking {
  const blocks: PageBlock[] = []
  const giveBack = (): void => {
    for (const block of blocks) memory.freePages(block.frame, Math.log2(block.pages))
  }
  let left = pages
  for (const order of ORDERS) {
    while (left >= 1 << order) {
      const frame = memory.allocPages(order)
      if (frame < 0) break
      blocks.push({ frame, pages: 1 << order })
      left -= 1 << order
    }
  }
  if (left === 0) return new PageBacking(memory, blocks, giveBack)
  giveBack()
  throw new KernelError('ENOMEM', `no memory for ${pages} pages`, {
    value: pages,
    accepted: `at most ${memory.stats.pagesFree} free pages`,
  })
}

/** @see include/linux/mm.h totalram_pages */
function totalRamPages(memory: PhysicalMemory): number {
  let pages = 0
  for (const region of memory.regions) if (region.kind === 'ram') pages += region.frames
  return pages
}
