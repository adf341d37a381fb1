// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { joinTask, OpenFlags, yieldNow } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { DmaResvUsage, dmaBufInfo, formatDmaBufInfo } from '../../src/index.ts'
import { addFence, createFence, exportBuffer } from '../buf-support.ts'
import { errorCode, expectNothingOutstanding, PinningExporter, withLock } from '../support.ts'

function pending(usage: string, context: number) {
  return { usage, context, seqno: 1, timeline: 'timeline', driver: 'driver', signaled: false }
}

describe('the debug listing', () => {
  it('of no buffers', () => {
    const { rig, dmabuf } = exportBuffer(new PinningExporter())
    dmabuf.put()
    const listing = rig.run(dmaBufInfo(rig.core))
    expect(listing).toEqual({ buffers: [], totalBytes: 0 })
    expect(formatDmaBufInfo(listing)).toBe(
      '\nDma-buf Objects:\nsize    \tflags   \tmode    \tcount   \texp_name\tino     \tname\n\nTotal 0 objects, 0 bytes\n',
    )
  })

  it('shows size, flags, mode, references, exporter, name, fences and devices', () => {
    const { rig, ops, dmabuf } = exportBuffer(new PinningExporter(), 2)
    const flags = OpenFlags.O_RDONLY | OpenFlags.O_NONBLOCK
    const exported = { ops, sizeBytes: PAGE_SIZE, exporterName: 'other', name: 'n', flags }
    const second = rig.core.export(exported)
    const [kernel, done, drain] = [createFence(rig), createFence(rig), createFence(rig)]
    addFence(rig, dmabuf, kernel, DmaResvUsage.KERNEL)
    addFence(rig, dmabuf, done, DmaResvUsage.WRITE)
    addFence(rig, dmabuf, drain, DmaResvUsage.BOOKKEEP)
    done.signal()
    dmabuf.get()
    const attachments = [dmabuf.attach(rig.device('gpu')), dmabuf.attach(rig.device('nvme0'))]
    const listing = rig.run(dmaBufInfo(rig.core))
    expect(listing.totalBytes).toBe(3 * PAGE_SIZE)
    expect(listing.buffers.map(({ inode }) => inode)).toEqual([2, 1])
    expect(listing.buffers[1]).toEqual({
      sizeBytes: 8192,
      flags: OpenFlags.O_RDWR,
      mode: 0x80007,
      count: 2,
      exporterName: 'test',
      inode: 1,
      name: '',
      fences: [
        pending('kernel', kernel.context),
        { ...pending('write', done.context), timeline: '', driver: '', signaled: true },
        pending('bookkeep', drain.context),
      ],
      attachments: ['gpu', 'nvme0'],
    })
    expect(formatDmaBufInfo(listing).split('\n').slice(3)).toEqual([
      '00004096\t00000800\t00080005\t00000001\tother\t00000002\tn',
      '\tAttached Devices:',
      'Total 0 devices attached',
      '',
      '00008192\t00000002\t00080007\t00000002\ttest\t00000001\t<none>',
      `\tkernel fence:${kernel.context}:1 timeline driver unsignalled`,
      `\twrite fence:${done.context}:1   signalled`,
      '\tAttached Devices:',
      '\tgpu',
      '\tnvme0',
      'Total 2 devices attached',
      '',
      '',
      'Total 2 objects, 12288 bytes',
      '',
    ])
    for (const attachment of attachments) dmabuf.detach(attachment)
    for (const fence of [kernel, drain]) fence.signal()
    for (const fence of [kernel, done, drain]) fence.put()
    for (const one of [dmabuf, dmabuf, second]) one.put()
    expectNothingOutstanding(rig)
  })

  it('waits for the lock of a buffer, and a signal ends that wait with every count as it was', () => {
    const { rig, ops, dmabuf } = exportBuffer(new PinningExporter())
    const newer = rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
    const { scheduler } = rig
    const interrupted = withLock(dmabuf, function* () {
      const listing = scheduler.spawn('list', dmaBufInfo(rig.core))
      while (listing.state !== 'parked') yield* yieldNow(scheduler)
      expect([dmabuf.references, newer.references]).toEqual([2, 1])
      listing.signal()
      yield* joinTask(scheduler, listing)
    })
    expect(errorCode(() => rig.run(interrupted))).toBe('ERESTARTSYS')
    expect([dmabuf.references, newer.references]).toEqual([1, 1])
    dmabuf.put()
    newer.put()
    expectNothingOutstanding(rig)
  })
})
