// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BusMaster } from '@iolayers/dma-mapping'
import type { DmaGate } from '../contracts.ts'

/** Whether a controller reaches memory: while it is in its slot, and may master the bus. */
export class BusGate implements DmaGate {
  open = true
  readonly #bus: BusMaster

  constructor(bus: BusMaster) {
    this.#bus = bus
  }

  get enabled(): boolean {
    return this.open && this.#bus.enabled
  }
}
