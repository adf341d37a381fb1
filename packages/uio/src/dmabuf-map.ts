// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What an iterator knows of a registered dma-buf: its size and its granule, no DMA address. Whoever wires a
 * stack gives the iterator its own richer map type, which travels through unchanged.
 */
export interface DmabufMap {
  readonly sizeBytes: number
  /** Largest n for which every mapped segment is a multiple of 2^n bytes. */
  readonly granuleShift: number
}
