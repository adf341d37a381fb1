// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Numbers that look random and depend on the seed alone. Not for secrets. */
export interface Prng {
  nextUint32(): number
  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number
}

/** xorshift32 over a mixed seed (Marsaglia, "Xorshift RNGs", 2003). */
export function createPrng(seed: number): Prng {
  let state = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b) ^ 0x9e3779b9
  if (state === 0) state = 1
  const nextUint32 = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
  for (let i = 0; i < 4; i++) nextUint32()
  return { nextUint32, below: (bound) => nextUint32() % bound }
}
