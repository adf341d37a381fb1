// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert } from '@iolayers/kernel'
import { PAGE_SHIFT, PAGE_SIZE } from '../constants.ts'
import { createWasmBacking, type WasmCopy } from './wasm-copy.ts'

export type RegionKind = 'ram' | 'device'
/** `wasm`: a WebAssembly memory (page-aligned, quick copies). `plain`: an ArrayBuffer, quick to make, for tests. */
export type RegionBacking = 'wasm' | 'plain'

/** One view of the bytes of a region: what the CPU sees, or what lies in memory behind the CPU's caches. */
export interface RegionSide {
  /** Exactly the bytes of the region. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** The same bytes as little- or big-endian words of the host; for probing a line, not for wire formats. */
  readonly words: Int32Array
  /** Copies inside this side; the ranges may overlap. Bounds are asserted. Counts nothing. */
  copyWithin(targetOffset: number, sourceOffset: number, length: number): void
}

/** A run of frames of RAM or of device memory. `bytes` and the rest of {@link RegionSide} are the CPU's view. */
export interface MemoryRegion extends RegionSide {
  readonly index: number
  readonly name: string
  readonly kind: RegionKind
  readonly backing: RegionBacking
  /** Physical address of the first byte. */
  readonly baseAddr: number
  readonly baseFrame: number
  readonly frames: number
  readonly sizeBytes: number
  /**
   * How much of device memory, from its start, lies behind the window that its device opens on the bus: neither peers nor the CPU reach the rest. For RAM all
   * of it. @see drivers/gpu/drm/amd/amdgpu/amdgpu_gmc.h visible_vram_size
   */
  readonly apertureBytes: number
  /**
   * What a device sees that does not snoop the CPU's caches. The region itself until a non-coherent device is made; from
   * then on a second copy that starts as zeros and that only syncs (and such devices) change.
   */
  readonly deviceSide: RegionSide
  /** Gives the region a device side of its own. Once is enough; there is no way back. */
  separateDeviceSide(): void
  /** Marks frames (relative to the region) as uncached: both sides are then the CPU's bytes. */
  setUncached(firstIndex: number, frames: number, uncached: boolean): void
  /** How many bytes from `offset`, at most `length`, are all cached or all uncached as the first one is. */
  uniformLength(offset: number, length: number): number
  /** The side on which a device that does not snoop finds the byte at `offset`. */
  sideAt(offset: number): RegionSide
}

class PlainSide implements RegionSide {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly words: Int32Array
  readonly #sizeBytes: number

  constructor(buffer: ArrayBuffer, sizeBytes: number) {
    this.bytes = new Uint8Array(buffer, 0, sizeBytes)
    this.view = new DataView(buffer, 0, sizeBytes)
    this.words = new Int32Array(buffer, 0, sizeBytes / 4)
    this.#sizeBytes = sizeBytes
  }

  copyWithin(targetOffset: number, sourceOffset: number, length: number): void {
    assertCopyBounds(this.#sizeBytes, targetOffset, sourceOffset, length)
    this.bytes.copyWithin(targetOffset, sourceOffset, sourceOffset + length)
  }
}

function assertCopyBounds(size: number, target: number, source: number, length: number): void {
  assert(length >= 0 && target >= 0 && source >= 0, 'copy inside a region: negative bound')
  assert(target + length <= size && source + length <= size, 'copy inside a region: out of bounds')
}

/** @internal */
export interface RegionInit {
  index: number
  name: string
  kind: RegionKind
  backing: RegionBacking
  baseAddr: number
  frames: number
  apertureBytes: number
}

class Region implements MemoryRegion {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly words: Int32Array
  readonly index: number
  readonly name: string
  readonly kind: RegionKind
  readonly backing: RegionBacking
  readonly baseAddr: number
  readonly baseFrame: number
  readonly frames: number
  readonly sizeBytes: number
  readonly apertureBytes: number
  readonly #wasmCopy: WasmCopy | null
  #deviceSide: RegionSide
  #uncached: Uint8Array | null = null
  #uncachedFrames = 0

  constructor(init: RegionInit) {
    this.index = init.index
    this.name = init.name
    this.kind = init.kind
    this.backing = init.backing
    this.baseAddr = init.baseAddr
    this.baseFrame = init.baseAddr / PAGE_SIZE
    this.frames = init.frames
    this.sizeBytes = init.frames * PAGE_SIZE
    this.apertureBytes = init.apertureBytes
    let buffer: ArrayBuffer
    if (init.backing === 'wasm') {
      const wasm = createWasmBacking(this.sizeBytes)
      buffer = wasm.buffer
      this.#wasmCopy = wasm.copy
    } else {
      buffer = new ArrayBuffer(this.sizeBytes)
      this.#wasmCopy = null
    }
    this.bytes = new Uint8Array(buffer, 0, this.sizeBytes)
    this.view = new DataView(buffer, 0, this.sizeBytes)
    this.words = new Int32Array(buffer, 0, this.sizeBytes / 4)
    this.#deviceSide = this
  }

  get deviceSide(): RegionSide {
    return this.#deviceSide
  }

  copyWithin(targetOffset: number, sourceOffset: number, length: number): void {
    assertCopyBounds(this.sizeBytes, targetOffset, sourceOffset, length)
    if (this.#wasmCopy !== null && length < 0x1_0000_0000) {
      this.#wasmCopy(targetOffset, sourceOffset, length)
      return
    }
    this.bytes.copyWithin(targetOffset, sourceOffset, sourceOffset + length)
  }

  separateDeviceSide(): void {
    if (this.#deviceSide !== this) return
    // Of the same backing: the operating system takes only page-aligned bytes for direct I/O.
    const buffer =
      this.backing === 'wasm'
        ? createWasmBacking(this.sizeBytes).buffer
        : new ArrayBuffer(this.sizeBytes)
    this.#deviceSide = new PlainSide(buffer, this.sizeBytes)
    this.#uncached = new Uint8Array(this.frames)
  }

  setUncached(firstIndex: number, frames: number, uncached: boolean): void {
    const flags = this.#uncached
    assert(flags !== null, 'setUncached: the region has no device side of its own')
    assert(firstIndex >= 0 && firstIndex + frames <= this.frames, 'setUncached: out of bounds')
    const value = uncached ? 1 : 0
    for (let i = firstIndex; i < firstIndex + frames; i++) {
      assert(flags[i] !== value, 'setUncached: the frame is so already')
      flags[i] = value
    }
    this.#uncachedFrames += uncached ? frames : -frames
  }

  uniformLength(offset: number, length: number): number {
    const flags = this.#uncached
    if (flags === null || this.#uncachedFrames === 0) return length
    let index = Math.floor(offset / PAGE_SIZE)
    const first = flags[index]
    const last = Math.floor((offset + length - 1) / PAGE_SIZE)
    while (index < last && flags[index + 1] === first) index++
    return Math.min(length, (index + 1) * PAGE_SIZE - offset)
  }

  sideAt(offset: number): RegionSide {
    if (this.#uncachedFrames !== 0 && this.#uncached?.[Math.floor(offset / PAGE_SIZE)] === 1) {
      return this
    }
    return this.#deviceSide
  }
}

/** @internal */
export function createRegion(init: RegionInit): MemoryRegion {
  return new Region(init)
}

/** The frame that holds the byte at `physAddr`. */
export function frameOf(physAddr: number): number {
  return physAddr < 0x8000_0000 ? physAddr >>> PAGE_SHIFT : Math.floor(physAddr / PAGE_SIZE)
}

/**
 * Copies between two sides: the quick copy when they are one and the same, `set` when not (which makes a short-lived view;
 * a few bytes go one by one). The ranges are asserted to be inside their sides.
 */
export function copyBetween(
  target: RegionSide,
  targetOffset: number,
  source: RegionSide,
  sourceOffset: number,
  length: number,
): void {
  if (target === source) {
    target.copyWithin(targetOffset, sourceOffset, length)
    return
  }
  const to = target.bytes
  const from = source.bytes
  assert(
    length >= 0 && targetOffset >= 0 && sourceOffset >= 0,
    'copy between regions: negative bound',
  )
  assert(
    targetOffset + length <= to.length && sourceOffset + length <= from.length,
    'copy between regions: out of bounds',
  )
  if (length > 16) {
    to.set(from.subarray(sourceOffset, sourceOffset + length), targetOffset)
    return
  }
  for (let i = 0; i < length; i++) to[targetOffset + i] = from[sourceOffset + i] ?? 0
}
