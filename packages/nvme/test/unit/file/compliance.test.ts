// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEventLoopScheduler, createKernel } from '@iolayers/kernel'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { StoreOp } from '../../../src/controller/index.ts'
import { createFileStore } from '../../../src/file/index.ts'
import {
  Scatter,
  STORE_BYTES,
  type StoreSetup,
  TestIo,
} from '../../../src/store-compliance/index.ts'
import { storeCompliance } from '../../store-compliance.ts'

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

describe('deallocating', () => {
  const { PATH } = process.env
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it.each([
    ['with the command that punches holes', PATH],
    ['without it, by writing zeros', ''],
  ])('%s: the bytes are zeros, and the file keeps its size', async (_name, path) => {
    vi.stubEnv('PATH', path)
    const setup = make(false)
    const { kernel, store } = setup
    const places = new Scatter(kernel)
    const one = new TestIo(kernel, 0)
    places.prepare(one.io, StoreOp.WRITE, 0, [262_144])
    places.put(one.io, new Uint8Array(262_144).fill(7))
    expect(await setup.run('write', one.exec(store))).toBe(0)
    one.io.op = StoreOp.DEALLOCATE
    one.io.count = 0
    one.io.offsetBytes = 4096
    one.io.lengthBytes = 200_000 - (200_000 % 512)
    expect(await setup.run('deallocate', one.exec(store))).toBe(0)
    const expected = new Uint8Array(STORE_BYTES)
    expected.fill(7, 0, 4096)
    expected.fill(7, 4096 + one.io.lengthBytes, 262_144)
    expect(Buffer.compare(setup.contents(), expected)).toBe(0)
    await setup.run('close', store.close())
    setup.cleanUp()
  })
})
