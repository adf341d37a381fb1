// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { MemoryStore } from '@iolayers/nvme/controller'

export const SECTOR_BYTES = 512

/** Begins each sector of the medium with its own number. */
export function numberSectors({ segments }: MemoryStore): void {
  let sector = 0
  for (const segment of segments) {
    const view = new DataView(segment.buffer, segment.byteOffset, segment.length)
    for (let at = 0; at < segment.length; at += SECTOR_BYTES) view.setUint32(at, sector++, true)
  }
}

/** Holds every sector that was read against its number, and hashes what it saw. */
export class SectorCheck {
  #hash = 0x811c_9dc5

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }

  /** Throws unless `bytes` at `offset` holds `count` sectors from `firstSector` on. */
  sectors(bytes: DataView, offset: number, firstSector: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const found = bytes.getInt32(offset + i * SECTOR_BYTES, true)
      if (found !== firstSector + i) {
        throw new Error(`sector ${firstSector + i} was read as ${found}`)
      }
      this.#hash = Math.imul(this.#hash ^ found, 0x0100_0193)
    }
  }
}
