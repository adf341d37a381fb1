// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A file store behind a controller that lost the bus.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Completion, createEventLoopScheduler, createKernel, type Op } from '@iolayers/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type NamespaceStore, StoreIo, StoreOp } from '../../../src/controller/index.ts'
import { createFileStore } from '../../../src/file/index.ts'
import { Status } from '../../../src/spec/index.ts'
import { Scatter } from '../../../src/store-compliance/index.ts'

const BLOCK = 512
const UNTOUCHED = 0x5c

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nvme-gate-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function rig(content: Uint8Array) {
  const path = join(directory, 'medium')
  writeFileSync(path, content)
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler })
  const store = createFileStore({ kernel }, { path })
  const gate = { enabled: true }
  const done = new Completion(scheduler, 'I/O')
  let status = -1
  const completion = {
    storeDone: (_: StoreIo, ended: number) => {
      status = ended
      done.complete()
    },
  }
  const io = new StoreIo(0, completion, gate)
  const places = new Scatter(kernel)
  const exec = (op: StoreOp, enabled: { readonly before: boolean; readonly after: boolean }) => {
    places.prepare(io, op, 0, [BLOCK])
    if (op === StoreOp.FLUSH) io.count = 0
    done.reinit()
    return scheduler.run('I/O', run(store, enabled))
  }
  function* run(
    to: NamespaceStore,
    enabled: { readonly before: boolean; readonly after: boolean },
  ): Op<number> {
    gate.enabled = enabled.before
    to.submit(io)
    gate.enabled = enabled.after
    yield* done.wait()
    return status
  }
  return { path, scheduler, store, places, io, exec }
}

describe('H15: a file store, with the bus off', () => {
  it('reads and writes nothing; a flush needs no memory', async () => {
    const { path, scheduler, store, places, io, exec } = rig(new Uint8Array(BLOCK).fill(0xab))
    const off = { before: false, after: false }
    expect(await exec(StoreOp.READ, off)).toBe(Status.DATA_TRANSFER_ERROR)
    expect(places.get(io).every((byte) => byte === UNTOUCHED)).toBe(true)
    expect(await exec(StoreOp.WRITE, off)).toBe(Status.DATA_TRANSFER_ERROR)
    expect(readFileSync(path).every((byte) => byte === 0xab)).toBe(true)
    expect(await exec(StoreOp.FLUSH, off)).toBe(Status.SUCCESS)
    await scheduler.run('close', store.close())
  })

  it('that went off while a system call was under way, does no more than that call', async () => {
    const { scheduler, store, places, io, exec } = rig(new Uint8Array(100).fill(0xab))
    expect(await exec(StoreOp.READ, { before: true, after: false })).toBe(
      Status.DATA_TRANSFER_ERROR,
    )
    // The end of the block would have been zeros.
    expect(
      places
        .get(io)
        .subarray(100)
        .every((byte) => byte === UNTOUCHED),
    ).toBe(true)
    expect(await exec(StoreOp.READ, { before: true, after: true })).toBe(Status.SUCCESS)
    expect(
      places
        .get(io)
        .subarray(100)
        .every((byte) => byte === 0),
    ).toBe(true)
    await scheduler.run('close', store.close())
  })
})
