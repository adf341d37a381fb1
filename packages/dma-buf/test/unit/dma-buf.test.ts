// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaDirection, PAGE_SIZE } from '@iolayers/dma-mapping'
import { Errno, joinTask, type Op, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type DmaBuf,
  type DmaBufAttachment,
  type DmaBufImporterOps,
  DmaFence,
  DmaResvUsage,
} from '../../src/index.ts'
import {
  createRig,
  errorCode,
  expectNothingOutstanding,
  fenceOps,
  PinningExporter,
  RecordingExporter,
  withLock,
} from '../support.ts'

function setup<E extends RecordingExporter>(ops: E) {
  const rig = createRig()
  const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
  const calls = ops.calls
  return { rig, ops, dmabuf, calls, device: rig.device() }
}

function importer(onInvalidate: (attachment: DmaBufAttachment) => void): DmaBufImporterOps {
  return {
    allowPeer2peer: true,
    *invalidateMappings(attachment): Op<void> {
      onInvalidate(attachment)
    },
  }
}

const quiet = importer(() => {})

function addFence(dmabuf: DmaBuf, fence: DmaFence, usage: DmaResvUsage): Op<void> {
  return withLock(dmabuf, function* () {
    dmabuf.resv.reserveFences(1)
    dmabuf.resv.addFence(fence, usage)
  })
}

describe('dma_buf: export', () => {
  it('gives a buffer with one reference, and releases it with the last', () => {
    const { rig, dmabuf, calls } = setup(new RecordingExporter())
    expect([dmabuf.references, dmabuf.inode, dmabuf.sizeBytes, dmabuf.name]).toEqual([
      1,
      1,
      PAGE_SIZE,
      '',
    ])
    dmabuf.get()
    dmabuf.put()
    expect(calls).toEqual([])
    dmabuf.put()
    expect(calls).toEqual(['release 1'])
    expectNothingOutstanding(rig)
  })

  it('refuses a size that is not whole pages, half of pin and unpin, and a name that is too long', () => {
    const { rig, dmabuf } = setup(new RecordingExporter())
    const ops = new RecordingExporter()
    for (const sizeBytes of [0, -PAGE_SIZE, 100, Number.NaN, 2 ** 53]) {
      const info = { ops, sizeBytes, exporterName: 'test' }
      expect(errorCode(() => rig.core.export(info))).toBe('EINVAL')
    }
    const { mapDmaBuf, unmapDmaBuf, release } = ops
    const half = { mapDmaBuf, unmapDmaBuf, release, *pin(): Op<void> {} }
    const info = { ops: half, sizeBytes: PAGE_SIZE, exporterName: 'test' }
    expect(errorCode(() => rig.core.export(info))).toBe('EINVAL')
    const named = { ops, sizeBytes: PAGE_SIZE, exporterName: 'test', name: 'x'.repeat(32) }
    expect(errorCode(() => rig.core.export(named))).toBe('EINVAL')
    expect(rig.core.stats).toMatchObject({ exported: 1, live: 1, liveBytes: PAGE_SIZE })
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('R-ITER-8 takes names of up to 31 characters', () => {
    const { dmabuf } = setup(new RecordingExporter())
    dmabuf.setName('n'.repeat(31))
    expect(dmabuf.name).toHaveLength(31)
    expect(errorCode(() => dmabuf.setName('n'.repeat(32)))).toBe('EINVAL')
    dmabuf.setName('')
    expect(dmabuf.name).toBe('')
    dmabuf.setName('ends\0here, however long what follows is')
    expect(dmabuf.name).toBe('ends')
    dmabuf.setName(`${'é'.repeat(12)}€😀`)
    expect(errorCode(() => dmabuf.setName('é'.repeat(16)))).toBe('EINVAL')
    expect(dmabuf.name).toBe(`${'é'.repeat(12)}€😀`)
  })

  it('uses the reservation object of the exporter, and leaves it to him', () => {
    const rig = createRig()
    const resv = rig.core.createResv()
    const ops = new RecordingExporter()
    const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test', resv })
    expect(dmabuf.resv).toBe(resv)
    const fence = new DmaFence(rig.kernel, fenceOps)
    fence.init(1, 1)
    rig.run(addFence(dmabuf, fence, DmaResvUsage.READ))
    dmabuf.put()
    expect(resv.fences).toBe(1)
  })

  it('drops the fences of its own reservation object with the buffer', () => {
    const { rig, dmabuf } = setup(new RecordingExporter())
    let freed = 0
    const fence = new DmaFence(rig.kernel, { ...fenceOps, release: () => void freed++ })
    fence.init(1, 1)
    rig.run(addFence(dmabuf, fence, DmaResvUsage.READ))
    dmabuf.put()
    expect(freed).toBe(0)
    fence.put()
    expect(freed).toBe(1)
  })

  it('answers as a file: size by seeking, and fdinfo', () => {
    const { dmabuf } = setup(new RecordingExporter())
    const { ops } = dmabuf.file
    expect(ops.llseek?.(dmabuf.file, 0, 2)).toBe(PAGE_SIZE)
    expect(ops.llseek?.(dmabuf.file, 0, 0)).toBe(0)
    expect(ops.llseek?.(dmabuf.file, 1, 2)).toBe(-Errno.EINVAL)
    expect(ops.llseek?.(dmabuf.file, 0, 1)).toBe(-Errno.EINVAL)
    dmabuf.get()
    expect(ops.showFdinfo?.(dmabuf.file)).toBe('size:\t4096\ncount:\t1\nexp_name:\ttest\n')
    dmabuf.setName('n')
    expect(ops.showFdinfo?.(dmabuf.file)).toContain('name:\tn\n')
  })
})

describe('dma_buf: attachments', () => {
  it('R-MQ-2 attaches static and dynamic importers, and detaches them', () => {
    const { rig, dmabuf, calls, device } = setup(new RecordingExporter())
    const fixed = dmabuf.attach(device)
    const dynamic = dmabuf.dynamicAttach(rig.device('gpu'), quiet)
    expect([fixed.importer, fixed.peer2peer, dynamic.peer2peer]).toEqual([null, false, true])
    expect(dmabuf.attachments).toBe(2)
    dmabuf.detach(fixed)
    expect(errorCode(() => dmabuf.detach(fixed))).toBe('assertion')
    dmabuf.detach(dynamic)
    dmabuf.put()
    expect(calls).toEqual(['attach dev', 'attach gpu', 'detach dev', 'detach gpu', 'release 1'])
    expectNothingOutstanding(rig)
  })

  it('does not take an attachment of another buffer', () => {
    const { rig, dmabuf, ops, device } = setup(new RecordingExporter())
    const other = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
    const attachment = other.attach(device)
    expect(errorCode(() => dmabuf.detach(attachment))).toBe('assertion')
  })

  it('is not released while a device is attached', () => {
    const { dmabuf, device } = setup(new RecordingExporter())
    dmabuf.attach(device)
    expect(errorCode(() => dmabuf.put())).toBe('assertion')
  })
})

describe('dma_buf: mapping', () => {
  it('maps and unmaps under the reservation lock, and not without', () => {
    const { rig, dmabuf, calls, device } = setup(new RecordingExporter())
    const attachment = dmabuf.dynamicAttach(device, quiet)
    const map = () => dmabuf.mapAttachment(attachment, DmaDirection.TO_DEVICE)
    expect(errorCode(() => rig.run(map()))).toBe('assertion')
    const table = rig.run(withLock(dmabuf, map))
    expect(attachment.mappings).toBe(1)
    const unmap = function* (direction: DmaDirection): Op<void> {
      dmabuf.unmapAttachment(attachment, table, direction)
    }
    expect(errorCode(() => rig.run(unmap(DmaDirection.TO_DEVICE)))).toBe('assertion')
    const locked = (direction: DmaDirection) => rig.run(withLock(dmabuf, () => unmap(direction)))
    expect(errorCode(() => locked(DmaDirection.FROM_DEVICE))).toBe('assertion')
    expect(errorCode(() => dmabuf.detach(attachment))).toBe('assertion')
    locked(DmaDirection.TO_DEVICE)
    expect(errorCode(() => locked(DmaDirection.TO_DEVICE))).toBe('assertion')
    dmabuf.detach(attachment)
    dmabuf.put()
    expect(calls).toEqual(['attach dev', 'map 1', 'unmap', 'detach dev', 'release 1'])
    expectNothingOutstanding(rig)
  })

  it('refuses a direction in which no data moves', () => {
    const { rig, dmabuf, device } = setup(new RecordingExporter())
    const attachment = dmabuf.dynamicAttach(device, quiet)
    const map = () => dmabuf.mapAttachment(attachment, DmaDirection.NONE)
    expect(errorCode(() => rig.run(withLock(dmabuf, map)))).toBe('EINVAL')
  })

  it.each([
    ['short', [[0x1000, PAGE_SIZE]]],
    ['long', [[0x1000, 3 * PAGE_SIZE]]],
    [
      'not whole pages',
      [
        [0x1000, 5000],
        [0x9000, 3192],
      ],
    ],
    ['empty', []],
    [
      'with an empty range',
      [
        [0x1000, 2 * PAGE_SIZE],
        [0x9000, 0],
      ],
    ],
    ['at an address within a page', [[0x1200, 2 * PAGE_SIZE]]],
    ['over 4 GiB in one range', [[0, 2 ** 32]]],
  ] as [string, [number, number][]][])('refuses a mapped table that lies: %s', (_what, ranges) => {
    const rig = createRig()
    const ops = new PinningExporter()
    ops.ranges = ranges
    const dmabuf = rig.core.export({ ops, sizeBytes: 2 * PAGE_SIZE, exporterName: 'liar' })
    const attachment = dmabuf.attach(rig.device())
    const map = () => dmabuf.mapAttachment(attachment, DmaDirection.BIDIRECTIONAL)
    expect(() => rig.run(withLock(dmabuf, map))).toThrow(/exporter liar mapped/)
    expect(errorCode(() => rig.run(withLock(dmabuf, map)))).toBe('EINVAL')
    expect(ops.calls.slice(1)).toEqual([
      'pin',
      'map 0',
      'unmap',
      'unpin',
      'pin',
      'map 0',
      'unmap',
      'unpin',
    ])
    dmabuf.detach(attachment)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('pins for a static importer only, and undoes it when mapping fails', () => {
    const { rig, dmabuf, ops, calls, device } = setup(new PinningExporter())
    const fixed = dmabuf.attach(device)
    const dynamic = dmabuf.dynamicAttach(rig.device('gpu'), quiet)
    calls.length = 0
    const cycle = (attachment: DmaBufAttachment) =>
      rig.run(
        withLock(dmabuf, function* () {
          const table = yield* dmabuf.mapAttachment(attachment, DmaDirection.TO_DEVICE)
          dmabuf.unmapAttachment(attachment, table, DmaDirection.TO_DEVICE)
        }),
      )
    cycle(fixed)
    cycle(dynamic)
    ops.failMap = true
    expect(errorCode(() => cycle(fixed))).toBe('ENOMEM')
    expect(calls).toEqual([
      'pin',
      'map 1',
      'unmap',
      'unpin',
      'map 1',
      'unmap',
      'pin',
      'map 1',
      'unpin',
    ])
  })

  it('waits for the KERNEL fences on behalf of a static importer', () => {
    const { rig, dmabuf, calls, device } = setup(new PinningExporter())
    const fixed = dmabuf.attach(device)
    const fence = new DmaFence(rig.kernel, fenceOps)
    fence.init(1, 1)
    rig.run(addFence(dmabuf, fence, DmaResvUsage.KERNEL))
    const body = () => dmabuf.mapAttachment(fixed, DmaDirection.TO_DEVICE)
    const first = rig.scheduler.spawn('mapper', withLock(dmabuf, body))
    rig.run(yieldNow(rig.scheduler))
    expect(first.state).toBe('parked')
    first.signal()
    expect(errorCode(() => rig.run(joinTask(rig.scheduler, first)))).toBe('ERESTARTSYS')
    expect(calls.slice(1)).toEqual(['pin', 'map 1', 'unmap', 'unpin'])
    fence.signal()
    rig.run(withLock(dmabuf, body))
    expect(fixed.mappings).toBe(1)
  })
})

describe('dma_buf: invalidation', () => {
  it('R-MQ-6 tells every dynamic importer, under the lock', () => {
    const { rig, dmabuf, device } = setup(new RecordingExporter())
    const told: string[] = []
    const tell = importer((attachment) => {
      expect(dmabuf.resv.held).toBe(true)
      told.push(attachment.device.name)
    })
    dmabuf.attach(device)
    const gpu = dmabuf.dynamicAttach(rig.device('gpu'), tell)
    dmabuf.dynamicAttach(rig.device('nvme'), tell)
    expect(errorCode(() => rig.run(dmabuf.invalidateMappings()))).toBe('assertion')
    rig.run(withLock(dmabuf, () => dmabuf.invalidateMappings()))
    dmabuf.detach(gpu)
    rig.run(withLock(dmabuf, () => dmabuf.invalidateMappings()))
    expect(told).toEqual(['gpu', 'nvme', 'nvme'])
    expect(rig.core.stats.invalidations).toBe(2)
  })

  it('does not tell an importer that detached while another one waited', () => {
    const { rig, dmabuf, device } = setup(new RecordingExporter())
    const told: string[] = []
    let second: DmaBufAttachment | null = null
    dmabuf.dynamicAttach(device, {
      allowPeer2peer: false,
      *invalidateMappings(): Op<void> {
        told.push('first')
        yield* yieldNow(rig.scheduler)
        if (second !== null) dmabuf.detach(second)
      },
    })
    second = dmabuf.dynamicAttach(
      device,
      importer(() => told.push('second')),
    )
    rig.run(withLock(dmabuf, () => dmabuf.invalidateMappings()))
    expect(told).toEqual(['first'])
  })
})

describe('dma_buf: CPU access', () => {
  it('R-MQ-10 a CPU reader waits for writers, a CPU writer for readers too', () => {
    for (const [usage, direction, waits] of [
      [DmaResvUsage.WRITE, DmaDirection.FROM_DEVICE, true],
      [DmaResvUsage.READ, DmaDirection.FROM_DEVICE, false],
      [DmaResvUsage.READ, DmaDirection.TO_DEVICE, true],
      [DmaResvUsage.BOOKKEEP, DmaDirection.BIDIRECTIONAL, false],
    ] as const) {
      const { rig, dmabuf } = setup(new RecordingExporter())
      const fence = new DmaFence(rig.kernel, fenceOps)
      fence.init(1, 1)
      rig.run(addFence(dmabuf, fence, usage))
      const task = rig.scheduler.spawn('cpu', dmabuf.beginCpuAccess(direction))
      rig.run(yieldNow(rig.scheduler))
      expect(task.state).toBe(waits ? 'parked' : 'done')
      fence.signal()
      rig.run(joinTask(rig.scheduler, task))
      rig.run(dmabuf.endCpuAccess(direction))
      dmabuf.put()
      expectNothingOutstanding(rig)
    }
  })

  it('has no CPU view where the exporter has none', () => {
    const { rig, dmabuf } = setup(new RecordingExporter())
    expect(errorCode(() => rig.run(dmabuf.vmap()))).toBe('EINVAL')
    expect(errorCode(() => dmabuf.vunmap())).toBe('assertion')
  })

  it('shares one CPU view between all who ask, and is not released with one', () => {
    const rig = createRig()
    const ops = new (class extends RecordingExporter {
      *vmap() {
        this.calls.push('vmap')
        return { segments: [new Uint8Array(PAGE_SIZE)] }
      }
      vunmap(): void {
        this.calls.push('vunmap')
      }
    })()
    const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
    const first = rig.run(dmabuf.vmap())
    expect(rig.run(dmabuf.vmap())).toBe(first)
    dmabuf.vunmap()
    expect(ops.calls).toEqual(['vmap'])
    dmabuf.vunmap()
    expect(ops.calls).toEqual(['vmap', 'vunmap'])
    rig.run(dmabuf.vmap())
    expect(errorCode(() => dmabuf.put())).toBe('assertion')
  })
})
