// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { createFdTable, type FdTable, File, KernelError } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type DmaBuf,
  DmaBufSync,
  type DmaFence,
  DmaResvUsage,
  dmaBufExportSyncFile,
  dmaBufImportSyncFile,
  dmaFenceUnwrapForEach,
  type SyncFile,
  syncFileFdGet,
} from '../../src/index.ts'
import { addFence, createFence } from '../buf-support.ts'
import {
  createRig,
  errorCode,
  expectNothingOutstanding,
  RecordingExporter,
  type RigInit,
  withLock,
} from '../support.ts'
import { SwTimeline } from '../sw-timeline.ts'

const { READ, WRITE, RW, END } = DmaBufSync
const { KERNEL, BOOKKEEP } = DmaResvUsage

function setup(init: RigInit = {}) {
  const rig = createRig(init)
  const info = { ops: new RecordingExporter(), sizeBytes: PAGE_SIZE, exporterName: 'test' }
  const dmabuf = rig.core.export(info)
  const fdTable = createFdTable({ limit: 4 })
  const exportFd = (flags: number, tell?: (fd: number) => void) =>
    dmaBufExportSyncFile(rig.core, dmabuf, { fdTable, flags }, tell)
  const importFd = (flags: number, fd: number) =>
    rig.run(dmaBufImportSyncFile(dmabuf, { fdTable, flags, fd }))
  const fences = (fd: number): DmaFence[] => {
    const file = syncFileFdGet(fdTable, fd)
    const found: DmaFence[] = []
    dmaFenceUnwrapForEach(file?.fence ?? null, (fence) => found.push(fence))
    file?.file.put()
    return found
  }
  const install = (file: SyncFile): number => {
    const fd = fdTable.reserve()
    fdTable.install(fd, file.file)
    return fd
  }
  const usages = () =>
    rig.run(
      withLock(dmabuf, function* () {
        const found: [DmaFence, DmaResvUsage][] = []
        dmabuf.resv.forEachFence(BOOKKEEP, (fence, usage) => found.push([fence, usage]))
        return found
      }),
    )
  return { rig, dmabuf, fdTable, exportFd, importFd, fences, install, usages }
}

function fenceOf(
  { rig, dmabuf }: { rig: ReturnType<typeof createRig>; dmabuf: DmaBuf },
  usage: DmaResvUsage,
) {
  const fence = createFence(rig)
  addFence(rig, dmabuf, fence, usage)
  return fence
}

describe('dma_buf: the fences of a buffer as a sync file', () => {
  it('a reader gets those of writers, a writer those of readers too, none the drains', () => {
    const made = setup()
    const { fdTable, exportFd, fences } = made
    const all = [KERNEL, DmaResvUsage.WRITE, DmaResvUsage.READ, BOOKKEEP].map((usage) =>
      fenceOf(made, usage),
    )
    const [reader, writer, both] = [exportFd(READ), exportFd(WRITE), exportFd(RW)]
    expect(new Set(fences(reader))).toEqual(new Set(all.slice(0, 2)))
    expect(new Set(fences(writer))).toEqual(new Set(all.slice(0, 3)))
    expect(new Set(fences(both))).toEqual(new Set(all.slice(0, 3)))
    for (const fd of [reader, writer, both]) fdTable.close(fd)
    for (const fence of all) {
      fence.signal()
      fence.put()
    }
    made.dmabuf.put()
    expectNothingOutstanding(made.rig)
  })

  it('one fence is itself, and later ones are not waited for', () => {
    const made = setup()
    const fence = fenceOf(made, DmaResvUsage.WRITE)
    const fd = made.exportFd(READ)
    const later = fenceOf(made, DmaResvUsage.WRITE)
    expect(made.fences(fd)).toEqual([fence])
    made.fdTable.close(fd)
    for (const one of [fence, later]) {
      one.signal()
      one.put()
    }
    made.dmabuf.put()
    expectNothingOutstanding(made.rig)
  })

  it('without a fence it has signalled', () => {
    const { rig, dmabuf, fdTable, exportFd } = setup()
    const fd = exportFd(RW)
    const file = syncFileFdGet(fdTable, fd)
    expect(file?.info()).toMatchObject({ status: 1, numFences: 1 })
    file?.file.put()
    fdTable.close(fd)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('T4 is not installed when its number cannot be told, and refuses bad flags and a full table', () => {
    const made = setup()
    const { rig, dmabuf, fdTable, exportFd } = made
    const fence = fenceOf(made, DmaResvUsage.WRITE)
    for (const flags of [0, END, END | READ, -1]) {
      expect(errorCode(() => exportFd(flags))).toBe('EINVAL')
    }
    const tell = () => {
      throw new KernelError('EFAULT', 'the caller went away')
    }
    expect(errorCode(() => exportFd(READ, tell))).toBe('EFAULT')
    expect([fdTable.open, fence.references]).toEqual([0, 2])
    const fds = [1, 2, 3, 4].map(() => exportFd(READ))
    expect(errorCode(() => exportFd(READ))).toBe('EMFILE')
    for (const fd of fds) fdTable.close(fd)
    fence.signal()
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })
})

describe('dma_buf: races of a sync file', () => {
  it('T2 nothing looks at a sync file after its descriptor was installed', () => {
    const made = setup()
    const { rig, dmabuf, fdTable } = made
    const fence = fenceOf(made, DmaResvUsage.WRITE)
    // Another task closes the number the moment that it is visible.
    const racing: FdTable = {
      open: 0,
      reserve: () => fdTable.reserve(),
      get: (fd) => fdTable.get(fd),
      putUnused: (fd) => fdTable.putUnused(fd),
      close: (fd) => fdTable.close(fd),
      install: (fd, file) => {
        fdTable.install(fd, file)
        fdTable.close(fd)
      },
    }
    dmaBufExportSyncFile(rig.core, dmabuf, { fdTable: racing, flags: READ })
    expect([fdTable.open, fence.references]).toEqual([0, 2])
    fence.signal()
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })
})

describe('dma_buf: a sync file as fences of a buffer', () => {
  it('adds every fence of it, as those of a reader or of a writer', () => {
    for (const [flags, usage] of [
      [READ, DmaResvUsage.READ],
      [WRITE, DmaResvUsage.WRITE],
      [RW, DmaResvUsage.WRITE],
    ] as const) {
      const { rig, dmabuf, fdTable, importFd, install, usages } = setup()
      const timelines = [1, 2, 3].map(() => new SwTimeline(rig))
      const files = timelines.map((timeline) => timeline.fence(1))
      const some = files[0]!.merge('some', files[1]!)
      const all = some.merge('all', files[2]!)
      const fd = install(all)
      importFd(flags, fd)
      expect(new Set(usages().map(([fence]) => fence))).toEqual(
        new Set(files.map(({ fence }) => fence)),
      )
      expect(usages().map(([, its]) => its)).toEqual([usage, usage, usage])
      fdTable.close(fd)
      for (const { file } of [...files, some]) file.put()
      for (const timeline of timelines) timeline.inc(1)
      dmabuf.put()
      expectNothingOutstanding(rig)
    }
  })

  it('goes through another buffer: what one waits for, the other does', () => {
    const made = setup()
    const { rig, dmabuf, fdTable, exportFd } = made
    const fence = fenceOf(made, DmaResvUsage.WRITE)
    const fd = exportFd(READ)
    const info = { ops: new RecordingExporter(), sizeBytes: PAGE_SIZE, exporterName: 'test' }
    const other = rig.core.export(info)
    rig.run(dmaBufImportSyncFile(other, { fdTable, flags: WRITE, fd }))
    fdTable.close(fd)
    expect(other.resv.testSignaled(DmaResvUsage.WRITE)).toBe(false)
    fence.signal()
    expect(other.resv.testSignaled(DmaResvUsage.WRITE)).toBe(true)
    fence.put()
    for (const one of [dmabuf, other]) one.put()
    expectNothingOutstanding(rig)
  })

  it('adds nothing without memory for all of them', () => {
    let fail = true
    const { rig, dmabuf, fdTable, importFd, install } = setup({ failReserveFences: () => fail })
    const [a, b] = [new SwTimeline(rig).fence(1), new SwTimeline(rig).fence(1)]
    const fd = install(a.merge('both', b))
    expect(errorCode(() => importFd(READ, fd))).toBe('ENOMEM')
    expect([dmabuf.resv.fences, dmabuf.resv.held]).toEqual([0, false])
    fail = false
    importFd(READ, fd)
    expect(dmabuf.resv.fences).toBe(2)
    fdTable.close(fd)
    for (const { file } of [a, b]) file.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('refuses bad flags, and descriptors that are no sync file', () => {
    const { rig, dmabuf, fdTable, importFd, install } = setup()
    const fd = install(new SwTimeline(rig).fence(1))
    for (const flags of [0, END, END | READ]) {
      expect(errorCode(() => importFd(flags, fd))).toBe('EINVAL')
    }
    const plain = fdTable.reserve()
    fdTable.install(plain, new File(rig.kernel, { release: () => {} }, { name: 'plain', flags: 0 }))
    expect(errorCode(() => importFd(READ, plain))).toBe('EINVAL')
    expect(errorCode(() => importFd(READ, 3))).toBe('EINVAL')
    expect(dmabuf.resv.fences).toBe(0)
    for (const one of [fd, plain]) fdTable.close(one)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })
})
