// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Direction } from '../data-direction.ts'

/** Where the data of a command is. */
export interface RequestMemory {
  readonly lengthBytes: number
  /** False: nothing of it may be touched any more. */
  readonly isReachable: boolean
  /** Copies bytes to where they belong. In order, and within `lengthBytes`. */
  put(offsetBytes: number, bytes: Uint8Array): void
  /** The bytes themselves, in as many pieces as they lie in. In order. */
  parts(offsetBytes: number, lengthBytes: number): Uint8Array[]
}

/** One command on its way, from the capsule that carries it to its completion. Its owner may use it again afterwards. */
export class LinkRequest {
  readonly memory: RequestMemory
  commandId = 0
  direction: Direction = 0
  /** Less data than there is room for is an error. */
  isExact = false
  /** How far the data is that came in, or was asked for. */
  movedBytes = 0
  /** The data is not what its digest says. */
  isDamaged = false
  /** Pieces of its memory that the socket still has: it is not over before they are out. */
  unsent = 0
  hasStatus = false
  status = 0
  /** Dwords 0 and 1 of the completion. */
  low = 0
  high = 0
  readonly #ended: (request: LinkRequest) => void

  /** `ended` is told once for each `begin`, unless the connection is closed before. Atomic. */
  constructor(memory: RequestMemory, ended: (request: LinkRequest) => void) {
    this.memory = memory
    this.#ended = ended
  }

  begin(commandId: number, direction: Direction, isExact: boolean): void {
    this.commandId = commandId
    this.direction = direction
    this.isExact = isExact
    this.movedBytes = 0
    this.isDamaged = false
    this.unsent = 0
    this.hasStatus = false
    this.status = 0
    this.low = 0
    this.high = 0
  }

  end(): void {
    this.#ended(this)
  }
}

/** Memory of the caller's own, in one piece. */
export class BufferMemory implements RequestMemory {
  readonly isReachable = true
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get lengthBytes(): number {
    return this.#bytes.length
  }

  put(offsetBytes: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, offsetBytes)
  }

  parts(offsetBytes: number, lengthBytes: number): Uint8Array[] {
    return [this.#bytes.subarray(offsetBytes, offsetBytes + lengthBytes)]
  }
}
