// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { FeatureCapability, FeatureId, FeatureSelect } from '../../spec/index.ts'

const TEMPERATURE_WARNING_KELVIN = 343
/** No limit to an arbitration burst. */
const ARBITRATION_BURST_UNLIMITED = 7

/**
 * What Set Features changes and a reset puts back. None of it is kept when the power goes.
 * @see NVMe Base 2.1, 5.1.25; NVM Command Set 1.1, 4.1.3
 */
export class FeatureTable {
  readonly #defaults: ReadonlyMap<number, number>
  readonly #current: Map<number, number>
  /** Volatile Write Cache, as every write needs it: false when a write has to be on the medium before it ends. */
  writeCache = true
  /** Formats of Copy that the host has said it knows, besides those that need no such word. @see NVMe Base 2.1, 5.1.25.1.14 (CDFE) */
  readonly copyFormats: Set<number> = new Set()

  constructor(queuePairs: number) {
    const zeroBased = queuePairs - 1
    this.#defaults = new Map<number, number>([
      [FeatureId.ARBITRATION, ARBITRATION_BURST_UNLIMITED],
      [FeatureId.POWER_MANAGEMENT, 0],
      [FeatureId.TEMPERATURE_THRESHOLD, TEMPERATURE_WARNING_KELVIN],
      [FeatureId.ERROR_RECOVERY, 0],
      [FeatureId.VOLATILE_WRITE_CACHE, 1],
      [FeatureId.NUMBER_OF_QUEUES, zeroBased | (zeroBased << 16)],
      [FeatureId.INTERRUPT_COALESCING, 0],
      [FeatureId.INTERRUPT_VECTOR_CONFIGURATION, 0],
      [FeatureId.WRITE_ATOMICITY_NORMAL, 0],
      [FeatureId.ASYNC_EVENT_CONFIGURATION, 0],
    ])
    this.#current = new Map(this.#defaults)
  }

  has(id: number): boolean {
    return this.#defaults.has(id)
  }

  /** What Get Features answers; undefined for a feature or a selection that is not there. */
  get(id: number, select: number): number | undefined {
    if (!this.has(id)) return undefined
    switch (select) {
      case FeatureSelect.CURRENT:
        return this.#current.get(id)
      case FeatureSelect.DEFAULT:
      // Nothing can be saved: the saved value is the default. @see NVMe Base 2.1, 5.1.11
      case FeatureSelect.SAVED:
        return this.#defaults.get(id)
      case FeatureSelect.SUPPORTED:
        return FeatureCapability.CHANGEABLE
      default:
        return undefined
    }
  }

  set(id: number, value: number): void {
    this.#current.set(id, value)
    if (id === FeatureId.VOLATILE_WRITE_CACHE) this.writeCache = (value & 1) !== 0
  }

  reset(): void {
    for (const [id, value] of this.#defaults) this.set(id, value)
  }
}
