// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What a fence in a reservation object stands for. Asking for one class always asks for those below it too: a wait for READ
 * covers KERNEL, WRITE and READ.
 *
 * - KERNEL: moving or clearing memory; everyone waits for it before touching the buffer.
 * - WRITE, READ: implicit synchronisation of contents between users.
 * - BOOKKEEP: no synchronisation of contents; only who moves or frees the memory waits for it.
 *
 * @see include/linux/dma-resv.h enum dma_resv_usage
 */
export const DmaResvUsage = {
  KERNEL: 0,
  WRITE: 1,
  READ: 2,
  BOOKKEEP: 3,
} as const
export type DmaResvUsage = (typeof DmaResvUsage)[keyof typeof DmaResvUsage]

/**
 * What an access has to wait for: a writer for readers and writers, a reader for writers.
 *
 * @see include/linux/dma-resv.h dma_resv_usage_rw
 */
export function dmaResvUsageRw(write: boolean): DmaResvUsage {
  return write ? DmaResvUsage.READ : DmaResvUsage.WRITE
}
