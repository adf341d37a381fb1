// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * A typed key for an optional contract of a file. Whoever wires a stack asks for it once; never per I/O.
 */
export class Ability<T> {
  readonly name: string
  /** Never set: it ties the key to the type of its answer. */
  declare readonly answers: T

  constructor(name: string) {
    this.name = name
  }

  /**
   * For a file's `query`: `implementation` when `key` is this ability, undefined when it is another one.
   */
  answer<U>(key: Ability<U>, implementation: U): T | undefined {
    // Sound: the keys are the same object, so T and U are the same type.
    return Object.is(key, this) ? (implementation as unknown as T) : undefined
  }
}
