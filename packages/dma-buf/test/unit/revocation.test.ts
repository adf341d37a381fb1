// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { DmaDirection, PAGE_SIZE, type SgTable } from '@iolayers/dma-mapping'
import { joinTask, type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type DmaBuf,
  type DmaBufAttachment,
  DmaBufRevocation,
  DmaResvUsage,
  dmaBufAttachRevocable,
  drainMappings,
} from '../../src/index.ts'
import { addFence, createFence, FaultyExporter, importer } from '../buf-support.ts'
import { createRig, errorCode, expectNothingOutstanding, withLock } from '../support.ts'

const { TO_DEVICE } = DmaDirection
const TIMEOUT_NS = 1_000_000

/** Gives its memory to importers that can be made to let go, and takes it back. */
class RevokingExporter extends FaultyExporter {
  readonly revocation = new DmaBufRevocation()

  override attach(dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    this.revocation.checkAttach(attachment)
    super.attach(dmabuf, attachment)
  }

  override *mapDmaBuf(...args: Parameters<FaultyExporter['mapDmaBuf']>): Op<SgTable> {
    this.revocation.checkMap(args[0])
    return yield* super.mapDmaBuf(...args)
  }
}

function setup() {
  const rig = createRig()
  const ops = new RevokingExporter()
  const dmabuf = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
  const revoke = () => ops.revocation.revoke(dmabuf, TIMEOUT_NS)
  const map = (attachment: DmaBufAttachment) =>
    rig.run(dmabuf.mapAttachmentUnlocked(attachment, TO_DEVICE))
  const unmap = (attachment: DmaBufAttachment, table: SgTable) =>
    dmabuf.unmapAttachmentUnlocked(attachment, table, TO_DEVICE)
  return { rig, ops, dmabuf, device: rig.device(), revoke, map, unmap }
}

describe('revocation', () => {
  it('an importer is revocable when it can be told that its mappings are void', () => {
    const rig = createRig()
    const device = rig.device()
    const info = { ops: new FaultyExporter(), sizeBytes: PAGE_SIZE, exporterName: 'x' }
    const other = rig.core.export(info)
    const attachments = [
      other.attach(device),
      other.dynamicAttach(device, { allowPeer2peer: true }),
      other.dynamicAttach(device, importer()),
    ]
    expect(attachments.map(dmaBufAttachRevocable)).toEqual([false, false, true])
    for (const attachment of attachments) other.detach(attachment)
    other.put()
    expectNothingOutstanding(rig)
  })

  it('importers that cannot unmap in bounded time are refused at attach', () => {
    const { rig, dmabuf, device } = setup()
    expect(errorCode(() => dmabuf.attach(device))).toBe('EOPNOTSUPP')
    const pinning = { allowPeer2peer: true }
    expect(errorCode(() => dmabuf.dynamicAttach(device, pinning))).toBe('EOPNOTSUPP')
    expect(dmabuf.attachments).toBe(0)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('tells the importers, waits for the last DMA under the lock, then for the last unmap without it', () => {
    const { rig, ops, dmabuf, device, revoke, map, unmap } = setup()
    const { scheduler } = rig
    const fence = createFence(rig)
    const steps: string[] = []
    const told: DmaBufAttachment[] = []
    const attachment = dmabuf.dynamicAttach(
      device,
      importer((one) => {
        steps.push(`told ${dmabuf.resv.held}`)
        told.push(one)
        dmabuf.resv.reserveFences(1)
        dmabuf.resv.addFence(fence, DmaResvUsage.BOOKKEEP)
      }),
    )
    const table = map(attachment)
    const task = scheduler.spawn('revoke', revoke())
    scheduler.runReady()
    expect([ops.revocation.revoked, dmabuf.resv.tryLock(), steps]).toEqual([
      true,
      false,
      ['told true'],
    ])
    fence.signal()
    scheduler.runReady()
    expect([task.state, told]).toEqual(['parked', [attachment]])
    rig.run(unmap(attachment, table))
    rig.run(joinTask(scheduler, task))
    expect(dmabuf.mappings).toBe(0)
    expect(errorCode(() => map(attachment))).toBe('ENODEV')
    expect(errorCode(() => dmabuf.dynamicAttach(device, importer()))).toBe('ENODEV')
    dmabuf.detach(attachment)
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('DMA that does not end is ETIME: the buffer is revoked, and the call can be made again', () => {
    const { rig, ops, dmabuf, device, revoke, map, unmap } = setup()
    const attachment = dmabuf.dynamicAttach(device, importer())
    const table = map(attachment)
    const fence = createFence(rig)
    addFence(rig, dmabuf, fence, DmaResvUsage.BOOKKEEP)
    expect(() => rig.run(revoke())).toThrow('too long to end their DMA')
    expect([rig.scheduler.nowNs(), ops.revocation.revoked]).toEqual([TIMEOUT_NS, true])
    fence.signal()
    expect(() => rig.run(revoke())).toThrow('too long to unmap it')
    expect(rig.scheduler.nowNs()).toBe(2 * TIMEOUT_NS)
    expect(errorCode(() => map(attachment))).toBe('ENODEV')
    rig.run(unmap(attachment, table))
    rig.run(revoke())
    dmabuf.detach(attachment)
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('both waits share the time', () => {
    const { rig, dmabuf, device, revoke, map, unmap } = setup()
    const { scheduler } = rig
    const attachment = dmabuf.dynamicAttach(device, importer())
    const table = map(attachment)
    const fence = createFence(rig)
    addFence(rig, dmabuf, fence, DmaResvUsage.BOOKKEEP)
    scheduler.spawn(
      'signal',
      (function* () {
        yield* sleep(scheduler, TIMEOUT_NS - 1000)
        fence.signal()
      })(),
    )
    expect(errorCode(() => rig.run(revoke()))).toBe('ETIME')
    expect(scheduler.nowNs()).toBe(TIMEOUT_NS)
    rig.run(unmap(attachment, table))
    dmabuf.detach(attachment)
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('an importer that fails when it is told fails the revocation, with the lock free and the buffer revoked', () => {
    const { rig, ops, dmabuf, device, revoke } = setup()
    const attachment = dmabuf.dynamicAttach(
      device,
      importer(() => {
        throw new Error('broken importer')
      }),
    )
    expect(() => rig.run(revoke())).toThrow('broken importer')
    expect([ops.revocation.revoked, dmabuf.references, dmabuf.resv.held]).toEqual([true, 1, false])
    expect(() => rig.run(ops.revocation.restore(dmabuf))).toThrow('broken importer')
    expect(ops.revocation.revoked).toBe(true)
    dmabuf.detach(attachment)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('can be taken back: importers are told, and map anew', () => {
    const { rig, ops, dmabuf, device, revoke, map, unmap } = setup()
    let told = 0
    const attachment = dmabuf.dynamicAttach(
      device,
      importer(() => told++),
    )
    rig.run(ops.revocation.restore(dmabuf))
    expect(told).toBe(0)
    rig.run(revoke())
    rig.run(ops.revocation.restore(dmabuf))
    expect(told).toBe(2)
    rig.run(unmap(attachment, map(attachment)))
    dmabuf.detach(attachment)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('a move drains with the lock held and leaves the tables to the importers', () => {
    const { rig, dmabuf, device, map, unmap } = setup()
    const attachment = dmabuf.dynamicAttach(device, importer())
    const table = map(attachment)
    const drain = () => drainMappings(dmabuf, TIMEOUT_NS)
    expect(errorCode(() => rig.run(drain()))).toBe('assertion')
    rig.run(withLock(dmabuf, drain))
    expect(dmabuf.mappings).toBe(1)
    const fence = createFence(rig)
    addFence(rig, dmabuf, fence, DmaResvUsage.BOOKKEEP)
    expect(errorCode(() => rig.run(withLock(dmabuf, drain)))).toBe('ETIME')
    fence.signal()
    rig.run(unmap(attachment, table))
    dmabuf.detach(attachment)
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('waits for unmaps for ever when it is asked to, and never with the lock held', () => {
    const { rig, dmabuf, device, map, unmap } = setup()
    const attachment = dmabuf.dynamicAttach(device, importer())
    const table = map(attachment)
    expect(rig.run(dmabuf.waitUnmapped(0))).toBe(false)
    const locked = withLock(dmabuf, () => dmabuf.waitUnmapped(0))
    expect(errorCode(() => rig.run(locked))).toBe('assertion')
    const task = rig.scheduler.spawn('wait', dmabuf.waitUnmapped(Number.POSITIVE_INFINITY))
    rig.scheduler.runReady()
    expect(task.state).toBe('parked')
    rig.run(unmap(attachment, table))
    expect(rig.run(joinTask(rig.scheduler, task))).toBe(true)
    dmabuf.detach(attachment)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })
})
