// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { joinTask, PollEvents, type PollTable, pollFiles, vfsPoll } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { type DmaBuf, DmaResvUsage } from '../../src/index.ts'
import { addFence, createFence, exportBuffer } from '../buf-support.ts'
import { expectNothingOutstanding, PinningExporter, type Rig } from '../support.ts'

const { EPOLLIN, EPOLLOUT, EPOLLPRI } = PollEvents
const { KERNEL, WRITE, READ, BOOKKEEP } = DmaResvUsage

function setup() {
  return exportBuffer(new PinningExporter())
}

function entryOf(dmabuf: DmaBuf, events: number) {
  return { file: dmabuf.file, events, revents: 0 }
}

function look(rig: Rig, dmabuf: DmaBuf, events: number): number {
  const entry = entryOf(dmabuf, events)
  rig.run(pollFiles(rig.kernel, [entry], 0))
  return entry.revents
}

describe('dma_buf: poll', () => {
  it('readable when no writer is pending, writable when no reader is either', () => {
    for (const [usage, pending] of [
      [KERNEL, 0],
      [WRITE, 0],
      [READ, EPOLLIN],
      [BOOKKEEP, EPOLLIN | EPOLLOUT],
    ] as const) {
      const { rig, dmabuf } = setup()
      const fence = createFence(rig)
      addFence(rig, dmabuf, fence, usage)
      expect(look(rig, dmabuf, EPOLLIN | EPOLLOUT)).toBe(pending)
      fence.signal()
      expect(look(rig, dmabuf, EPOLLIN | EPOLLOUT)).toBe(EPOLLIN | EPOLLOUT)
      fence.put()
      dmabuf.put()
      expectNothingOutstanding(rig)
    }
  })

  it('looks only at what was asked for', () => {
    const { rig, dmabuf } = setup()
    expect(look(rig, dmabuf, EPOLLIN)).toBe(EPOLLIN)
    expect(look(rig, dmabuf, EPOLLPRI)).toBe(0)
    expect(rig.run(vfsPoll(dmabuf.file, null))).toBe(EPOLLIN | EPOLLOUT)
    expect(dmabuf.references).toBe(1)
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('wakes who polls when the fence signals, and goes on to the next fence', () => {
    const { rig, dmabuf } = setup()
    const { scheduler } = rig
    const [write, read] = [createFence(rig), createFence(rig)]
    addFence(rig, dmabuf, write, WRITE)
    addFence(rig, dmabuf, read, READ)
    const poll = (name: string, events: number) =>
      scheduler.spawn(name, pollFiles(rig.kernel, [entryOf(dmabuf, events)], 1e9))
    const reader = poll('reader', EPOLLIN)
    const writer = poll('writer', EPOLLOUT)
    scheduler.runReady()
    expect([reader.state, writer.state]).toEqual(['parked', 'parked'])
    write.signal()
    scheduler.runReady()
    expect([reader.state, writer.state]).toEqual(['done', 'parked'])
    read.signal()
    expect(rig.run(joinTask(scheduler, writer))).toBe(1)
    expect(dmabuf.references).toBe(1)
    for (const fence of [write, read]) fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('has one callback for all who poll, and wakes them all', () => {
    const { rig, dmabuf } = setup()
    const { scheduler } = rig
    let enabled = 0
    const fence = createFence(rig, {
      enableSignaling: () => ++enabled > 0,
    })
    addFence(rig, dmabuf, fence, WRITE)
    const tasks = [1, 2, 3].map((i) =>
      scheduler.spawn(`poll ${i}`, pollFiles(rig.kernel, [entryOf(dmabuf, EPOLLIN)], 1e9)),
    )
    scheduler.runReady()
    // The exporter's own, one for each who polls, and one for the callback.
    expect([enabled, dmabuf.references]).toEqual([1, 5])
    fence.signal()
    for (const task of tasks) expect(rig.run(joinTask(scheduler, task))).toBe(1)
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('a poll that found a busy callback is woken when that finds nothing pending', () => {
    const { rig, dmabuf } = setup()
    const woken: number[] = []
    // As a second task would see it, which looks while the first one has the slot and the fence signals under its hands.
    const fence = createFence(rig, {
      enableSignaling: () => false,
    })
    addFence(rig, dmabuf, fence, WRITE)
    const table: PollTable = {
      requestedEvents: EPOLLIN,
      wait: (_file, queue) => {
        woken.push(queue.hasPollers ? 1 : 0)
      },
    }
    expect(rig.run(vfsPoll(dmabuf.file, table))).toBe(EPOLLIN)
    expect([fence.isSignaled(), woken, dmabuf.references]).toEqual([true, [0], 1])
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })

  it('keeps the buffer until the fence signals, also when everybody else is gone', () => {
    const { rig, ops, dmabuf } = setup()
    let freed = 0
    const fence = createFence(rig, { release: () => void freed++ })
    addFence(rig, dmabuf, fence, READ)
    expect(look(rig, dmabuf, EPOLLIN | EPOLLOUT)).toBe(EPOLLIN)
    expect(dmabuf.references).toBe(2)
    dmabuf.put()
    expect(ops.calls).toEqual([])
    fence.signal()
    // Not in the hands of whoever signals.
    expect(ops.calls).toEqual([])
    rig.scheduler.runUntilIdle()
    expect(ops.calls).toEqual(['release 1'])
    expect(freed).toBe(0)
    fence.put()
    expect(freed).toBe(1)
    expectNothingOutstanding(rig)
  })

  it('both callbacks on one fence, taken up again between its signal and the last put', () => {
    const { rig, dmabuf } = setup()
    const [first, second] = [createFence(rig), createFence(rig)]
    addFence(rig, dmabuf, first, WRITE)
    expect(look(rig, dmabuf, EPOLLIN | EPOLLOUT)).toBe(0)
    expect(dmabuf.references).toBe(3)
    addFence(rig, dmabuf, second, WRITE)
    first.signal()
    expect(look(rig, dmabuf, EPOLLIN | EPOLLOUT)).toBe(0)
    second.signal()
    dmabuf.put()
    rig.scheduler.runUntilIdle()
    for (const fence of [first, second]) fence.put()
    expectNothingOutstanding(rig)
  })

  it('a poll that is interrupted leaves the callback, and the next one finds it', () => {
    const { rig, dmabuf } = setup()
    const fence = createFence(rig)
    addFence(rig, dmabuf, fence, WRITE)
    const entries = [entryOf(dmabuf, EPOLLIN)]
    const task = rig.scheduler.spawn('poll', pollFiles(rig.kernel, entries, 1e9))
    rig.scheduler.runReady()
    task.signal()
    rig.scheduler.runReady()
    expect([task.state, dmabuf.references]).toEqual(['done', 2])
    const again = rig.scheduler.spawn('again', pollFiles(rig.kernel, entries, 1e9))
    rig.scheduler.runReady()
    fence.signal()
    expect(rig.run(joinTask(rig.scheduler, again))).toBe(1)
    fence.put()
    dmabuf.put()
    expectNothingOutstanding(rig)
  })
})
