// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEventLoopScheduler, createKernel } from '@iolayers/kernel'
import { createFileStore } from '../../../src/file/index.ts'
import { STORE_BYTES, type StoreSetup, storeCompliance } from '../../store-compliance.ts'

function make(direct: boolean): StoreSetup {
  const directory = mkdtempSync(join(tmpdir(), 'nvme-store-'))
  const path = join(directory, 'medium')
  writeFileSync(path, '')
  truncateSync(path, STORE_BYTES)
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler })
  return {
    kernel,
    store: createFileStore({ kernel }, { path, direct }),
    run: (name, op) => scheduler.run(name, op),
    contents: () => readFileSync(path),
    cleanUp: () => rmSync(directory, { recursive: true }),
  }
}

storeCompliance('file', () => make(false))
// Ranges that O_DIRECT refuses: the store goes on through the page cache.
storeCompliance('file with O_DIRECT asked for', () => make(true))
