// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEventLoopScheduler, createKernel } from '@iolayers/kernel'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { StoreOp } from '../../../src/controller/index.ts'
import { createFileStore } from '../../../src/file/index.ts'
import { HolePuncher } from '../../../src/file/punch-hole.ts'
import {
  Scatter,
  STORE_BYTES,
  type StoreSetup,
  TestIo,
} from '../../../src/store-compliance/index.ts'
import { storeCompliance } from '../../store-compliance.ts'

function make(direct: boolean, readOnly = false): StoreSetup & { readonly path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'nvme-store-'))
  const path = join(directory, 'medium')
  writeFileSync(path, '')
  truncateSync(path, STORE_BYTES)
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler })
  return {
    path,
    kernel,
    store: createFileStore({ kernel }, { path, direct, readOnly }),
    run: (name, op) => scheduler.run(name, op),
    contents: () => readFileSync(path),
    cleanUp: () => rmSync(directory, { recursive: true }),
  }
}

storeCompliance('file', () => make(false))
// Ranges that O_DIRECT refuses: the store goes on through the page cache.
storeCompliance('file with O_DIRECT asked for', () => make(true))

/** What a file of STORE_BYTES bytes takes on its disk. */
function takenBytes(path: string): number {
  return statSync(path).blocks * 512
}

describe('space', () => {
  const { PATH } = process.env
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  async function zeroed(op: StoreOp, init: { path?: string; offset: number; length: number }) {
    vi.stubEnv('PATH', init.path ?? PATH)
    const setup = make(false)
    const { kernel, store } = setup
    const places = new Scatter(kernel)
    const one = new TestIo(kernel, 0)
    places.prepare(one.io, StoreOp.WRITE, 0, [262_144])
    places.put(one.io, new Uint8Array(262_144).fill(7))
    expect(await setup.run('write', one.exec(store))).toBe(0)
    one.io.op = op
    one.io.count = 0
    one.io.offsetBytes = init.offset
    one.io.lengthBytes = init.length
    const supported = store.supports?.(op)
    expect(await setup.run('zero', one.exec(store))).toBe(0)
    const expected = new Uint8Array(STORE_BYTES)
    expected.fill(7, 0, 262_144)
    expected.fill(0, init.offset, init.offset + init.length)
    expect(Buffer.compare(setup.contents(), expected)).toBe(0)
    const bytes = takenBytes(setup.path)
    await setup.run('close', store.close())
    setup.cleanUp()
    return { supported, bytes }
  }

  it('that is deallocated is given back, and the file keeps its size', async () => {
    const whole = await zeroed(StoreOp.DEALLOCATE, { offset: 4096, length: 512 })
    expect(whole.supported).toBe(true)
    const punched = await zeroed(StoreOp.DEALLOCATE, { offset: 0, length: 131_072 })
    expect(punched.bytes).toBe(whole.bytes - 131_072)
  })

  it('is not taken by zeros, unless they are few', async () => {
    const few = await zeroed(StoreOp.WRITE_ZEROES, { offset: 262_144, length: 4096 })
    const many = await zeroed(StoreOp.WRITE_ZEROES, { offset: 262_144, length: STORE_BYTES >> 1 })
    expect(many.bytes).toBe(few.bytes - 4096)
  })

  it('cannot be given back without the command for it: then it is not offered', async () => {
    const without = { path: '', offset: 0, length: 131_072 }
    expect((await zeroed(StoreOp.DEALLOCATE, without)).supported).toBe(false)
    expect((await zeroed(StoreOp.WRITE_ZEROES, without)).supported).toBe(true)
  })

  it('of a file that is open for reading only is not offered', async () => {
    const setup = make(false, true)
    expect(setup.store.supports?.(StoreOp.DEALLOCATE)).toBe(false)
    await setup.run('close', setup.store.close())
    setup.cleanUp()
  })

  it('is given back by few processes at once, in turn', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'nvme-holes-'))
    const running = join(directory, 'running')
    const most = join(directory, 'most')
    mkdirSync(running)
    // Stands in for the command: counts how many of it there are.
    writeFileSync(
      join(directory, 'fallocate'),
      `#!${process.execPath}
const { mkdirSync, readdirSync, rmdirSync, appendFileSync } = require('node:fs')
const mine = '${running}/' + process.pid
mkdirSync(mine)
setTimeout(() => {
  appendFileSync('${most}', readdirSync('${running}').length + '\\n')
  rmdirSync(mine)
}, 50)
`,
      { mode: 0o755 },
    )
    vi.stubEnv('PATH', directory)
    const path = join(directory, 'medium')
    writeFileSync(path, new Uint8Array(8192))
    const fd = openSync(path, 'r+')
    const puncher = new HolePuncher(fd)
    const results = await Promise.all(
      Array.from(
        { length: 12 },
        (_, i) => new Promise((resolve) => puncher.punch(i * 512, 512, resolve)),
      ),
    )
    closeSync(fd)
    expect(results).toEqual(Array.from({ length: 12 }, () => true))
    const counts = readFileSync(most, 'utf8').trim().split('\n').map(Number)
    expect(counts).toHaveLength(12)
    expect(Math.max(...counts)).toBeLessThanOrEqual(4)
    rmSync(directory, { recursive: true })
  })

  it('a process that cannot be started is told like one that failed', async () => {
    // An argument that no process can have: spawn throws at once.
    const puncher = new HolePuncher(-2)
    const punched = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(() => new Promise((resolve) => puncher.punch(0, 512, resolve))),
    )
    expect(punched).toEqual([false, false, false, false, false, false])
  })
})
