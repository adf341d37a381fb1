// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Polls and revocations in every order in which small worlds can go, and in many in which larger ones can.

import { DmaDirection, PAGE_SIZE, type SgTable } from '@iolayers/dma-mapping'
import {
  createPrng,
  exploreAll,
  type KernelError,
  type Op,
  PollEvents,
  pollFiles,
  sleep,
  type VirtualScheduler,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createSyncFile,
  type DmaBuf,
  type DmaBufAttachment,
  DmaBufRevocation,
  type DmaFence,
  DmaResvUsage,
} from '../../src/index.ts'
import { importer } from '../buf-support.ts'
import {
  createRig,
  expectNothingOutstanding,
  RecordingExporter,
  type Rig,
  withLock,
} from '../support.ts'
import { createFence, createRigOn } from './explore-rig.ts'

const { EPOLLIN, EPOLLOUT } = PollEvents
const { TO_DEVICE } = DmaDirection
const SECOND_NS = 1e9

function exportOne(rig: Rig, ops = new RecordingExporter()): DmaBuf {
  return rig.core.export({ ops, sizeBytes: PAGE_SIZE, exporterName: 'test' })
}

function* addFence(dmabuf: DmaBuf, fence: DmaFence, usage: DmaResvUsage): Op<void> {
  yield* withLock(dmabuf, function* () {
    dmabuf.resv.reserveFences(1)
    dmabuf.resv.addFence(fence, usage)
  })
}

function everySchedule(world: (rig: Rig, scheduler: VirtualScheduler) => Record<string, Op<void>>) {
  const all = exploreAll(
    (scheduler) => {
      const rig = createRigOn(scheduler)
      for (const [name, op] of Object.entries(world(rig, scheduler))) scheduler.spawn(name, op)
      expectNothingOutstanding(rig)
    },
    { maxSchedules: 30_000 },
  )
  expect(all.complete).toBe(true)
}

describe('every schedule', () => {
  it('a poll, the signal that it waits for, and the last put: woken, and released once', () => {
    everySchedule((rig) => {
      const dmabuf = exportOne(rig)
      const fence = createFence(rig)
      rig.run(addFence(dmabuf, fence, DmaResvUsage.WRITE))
      const entry = { file: dmabuf.file, events: EPOLLIN, revents: 0 }
      const poll = function* (): Op<void> {
        expect(yield* pollFiles(rig.kernel, [entry], Number.POSITIVE_INFINITY)).toBe(1)
        dmabuf.put()
      }
      return { poll: poll(), signal: signalling(fence) }
    })
  })

  it('two who poll for one and for both, and a fence that signals', () => {
    everySchedule((rig) => {
      const dmabuf = exportOne(rig)
      const fence = createFence(rig)
      rig.run(addFence(dmabuf, fence, DmaResvUsage.WRITE))
      dmabuf.get()
      const poll = function* (events: number): Op<void> {
        const entry = { file: dmabuf.file, events, revents: 0 }
        expect(yield* pollFiles(rig.kernel, [entry], Number.POSITIVE_INFINITY)).toBe(1)
        dmabuf.put()
      }
      return { in: poll(EPOLLIN), both: poll(EPOLLOUT), signal: signalling(fence) }
    })
  })

  it('a sync file that is polled, its fence, and another that closes', () => {
    everySchedule((rig) => {
      const fence = createFence(rig)
      const { file } = createSyncFile({ kernel: rig.kernel, contexts: rig.core }, fence)
      file.get()
      const poll = function* (): Op<void> {
        const entry = { file, events: EPOLLIN, revents: 0 }
        expect(yield* pollFiles(rig.kernel, [entry], Number.POSITIVE_INFINITY)).toBe(1)
        file.put()
      }
      const close = function* (): Op<void> {
        file.put()
      }
      return { poll: poll(), signal: signalling(fence), close: close() }
    })
  })

  it('a revocation and an importer that maps and unmaps: nothing is mapped afterwards', () => {
    everySchedule((rig) => {
      const revoking = new RevokingExporter()
      const dmabuf = exportOne(rig, revoking)
      const attachment = dmabuf.dynamicAttach(rig.device(), importer())
      let users = 2
      const finish = (): void => {
        users--
        if (users > 0) return
        dmabuf.detach(attachment)
        dmabuf.put()
      }
      const use = function* (): Op<void> {
        yield* mapAndUnmap(dmabuf, attachment)
        finish()
      }
      const revoke = function* (): Op<void> {
        yield* revoking.revocation.revoke(dmabuf, SECOND_NS)
        expect([dmabuf.mappings, revoking.revocation.revoked]).toEqual([0, true])
        finish()
      }
      return { use: use(), revoke: revoke() }
    })
  })
})

describe('seeds', () => {
  it('1,000 worlds of pollers, fences and last puts: every wake-up comes, every buffer goes', () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const rig = createRig({ seed, ramBytes: 64 * 1024 })
      const prng = createPrng(seed)
      const buffers = [exportOne(rig), exportOne(rig)]
      const fences: DmaFence[] = []
      for (const dmabuf of buffers) {
        for (let i = prng.below(4); i > 0; i--) {
          const fence = createFence(rig)
          fences.push(fence)
          rig.run(addFence(dmabuf, fence, prng.below(4) as DmaResvUsage))
        }
      }
      for (let i = 0; i < 4; i++) {
        const events = [EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT][prng.below(3)] ?? 0
        const timeoutNs = prng.below(3) === 0 ? prng.below(100) : Number.POSITIVE_INFINITY
        rig.scheduler.spawn(`poll ${i}`, poll(rig, buffers, { events, timeoutNs }))
      }
      for (const fence of fences) {
        rig.scheduler.spawn('signal', signalLater(rig, fence, prng.below(200)))
      }
      rig.scheduler.spawn(
        'put',
        (function* () {
          yield* sleep(rig.scheduler, prng.below(100))
          for (const dmabuf of buffers) dmabuf.put()
        })(),
      )
      expectNothingOutstanding(rig)
      for (const fence of fences) fence.put()
    }
  })
})

/** Refuses importers that cannot be made to unmap, and maps for nobody once it was revoked. */
class RevokingExporter extends RecordingExporter {
  readonly revocation = new DmaBufRevocation()

  override attach(_dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    this.revocation.checkAttach(attachment)
  }

  override *mapDmaBuf(...args: Parameters<RecordingExporter['mapDmaBuf']>): Op<SgTable> {
    this.revocation.checkMap(args[0])
    return yield* super.mapDmaBuf(...args)
  }
}

function* mapAndUnmap(dmabuf: DmaBuf, attachment: DmaBufAttachment): Op<void> {
  try {
    const table = yield* dmabuf.mapAttachmentUnlocked(attachment, TO_DEVICE)
    yield* dmabuf.unmapAttachmentUnlocked(attachment, table, TO_DEVICE)
  } catch (error) {
    expect((error as KernelError).code).toBe('ENODEV')
  }
}

function* signalling(fence: DmaFence): Op<void> {
  fence.signal()
  fence.put()
}

function* signalLater(rig: Rig, fence: DmaFence, delayNs: number): Op<void> {
  yield* sleep(rig.scheduler, delayNs)
  fence.signal()
}

function* poll(
  rig: Rig,
  buffers: readonly DmaBuf[],
  { events, timeoutNs }: { readonly events: number; readonly timeoutNs: number },
): Op<void> {
  for (const dmabuf of buffers) dmabuf.get()
  yield* yieldNow(rig.scheduler)
  const entries = buffers.map(({ file }) => ({ file, events, revents: 0 }))
  const found = yield* pollFiles(rig.kernel, entries, timeoutNs)
  if (found === 0) expect(timeoutNs).toBeLessThan(100)
  for (const [i, { revents }] of entries.entries()) {
    const { resv } = buffers[i] as DmaBuf
    if ((revents & EPOLLIN) !== 0) expect(resv.testSignaled(DmaResvUsage.WRITE)).toBe(true)
    if ((revents & EPOLLOUT) !== 0) expect(resv.testSignaled(DmaResvUsage.READ)).toBe(true)
  }
  for (const dmabuf of buffers) dmabuf.put()
}
