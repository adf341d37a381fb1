// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  BusAccess,
  BusRange,
  buildDmaSegmentTable,
  type Device,
  DmaDirection,
  type DmaSegmentTable,
  type SgTable,
} from '@iolayers/dma-mapping'
import { assert, KernelError, type Op } from '@iolayers/kernel'
import type { DmaBuf, DmaBufAttachment, DmaBufImporterOps } from '../buf/contracts.ts'
import { DmaResvUsage } from '../resv/dma-resv-usage.ts'

const TIMEOUT_NS = 1e9

export interface DmaImporterInit {
  readonly dmabuf: DmaBuf
  readonly device: Device
  /** False: a static importer, whose mapping pins the buffer. True by default. */
  readonly dynamic?: boolean
  /** False by default. */
  readonly allowPeer2peer?: boolean
  readonly skipCpuSync?: boolean
  /** BIDIRECTIONAL by default. */
  readonly direction?: DmaDirection
  /** How long it waits for the KERNEL fences of a buffer that it maps; 1 s by default. */
  readonly timeoutNs?: number
}

/** The smallest importer that does all that it has to: maps, waits under the lock for moves, starts no DMA with a mapping that is void. */
export interface DmaImporter {
  readonly attachment: DmaBufAttachment
  readonly table: SgTable | null
  /** How often the exporter said that mappings are void. */
  readonly invalidations: number
  /** It has a mapping, and the exporter has not said since that it is void. */
  readonly mapped: boolean
  /**
   * Maps the buffer anew, after unmapping what was mapped. Throws what the exporter and the core throw, and ETIME when the buffer's move does not end; nothing is
   * mapped then.
   */
  map(): Op<void>
  unmap(): Op<void>
  /** The device writes to the buffer. Throws ESTALE without a mapping that is good, EFAULT when the bus refuses an address. Atomic. */
  write(offsetBytes: number, bytes: Uint8Array): void
  /** The device reads from the buffer; as `write`. */
  read(offsetBytes: number, lengthBytes: number): Uint8Array
  /** Without a mapping. */
  detach(): void
}

class Importer implements DmaImporter, DmaBufImporterOps {
  readonly allowPeer2peer: boolean
  readonly skipCpuSync: boolean
  readonly attachment: DmaBufAttachment
  invalidations: number
  readonly #dmabuf: DmaBuf
  readonly #device: Device
  readonly #direction: DmaDirection
  readonly #timeoutNs: number
  readonly #range: BusRange
  #table: SgTable | null
  #segments: DmaSegmentTable | null

  constructor(init: DmaImporterInit) {
    const { dmabuf, device } = init
    this.allowPeer2peer = init.allowPeer2peer ?? false
    this.skipCpuSync = init.skipCpuSync ?? false
    this.invalidations = 0
    this.#dmabuf = dmabuf
    this.#device = device
    this.#direction = init.direction ?? DmaDirection.BIDIRECTIONAL
    this.#timeoutNs = init.timeoutNs ?? TIMEOUT_NS
    this.#range = new BusRange()
    this.#table = null
    this.#segments = null
    const dynamic = init.dynamic ?? true
    this.attachment = dynamic ? dmabuf.dynamicAttach(device, this) : dmabuf.attach(device)
  }

  get table(): SgTable | null {
    return this.#table
  }

  get mapped(): boolean {
    return this.#segments !== null
  }

  /** Its DMA is over before the call that starts it returns, so there is nothing to wait for. */
  *invalidateMappings(): Op<void> {
    this.invalidations++
    this.#segments = null
  }

  *map(): Op<void> {
    yield* this.#dmabuf.resv.lock(null)
    try {
      this.#unmapLocked()
      const table = yield* this.#dmabuf.mapAttachment(this.attachment, this.#direction)
      this.#table = table
      try {
        yield* this.#waitMoved()
        this.#segments = buildDmaSegmentTable(table)
      } catch (error) {
        this.#unmapLocked()
        throw error
      }
    } finally {
      // An exporter that lies may have taken the lock away.
      if (this.#dmabuf.resv.held) this.#dmabuf.resv.unlock()
    }
  }

  *unmap(): Op<void> {
    yield* this.#dmabuf.resv.lock(null)
    try {
      this.#unmapLocked()
    } finally {
      this.#dmabuf.resv.unlock()
    }
  }

  write(offsetBytes: number, bytes: Uint8Array): void {
    this.#transfer(offsetBytes, bytes, BusAccess.WRITE)
  }

  read(offsetBytes: number, lengthBytes: number): Uint8Array {
    const bytes = new Uint8Array(lengthBytes)
    this.#transfer(offsetBytes, bytes, BusAccess.READ)
    return bytes
  }

  detach(): void {
    this.#dmabuf.detach(this.attachment)
  }

  #unmapLocked(): void {
    const table = this.#table
    this.#table = null
    this.#segments = null
    if (table !== null) this.#dmabuf.unmapAttachment(this.attachment, table, this.#direction)
  }

  *#waitMoved(): Op<void> {
    const { KERNEL } = DmaResvUsage
    if ((yield* this.#dmabuf.resv.waitTimeout(KERNEL, false, this.#timeoutNs)) > 0) return
    throw new KernelError('ETIME', `the move of dma-buf ${this.#dmabuf.inode} does not end`, {
      accepted: `${this.#timeoutNs} ns`,
    })
  }

  #transfer(offsetBytes: number, bytes: Uint8Array, access: BusAccess): void {
    const segments = this.#segments
    if (segments === null) {
      throw new KernelError('ESTALE', `${this.#device.name} has no mapping of the buffer`)
    }
    assert(offsetBytes + bytes.length <= segments.totalBytes, 'DMA beyond the end of a buffer')
    let done = 0
    while (done < bytes.length) {
      const at = offsetBytes + done
      const i = segments.find(at)
      const inSegment = at - segments.startAt(i)
      const length = Math.min(bytes.length - done, segments.lengthAt(i) - inSegment)
      done += this.#move(segments.addressAt(i) + inSegment, bytes, done, length, access)
    }
  }

  #move(
    address: number,
    bytes: Uint8Array,
    done: number,
    length: number,
    access: BusAccess,
  ): number {
    const range = this.#range
    const { dma, bus } = this.#device
    if (this.skipCpuSync) dma.syncSingleForDevice(address, length, this.#direction)
    const count = bus.translate(address, length, access, range)
    if (count === 0) {
      throw new KernelError('EFAULT', `the bus refuses ${this.#device.name} an address`, {
        value: address,
      })
    }
    const memory = range.bytes.subarray(range.offset, range.offset + count)
    if (access === BusAccess.READ) bytes.set(memory, done)
    else memory.set(bytes.subarray(done, done + count))
    if (this.skipCpuSync) dma.syncSingleForCpu(address, count, this.#direction)
    return count
  }
}

/** Attaches a device to a buffer. Throws what the exporter throws. */
export function createDmaImporter(init: DmaImporterInit): DmaImporter {
  return new Importer(init)
}
