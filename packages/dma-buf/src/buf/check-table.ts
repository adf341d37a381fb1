// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE, type SgTable } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'

/** The largest length of one entry. @see include/linux/scatterlist.h sg_dma_len, an unsigned int */
const SEGMENT_BYTES_MAX = 0xffff_ffff

/**
 * Refuses a mapped table that lies: an importer indexes by the buffer's size, and would read addresses beyond the end of a shorter table or
 * lose its place in one that is cut within a page. Throws EINVAL and leaves the table as it is.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_map_attachment, which checks the alignment under CONFIG_DMA_API_DEBUG
 */
export function checkMappedTable(table: SgTable, sizeBytes: number, exporterName: string): void {
  let total = 0
  for (let i = 0; i < table.nents; i++) {
    const length = table.dmaLengthAt(i)
    if (length <= 0 || length > SEGMENT_BYTES_MAX || length % PAGE_SIZE !== 0) {
      throw new KernelError(
        'EINVAL',
        `exporter ${exporterName} mapped range ${i} with a bad length`,
        {
          value: length,
          accepted: `a multiple of ${PAGE_SIZE} up to ${SEGMENT_BYTES_MAX}`,
        },
      )
    }
    if (table.dmaAddressAt(i) % PAGE_SIZE !== 0) {
      throw new KernelError(
        'EINVAL',
        `exporter ${exporterName} mapped range ${i} at a bad address`,
        {
          value: table.dmaAddressAt(i),
          accepted: `a multiple of ${PAGE_SIZE}`,
        },
      )
    }
    total += length
  }
  if (total === sizeBytes) return
  throw new KernelError(
    'EINVAL',
    `exporter ${exporterName} mapped another length than its buffer has`,
    {
      value: total,
      accepted: `exactly ${sizeBytes}`,
    },
  )
}
