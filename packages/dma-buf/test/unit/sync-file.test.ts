// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createFdTable,
  createPrng,
  Errno,
  File,
  joinTask,
  KernelError,
  type Op,
  PollEvents,
  pollFiles,
  vfsPoll,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createSyncFile,
  DmaFenceArray,
  type SyncFile,
  syncFileAbility,
  syncFileFd,
  syncFileFdGet,
  syncFileGetFence,
  syncFileMergeFd,
} from '../../src/index.ts'
import { createFence } from '../buf-support.ts'
import { createRig, errorCode, expectNothingOutstanding, type Rig } from '../support.ts'
import { countWithStatus, SwTimeline, syncWait, tableOf } from '../sw-timeline.ts'

const SIGNALED = 1
const ACTIVE = 0

function putAll(rig: Rig, ...files: readonly SyncFile[]): void {
  for (const { file } of files) {
    expect(file.references).toBe(1)
    file.put()
  }
  expectNothingOutstanding(rig)
}

describe('sync_file: what a fence and its file owe each other', () => {
  it('the file has a reference of its own on the fence, and drops it with itself', () => {
    const rig = createRig()
    let freed = 0
    const fence = createFence(rig, { release: () => void freed++ })
    const file = createSyncFile({ kernel: rig.kernel, contexts: rig.core }, fence)
    fence.put()
    expect(freed).toBe(0)
    expect(file.file.query(syncFileAbility)).toBe(file)
    putAll(rig, file)
    expect(freed).toBe(1)
  })

  it('a poll that is left leaves no callback behind when the file goes', () => {
    const rig = createRig()
    const fence = createFence(rig)
    const file = createSyncFile({ kernel: rig.kernel, contexts: rig.core }, fence)
    expect(rig.run(syncWait(rig, file, 0))).toBe(false)
    expect(fence.signalingEnabled).toBe(true)
    putAll(rig, file)
    fence.signal()
    fence.put()
  })

  it('a fence that signals while its file is polled for the first time wakes who polls already', () => {
    const rig = createRig()
    const fence = createFence(rig, { enableSignaling: () => false })
    const file = createSyncFile({ kernel: rig.kernel, contexts: rig.core }, fence)
    expect(rig.run(vfsPoll(file.file, null))).toBe(PollEvents.EPOLLIN)
    expect(rig.run(vfsPoll(file.file, null))).toBe(PollEvents.EPOLLIN)
    fence.put()
    putAll(rig, file)
  })

  it('two who poll are woken by one signal', () => {
    const rig = createRig()
    const timeline = new SwTimeline(rig)
    const file = timeline.fence(1)
    const waits = [1, 2].map((i) => rig.scheduler.spawn(`wait ${i}`, syncWait(rig, file, 1e9)))
    rig.scheduler.runReady()
    expect(waits.map(({ state }) => state)).toEqual(['parked', 'parked'])
    timeline.inc(1)
    for (const task of waits) expect(rig.run(joinTask(rig.scheduler, task))).toBe(true)
    putAll(rig, file)
  })

  it('a signal to the task ends its wait', () => {
    const rig = createRig()
    const timeline = new SwTimeline(rig)
    const file = timeline.fence(1)
    const entry = { file: file.file, events: PollEvents.EPOLLIN, revents: 0 }
    const task = rig.scheduler.spawn('wait', pollFiles(rig.kernel, [entry], 1e9))
    rig.scheduler.runReady()
    task.signal()
    expect(rig.run(joinTask(rig.scheduler, task))).toBe(-Errno.ERESTARTNOHAND)
    timeline.inc(1)
    putAll(rig, file)
  })

  it('a deadline reaches the driver', () => {
    const rig = createRig()
    const deadlines: number[] = []
    const fence = createFence(rig, { setDeadline: (_fence, ns) => void deadlines.push(ns) })
    const file = createSyncFile({ kernel: rig.kernel, contexts: rig.core }, fence)
    file.setDeadline(500)
    fence.signal()
    file.setDeadline(700)
    expect(deadlines).toEqual([500])
    fence.put()
    putAll(rig, file)
  })
})

describe('sync_file: names and info', () => {
  it('is named after its fence, or as its merge was, up to 31 bytes', () => {
    const rig = createRig()
    const timeline = new SwTimeline(rig, 'tl')
    const [a, b] = [timeline.fence(3), timeline.fence(4)]
    expect(a.name).toBe(`sw_sync-tl${timeline.context}-3`)
    const merged = a.merge('m'.repeat(40), b)
    expect(merged.name).toBe('m'.repeat(31))
    const odd = a.merge(`${'é'.repeat(15)}éé`, b)
    expect(odd.name).toBe('é'.repeat(15))
    const cut = a.merge('ab\0cd', b)
    expect(cut.name).toBe('ab')
    const long = new SwTimeline(rig, 't'.repeat(60)).fence(1)
    expect(long.name).toBe(`sw_sync-${'t'.repeat(23)}`)
    expect(long.info().fences[0]?.objName).toBe('t'.repeat(31))
    timeline.inc(4)
    expect(a.name).toBe(`detached-driver-signaled-timeline${timeline.context}-3`.slice(0, 31))
    putAll(rig, a, b, merged, odd, cut, long)
  })

  it('tells of every fence: names, status, and when it signalled', () => {
    const rig = createRig()
    const [left, right] = [new SwTimeline(rig, 'l'), new SwTimeline(rig, 'r')]
    const [a, b] = [left.fence(1), right.fence(1)]
    const merged = a.merge('both', b)
    rig.scheduler.advance(100)
    left.inc(1)
    expect(merged.info()).toEqual({
      name: 'both',
      status: 0,
      numFences: 2,
      fences: [
        {
          objName: 'signaled-timeline',
          driverName: 'detached-driver',
          status: 1,
          timestampNs: 100,
        },
        { objName: 'r', driverName: 'sw_sync', status: 0, timestampNs: 0 },
      ],
    })
    expect(merged.info(0)).toEqual({ name: 'both', status: 0, numFences: 2, fences: [] })
    expect(merged.info(2).fences).toHaveLength(2)
    expect(errorCode(() => merged.info(1))).toBe('EINVAL')
    b.fence.setError(-Errno.EIO)
    right.inc(1)
    expect(merged.info().status).toBe(-Errno.EIO)
    putAll(rig, a, b, merged)
  })

  it('the first status that is not success is that of all', () => {
    const rig = createRig()
    const timelines = [1, 2, 3].map(() => new SwTimeline(rig))
    const files = timelines.map((timeline) => timeline.fence(1))
    const some = files[0]!.merge('some', files[1]!)
    const all = some.merge('all', files[2]!)
    expect(all.fence).toBeInstanceOf(DmaFenceArray)
    files[1]!.fence.setError(-Errno.EIO)
    files[2]!.fence.setError(-Errno.ENOMEM)
    timelines[2]!.inc(1)
    expect(all.info().status).toBe(0)
    timelines[0]!.inc(1)
    timelines[1]!.inc(1)
    expect(all.info().status).toBe(-Errno.EIO)
    putAll(rig, ...files, some, all)
  })
})

describe('sync_file: descriptors', () => {
  it('gives the fence behind a descriptor, and nothing for others', () => {
    const rig = createRig()
    const file = new SwTimeline(rig).fence(1)
    const table = tableOf(file)
    const plain = new File(rig.kernel, { release: () => undefined }, { name: 'plain', flags: 0 })
    table.install(table.reserve(), plain)
    const fence = syncFileGetFence(table, 0)
    expect([fence, file.file.references]).toEqual([file.fence, 1])
    fence?.put()
    for (const fd of [1, 2]) {
      expect(syncFileGetFence(table, fd)).toBeNull()
      expect(syncFileFdGet(table, fd)).toBeNull()
    }
    expect(plain.references).toBe(1)
    const broken = { ...table, get: () => expect.fail('broken table') }
    expect(() => syncFileFdGet(broken, 0)).toThrow('broken table')
    table.close(0)
    expectNothingOutstanding(rig)
  })

  it('merges two descriptors into a third', () => {
    const rig = createRig()
    const [left, right] = [new SwTimeline(rig), new SwTimeline(rig)]
    const [a, b] = [left.fence(1), right.fence(1)]
    const table = tableOf(a, b)
    const told: number[] = []
    const fd = syncFileMergeFd(table, a, { name: 'm', fd2: 1 }, (number) => {
      expect(errorCode(() => table.get(number))).toBe('EBADF')
      told.push(number)
    })
    const merged = syncFileFdGet(table, fd)
    expect([told, merged?.name, merged?.info().numFences]).toEqual([[fd], 'm', 2])
    merged?.file.put()
    for (const number of [0, 1, fd]) table.close(number)
    expectNothingOutstanding(rig)
  })

  it('T4 a merge that fails leaves no descriptor, no file and no reference', () => {
    const rig = createRig()
    const [a, b] = [new SwTimeline(rig).fence(1), new SwTimeline(rig).fence(1)]
    const table = tableOf(a, b)
    const merge = (fd2: number, tell?: () => void) =>
      errorCode(() => syncFileMergeFd(table, a, { name: 'm', fd2 }, tell))
    expect(merge(7)).toBe('ENOENT')
    expect(
      merge(1, () => {
        throw new KernelError('EFAULT', 'the caller went away')
      }),
    ).toBe('EFAULT')
    expect([table.open, a.fence.references, b.fence.references]).toEqual([2, 2, 2])
    const full = createFdTable({ limit: 1 })
    full.install(full.reserve(), a.file)
    a.file.get()
    expect(errorCode(() => syncFileMergeFd(full, a, { name: 'm', fd2: 0 }))).toBe('EMFILE')
    full.close(0)
    const reserved = table.reserve()
    table.putUnused(reserved)
    expect(() => syncFileFd(table, () => expect.fail('no file'))).toThrow('no file')
    expect(table.reserve()).toBe(reserved)
    for (const fd of [0, 1]) table.close(fd)
    expectNothingOutstanding(rig)
  })
})

describe('sync_file: as the kernel tests it', () => {
  it('a wait on one timeline: times out before its point, and not from it on', () => {
    const rig = createRig()
    const timeline = new SwTimeline(rig)
    const file = timeline.fence(5)
    const wait = () => rig.run(syncWait(rig, file, 0))
    expect(wait()).toBe(false)
    timeline.inc(1)
    expect(wait()).toBe(false)
    timeline.inc(4)
    expect([wait(), countWithStatus(file, SIGNALED)]).toEqual([true, 1])
    timeline.inc(10)
    expect([wait(), countWithStatus(file, SIGNALED)]).toEqual([true, 1])
    putAll(rig, file)
  })

  it('merges on one timeline keep the last point', () => {
    const rig = createRig()
    const timeline = new SwTimeline(rig)
    const [a, b, c] = [timeline.fence(1), timeline.fence(2), timeline.fence(3)]
    const ab = b.merge('ab', a)
    const d = c.merge('abc', ab)
    const files = [a, b, c, d]
    expect(files.map((file) => countWithStatus(file, ACTIVE))).toEqual([1, 1, 1, 1])
    for (const signaled of [
      [1, 0, 0, 0],
      [1, 1, 0, 0],
      [1, 1, 1, 1],
    ]) {
      timeline.inc(1)
      expect(files.map((file) => countWithStatus(file, SIGNALED))).toEqual(signaled)
    }
    putAll(rig, ...files, ab)
  })

  it('a merge of a fence with itself', () => {
    const rig = createRig()
    const timeline = new SwTimeline(rig)
    const file = timeline.fence(5)
    const merged = file.merge('twice', file)
    expect(merged.info().numFences).toBe(1)
    timeline.inc(1)
    expect(countWithStatus(merged, SIGNALED)).toBe(0)
    timeline.inc(4)
    expect(countWithStatus(merged, SIGNALED)).toBe(1)
    putAll(rig, file, merged)
  })

  it('a wait on several timelines ends with the last of them', () => {
    const rig = createRig()
    const timelines = [1, 2, 3].map(() => new SwTimeline(rig))
    const [a, b, c] = timelines.map((timeline) => timeline.fence(5)) as [
      SyncFile,
      SyncFile,
      SyncFile,
    ]
    const bc = b.merge('bc', c)
    const merged = a.merge('abc', bc)
    expect([countWithStatus(merged, ACTIVE), rig.run(syncWait(rig, merged, 0))]).toEqual([3, false])
    timelines.forEach((timeline, i) => {
      timeline.inc(5)
      expect(countWithStatus(merged, ACTIVE)).toBe(2 - i)
      expect(countWithStatus(merged, SIGNALED)).toBe(i + 1)
    })
    expect(rig.run(syncWait(rig, merged, 1e9))).toBe(true)
    putAll(rig, a, b, c, bc, merged)
  })

  it('a thousand random merges over 32 timelines keep the last point of each', () => {
    const rig = createRig()
    const prng = createPrng(7)
    const timelines = Array.from({ length: 32 }, () => new SwTimeline(rig))
    const latest = new Map<number, number>()
    let merged = timelines[0]!.fence(1)
    latest.set(0, 1)
    for (let i = 0; i < 1024; i++) {
      const index = prng.below(32)
      const point = 1 + prng.below(1000)
      const file = timelines[index]!.fence(point)
      const next = merged.merge('merge', file)
      for (const old of [merged, file]) old.file.put()
      merged = next
      latest.set(index, Math.max(latest.get(index) ?? 0, point))
    }
    expect(merged.info().numFences).toBe(latest.size)
    for (const [index, point] of latest) {
      timelines[index]!.inc(point - 1)
      expect(rig.run(syncWait(rig, merged, 0))).toBe(false)
      timelines[index]!.inc(1)
    }
    expect(rig.run(syncWait(rig, merged, 0))).toBe(true)
    for (const timeline of timelines) timeline.inc(1000)
    putAll(rig, merged)
  })

  it('two tasks take turns on a shared timeline, each waiting for the other', () => {
    const rig = createRig({ seed: 11 })
    const { scheduler } = rig
    const timeline = new SwTimeline(rig)
    const rounds = 200
    let counter = 0
    const turns = function* (index: number): Op<void> {
      for (let i = 0; i < rounds; i++) {
        const file = timeline.fence(i * 2 + index)
        expect(yield* syncWait(rig, file, 1e9)).toBe(true)
        expect(counter).toBe(i * 2 + index)
        counter++
        file.file.put()
        timeline.inc(1)
      }
    }
    const tasks = [0, 1].map((index) => scheduler.spawn(`turn ${index}`, turns(index)))
    for (const task of tasks) rig.run(joinTask(scheduler, task))
    expect(counter).toBe(2 * rounds)
    expectNothingOutstanding(rig)
  })

  it('several producers and one consumer that waits for all of them', () => {
    const rig = createRig({ seed: 12 })
    const { scheduler } = rig
    const consumer = new SwTimeline(rig, 'consumer')
    const producers = [0, 1, 2, 3, 4].map((i) => new SwTimeline(rig, `producer ${i}`))
    const rounds = 100
    let produced = 0
    const produce = function* (timeline: SwTimeline): Op<void> {
      for (let i = 0; i < rounds; i++) {
        const file = consumer.fence(i)
        expect(yield* syncWait(rig, file, 1e9)).toBe(true)
        file.file.put()
        produced++
        yield* yieldNow(scheduler)
        timeline.inc(1)
      }
    }
    const consume = function* (): Op<void> {
      for (let i = 1; i <= rounds; i++) {
        const files = producers.map((timeline) => timeline.fence(i))
        let merged = files[0]!
        for (const file of files.slice(1)) {
          const next = merged.merge('merged', file)
          files.push(next)
          merged = next
        }
        expect(yield* syncWait(rig, merged, 1e9)).toBe(true)
        expect(produced).toBe(5 * i)
        for (const { file } of files) file.put()
        consumer.inc(1)
      }
    }
    const tasks = producers.map((timeline) => scheduler.spawn(timeline.name, produce(timeline)))
    rig.run(consume())
    for (const task of tasks) rig.run(joinTask(scheduler, task))
    expectNothingOutstanding(rig)
  })
})
