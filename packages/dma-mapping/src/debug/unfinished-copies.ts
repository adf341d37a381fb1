// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

interface Copy {
  readonly name: string
  readonly start: number
  readonly end: number
}

/** Ranges of memory that somebody is still to write, by a copy engine for example. @internal */
export class UnfinishedCopies {
  readonly #copies: Map<number, Copy> = new Map()
  #lastId = 0

  begin(name: string, start: number, length: number): number {
    this.#lastId++
    this.#copies.set(this.#lastId, { name, start, end: start + length })
    return this.#lastId
  }

  end(id: number): void {
    this.#copies.delete(id)
  }

  /** The name of a copy that is still to write a byte of the range; null when there is none. */
  at(start: number, length: number): string | null {
    if (this.#copies.size === 0) return null
    for (const copy of this.#copies.values()) {
      if (copy.start < start + length && start < copy.end) return copy.name
    }
    return null
  }
}
