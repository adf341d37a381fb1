// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Device, DmaDirection, PAGE_SIZE, type SgTable } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'

/** The largest length of one entry. @see include/linux/scatterlist.h sg_dma_len, an unsigned int */
const SEGMENT_BYTES_MAX = 0xffff_ffff

/** What a table was asked for. */
export interface TableRequest {
  readonly dmabuf: { readonly sizeBytes: number; readonly exporterName: string }
  readonly device: Device
  readonly direction: DmaDirection
}

/**
 * Refuses a mapped table that lies: an importer indexes by the buffer's size, and would read addresses beyond the end of a shorter table or
 * lose its place in one that is cut within a page. Throws EINVAL and leaves the table as it is.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_map_attachment, which checks the alignment under CONFIG_DMA_API_DEBUG
 */
export function checkMappedTable(table: SgTable, request: TableRequest): void {
  const { sizeBytes } = request.dmabuf
  checkMapping(table, request)
  let total = 0
  for (let i = 0; i < table.nents; i++) {
    checkRange(table, i, request)
    total += table.dmaLengthAt(i)
  }
  if (total !== sizeBytes) {
    throw refusal(request, 'another length than its buffer has', total, `exactly ${sizeBytes}`)
  }
  checkOverlap(table, request)
}

function checkRange(table: SgTable, i: number, request: TableRequest): void {
  const length = table.dmaLengthAt(i)
  if (length <= 0 || length > SEGMENT_BYTES_MAX || length % PAGE_SIZE !== 0) {
    const accepted = `a multiple of ${PAGE_SIZE} up to ${SEGMENT_BYTES_MAX}`
    throw refusal(request, `range ${i} with a bad length`, length, accepted)
  }
  const address = table.dmaAddressAt(i)
  if (address < 0 || address % PAGE_SIZE !== 0) {
    throw refusal(request, `range ${i} at a bad address`, address, `a multiple of ${PAGE_SIZE}`)
  }
  const last = address + length - 1
  if (last <= request.device.dmaMask) return
  const accepted = `at most ${request.device.dmaMask}`
  throw refusal(request, `range ${i} beyond the reach of ${request.device.name}`, last, accepted)
}

/** A table that does not say who mapped it cannot be checked for how. */
function checkMapping({ mapping }: SgTable, request: TableRequest): void {
  if (mapping === null) return
  if (mapping.owner !== request.device) {
    throw refusal(request, 'a table for another device', 'a stranger', request.device.name)
  }
  if (mapping.direction === request.direction) return
  if (mapping.direction === DmaDirection.BIDIRECTIONAL) return
  throw refusal(request, 'in another direction', mapping.direction, `${request.direction}`)
}

/** Two ranges may lead to the same bytes only where the buffer itself has a page twice. */
function checkOverlap(table: SgTable, request: TableRequest): void {
  const address = overlapOf(
    table.nents,
    (i) => table.dmaAddressAt(i),
    (i) => table.dmaLengthAt(i),
  )
  if (address === -1) return
  const page = overlapOf(
    table.origNents,
    (i) => table.physAddrAt(i),
    (i) => table.lengthAt(i),
  )
  if (page !== -1) return
  throw refusal(request, 'ranges that overlap', address, 'every address once')
}

/** The first address that two of the ranges share, or -1. */
function overlapOf(
  count: number,
  startAt: (i: number) => number,
  lengthAt: (i: number) => number,
): number {
  if (count < 2) return -1
  const order = Array.from({ length: count }, (_, i) => i)
  order.sort((a, b) => startAt(a) - startAt(b))
  let end = Number.NEGATIVE_INFINITY
  for (const i of order) {
    const start = startAt(i)
    if (start < end) return start
    end = start + lengthAt(i)
  }
  return -1
}

function refusal(
  { dmabuf }: TableRequest,
  what: string,
  value: number | string,
  accepted: string,
): KernelError {
  return new KernelError('EINVAL', `exporter ${dmabuf.exporterName} mapped ${what}`, {
    value,
    accepted,
  })
}
