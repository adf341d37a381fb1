// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { createFdTable, File, KernelError, OpenFlags, type TraceEvent } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { DmaBuf, DmaBufCore } from '../../src/index.ts'
import {
  createRig,
  errorCode,
  expectNothingOutstanding,
  RecordingExporter,
  type Rig,
} from '../support.ts'

function exportOne(rig: Rig, name = ''): DmaBuf {
  const ops = new RecordingExporter()
  return rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test', name })
}

function walk(core: DmaBufCore): number[] {
  const seen: number[] = []
  for (let item = core.begin(); item !== null; item = core.next(item)) seen.push(item.inode)
  return seen
}

describe('descriptors', () => {
  it('hands the reference to the descriptor, and the buffer back from it', () => {
    const rig = createRig()
    const fds = createFdTable()
    const dmabuf = exportOne(rig)
    const fd = rig.core.fd(dmabuf, fds, OpenFlags.O_CLOEXEC | OpenFlags.O_RDWR)
    expect(dmabuf.references).toBe(1)
    const again = rig.core.fromFd(fds, fd)
    expect(again).toBe(dmabuf)
    expect(dmabuf.references).toBe(2)
    fds.close(fd)
    expect(rig.core.stats.live).toBe(1)
    again.put()
    expectNothingOutstanding(rig)
  })

  it('refuses what is not open, not a dma-buf, a full table, and unknown flags', () => {
    const rig = createRig()
    const fds = createFdTable({ limit: 1 })
    expect(errorCode(() => rig.core.fromFd(fds, 0))).toBe('EBADF')
    const file = new File(rig.kernel, { release: () => {} }, { name: 'plain', flags: 0 })
    const fd = fds.reserve()
    fds.install(fd, file)
    expect(errorCode(() => rig.core.fromFd(fds, fd))).toBe('EINVAL')
    expect(file.references).toBe(1)
    const dmabuf = exportOne(rig)
    expect(errorCode(() => rig.core.fd(dmabuf, fds, 0))).toBe('EMFILE')
    expect(errorCode(() => rig.core.fd(dmabuf, fds, OpenFlags.O_DIRECT))).toBe('EINVAL')
    expect(dmabuf.references).toBe(1)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('T4 installs nothing when the number cannot be told, and leaves the reference with the caller', () => {
    const rig = createRig()
    const fds = createFdTable({ limit: 1 })
    const dmabuf = exportOne(rig)
    const told: number[] = []
    const fail = (): void => {
      throw new KernelError('EFAULT', 'the caller went away')
    }
    expect(errorCode(() => rig.core.fd(dmabuf, fds, 0, fail))).toBe('EFAULT')
    expect([fds.open, dmabuf.references]).toEqual([0, 1])
    const tell = (fd: number): void => {
      expect(errorCode(() => fds.get(fd))).toBe('EBADF')
      told.push(fd)
    }
    expect(told).toEqual([])
    fds.close(rig.core.fd(dmabuf, fds, 0, tell))
    expect(told).toEqual([0])
    expectNothingOutstanding(rig)
  })

  it('T1 T2 does not look at a buffer after it installed its descriptor, nor after the last put', () => {
    const rig = createRig()
    const events: TraceEvent[] = []
    const order: string[] = []
    rig.kernel.tracer.subscribe(
      (name) => name.startsWith('dma_buf_'),
      (event) => {
        events.push(event)
        order.push(event.point)
      },
    )
    const ops = new RecordingExporter()
    ops.release = () => order.push('released')
    const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test', name: 'n' })
    const table = createFdTable()
    // Another task closes the number the moment that it is visible.
    const racing = {
      ...{ open: 0, reserve: () => table.reserve(), get: (fd: number) => table.get(fd) },
      putUnused: (fd: number) => table.putUnused(fd),
      close: (fd: number) => table.close(fd),
      install: (fd: number, file: File) => {
        table.install(fd, file)
        table.close(fd)
      },
    }
    rig.core.fd(dmabuf, racing, 0)
    expect(order).toEqual(['dma_buf_export', 'dma_buf_fd', 'released'])
    const second = exportOne(rig, 'second')
    const fd = rig.core.fd(second, table, 0)
    rig.core.fromFd(table, fd)
    table.close(fd)
    second.put()
    expect(events.at(-1)).toMatchObject({
      point: 'dma_buf_put',
      values: [second.inode, PAGE_SIZE, 'second', 'test'],
    })
    expect(events.at(-2)).toMatchObject({ point: 'dma_buf_get' })
    expectNothingOutstanding(rig)
  })
})

describe('the list', () => {
  it('R-ITER-1 walks newest first, and leaves every count as it was', () => {
    const rig = createRig()
    expect(rig.core.begin()).toBeNull()
    const buffers = [exportOne(rig), exportOne(rig), exportOne(rig)]
    expect(walk(rig.core)).toEqual([3, 2, 1])
    expect(buffers.map((one) => one.references)).toEqual([1, 1, 1])
    buffers[1]!.put()
    expect(walk(rig.core)).toEqual([3, 1])
    expect(exportOne(rig).inode).toBe(4)
  })

  it('R-ITER-4 put drops the reference of a walk that stops', () => {
    const rig = createRig()
    const dmabuf = exportOne(rig)
    const item = rig.core.begin()
    expect(dmabuf.references).toBe(2)
    rig.core.put(item!)
    expect(dmabuf.references).toBe(1)
  })

  it('R-ITER-5 keeps the current buffer alive, and does not see new ones', () => {
    const rig = createRig()
    const [first, second] = [exportOne(rig), exportOne(rig)]
    const current = rig.core.begin()
    expect(current).toBe(second)
    second.put()
    const late = exportOne(rig)
    expect(rig.core.stats.live).toBe(3)
    const following = rig.core.next(current!)
    expect(following).toBe(first)
    expect(rig.core.stats.live).toBe(2)
    expect(rig.core.next(following!)).toBeNull()
    late.put()
    first.put()
    expectNothingOutstanding(rig)
  })

  it('R-ITER-5 skips a buffer whose last reference is gone', () => {
    const rig = createRig()
    const oldest = exportOne(rig)
    const seen: number[][] = []
    const dying = exportOne(rig)
    const newest = exportOne(rig)
    // Between the last put and leaving the list there is only the release of the file.
    const release = dying.file.ops.release.bind(dying.file.ops)
    dying.file.ops.release = (file) => {
      seen.push(walk(rig.core))
      release(file)
    }
    dying.put()
    newest.put()
    expect(seen).toEqual([[3, 1]])
    oldest.put()
    expectNothingOutstanding(rig)
  })

  it('R-ITER-8 shows inode, size, name and exporter', () => {
    const rig = createRig()
    const dmabuf = exportOne(rig, 'two\nlines')
    expect(dmabuf.name).toBe('two\nlines')
    expect(rig.core.show(dmabuf)).toBe('1\n4096\ntwo lines\ntest\n')
  })

  it('does not go on from a buffer of another core', () => {
    const [rig, other] = [createRig(), createRig()]
    const ops = new RecordingExporter()
    const stranger = { ...exportOne(other), ops } as unknown as DmaBuf
    expect(errorCode(() => rig.core.next(stranger))).toBe('assertion')
  })
})
