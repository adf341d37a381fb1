// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

/** The example itself is run by the package checks. */
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

it('the exporter of the example has no more than 30 lines', () => {
  const lines = /^class MyExporter [\s\S]*?^}$/m.exec(readme)?.[0].split('\n').length
  expect(lines).toBeLessThanOrEqual(30)
})
