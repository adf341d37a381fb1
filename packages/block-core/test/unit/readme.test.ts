// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

/** The examples themselves are run by the package checks. */
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

function linesOfExample(heading: string): number {
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
  const code = /<!-- example: expect "[^"]+" -->\n```ts\n([\s\S]*?)```/.exec(section)?.[1]
  return code?.trimEnd().split('\n').length ?? Number.NaN
}

it.each([
  ['A block driver', 80],
  ['A stacked device', 120],
])('%s is an example of fewer than %i lines that the package checks run', (heading, limit) => {
  expect(linesOfExample(heading)).toBeLessThan(limit)
})
