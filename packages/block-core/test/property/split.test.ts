// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPrng } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReqFlags, ReqOp } from '../../src/index.ts'
import { checkCase, describeCase, makeCase, type SplitCase } from '../split-cases.ts'

const CASES = 100_000

function caseOf(seed: number): SplitCase {
  const random = createPrng(seed)
  return makeCase((n) => random.below(n))
}

/** Pieces of a case; a failure says how to see it again. */
function check(c: SplitCase, seed: number): number {
  try {
    return checkCase(c)
  } catch (error) {
    throw new Error(`split case: check(caseOf(${seed}), ${seed}) of ${describeCase(c)}`, {
      cause: error,
    })
  }
}

function kindOf({ shape }: SplitCase): string {
  if ((shape.flags & ReqFlags.ATOMIC) !== 0) return 'atomic'
  if (shape.dmabuf !== null) return 'dmabuf'
  return shape.op === ReqOp.READ || shape.op === ReqOp.WRITE ? 'memory' : `op ${shape.op}`
}

describe('splitting by every limit together', () => {
  it('R-BIO-4, R-BIO-5: pieces are the original in order, those of a naive model, and none could be longer', () => {
    const cut = new Map<string, number>()
    for (let seed = 1; seed <= CASES; seed++) {
      const c = caseOf(seed)
      if (check(c, seed) < 2) continue
      const kind = kindOf(c)
      cut.set(kind, (cut.get(kind) ?? 0) + 1)
    }
    // A generator that cuts nothing would prove nothing.
    const kinds = ['dmabuf', 'memory', `op ${ReqOp.DISCARD}`, `op ${ReqOp.SECURE_ERASE}`]
    for (const kind of [...kinds, `op ${ReqOp.WRITE_ZEROES}`]) {
      expect(cut.get(kind), kind).toBeGreaterThan(CASES / 40)
    }
  })

  it('R-BIO-4: the same with cases that shrink', () => {
    const entropy = fc.array(fc.nat(), { minLength: 40, maxLength: 80 })
    fc.assert(
      fc.property(entropy, (numbers) => {
        let i = 0
        const c = makeCase((n) => (numbers[i++] ?? 0) % n)
        try {
          checkCase(c)
        } catch (error) {
          throw new Error(describeCase(c), { cause: error })
        }
      }),
      { numRuns: 1000, seed: 17 },
    )
  })
})
