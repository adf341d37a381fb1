// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'

/** A folder for each test of the calling file, gone afterwards. */
export function useTempDir(): { (name: string): string; readonly path: string } {
  let path = ''
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'iolayers-test-'))
  })
  afterEach(() => rmSync(path, { recursive: true, force: true }))
  const within = (name: string): string => join(path, name)
  return Object.defineProperty(within, 'path', { get: () => path }) as typeof within & {
    readonly path: string
  }
}
