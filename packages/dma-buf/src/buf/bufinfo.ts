// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Every buffer with its fences and devices: what /sys/kernel/debug/dma_buf/bufinfo shows.

import { KernelError, type Op, OpenFlags } from '@iolayers/kernel'
import { DmaResvUsage } from '../resv/dma-resv-usage.ts'
import type { DmaBuf } from './contracts.ts'
import type { DmaBufCore } from './core-contract.ts'

/** @see drivers/dma-buf/dma-fence.c dma_fence_describe */
export interface DmaBufFenceInfo {
  readonly usage: 'kernel' | 'write' | 'read' | 'bookkeep'
  readonly context: number
  readonly seqno: number
  /** Empty once it has signalled, as the driver's name is. */
  readonly timeline: string
  readonly driver: string
  readonly signaled: boolean
}

/** One buffer as it was when its reservation lock was held. */
export interface DmaBufInfo {
  readonly sizeBytes: number
  /** Of the file. */
  readonly flags: number
  /** Of the file: FMODE bits. */
  readonly mode: number
  /** References on the file, without that of the listing. */
  readonly count: number
  readonly exporterName: string
  readonly inode: number
  /** May be empty. */
  readonly name: string
  readonly fences: readonly DmaBufFenceInfo[]
  /** Device names. */
  readonly attachments: readonly string[]
}

export interface DmaBufListing {
  /** Newest first. */
  readonly buffers: readonly DmaBufInfo[]
  readonly totalBytes: number
}

/** @see include/linux/fs.h FMODE_LSEEK, FMODE_OPENED */
const FMODE_LSEEK = 0x4
const FMODE_OPENED = 0x8_0000

const USAGES = ['kernel', 'write', 'read', 'bookkeep'] as const

/**
 * All buffers of a core. Takes the reservation lock of each in turn: the caller holds none. Throws ERESTARTSYS when a signal comes first.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_debug_show
 */
export function* dmaBufInfo(core: DmaBufCore): Op<DmaBufListing> {
  const buffers: DmaBufInfo[] = []
  let totalBytes = 0
  let current = core.begin()
  while (current !== null) {
    try {
      buffers.push(yield* infoOf(current))
    } catch (error) {
      current.put()
      throw error
    }
    totalBytes += current.sizeBytes
    current = core.next(current)
  }
  return { buffers, totalBytes }
}

function* infoOf(dmabuf: DmaBuf): Op<DmaBufInfo> {
  if ((yield* dmabuf.resv.lockInterruptible(null)) !== 0) {
    throw new KernelError('ERESTARTSYS', `interrupted while listing dma-buf ${dmabuf.inode}`)
  }
  try {
    const { flags } = dmabuf.file
    return {
      sizeBytes: dmabuf.sizeBytes,
      flags,
      mode: FMODE_OPENED | FMODE_LSEEK | ((flags + 1) & OpenFlags.O_ACCMODE),
      count: dmabuf.references - 1,
      exporterName: dmabuf.exporterName,
      inode: dmabuf.inode,
      name: dmabuf.name,
      fences: fencesOf(dmabuf),
      attachments: dmabuf.attachedDevices,
    }
  } finally {
    dmabuf.resv.unlock()
  }
}

function fencesOf(dmabuf: DmaBuf): DmaBufFenceInfo[] {
  const fences: DmaBufFenceInfo[] = []
  dmabuf.resv.forEachFence(DmaResvUsage.BOOKKEEP, (fence, usage) => {
    const signaled = fence.isSignaled()
    fences.push({
      usage: USAGES[usage],
      context: fence.context,
      seqno: fence.seqno,
      timeline: signaled ? '' : fence.timelineName,
      driver: signaled ? '' : fence.driverName,
      signaled,
    })
  })
  return fences
}

/**
 * The listing as text: a line a buffer with size, flags, mode, count, exporter, inode and name, then its fences and its devices. Size, count and inode are
 * decimal, flags and mode hexadecimal, each of at least eight digits. As in the kernel, BOOKKEEP fences are not shown.
 *
 * @see drivers/dma-buf/dma-buf.c dma_buf_debug_show, drivers/dma-buf/dma-resv.c dma_resv_describe
 */
export function formatDmaBufInfo({ buffers, totalBytes }: DmaBufListing): string {
  const titles = ['size', 'flags', 'mode', 'count'].map((title) => title.padEnd(8))
  const lines = ['', 'Dma-buf Objects:', `${titles.join('\t')}\texp_name\t${'ino'.padEnd(8)}\tname`]
  for (const buffer of buffers) {
    lines.push(lineOf(buffer))
    for (const fence of buffer.fences) {
      if (fence.usage === 'bookkeep') continue
      const state = fence.signaled ? 'signalled' : 'unsignalled'
      const { usage, context, seqno, timeline, driver } = fence
      lines.push(`\t${usage} fence:${context}:${seqno} ${timeline} ${driver} ${state}`)
    }
    lines.push('\tAttached Devices:')
    for (const device of buffer.attachments) lines.push(`\t${device}`)
    lines.push(`Total ${buffer.attachments.length} devices attached`, '')
  }
  lines.push('', `Total ${buffers.length} objects, ${totalBytes} bytes`, '')
  return lines.join('\n')
}

function lineOf(info: DmaBufInfo): string {
  return [
    decimal(info.sizeBytes),
    hexadecimal(info.flags),
    hexadecimal(info.mode),
    decimal(info.count),
    info.exporterName,
    decimal(info.inode),
    info.name === '' ? '<none>' : info.name,
  ].join('\t')
}

function decimal(value: number): string {
  return value.toString().padStart(8, '0')
}

function hexadecimal(value: number): string {
  return value.toString(16).padStart(8, '0')
}
