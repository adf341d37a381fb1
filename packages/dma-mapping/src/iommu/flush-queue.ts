// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Scheduler, Timer } from '@iolayers/kernel'

/** A ring of 256 that keeps one place free. @see drivers/iommu/dma-iommu.c IOVA_DEFAULT_FQ_SIZE, fq_full */
const FLUSH_QUEUE_SIZE = 255
/** 10 ms. @see drivers/iommu/dma-iommu.c IOVA_DEFAULT_FQ_TIMEOUT */
const FLUSH_TIMEOUT_NS = 10_000_000

/** Who flushes the IOTLB and takes back the page numbers. @internal */
export interface FlushTarget {
  flushIotlb(): void
  freeIova(pfn: number, pages: number): void
}

/**
 * Unmapped device addresses of a lazy domain, which wait for a flush of the IOTLB before anyone may get them again. The
 * flush comes when the queue is full, and 10 ms after its first entry.
 * @see drivers/iommu/dma-iommu.c queue_iova, fq_flush_timeout
 * @internal
 */
export class FlushQueue {
  readonly #target: FlushTarget
  readonly #timer: Timer
  readonly #pfns: Int32Array = new Int32Array(FLUSH_QUEUE_SIZE)
  readonly #pages: Int32Array = new Int32Array(FLUSH_QUEUE_SIZE)
  #count = 0

  constructor(scheduler: Scheduler, target: FlushTarget) {
    this.#target = target
    this.#timer = new Timer(scheduler, 'iova flush queue', () => this.flush())
  }

  get count(): number {
    return this.#count
  }

  add(pfn: number, pages: number): void {
    if (this.#count === FLUSH_QUEUE_SIZE) this.flush()
    if (this.#count === 0 && !this.#timer.pending) this.#timer.arm(FLUSH_TIMEOUT_NS)
    this.#pfns[this.#count] = pfn
    this.#pages[this.#count] = pages
    this.#count++
  }

  /** Flushes now; the timer, if it is armed, then finds what came later. */
  flush(): void {
    if (this.#count === 0) return
    this.#target.flushIotlb()
    for (let i = 0; i < this.#count; i++) {
      this.#target.freeIova(this.#pfns[i] ?? 0, this.#pages[i] ?? 0)
    }
    this.#count = 0
  }

  destroy(): void {
    this.#timer.cancel()
    this.flush()
  }
}
