// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { RegionSide } from '@iolayers/dma-mapping'

/** Memory that is nobody else's, as a store takes it. */
export class OwnMemory implements RegionSide {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly words: Int32Array

  /** All of a buffer, whose length is a multiple of 4. */
  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.words = new Int32Array(buffer)
  }

  copyWithin(targetOffset: number, sourceOffset: number, length: number): void {
    this.bytes.copyWithin(targetOffset, sourceOffset, sourceOffset + length)
  }
}

/** At least so many bytes, zeroed. */
export function allocOwnMemory(lengthBytes: number): OwnMemory {
  return new OwnMemory(new ArrayBuffer(Math.ceil(lengthBytes / 4) * 4))
}
