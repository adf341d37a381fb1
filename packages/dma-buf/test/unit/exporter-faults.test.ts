// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaDirection, PAGE_SIZE, SgTable } from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type BufferView,
  type DmaBuf,
  type DmaBufAttachment,
  type DmaBufOps,
  DmaResvUsage,
} from '../../src/index.ts'
import { addFence, createFence, exportBuffer, FaultyExporter, importer } from '../buf-support.ts'
import { createRig, errorCode, expectNothingOutstanding, type Rig, withLock } from '../support.ts'

const { TO_DEVICE, BIDIRECTIONAL } = DmaDirection

function setup() {
  const made = exportBuffer(new FaultyExporter())
  return { ...made, device: made.rig.device(), calls: made.ops.calls, broken: made.ops.broken }
}

function cycle(rig: Rig, dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
  const table = rig.run(dmabuf.mapAttachmentUnlocked(attachment, TO_DEVICE))
  rig.run(dmabuf.unmapAttachmentUnlocked(attachment, table, TO_DEVICE))
}

/** The exporter works again, and the buffer with it. */
function expectSound(rig: Rig, dmabuf: DmaBuf, ops: FaultyExporter): void {
  ops.broken.clear()
  expect(dmabuf.mappings).toBe(0)
  for (const attachment of [
    dmabuf.attach(rig.device()),
    dmabuf.dynamicAttach(rig.device(), importer()),
  ]) {
    cycle(rig, dmabuf, attachment)
    dmabuf.detach(attachment)
  }
  expect([dmabuf.attachments, dmabuf.references]).toEqual([0, 1])
  dmabuf.put()
  expectNothingOutstanding(rig)
}

describe('an exporter that fails', () => {
  it('H13 refuses an attachment: nothing of it is left', () => {
    const { rig, dmabuf, ops, device, calls, broken } = setup()
    broken.add('attach')
    expect(errorCode(() => dmabuf.attach(device))).toBe('EIO')
    expect(errorCode(() => dmabuf.dynamicAttach(device, importer()))).toBe('EIO')
    expect([dmabuf.attachments, dmabuf.attachedDevices, calls]).toEqual([0, [], []])
    expectSound(rig, dmabuf, ops)
  })

  it('H13 an attachment whose mapping fails can be detached, and the size it is mapped with is the buffer’s', () => {
    const { rig, dmabuf, ops, device } = setup()
    const attachment = dmabuf.attach(device)
    ops.ranges = [[0x1000, 2 * PAGE_SIZE]]
    expect(() => cycle(rig, dmabuf, attachment)).toThrow(`got 8192, accepted exactly ${PAGE_SIZE}`)
    dmabuf.detach(attachment)
    ops.ranges = [[0x1000, PAGE_SIZE]]
    expectSound(rig, dmabuf, ops)
  })

  it('fails to detach: the attachment is gone all the same', () => {
    const { rig, dmabuf, ops, device, broken } = setup()
    const attachment = dmabuf.attach(device)
    broken.add('detach')
    expect(errorCode(() => dmabuf.detach(attachment))).toBe('EIO')
    expect(errorCode(() => dmabuf.detach(attachment))).toBe('assertion')
    expectSound(rig, dmabuf, ops)
  })

  it('fails to pin: nothing is asked of it any more', () => {
    const { rig, dmabuf, ops, device, calls, broken } = setup()
    const fixed = dmabuf.attach(device)
    const dynamic = dmabuf.dynamicAttach(device, importer())
    broken.add('pin')
    expect(errorCode(() => cycle(rig, dmabuf, fixed))).toBe('EIO')
    expect(errorCode(() => rig.run(withLock(dmabuf, () => dmabuf.pin(dynamic))))).toBe('EIO')
    expect([dynamic.pins, calls.slice(2)]).toEqual([0, []])
    dmabuf.detach(fixed)
    dmabuf.detach(dynamic)
    expectSound(rig, dmabuf, ops)
  })

  it('fails to unmap and to unpin: the mapping is gone, its table may come again', () => {
    const { rig, dmabuf, ops, device, calls, broken } = setup()
    const fixed = dmabuf.attach(device)
    for (const where of ['unmap', 'unpin']) {
      broken.add(where)
      expect(errorCode(() => cycle(rig, dmabuf, fixed))).toBe('EIO')
      expect(calls.splice(0).slice(-4)).toEqual(['pin', 'map 1', 'unmap', 'unpin'])
      broken.clear()
    }
    broken.add('same table')
    cycle(rig, dmabuf, fixed)
    dmabuf.detach(fixed)
    expectSound(rig, dmabuf, ops)
  })

  it('fails while a bad table of it is taken back: the first error stays, the others are told to the scheduler', () => {
    const raised: string[] = []
    const rig = createRig({
      onUnhandled: (error, source) => raised.push(`${source}: ${String(error)}`),
    })
    const ops = new FaultyExporter()
    const dmabuf = rig.core.export({ ops, sizeBytes: 2 * PAGE_SIZE, exporterName: 'test' })
    const fixed = dmabuf.attach(rig.device())
    for (const where of ['unmap', 'unpin']) ops.broken.add(where)
    expect(() => cycle(rig, dmabuf, fixed)).toThrow('another length')
    expect(raised).toEqual([
      'unmapDmaBuf of exporter test: KernelError: the exporter fails in unmap',
      'unpin of exporter test: KernelError: the exporter fails in unpin',
    ])
    ops.broken.clear()
    dmabuf.detach(fixed)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('fails to release: the fences of the buffer are dropped all the same', () => {
    const { rig, dmabuf, broken } = setup()
    let freed = 0
    const fence = createFence(rig, { release: () => void freed++ })
    addFence(rig, dmabuf, fence, DmaResvUsage.READ)
    fence.put()
    broken.add('release')
    expect(errorCode(() => dmabuf.put())).toBe('EIO')
    expect(freed).toBe(1)
    expectNothingOutstanding(rig)
  })

  it('fails to give or to take back a CPU view', () => {
    const { rig, dmabuf, ops, calls, broken } = setup()
    broken.add('vmap')
    expect(errorCode(() => rig.run(dmabuf.vmap()))).toBe('EIO')
    expect(errorCode(() => dmabuf.vunmap())).toBe('assertion')
    broken.clear()
    ops.bytes = new Uint8Array(PAGE_SIZE)
    rig.run(dmabuf.vmap())
    broken.add('vunmap')
    expect(errorCode(() => dmabuf.vunmap())).toBe('EIO')
    expect(calls).toEqual(['vmap', 'vmap', 'vunmap'])
    expectSound(rig, dmabuf, ops)
  })
})

describe('an exporter that lies', () => {
  it('lacks what it must have', () => {
    const rig = createRig()
    for (const name of ['mapDmaBuf', 'unmapDmaBuf', 'release'] as const) {
      const { mapDmaBuf, unmapDmaBuf, release } = new FaultyExporter()
      const ops = { mapDmaBuf, unmapDmaBuf, release, [name]: undefined } as unknown as DmaBufOps
      const info = { ops, sizeBytes: PAGE_SIZE, exporterName: 'test' }
      expect(() => rig.core.export(info)).toThrow(`exporter test has no ${name}`)
      expect(errorCode(() => rig.core.export(info))).toBe('EINVAL')
    }
    expectNothingOutstanding(rig)
  })

  it('gives no table: ENOMEM', () => {
    const { rig, dmabuf, ops, device, calls, broken } = setup()
    const fixed = dmabuf.attach(device)
    broken.add('no table')
    expect(errorCode(() => cycle(rig, dmabuf, fixed))).toBe('ENOMEM')
    expect(calls.slice(1)).toEqual(['pin', 'map 1', 'unpin'])
    dmabuf.detach(fixed)
    expectSound(rig, dmabuf, ops)
  })

  it('gives a table that is mapped already: the mapping that it is in use for stays', () => {
    const { rig, dmabuf, ops, device, calls, broken } = setup()
    const first = dmabuf.dynamicAttach(device, importer())
    const second = dmabuf.dynamicAttach(rig.device('other'), importer())
    const table = rig.run(dmabuf.mapAttachmentUnlocked(first, TO_DEVICE))
    broken.add('same table')
    calls.length = 0
    for (const attachment of [first, second]) {
      expect(errorCode(() => cycle(rig, dmabuf, attachment))).toBe('EINVAL')
    }
    expect(calls).toEqual(['map 1', 'map 1'])
    expect([first.mappings, second.mappings, dmabuf.mappings]).toEqual([1, 0, 1])
    const other = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
    const elsewhere = other.attach(device)
    expect(errorCode(() => cycle(rig, other, elsewhere))).toBe('EINVAL')
    other.detach(elsewhere)
    other.put()
    rig.run(dmabuf.unmapAttachmentUnlocked(first, table, TO_DEVICE))
    dmabuf.detach(first)
    dmabuf.detach(second)
    expectSound(rig, dmabuf, ops)
  })

  it.each([
    [
      'a total that is over, in whole pages',
      [
        [0x1000, PAGE_SIZE],
        [0x2000, PAGE_SIZE],
        [0x3000, PAGE_SIZE],
      ],
    ],
    ['a total that is under, in whole pages', [[0x1000, PAGE_SIZE]]],
    ['a negative address', [[-0x1000, 2 * PAGE_SIZE]]],
    ['no address', [[Number.NaN, 2 * PAGE_SIZE]]],
    ['no length', [[0x1000, Number.NaN]]],
    [
      'a negative length',
      [
        [0x1000, 3 * PAGE_SIZE],
        [0x9000, -PAGE_SIZE],
      ],
    ],
    ['an address beyond the device', [[2 ** 32 - 0x1000, 2 * PAGE_SIZE]]],
  ] as [string, [number, number][]][])('H7 gives a table with %s', (_what, ranges) => {
    const rig = createRig()
    const ops = new FaultyExporter()
    ops.ranges = ranges
    const dmabuf = rig.core.export({ ops, sizeBytes: 2 * PAGE_SIZE, exporterName: 'liar' })
    const fixed = dmabuf.attach(rig.device('dev', { dmaMaskBits: 32 }))
    expect(() => cycle(rig, dmabuf, fixed)).toThrow(/exporter liar mapped/)
    expect(ops.calls.slice(1)).toEqual(['pin', 'map 1', 'unmap', 'unpin'])
    dmabuf.detach(fixed)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('maps in another direction than it was asked to', () => {
    const rig = createRig()
    const device = rig.device()
    const frame = rig.memory.allocPages(0)
    const ops = new FaultyExporter()
    let actual: DmaDirection = BIDIRECTIONAL
    const mapping: DmaBufOps = {
      *mapDmaBuf(attachment, direction) {
        const table = yield* ops.mapDmaBuf(attachment, direction)
        table.append(frame, 0, PAGE_SIZE)
        table.setMapping(null)
        device.dma.mapSgtable(table, actual)
        return table
      },
      unmapDmaBuf: (_attachment, table) => device.dma.unmapSgtable(table, actual),
      release: () => rig.memory.freePages(frame, 0),
    }
    const dmabuf = rig.core.export({ ops: mapping, sizeBytes: PAGE_SIZE, exporterName: 'liar' })
    const fixed = dmabuf.attach(device)
    cycle(rig, dmabuf, fixed)
    actual = DmaDirection.FROM_DEVICE
    expect(() => cycle(rig, dmabuf, fixed)).toThrow('exporter liar mapped in another direction')
    dmabuf.detach(fixed)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('two ranges that overlap are refused, but for a buffer that has a page twice', () => {
    const rig = createRig()
    const ops = new FaultyExporter()
    let twice = false
    const make = ops.mapDmaBuf.bind(ops)
    ops.mapDmaBuf = function* (...args) {
      const table = yield* make(...args)
      for (const frame of twice ? [7, 7, 9] : [7, 8, 9]) table.append(frame, 0, PAGE_SIZE)
      return table
    }
    ops.ranges = [
      [0x1000, PAGE_SIZE],
      [0x9000, PAGE_SIZE],
      [0x1000, PAGE_SIZE],
    ]
    const dmabuf = rig.core.export({ ops, sizeBytes: 3 * PAGE_SIZE, exporterName: 'liar' })
    const fixed = dmabuf.attach(rig.device())
    expect(() => cycle(rig, dmabuf, fixed)).toThrow('exporter liar mapped ranges that overlap')
    twice = true
    cycle(rig, dmabuf, fixed)
    dmabuf.detach(fixed)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('moves the buffer after it made its table: ESTALE, but not when it did so before', () => {
    const rig = createRig()
    const device = rig.device()
    const frame = rig.memory.allocPages(0)
    let late = true
    const ops: DmaBufOps = {
      *mapDmaBuf({ dmabuf }, direction) {
        if (!late) yield* dmabuf.invalidateMappings()
        const table = new SgTable()
        table.append(frame, 0, PAGE_SIZE)
        device.dma.mapSgtable(table, direction)
        if (late) yield* dmabuf.invalidateMappings()
        return table
      },
      unmapDmaBuf: (_attachment, table, direction) => device.dma.unmapSgtable(table, direction),
      release: () => rig.memory.freePages(frame, 0),
    }
    const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
    const attachments = [dmabuf.attach(device), dmabuf.dynamicAttach(device, importer())]
    for (const attachment of attachments) {
      late = true
      expect(errorCode(() => cycle(rig, dmabuf, attachment))).toBe('ESTALE')
      late = false
      cycle(rig, dmabuf, attachment)
      dmabuf.detach(attachment)
    }
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('gives a table for another device', () => {
    const rig = createRig()
    const [device, other] = [rig.device('ours'), rig.device('other')]
    const frame = rig.memory.allocPages(0)
    const ops: DmaBufOps = {
      *mapDmaBuf(_attachment, direction) {
        const table = new SgTable()
        table.append(frame, 0, PAGE_SIZE)
        other.dma.mapSgtable(table, direction)
        return table
      },
      unmapDmaBuf: (_attachment, table, direction) => other.dma.unmapSgtable(table, direction),
      release: () => rig.memory.freePages(frame, 0),
    }
    const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'liar' })
    const fixed = dmabuf.attach(device)
    expect(() => cycle(rig, dmabuf, fixed)).toThrow('a table for another device')
    dmabuf.detach(fixed)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('gives a CPU view of another length', () => {
    const { rig, dmabuf, ops, calls } = setup()
    ops.bytes = new Uint8Array(PAGE_SIZE - 1)
    expect(errorCode(() => rig.run(dmabuf.vmap()))).toBe('EINVAL')
    expect(calls).toEqual(['vmap', 'vunmap'])
    expectSound(rig, dmabuf, ops)
  })
})

describe('an exporter that does not leave the lock as it finds it', () => {
  class LockingExporter extends FaultyExporter {
    where = ''
    dmabuf: DmaBuf | null = null

    override *pin(): Op<void> {
      yield* super.pin()
      this.drop('pin')
    }
    override unpin(): void {
      super.unpin()
      this.drop('unpin')
    }
    override *mapDmaBuf(...args: Parameters<FaultyExporter['mapDmaBuf']>): Op<SgTable> {
      const table = yield* super.mapDmaBuf(...args)
      this.drop('mapDmaBuf')
      return table
    }
    override unmapDmaBuf(): void {
      super.unmapDmaBuf()
      this.drop('unmapDmaBuf')
    }
    override *vmap(): Op<BufferView> {
      const view = yield* super.vmap()
      this.drop('vmap')
      return view
    }
    *beginCpuAccess(dmabuf: DmaBuf): Op<void> {
      if (this.where === 'beginCpuAccess') yield* dmabuf.resv.lock(null)
    }
    *endCpuAccess(dmabuf: DmaBuf): Op<void> {
      if (this.where === 'endCpuAccess') yield* dmabuf.resv.lock(null)
    }

    drop(where: string): void {
      if (where === this.where) this.dmabuf?.resv.unlock()
    }
  }

  it.each([
    ['pin', 'let go of'],
    ['unpin', 'let go of'],
    ['mapDmaBuf', 'let go of'],
    ['unmapDmaBuf', 'let go of'],
    ['vmap', 'let go of'],
    ['beginCpuAccess', 'kept'],
    ['endCpuAccess', 'kept'],
  ])('in %s: reported, refused, and everything else as it was', (where, what) => {
    const rig = createRig({ lenient: true })
    const ops = new LockingExporter()
    ops.bytes = new Uint8Array(PAGE_SIZE)
    const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
    ops.dmabuf = dmabuf
    ops.where = where
    const fixed = dmabuf.attach(rig.device())
    const steps = function* (): Op<void> {
      try {
        yield* dmabuf.vmap()
        dmabuf.vunmap()
        yield* dmabuf.beginCpuAccess(TO_DEVICE)
        yield* dmabuf.endCpuAccess(TO_DEVICE)
        const table = yield* dmabuf.mapAttachmentUnlocked(fixed, TO_DEVICE)
        yield* dmabuf.unmapAttachmentUnlocked(fixed, table, TO_DEVICE)
      } finally {
        if (dmabuf.resv.held) dmabuf.resv.unlock()
      }
    }
    expect(errorCode(() => rig.run(steps()))).toBe('EINVAL')
    const message = `exporter test ${what} the reservation lock in ${where}`
    expect(rig.kernel.reports).toEqual([{ check: 'dma-buf', message }])
    ops.where = ''
    expect([fixed.mappings, dmabuf.mappings]).toEqual([0, 0])
    const { calls } = ops
    expect(calls.filter((call) => call === 'pin')).toEqual(
      calls.filter((call) => call === 'unpin').map(() => 'pin'),
    )
    cycle(rig, dmabuf, fixed)
    dmabuf.detach(fixed)
    dmabuf.put()
    expect(rig.core.stats.live).toBe(0)
  })
})

describe('importers', () => {
  it('pin and unpin by themselves, dynamic ones only, with the lock held', () => {
    const { rig, dmabuf, ops, device, calls } = setup()
    const fixed = dmabuf.attach(device)
    const dynamic = dmabuf.dynamicAttach(device, importer())
    const unpin = (attachment: DmaBufAttachment) =>
      rig.run(
        withLock(dmabuf, function* (): Op<void> {
          dmabuf.unpin(attachment)
        }),
      )
    expect(errorCode(() => rig.run(dmabuf.pin(dynamic)))).toBe('assertion')
    expect(errorCode(() => dmabuf.unpin(dynamic))).toBe('assertion')
    expect(errorCode(() => rig.run(withLock(dmabuf, () => dmabuf.pin(fixed))))).toBe('assertion')
    expect(errorCode(() => unpin(fixed))).toBe('assertion')
    expect(errorCode(() => unpin(dynamic))).toBe('assertion')
    rig.run(withLock(dmabuf, () => dmabuf.pin(dynamic)))
    rig.run(withLock(dmabuf, () => dmabuf.pin(dynamic)))
    unpin(dynamic)
    expect(dynamic.pins).toBe(1)
    expect(errorCode(() => dmabuf.detach(dynamic))).toBe('assertion')
    unpin(dynamic)
    expect(calls.slice(2)).toEqual(['pin', 'pin', 'unpin', 'unpin'])
    dmabuf.detach(dynamic)
    dmabuf.detach(fixed)
    expectSound(rig, dmabuf, ops)
  })

  it('without invalidateMappings have to pin before they map: checked', () => {
    const { rig, dmabuf, device } = setup()
    const pinned = dmabuf.dynamicAttach(device, { allowPeer2peer: false })
    expect(() => cycle(rig, dmabuf, pinned)).toThrow('without invalidateMappings and without a pin')
    expect(rig.kernel.reports).toHaveLength(1)
    rig.run(
      withLock(dmabuf, function* () {
        yield* dmabuf.pin(pinned)
        const table = yield* dmabuf.mapAttachment(pinned, TO_DEVICE)
        yield* dmabuf.invalidateMappings()
        dmabuf.unmapAttachment(pinned, table, TO_DEVICE)
        dmabuf.unpin(pinned)
      }),
    )
    dmabuf.detach(pinned)
    dmabuf.put()
    expect(rig.core.stats.live).toBe(0)
  })

  it('are all told that their mappings are void, even when one of them fails', () => {
    const { rig, dmabuf, ops, device } = setup()
    const told: string[] = []
    const tell = (name: string, fails: boolean) =>
      dmabuf.dynamicAttach(
        device,
        importer(() => {
          told.push(name)
          if (fails) throw new Error(`${name} is broken`)
        }),
      )
    const attachments = [tell('a', true), tell('b', true), tell('c', false)]
    const invalidate = () => rig.run(withLock(dmabuf, () => dmabuf.invalidateMappings()))
    expect(invalidate).toThrow('a is broken')
    expect(told).toEqual(['a', 'b', 'c'])
    for (const attachment of attachments) dmabuf.detach(attachment)
    expectSound(rig, dmabuf, ops)
  })

  it('may not detach while they are being mapped', () => {
    const { rig, dmabuf, ops, device } = setup()
    const fixed = dmabuf.attach(device)
    const fence = createFence(rig)
    addFence(rig, dmabuf, fence, DmaResvUsage.KERNEL)
    const task = rig.scheduler.spawn('map', dmabuf.mapAttachmentUnlocked(fixed, TO_DEVICE))
    rig.scheduler.runReady()
    expect(task.state).toBe('parked')
    expect(errorCode(() => dmabuf.detach(fixed))).toBe('assertion')
    fence.signal()
    rig.scheduler.runUntilIdle()
    const table = task.outcome?.ok === true ? task.outcome.value : null
    rig.run(dmabuf.unmapAttachmentUnlocked(fixed, table!, TO_DEVICE))
    dmabuf.detach(fixed)
    fence.put()
    expectSound(rig, dmabuf, ops)
  })

  it('find the lock free again after an unlocked map that failed', () => {
    const { rig, dmabuf, ops, device } = setup()
    const dynamic = dmabuf.dynamicAttach(device, importer())
    ops.failMap = true
    expect(errorCode(() => cycle(rig, dmabuf, dynamic))).toBe('ENOMEM')
    ops.failMap = false
    const table = rig.run(dmabuf.mapAttachmentUnlocked(dynamic, TO_DEVICE))
    const wrong = dmabuf.unmapAttachmentUnlocked(dynamic, table, BIDIRECTIONAL)
    expect(errorCode(() => rig.run(wrong))).toBe('assertion')
    rig.run(dmabuf.unmapAttachmentUnlocked(dynamic, table, TO_DEVICE))
    dmabuf.detach(dynamic)
    expectSound(rig, dmabuf, ops)
  })
})
