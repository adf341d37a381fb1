// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPhysicalMemory } from '@iolayers/dma-mapping'
import { createEventLoopScheduler, createKernel } from '@iolayers/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StoreOp } from '../../../src/controller/index.ts'
import { createFileStore, type FileStoreInit } from '../../../src/file/index.ts'
import { STATUS_CODE_MASK, STATUS_DNR, Status } from '../../../src/spec/index.ts'
import { Scatter, TestIo } from '../../../src/store-compliance/index.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nvme-file-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function setup(content: Uint8Array | string, init: Partial<FileStoreInit> = {}) {
  const path = init.path ?? join(directory, 'medium')
  if (init.path === undefined) writeFileSync(path, content)
  const scheduler = createEventLoopScheduler()
  const kernel = createKernel({ scheduler })
  const store = createFileStore({ kernel }, { path, ...init })
  const places = new Scatter(kernel)
  const one = new TestIo(kernel, 0)
  return {
    path,
    scheduler,
    kernel,
    store,
    places,
    one,
    exec: () => scheduler.run('I/O', one.exec(store)),
    close: () => scheduler.run('close', store.close()),
  }
}

describe('a file of more than 4 GiB', () => {
  it('has a place of its own for each block: nothing wraps round', async () => {
    const path = join(directory, 'huge')
    writeFileSync(path, '')
    truncateSync(path, 5 * 2 ** 30)
    const { store, places, one, exec, close } = setup('', { path })
    expect(store.sizeBytes).toBe(5 * 2 ** 30)
    const at = [0, 2 ** 31 - 512, 2 ** 31, 2 ** 32 - 512, 2 ** 32, 2 ** 32 + 512, 5 * 2 ** 30 - 512]
    for (const [i, offset] of at.entries()) {
      places.prepare(one.io, StoreOp.WRITE, offset, [200, 312])
      places.put(one.io, new Uint8Array(512).fill(i + 1))
      expect(await exec()).toBe(0)
    }
    for (const [i, offset] of at.entries()) {
      places.prepare(one.io, StoreOp.READ, offset, [512])
      expect(await exec()).toBe(0)
      expect(new Set(places.get(one.io))).toEqual(new Set([i + 1]))
    }
    one.io.op = StoreOp.DEALLOCATE
    one.io.count = 0
    one.io.offsetBytes = 2 ** 32
    one.io.lengthBytes = 512
    if (store.supports?.(StoreOp.DEALLOCATE) === true) expect(await exec()).toBe(0)
    places.prepare(one.io, StoreOp.READ, 0, [512])
    expect(await exec()).toBe(0)
    expect(new Set(places.get(one.io))).toEqual(new Set([1]))
    await close()
    expect(statSync(path).size).toBe(5 * 2 ** 30)
  })
})

describe('the end of a file inside a block', () => {
  it.each([1, 511, 512, 513, 4095, 4097])('%i bytes: zeros up to the block', async (size) => {
    const content = new Uint8Array(size).fill(0xab)
    for (const logicalBlockBytes of [512, 4096]) {
      const { store, places, one, exec, close } = setup(content, { logicalBlockBytes })
      const rounded = Math.ceil(size / logicalBlockBytes) * logicalBlockBytes
      expect(store.sizeBytes).toBe(rounded)
      places.prepare(one.io, StoreOp.READ, 0, [rounded])
      expect(await exec()).toBe(0)
      const got = places.get(one.io)
      expect(Buffer.compare(got.subarray(0, size), content)).toBe(0)
      expect(got.subarray(size).every((byte) => byte === 0)).toBe(true)
      await close()
    }
  })

  it('a write puts the whole block there; the owner of the file cuts it', async () => {
    const { path, places, one, exec, close } = setup('x'.repeat(100))
    places.prepare(one.io, StoreOp.WRITE, 0, [512])
    places.put(one.io, new Uint8Array(512).fill(0x61))
    expect(await exec()).toBe(0)
    expect(statSync(path).size).toBe(512)
    await close()
    truncateSync(path, 100)
    expect(readFileSync(path, 'utf8')).toBe('a'.repeat(100))
  })
})

describe('a file larger than it was', () => {
  it('a target is as large as it is told to be, and grows as it is written', async () => {
    const { path, store, places, one, exec, close } = setup('', { sizeBytes: 8192 })
    expect(store.sizeBytes).toBe(8192)
    places.prepare(one.io, StoreOp.WRITE, 4096, [4096])
    places.put(one.io, new Uint8Array(4096).fill(1))
    expect(await exec()).toBe(0)
    places.prepare(one.io, StoreOp.READ, 0, [8192])
    expect(await exec()).toBe(0)
    const got = places.get(one.io)
    expect([got[0], got[4095], got[4096], got[8191]]).toEqual([0, 0, 1, 1])
    await close()
    expect(statSync(path).size).toBe(8192)
  })
})

describe('what can go wrong', () => {
  it('the file shrinks while it is read: an error that says so', async () => {
    const { path, store, places, one, exec, close } = setup('y'.repeat(8192))
    truncateSync(path, 5000)
    places.prepare(one.io, StoreOp.READ, 0, [3000, 5192])
    expect((await exec()) & STATUS_CODE_MASK).toBe(Status.UNRECOVERED_READ)
    expect(store.lastError).toMatchObject({
      code: 'EIO',
      message: expect.stringMatching(/shrank.*8192.*5000/),
    })
    await close()
  })

  it.runIf(existsSync('/dev/full'))(
    'a full disk: Capacity Exceeded, not to be tried again',
    async () => {
      const { store, places, one, exec, close } = setup('', { path: '/dev/full', sizeBytes: 4096 })
      places.prepare(one.io, StoreOp.WRITE, 0, [512])
      expect(await exec()).toBe(Status.CAPACITY_EXCEEDED | STATUS_DNR)
      expect(store.lastError).toMatchObject({ code: 'ENOSPC' })
      await close()
    },
  )

  it('a write to a file that was opened for reading: write protected', async () => {
    const { path, store, places, one, exec, close } = setup('z'.repeat(512), { readOnly: true })
    places.prepare(one.io, StoreOp.WRITE, 0, [512])
    expect(await exec()).toBe(Status.NAMESPACE_WRITE_PROTECTED | STATUS_DNR)
    expect(store.lastError).toMatchObject({ code: 'EROFS' })
    one.io.op = StoreOp.FLUSH
    expect(await exec()).toBe(0)
    await close()
    expect(readFileSync(path, 'utf8')).toBe('z'.repeat(512))
  })

  it('no file, and a directory', () => {
    expect(() => setup('', { path: join(directory, 'missing') })).toThrow(/ENOENT/)
    expect(() => setup('', { path: directory, readOnly: true })).toThrow(/directory/)
  })

  it('after close no I/O is taken', async () => {
    const { store, one, close, places } = setup('w'.repeat(512))
    await close()
    await close()
    places.prepare(one.io, StoreOp.READ, 0, [512])
    expect(() => store.submit(one.io)).toThrow(/closed/)
  })
})

describe('O_DIRECT', () => {
  it('with page-aligned memory reads and writes the bytes, however the file system takes it', async () => {
    const { path, store, kernel, one, exec, close } = setup('q'.repeat(65_536), { direct: true })
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'wasm' })
    const [region] = memory.regions
    if (region === undefined) throw new Error('no memory')
    one.io.op = StoreOp.READ
    one.io.offsetBytes = 4096
    one.io.lengthBytes = 8192
    one.io.count = 0
    one.io.addRange(region, 0, 8192)
    expect(await exec()).toBe(0)
    expect(region.bytes.subarray(0, 8192).every((byte) => byte === 0x71)).toBe(true)
    region.bytes.fill(0x72, 0, 8192)
    one.io.op = StoreOp.WRITE
    const taken = store.direct
    expect(await exec()).toBe(0)
    // Aligned I/O does not make it give up.
    expect(store.direct).toBe(taken)
    await close()
    expect(
      readFileSync(path)
        .subarray(4096, 12_288)
        .every((byte) => byte === 0x72),
    ).toBe(true)
  })

  it('that is refused for an I/O is given up, and the I/O done', async () => {
    const { store, places, one, exec, close } = setup('q'.repeat(8192), { direct: true })
    places.prepare(one.io, StoreOp.READ, 0, [1, 511])
    expect(await exec()).toBe(0)
    expect(places.get(one.io).every((byte) => byte === 0x71)).toBe(true)
    expect(store.lastError).toBeNull()
    expect(typeof store.direct).toBe('boolean')
    await close()
  })

  it('that is given up stays with the file that was opened, whatever its name means now', async () => {
    const { path, places, one, exec, close } = setup('q'.repeat(8192), { direct: true })
    rmSync(path)
    writeFileSync(path, 'other'.repeat(2000))
    places.prepare(one.io, StoreOp.READ, 0, [1, 511])
    expect(await exec()).toBe(0)
    expect(places.get(one.io).every((byte) => byte === 0x71)).toBe(true)
    await close()
  })

  it('that is given up for a file without a name any more', async () => {
    const { path, places, one, exec, close } = setup('q'.repeat(8192), { direct: true })
    rmSync(path)
    places.prepare(one.io, StoreOp.READ, 0, [1, 511])
    expect(await exec()).toBe(0)
    expect(places.get(one.io).every((byte) => byte === 0x71)).toBe(true)
    await close()
  })

  it.runIf(existsSync('/proc/self/fd'))('every descriptor is given back', async () => {
    const open = () =>
      readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory)
        } catch {
          return false
        }
      })
    const { places, one, exec, close } = setup('q'.repeat(8192), { direct: true })
    places.prepare(one.io, StoreOp.READ, 0, [1, 511])
    expect(await exec()).toBe(0)
    expect(open().length).toBeGreaterThan(0)
    await close()
    expect(() => setup('', { path: directory, readOnly: true, direct: true })).toThrow(/directory/)
    expect(open()).toEqual([])
  })

  it('asks for nothing when it is not asked', async () => {
    const { store, close } = setup('q')
    expect(store.direct).toBe(false)
    await close()
  })
})
