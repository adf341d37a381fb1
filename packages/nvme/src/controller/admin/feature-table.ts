// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { FeatureCapability, FeatureId, FeatureSelect } from '../../spec/index.ts'

const TEMPERATURE_WARNING_KELVIN = 343
/** No limit to an arbitration burst. */
const ARBITRATION_BURST_UNLIMITED = 7

interface FeatureDefinition {
  readonly id: number
  readonly initial: number
  /** Whether a value can be set; any can by default. */
  readonly valid?: (value: number) => boolean
  readonly saveable?: boolean
  /** Asked for with a namespace identifier. */
  readonly perNamespace?: boolean
  /** Bytes of the data that it has instead of a value. */
  readonly dataBytes?: number
}

/** What becomes of a value that somebody sets. */
export const SetResult = { DONE: 0, NOT_THERE: 1, INVALID: 2, NOT_SAVEABLE: 3 } as const
export type SetResult = (typeof SetResult)[keyof typeof SetResult]

const HOST_BEHAVIOR_BYTES = 512
const TIMESTAMP_BYTES = 8
const HOST_ID_BYTES = 16
/** Of Host Behavior Support: copies of format 2h are known to the host. */
const COPY_FORMATS_BYTE = 4
const COPY_FORMAT_2 = 1 << 2

/**
 * What Set Features changes, what was saved, and what a reset puts back: the saved value where there is one, else the default. Saved values live as
 * long as the controller. @see NVMe Base 2.1, 5.1.25; NVM Command Set 1.1, 4.1.3
 */
export class FeatureTable {
  readonly #definitions: ReadonlyMap<number, FeatureDefinition>
  readonly #current: Map<number, number> = new Map()
  readonly #saved: Map<number, number> = new Map()
  readonly #data: Map<number, Uint8Array> = new Map()
  /** Volatile Write Cache, as every write needs it: false when a write has to be on the medium before it ends. */
  writeCache = true
  /** Formats of Copy that the host has said it knows, besides those that need no such word. @see NVMe Base 2.1, 5.1.25.1.14 */
  readonly copyFormats: Set<number> = new Set()

  constructor(queuePairs: number) {
    const definitions = featuresOf(queuePairs)
    this.#definitions = new Map(definitions.map((definition) => [definition.id, definition]))
    this.reset()
  }

  has(id: number): boolean {
    return this.#definitions.has(id)
  }

  /** All that there are, in order. */
  get ids(): readonly number[] {
    return [...this.#definitions.keys()].toSorted((a, b) => a - b)
  }

  capabilities(id: number): number {
    const definition = this.#definitions.get(id)
    if (definition === undefined) return 0
    let bits: number = FeatureCapability.CHANGEABLE
    if (definition.saveable === true) bits |= FeatureCapability.SAVEABLE
    if (definition.perNamespace === true) bits |= FeatureCapability.NS_SPECIFIC
    return bits
  }

  isPerNamespace(id: number): boolean {
    return this.#definitions.get(id)?.perNamespace === true
  }

  /** What Get Features answers; undefined for a feature or a selection that is not there. */
  get(id: number, select: number): number | undefined {
    const definition = this.#definitions.get(id)
    if (definition === undefined) return undefined
    switch (select) {
      case FeatureSelect.CURRENT:
        return this.value(id)
      case FeatureSelect.DEFAULT:
        return definition.initial
      case FeatureSelect.SAVED:
        // What was never saved is the default. @see NVMe Base 2.1, 5.1.11
        return this.#saved.get(id) ?? definition.initial
      case FeatureSelect.SUPPORTED:
        return this.capabilities(id)
      default:
        return undefined
    }
  }

  value(id: number): number {
    return this.#current.get(id) ?? 0
  }

  set(id: number, value: number, save: boolean): SetResult {
    const definition = this.#definitions.get(id)
    if (definition === undefined) return SetResult.NOT_THERE
    if (save && definition.saveable !== true) return SetResult.NOT_SAVEABLE
    if (definition.valid?.(value) === false) return SetResult.INVALID
    this.#put(id, value)
    if (save) this.#saved.set(id, value)
    return SetResult.DONE
  }

  /** Bytes of data that a feature has; 0 for one with a value. */
  dataBytes(id: number): number {
    return this.#definitions.get(id)?.dataBytes ?? 0
  }

  data(id: number): Uint8Array {
    return this.#data.get(id) ?? new Uint8Array(this.dataBytes(id))
  }

  setData(id: number, bytes: Uint8Array): void {
    this.#data.set(id, bytes)
    if (id !== FeatureId.HOST_BEHAVIOR_SUPPORT) return
    this.copyFormats.clear()
    if (((bytes[COPY_FORMATS_BYTE] ?? 0) & COPY_FORMAT_2) !== 0) this.copyFormats.add(2)
  }

  reset(): void {
    for (const { id, initial } of this.#definitions.values()) {
      this.#put(id, this.#saved.get(id) ?? initial)
    }
    this.#data.clear()
    this.copyFormats.clear()
  }

  #put(id: number, value: number): void {
    this.#current.set(id, value)
    if (id === FeatureId.VOLATILE_WRITE_CACHE) this.writeCache = (value & 1) !== 0
  }
}

function featuresOf(queuePairs: number): readonly FeatureDefinition[] {
  const zeroBased = queuePairs - 1
  const flag = (value: number): boolean => value <= 1
  return [
    { id: FeatureId.ARBITRATION, initial: ARBITRATION_BURST_UNLIMITED, saveable: true },
    // NPSS is 0: one power state.
    { id: FeatureId.POWER_MANAGEMENT, initial: 0, valid: (value) => (value & 0x1f) === 0 },
    {
      id: FeatureId.TEMPERATURE_THRESHOLD,
      initial: TEMPERATURE_WARNING_KELVIN,
      // The composite temperature alone; over and under.
      valid: (value) => ((value >>> 16) & 0xf) === 0 && ((value >>> 20) & 3) < 2,
      saveable: true,
    },
    { id: FeatureId.ERROR_RECOVERY, initial: 0, perNamespace: true },
    { id: FeatureId.VOLATILE_WRITE_CACHE, initial: 1, valid: flag, saveable: true },
    { id: FeatureId.NUMBER_OF_QUEUES, initial: zeroBased | (zeroBased << 16) },
    { id: FeatureId.INTERRUPT_COALESCING, initial: 0, saveable: true },
    // The values of the vectors are kept where interrupts are.
    { id: FeatureId.INTERRUPT_VECTOR_CONFIGURATION, initial: 0 },
    { id: FeatureId.WRITE_ATOMICITY_NORMAL, initial: 0, valid: flag },
    { id: FeatureId.ASYNC_EVENT_CONFIGURATION, initial: 0 },
    { id: FeatureId.TIMESTAMP, initial: 0, dataBytes: TIMESTAMP_BYTES },
    { id: FeatureId.KEEP_ALIVE_TIMER, initial: 0 },
    { id: FeatureId.LBA_STATUS_ATTRIBUTES, initial: 0 },
    { id: FeatureId.HOST_BEHAVIOR_SUPPORT, initial: 0, dataBytes: HOST_BEHAVIOR_BYTES },
    { id: FeatureId.SOFTWARE_PROGRESS_MARKER, initial: 0, saveable: true },
    { id: FeatureId.HOST_IDENTIFIER, initial: 0, dataBytes: HOST_ID_BYTES },
  ]
}
