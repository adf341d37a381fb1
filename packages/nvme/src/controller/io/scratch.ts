// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { OwnMemory } from './own-memory.ts'

/** What is used of it; the library has no types of its own for it. */
declare const WebAssembly: {
  readonly Memory: new (init: { readonly initial: number }) => { readonly buffer: ArrayBuffer }
}

/** Bytes that a command works through at once. */
export const SCRATCH_BYTES = 65_536
const WASM_PAGE_BYTES = 65_536

/** Page-aligned, so that it may be the target of a direct read of a file. */
export class Scratch extends OwnMemory {
  constructor() {
    super(new WebAssembly.Memory({ initial: SCRATCH_BYTES / WASM_PAGE_BYTES }).buffer)
  }
}

/** Scratch buffers, made when they are first needed and used again. There are never more than `buffersMax`: who finds none waits. */
export class ScratchPool {
  readonly #free: Scratch[] = []
  readonly #buffersMax: number
  #made = 0

  constructor(buffersMax: number) {
    this.#buffersMax = buffersMax
  }

  take(): Scratch | null {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#made === this.#buffersMax) return null
    this.#made++
    return new Scratch()
  }

  give(scratch: Scratch): void {
    this.#free.push(scratch)
  }
}
