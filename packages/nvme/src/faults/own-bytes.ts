// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { RegionSide } from '@iolayers/dma-mapping'

/** Memory that is nobody else's, as a store takes it. */
export class OwnBytes implements RegionSide {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly words: Int32Array

  constructor(lengthBytes: number) {
    const buffer = new ArrayBuffer(Math.ceil(lengthBytes / 4) * 4)
    this.bytes = new Uint8Array(buffer, 0, lengthBytes)
    this.view = new DataView(buffer, 0, lengthBytes)
    this.words = new Int32Array(buffer)
  }

  copyWithin(targetOffset: number, sourceOffset: number, length: number): void {
    this.bytes.copyWithin(targetOffset, sourceOffset, sourceOffset + length)
  }
}
