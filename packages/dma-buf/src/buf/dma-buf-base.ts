// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { SgTable } from '@iolayers/dma-mapping'
import { assertLive, type File, type Kernel, KernelError, type Op } from '@iolayers/kernel'
import { MAX_SCHEDULE_TIMEOUT } from '../fence/dma-fence.ts'
import type { DmaResv } from '../resv/dma-resv.ts'
import type { DmaResvUsage } from '../resv/dma-resv-usage.ts'
import { checkName } from './buffer-name.ts'
import type { DmaBuf, DmaBufOps } from './contracts.ts'
import type { DmaBufTracepoints } from './tracepoints.ts'

/** What the core keeps count of. */
export interface DmaBufCounters {
  exported: number
  live: number
  liveBytes: number
  mapped: number
  unmapped: number
  invalidations: number
}

/** What every buffer of a core shares. */
export interface DmaBufShared {
  readonly kernel: Kernel
  readonly trace: DmaBufTracepoints
  readonly counters: DmaBufCounters
  /** The tables of all buffers that importers have mapped now. */
  readonly tables: Set<SgTable>
}

export interface DmaBufObjectInit {
  readonly inode: number
  readonly ops: DmaBufOps
  readonly sizeBytes: number
  readonly exporterName: string
  readonly flags: number
  readonly resv: DmaResv
  readonly ownsResv: boolean
}

/** Who a buffer is, and what its parts have in common. */
export abstract class DmaBufBase {
  readonly inode: number
  readonly sizeBytes: number
  readonly exporterName: string
  readonly resv: DmaResv
  abstract readonly file: File
  protected readonly shared: DmaBufShared
  protected readonly ops: DmaBufOps
  /** Nobody may use it any more: in checked mode its name and its attachments are out of bounds. */
  protected freed: boolean
  #name: string

  constructor(shared: DmaBufShared, init: DmaBufObjectInit) {
    this.inode = init.inode
    this.sizeBytes = init.sizeBytes
    this.exporterName = init.exporterName
    this.resv = init.resv
    this.shared = shared
    this.ops = init.ops
    this.freed = false
    this.#name = ''
  }

  /** The whole, for exporters and importers. */
  protected abstract get self(): DmaBuf

  get name(): string {
    this.assertLive()
    return this.#name
  }

  setName(name: string): void {
    this.#name = checkName(name)
  }

  protected *waitFences(usage: DmaResvUsage): Op<void> {
    const left = yield* this.resv.waitTimeout(usage, true, MAX_SCHEDULE_TIMEOUT)
    if (left > 0) return
    throw new KernelError(
      'ERESTARTSYS',
      `interrupted while waiting for the fences of dma-buf ${this.inode}`,
    )
  }

  protected assertLive(): void {
    assertLive(!this.freed || !this.shared.kernel.checked, 'a dma-buf was used after it was freed')
  }

  /** An exporter leaves the reservation lock as it finds it. Throws EINVAL, and in checked mode reports it first. */
  protected checkLock(held: boolean, where: string): void {
    if (this.resv.held === held) return
    const what = held ? 'let go of' : 'kept'
    const message = `exporter ${this.exporterName} ${what} the reservation lock in ${where}`
    const { kernel } = this.shared
    if (kernel.checked) kernel.report({ check: 'dma-buf', message })
    throw new KernelError('EINVAL', message)
  }

  /** After something of the exporter's, which may have let go of the lock. */
  protected unlockResv(): void {
    if (this.resv.held) this.resv.unlock()
  }

  /** Undoes something while an error is on its way: a failure of the exporter in that is told to the scheduler, and does not take the error's place. */
  protected undo(what: string, step: () => void): void {
    try {
      step()
    } catch (error) {
      this.shared.kernel.scheduler.raise(error, `${what} of exporter ${this.exporterName}`)
    }
  }
}
