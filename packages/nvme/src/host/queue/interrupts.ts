// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, DeferredCall, type Kernel } from '@iolayers/kernel'
import type { InterruptSink } from '../../controller/contracts.ts'
import type { HostCounters } from '../stats.ts'

/**
 * The vectors of the host: raising one runs its handler soon, as an interrupt, once however often it is raised until then.
 * @see drivers/nvme/host/pci.c queue_request_irq, nvme_irq
 */
export class HostInterrupts implements InterruptSink {
  readonly #kernel: Kernel
  readonly #counters: HostCounters
  readonly #calls: (DeferredCall | undefined)[]
  #open: boolean

  constructor(kernel: Kernel, counters: HostCounters) {
    this.#kernel = kernel
    this.#counters = counters
    this.#calls = []
    this.#open = true
  }

  /** The handler runs in atomic context, and finds all that is new whenever it is called. */
  request(vector: number, name: string, handler: () => void): void {
    assert(this.#calls[vector] === undefined, 'nvme: an interrupt vector that is taken')
    this.#calls[vector] = new DeferredCall(name, () => {
      if (!this.#open) return
      this.#counters.interrupts++
      handler()
    })
  }

  raise(vector: number): void {
    const call = this.#calls[vector]
    if (this.#open && call !== undefined) this.#kernel.scheduler.queue(call)
  }

  /** Messages (MSI-X) have no level. */
  lower(): void {}

  /** No handler runs any more. */
  free(): void {
    this.#open = false
    this.#calls.length = 0
  }
}
