// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

function sourceOf(file: string): string {
  return readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8')
}

/** The comment that a file begins with, before its first line of code. */
function headOf(file: string): string {
  const source = sourceOf(file)
  return source.slice(0, source.search(/^(import|export) /m))
}

describe('the explanation of the fencing logic', () => {
  it('R-MQ-9: stands at the head of the file that holds it, with the states, what leads to each, and the rules', () => {
    const head = headOf('invalidation.ts')
    for (const state of ['PUBLISHED', 'KILLED', 'DRAINED', 'UNMAPPED', 'FREED']) {
      expect(head).toContain(state)
    }
    for (const step of [
      'getMap',
      'invalidateMappings',
      'release',
      'detachDevice',
      '`active` put',
    ]) {
      expect(head).toContain(step)
    }
    const rules = [...head.matchAll(/^\/\/ (\d+)\. /gm)].map(([, number]) => Number(number))
    expect(rules).toEqual(Array.from({ length: rules.length }, (_, i) => i + 1))
    expect(rules.length).toBeGreaterThanOrEqual(9)
  })

  it('R-MQ-9: that the map is made lazily is said where it is made', () => {
    const source = sourceOf('token.ts')
    const at = source.indexOf('*getMap()')
    expect(source.slice(at - 200, at)).toContain('by the first I/O that needs it')
  })
})
