// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** What has a number that only ever grows. */
export interface Numbered {
  readonly id: number
}

/**
 * The registrations of one factory, in the order of their numbers. A place in it is a number, and stays one when what stood there is gone.
 */
export class TokenList<T extends Numbered> {
  readonly #tokens: T[] = []
  #lastId = 0

  nextId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  /** `token` has the number that `nextId` gave last. */
  add(token: T): void {
    this.#tokens.push(token)
  }

  remove(token: T): void {
    const at = this.#countBelow(token.id)
    if (this.#tokens[at] === token) this.#tokens.splice(at, 1)
  }

  newest(): T | null {
    return this.#tokens.at(-1) ?? null
  }

  /** The newest of those that are older than the one of this number, whether or not that is still there. */
  before(id: number): T | null {
    return this.#tokens[this.#countBelow(id) - 1] ?? null
  }

  has(token: T): boolean {
    return this.#tokens[this.#countBelow(token.id)] === token
  }

  #countBelow(id: number): number {
    let low = 0
    let high = this.#tokens.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#tokens[middle]?.id ?? id) < id) low = middle + 1
      else high = middle
    }
    return low
  }
}
