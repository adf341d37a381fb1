// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { RegionSide } from '@iolayers/dma-mapping'

const VIEWS_MAX = 65536

/** Views of ranges of memory, one for each range that is used: an I/O to registered buffers makes none after the first round. */
export class ViewCache {
  readonly #sides: Map<RegionSide, Map<number, Uint8Array>> = new Map()
  #count = 0

  get(side: RegionSide, offset: number, length: number): Uint8Array {
    let views = this.#sides.get(side)
    if (views === undefined) {
      views = new Map()
      this.#sides.set(side, views)
    }
    const known = views.get(offset)
    if (known !== undefined && known.length === length) return known
    if (known === undefined && ++this.#count > VIEWS_MAX) this.clear()
    const view = side.bytes.subarray(offset, offset + length)
    views.set(offset, view)
    return view
  }

  clear(): void {
    for (const views of this.#sides.values()) views.clear()
    this.#count = 0
  }
}
