// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { OpenFlags } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { DmaBufSync, DmaResvUsage, dmaBufSync } from '../../src/index.ts'
import { addFence, createFence, exportBuffer, FaultyExporter } from '../buf-support.ts'
import {
  createRig,
  errorCode,
  expectNothingOutstanding,
  RecordingExporter,
  withLock,
} from '../support.ts'

const PAGES = 4

function setup() {
  const made = exportBuffer(new FaultyExporter(), PAGES)
  made.ops.bytes = new Uint8Array(PAGES * PAGE_SIZE).map((_, i) => Math.floor(i / PAGE_SIZE))
  return made
}

describe('dma_buf: mmap', () => {
  it('maps a range, and holds the buffer until it is unmapped', () => {
    const { rig, ops, dmabuf } = setup()
    const traced: unknown[] = []
    rig.kernel.tracer.subscribe(
      (name) => name === 'dma_buf_mmap_internal',
      ({ values }) => traced.push(values),
    )
    const mapping = dmabuf.mmap(PAGE_SIZE, PAGE_SIZE + 1, 'write')
    expect(traced).toEqual([[1, PAGES * PAGE_SIZE, '', 'test', 4096, 8192]])
    expect(mapping).toMatchObject({ offsetBytes: 4096, lengthBytes: 8192, write: true })
    expect(dmabuf.references).toBe(2)
    dmabuf.put()
    expect(rig.core.stats.live).toBe(1)
    const [segment] = mapping.segments()
    expect([segment?.length, segment?.[0], segment?.at(-1)]).toEqual([8192, 1, 2])
    mapping.munmap()
    expect(ops.calls).toEqual(['mmap 4096 8192 w', 'close', 'release 1'])
    expect(errorCode(() => mapping.segments())).toBe('EFAULT')
    expect(errorCode(() => mapping.munmap())).toBe('assertion')
    expectNothingOutstanding(rig)
  })

  it('gives the bytes where they are now', () => {
    const { rig, ops, dmabuf } = setup()
    const mapping = dmabuf.mmap(0, PAGE_SIZE, 'read')
    ops.bytes = ops.bytes.slice().fill(9)
    expect(mapping.segments()[0]?.[0]).toBe(9)
    mapping.munmap()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it.each([
    ['an offset within a page', 100, PAGE_SIZE, 'EINVAL'],
    ['a negative offset', -PAGE_SIZE, PAGE_SIZE, 'EINVAL'],
    ['no length', 0, 0, 'EINVAL'],
    ['half a byte', 0, 0.5, 'EINVAL'],
    ['a range that ends beyond the buffer', PAGE_SIZE, PAGES * PAGE_SIZE, 'EINVAL'],
    ['a range that begins at its end', PAGES * PAGE_SIZE, 1, 'EINVAL'],
    ['a range that ends beyond all numbers', 2 ** 53 - PAGE_SIZE, PAGE_SIZE, 'EOVERFLOW'],
  ])('refuses %s', (_what, offset, length, code) => {
    const { rig, ops, dmabuf } = setup()
    expect(errorCode(() => dmabuf.mmap(offset, length, 'read'))).toBe(code)
    expect([ops.calls, dmabuf.references]).toEqual([[], 1])
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('maps only for what the file was opened for', () => {
    const { O_RDONLY, O_WRONLY, O_RDWR, O_CLOEXEC } = OpenFlags
    for (const [flags, access, code] of [
      [O_RDONLY, 'read', 'none'],
      [O_RDONLY, 'write', 'EACCES'],
      [O_WRONLY, 'write', 'EACCES'],
      [O_WRONLY, 'read', 'EACCES'],
      [O_RDWR | O_CLOEXEC, 'write', 'none'],
    ] as const) {
      const rig = createRig()
      const ops = new FaultyExporter()
      const info = { ops, sizeBytes: PAGE_SIZE, exporterName: 'test', flags }
      const dmabuf = rig.core.export(info)
      expect(dmabuf.file.flags).toBe(flags & OpenFlags.O_ACCMODE)
      expect(errorCode(() => dmabuf.mmap(0, 1, access).munmap())).toBe(code)
      dmabuf.put()
      expectNothingOutstanding(rig)
    }
  })

  it('an exporter without it, one that refuses, and one that fails or lies at a fault', () => {
    const { rig, ops, dmabuf } = setup()
    const plain = new RecordingExporter()
    const other = rig.core.export({ ops: plain, sizeBytes: PAGE_SIZE, exporterName: 'plain' })
    expect(() => other.mmap(0, PAGE_SIZE, 'read')).toThrow('exporter plain has no mmap')
    other.put()
    ops.broken.add('mmap')
    expect(errorCode(() => dmabuf.mmap(0, PAGE_SIZE, 'read'))).toBe('EIO')
    expect(dmabuf.references).toBe(1)
    ops.broken.clear()
    const mapping = dmabuf.mmap(0, PAGE_SIZE, 'read')
    ops.broken.add('fault')
    expect(errorCode(() => mapping.segments())).toBe('EIO')
    ops.broken.clear()
    ops.bytes = new Uint8Array(100)
    expect(errorCode(() => mapping.segments())).toBe('EFAULT')
    ops.broken.add('close')
    expect(errorCode(() => mapping.munmap())).toBe('EIO')
    expect(dmabuf.references).toBe(1)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })
})

describe('dma_buf: vmap', () => {
  it('with the lock held and without shares one view, and counts', () => {
    const { rig, ops, dmabuf } = setup()
    expect(errorCode(() => rig.run(dmabuf.vmapLocked()))).toBe('assertion')
    const first = rig.run(withLock(dmabuf, () => dmabuf.vmapLocked()))
    expect(rig.run(dmabuf.vmap())).toBe(first)
    dmabuf.vunmap()
    rig.run(
      withLock(dmabuf, function* () {
        dmabuf.vunmap()
      }),
    )
    expect(ops.calls).toEqual(['vmap', 'vunmap'])
    expect(errorCode(() => dmabuf.vunmap())).toBe('assertion')
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('has no CPU view where the exporter has none, with the lock held either', () => {
    const rig = createRig()
    const ops = new RecordingExporter()
    const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
    expect(errorCode(() => rig.run(withLock(dmabuf, () => dmabuf.vmapLocked())))).toBe('EINVAL')
    dmabuf.put()
    expectNothingOutstanding(rig)
  })
})

describe('dma_buf: the sync ioctl', () => {
  const { READ, WRITE, RW, START, END } = DmaBufSync

  it('begins and ends accesses in the direction of the flags', () => {
    const rig = createRig()
    const calls: string[] = []
    const ops = Object.assign(new RecordingExporter(), {
      *beginCpuAccess(_dmabuf: unknown, direction: number) {
        calls.push(`begin ${direction}`)
      },
      *endCpuAccess(_dmabuf: unknown, direction: number) {
        calls.push(`end ${direction}`)
      },
    })
    const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
    for (const flags of [READ | START, READ | END, WRITE, WRITE | END, RW, RW | END]) {
      rig.run(dmaBufSync(dmabuf, flags))
    }
    expect(calls).toEqual(['begin 2', 'end 2', 'begin 1', 'end 1', 'begin 0', 'end 0'])
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('refuses flags that mean nothing, and neither reading nor writing', () => {
    const { rig, dmabuf } = setup()
    for (const flags of [0, END, 8 | READ, -1]) {
      expect(errorCode(() => rig.run(dmaBufSync(dmabuf, flags)))).toBe('EINVAL')
    }
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('waits for the fences, and can be interrupted', () => {
    const { rig, dmabuf } = setup()
    const fence = createFence(rig)
    addFence(rig, dmabuf, fence, DmaResvUsage.WRITE)
    const task = rig.scheduler.spawn('sync', dmaBufSync(dmabuf, READ))
    rig.scheduler.runReady()
    expect(task.state).toBe('parked')
    task.signal()
    expect(() => rig.scheduler.runUntilIdle()).toThrow('interrupted while waiting for the fences')
    fence.signal()
    rig.run(dmaBufSync(dmabuf, READ))
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })
})
