// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { describe, expect, it } from 'vitest'
import {
  createKernel,
  createVirtualScheduler,
  DEFAULT_POLLMASK,
  Errno,
  exploreAll,
  File,
  fifoStrategy,
  joinTask,
  type Kernel,
  Mutex,
  type Op,
  PollEvents,
  PollQueue,
  type PollTable,
  pollFiles,
  type VirtualScheduler,
  vfsPoll,
  yieldNow,
} from '../../src/index.ts'

const { EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP } = PollEvents

/** A file that is ready for what it is told. */
class Probe {
  readonly queue = new PollQueue()
  readonly file: File
  ready = 0
  looks = 0
  released = 0
  requested: number[] = []

  constructor(kernel: Kernel, before?: () => Op<void>) {
    const probe = this
    this.file = new File(
      kernel,
      {
        release: () => void probe.released++,
        *poll(file: File, table: PollTable | null): Op<number> {
          if (before !== undefined) yield* before()
          probe.looks++
          probe.requested.push(table?.requestedEvents ?? -1)
          table?.wait(file, probe.queue)
          return probe.ready
        },
      },
      { name: 'probe', flags: 0 },
    )
  }

  set(events: number): void {
    this.ready = events
    this.queue.wakeUp(events)
  }
}

function setup(scheduler = createVirtualScheduler({ strategy: fifoStrategy() })) {
  const kernel = createKernel({ scheduler }, { checked: true })
  return { scheduler, kernel, probe: new Probe(kernel), other: new Probe(kernel) }
}

function entry(file: File | null, events: number) {
  return { file, events, revents: 0 }
}

function expectQuiet(scheduler: VirtualScheduler, ...probes: Probe[]): void {
  scheduler.runUntilIdle()
  expect(scheduler.outstanding()).toEqual([])
  for (const probe of probes) {
    expect(probe.queue.hasPollers).toBe(false)
    expect(probe.file.references).toBe(1)
    probe.file.put()
    expect(probe.released).toBe(1)
  }
}

describe('poll', () => {
  it('gives at once what is ready, only of what was asked for, and errors unasked', () => {
    const { scheduler, kernel, probe, other } = setup()
    probe.ready = EPOLLIN | EPOLLOUT
    const entries = [entry(probe.file, EPOLLOUT), entry(null, EPOLLIN), entry(other.file, EPOLLIN)]
    const poll = () =>
      scheduler.runSync('poll', pollFiles(kernel, entries, Number.POSITIVE_INFINITY))
    expect(poll()).toBe(1)
    expect(entries.map((one) => one.revents)).toEqual([EPOLLOUT, 0, 0])
    expect(probe.requested).toEqual([EPOLLOUT | EPOLLERR | EPOLLHUP])
    other.ready = EPOLLHUP
    expect(poll()).toBe(2)
    expect(entries.map((one) => one.revents)).toEqual([EPOLLOUT, 0, EPOLLHUP])
    expectQuiet(scheduler, probe, other)
  })

  it('a file that cannot tell is always ready', () => {
    const { scheduler, kernel } = setup()
    const plain = new File(kernel, { release: () => undefined }, { name: 'plain', flags: 0 })
    const one = entry(plain, EPOLLIN | EPOLLOUT)
    expect(scheduler.runSync('poll', pollFiles(kernel, [one], 0))).toBe(1)
    expect(one.revents).toBe(EPOLLIN | EPOLLOUT)
    expect(scheduler.runSync('poll', vfsPoll(plain, null))).toBe(DEFAULT_POLLMASK)
  })

  it('a timeout of 0 only looks, and leaves no word', () => {
    const { scheduler, kernel, probe } = setup()
    const poll = pollFiles(kernel, [entry(probe.file, EPOLLIN)], 0)
    expect(scheduler.runSync('poll', poll)).toBe(0)
    expect(scheduler.nowNs()).toBe(0)
    expect(scheduler.runSync('poll', vfsPoll(probe.file, null))).toBe(0)
    expectQuiet(scheduler, probe)
    expect(probe.requested.at(-1)).toBe(-1)
  })

  it('ends with 0 when the time has run out', () => {
    const { scheduler, kernel, probe } = setup()
    const poll = pollFiles(kernel, [entry(probe.file, EPOLLIN)], 5000)
    expect(scheduler.runSync('poll', poll)).toBe(0)
    expect(scheduler.nowNs()).toBe(5000)
    expectQuiet(scheduler, probe)
  })

  it('wakes for the events asked for, and not for others', () => {
    const { scheduler, kernel, probe, other } = setup()
    const entries = [entry(probe.file, EPOLLIN), entry(other.file, EPOLLOUT)]
    const task = scheduler.spawn('poll', pollFiles(kernel, entries, 1e9))
    scheduler.runReady()
    expect([task.state, probe.queue.hasPollers, probe.file.references]).toEqual(['parked', true, 2])
    expect(scheduler.outstanding().join()).toContain('one of the files that it polls')
    probe.set(EPOLLOUT)
    scheduler.runReady()
    expect([task.state, probe.looks]).toEqual(['parked', 1])
    other.queue.wakeUp()
    scheduler.runReady()
    expect([task.state, probe.looks]).toEqual(['parked', 2])
    probe.set(EPOLLIN)
    expect(scheduler.runSync('join', joinTask(scheduler, task))).toBe(1)
    expect(entries.map((one) => one.revents)).toEqual([EPOLLIN, 0])
    expectQuiet(scheduler, probe, other)
  })

  it('a signal ends the wait, and is looked at after the files', () => {
    const { scheduler, kernel, probe } = setup()
    const start = () =>
      scheduler.spawn(
        'poll',
        pollFiles(kernel, [entry(probe.file, EPOLLIN)], Number.POSITIVE_INFINITY),
      )
    const waiting = start()
    scheduler.runReady()
    waiting.signal()
    const result = scheduler.runSync('join', joinTask(scheduler, waiting))
    expect(result).toBe(-Errno.ERESTARTNOHAND)
    probe.ready = EPOLLIN
    const ready = start()
    ready.signal()
    expect(scheduler.runSync('join', joinTask(scheduler, ready))).toBe(1)
    expectQuiet(scheduler, probe)
  })

  it('a file that fails fails the poll, and word left with the others is taken back', () => {
    const { scheduler, kernel, probe } = setup()
    const bad = new Probe(kernel, function* (): Op<void> {
      throw new Error('broken')
    })
    const entries = [entry(probe.file, EPOLLIN), entry(bad.file, EPOLLIN)]
    expect(() => scheduler.runSync('poll', pollFiles(kernel, entries, 1e9))).toThrow('broken')
    expectQuiet(scheduler, probe, bad)
  })

  it('keeps the files that it waits for, and lets go of them at the end', () => {
    const { scheduler, kernel, probe } = setup()
    const task = scheduler.spawn('poll', pollFiles(kernel, [entry(probe.file, EPOLLIN)], 1000))
    scheduler.runReady()
    probe.file.put()
    expect(probe.released).toBe(0)
    expect(scheduler.runSync('join', joinTask(scheduler, task))).toBe(0)
    expect([probe.released, probe.queue.hasPollers]).toEqual([1, false])
    scheduler.runUntilIdle()
    expect(scheduler.outstanding()).toEqual([])
  })

  it('no wake-up is lost between the look and the sleep, under every schedule', () => {
    const { schedules, complete } = exploreAll(
      (scheduler) => {
        const kernel = createKernel({ scheduler }, { checked: true })
        const lock = new Mutex(scheduler, 'lock of the file')
        const probe = new Probe(kernel, function* () {
          yield* lock.lock()
          lock.unlock()
        })
        const one = entry(probe.file, EPOLLIN)
        const task = scheduler.spawn('poll', pollFiles(kernel, [one], Number.POSITIVE_INFINITY))
        const other = new Probe(kernel)
        const both = [entry(other.file, EPOLLIN), entry(probe.file, EPOLLOUT)]
        const second = scheduler.spawn('poll2', pollFiles(kernel, both, Number.POSITIVE_INFINITY))
        scheduler.spawn(
          'ready',
          (function* () {
            yield* lock.lock()
            yield* yieldNow(scheduler)
            probe.set(EPOLLIN)
            lock.unlock()
            other.set(EPOLLIN)
          })(),
        )
        expect(scheduler.runSync('join', joinTask(scheduler, task))).toBe(1)
        expect(scheduler.runSync('join', joinTask(scheduler, second))).toBe(1)
        expectQuiet(scheduler, probe, other)
      },
      { maxSchedules: 3000 },
    )
    expect(complete || schedules === 3000).toBe(true)
  })
})
