// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, Plug, ReqFlags, ReqOp } from '@iolayers/block-core'
import type { Op, TraceEvent } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { contiguousMap, dmabufIo, finish, probed, runIo, TestIo, vecIo } from './rig.ts'

const isIo = ({ qid }: { qid: number }): boolean => qid !== 0

describe('nvme host: completions', () => {
  it('ignores command identifiers that are not in flight, and counts them', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))).toBe(0)
    const done = rig.twin.commands.at(-1)?.cid ?? 0
    rig.twin.forge(1, done)
    rig.twin.forge(1, 0xffff)
    rig.twin.forge(1, 31)
    rig.twin.forge(0, 5)
    rig.scheduler.runUntilIdle()
    expect(rig.host.stats.unknownCompletions).toBe(4)
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))).toBe(0)
    map.destroy()
    finish(rig)
  })

  it('a completion of an earlier use of the tag is not taken for the present one', () => {
    const rig = probed({ host: { queueDepth: 1 } })
    const map = contiguousMap(rig, 1)
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))).toBe(0)
    const earlier = rig.twin.commands.at(-1)?.cid ?? 0
    rig.twin.judge = (command) => (isIo(command) ? 'hold' : 'run')
    const io = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
    rig.disk.submitBio(io.bio, null)
    rig.scheduler.runUntilIdle()
    rig.twin.forge(1, earlier)
    rig.scheduler.runUntilIdle()
    expect(io.ends).toBe(0)
    expect(map.active).toBe(1)
    rig.twin.release()
    rig.scheduler.runUntilIdle()
    expect(io.ends).toBe(1)
    map.destroy()
    finish(rig)
  })

  it('completions in any order end their own requests', () => {
    const rig = probed()
    const map = contiguousMap(rig, 8)
    rig.twin.judge = (command) => (isIo(command) ? 'hold' : 'run')
    const ios = Array.from({ length: 8 }, (_, i) =>
      dmabufIo(rig, map, i * 4096, 4096, { op: ReqOp.READ, sector: i * 8 }),
    )
    for (const io of ios) rig.disk.submitBio(io.bio, null)
    rig.scheduler.runUntilIdle()
    for (const [left, index] of [5, 0, 4, 2, 1, 2, 1, 0].entries()) {
      rig.twin.release(index)
      rig.scheduler.runUntilIdle()
      expect(map.active).toBe(7 - left)
    }
    for (const io of ios) expect(io.ends).toBe(1)
    map.destroy()
    finish(rig)
  })

  it('R-MQ-7 a status without DNR is tried again up to the bound, and active is dropped each time', () => {
    const rig = probed({ host: { maxRetries: 3 } })
    const map = contiguousMap(rig, 1)
    let seen = 0
    rig.twin.judge = (command) => {
      if (!isIo(command)) return 'run'
      seen++
      return seen <= 2 ? { status: 0x006 } : 'run'
    }
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))).toBe(BlkStatus.OK)
    expect(seen).toBe(3)
    expect(map.activations).toBe(3)
    rig.twin.judge = (command) => (isIo(command) ? { status: 0x281 } : 'run')
    const io = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
    expect(runIo(rig, rig.disk, io)).toBe(BlkStatus.MEDIUM)
    expect(map.activations).toBe(7)
    expect(rig.host.stats.retries).toBe(5)
    expect(rig.host.stats.errors).toBe(6)
    map.destroy()
    finish(rig)
  })

  it('a status with DNR ends the request at once', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    rig.twin.judge = (command) => (isIo(command) ? { status: 0x4080 } : 'run')
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))).toBe(
      BlkStatus.TARGET,
    )
    expect(map.activations).toBe(1)
    map.destroy()
    finish(rig)
  })

  it('R-MQ-8 a generation that dies before the second try ends the request with STALE', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    rig.twin.judge = (command) => {
      if (!isIo(command)) return 'run'
      map.dead = true
      return { status: 0x006 }
    }
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))).toBe(
      BlkStatus.STALE,
    )
    expect(map.activations).toBe(1)
    map.destroy()
    finish(rig)
  })

  it('an operation that has no command is NOTSUPP', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    Object.defineProperty(rig.disk.limits, 'maxSecureEraseSectors', { value: 8 })
    const io = new TestIo(rig, { op: ReqOp.SECURE_ERASE })
    io.bio.biIter.biSize = 4096
    expect(runIo(rig, rig.disk, io)).toBe(BlkStatus.NOTSUPP)
    map.destroy()
    finish(rig)
  })

  it('polling finds completions without an interrupt', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    const { sink } = rig.twin
    rig.twin.sink = null
    const io = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
    rig.disk.submitBio(io.bio, null)
    expect(rig.disk.queue.poll()).toBe(0)
    rig.scheduler.runUntilIdle()
    expect(io.ends).toBe(0)
    expect(rig.disk.queue.poll()).toBe(1)
    expect(io.ends).toBe(1)
    rig.twin.sink = sink
    map.destroy()
    finish(rig)
  })

  describe('with queues that are polled', () => {
    /** Into the page of its CPU. */
    const io = (rig: Rig, frame: number, flags: number, cpu = 0): { ends: number } => {
      const plug = new Plug({ cpu })
      const run = { addr: (frame + cpu) * 4096, length: 512 }
      const one = vecIo(rig, [run], { op: ReqOp.READ, flags: flags | ReqFlags.NOMERGE })
      rig.scheduler.runSync('submit', rig.disk.submitBioWait(one.bio, plug))
      plug.finish()
      rig.scheduler.runReady()
      return one
    }
    type Rig = ReturnType<typeof probed>

    it('a polled request raises no interrupt, and ends when it is polled for', () => {
      const rig = probed({ host: { ioQueues: 2, pollQueues: 1 }, twin: { sgls: 1 } })
      const frame = rig.memory.allocContiguous(2)
      const polled = io(rig, frame, ReqFlags.POLLED)
      const { interrupts } = rig.host.stats
      expect(polled.ends).toBe(0)
      expect(rig.disk.queue.poll()).toBe(1)
      expect(polled.ends).toBe(1)
      expect(rig.host.stats.interrupts).toBe(interrupts)
      const others = [0, 1].map((cpu) => io(rig, frame, 0, cpu))
      expect(others.map(({ ends }) => ends)).toEqual([1, 1])
      const reads = rig.twin.commands.filter(({ qid, opcode }) => qid > 0 && opcode === 2)
      expect(reads.map(({ qid }) => qid)).toEqual([3, 1, 2])
      rig.memory.freeContiguous(frame, 2)
      finish(rig)
    })

    it('one queue with interrupts is always there; without a polled one nothing is polled', () => {
      for (const [queuesGranted, made] of [
        [1, 1],
        [2, 2],
        [64, 5],
      ] as const) {
        const rig = probed({ host: { ioQueues: 2, pollQueues: 3 }, twin: { queuesGranted } })
        const created = rig.twin.commands.filter(({ opcode, qid }) => qid === 0 && opcode === 5)
        // Bit 1 of dword 11: interrupts.
        const withInterrupts = created.filter(({ sqe }) => (sqe.getUint32(44, true) & 2) !== 0)
        expect(created.length).toBe(made)
        expect(withInterrupts.length).toBe(made === 5 ? 2 : 1)
        const frame = rig.memory.allocContiguous(2)
        const request = io(rig, frame, ReqFlags.POLLED)
        expect(request.ends).toBe(made === 1 ? 1 : 0)
        rig.disk.queue.poll()
        expect(request.ends).toBe(1)
        rig.memory.freeContiguous(frame, 2)
        finish(rig)
      }
    })

    it('a reset takes back what nobody polled for, and it is sent again', () => {
      const rig = probed({ host: { pollQueues: 1 } })
      const frame = rig.memory.allocContiguous(2)
      rig.twin.judge = ({ qid }) => (qid > 0 ? 'drop' : 'run')
      const request = io(rig, frame, ReqFlags.POLLED)
      rig.twin.judge = () => 'run'
      rig.scheduler.runSync('reset', rig.host.reset())
      rig.scheduler.runReady()
      expect(request.ends).toBe(0)
      expect(rig.disk.queue.poll()).toBe(1)
      expect(request.ends).toBe(1)
      rig.memory.freeContiguous(frame, 2)
      finish(rig)
    })
  })

  it('works through its rings many times over', () => {
    const rig = probed({ host: { queueDepth: 3 } })
    const map = contiguousMap(rig, 1)
    const many = function* (): Op<void> {
      for (let i = 0; i < 50; i++) {
        const ios = [0, 1, 2].map((n) => dmabufIo(rig, map, n * 512, 512, { op: ReqOp.READ }))
        for (const io of ios) yield* rig.disk.submitBioWait(io.bio, null)
        for (const io of ios) expect(yield* io.wait()).toBe(BlkStatus.OK)
      }
    }
    rig.scheduler.runSync('many', many())
    expect(rig.host.stats.completions).toBe(150)
    map.destroy()
    finish(rig)
  })

  it('tells the tracepoints of the kernel', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    const events: TraceEvent[] = []
    const stop = rig.kernel.tracer.subscribe(
      (name) => name.startsWith('nvme_'),
      (event) => events.push(event),
    )
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 512, 1024, { op: ReqOp.READ, sector: 3 }))).toBe(
      BlkStatus.OK,
    )
    stop()
    expect(events.map(({ point, values }) => [point, ...values])).toEqual([
      [
        'nvme_setup_cmd',
        'nvme0n1',
        0,
        1,
        0x1000,
        1,
        0x40,
        'nvme_cmd_read',
        'slba=3, len=1, ctrl=0x0, dsmgmt=0',
      ],
      [
        'nvme_data_pointer',
        0x1000,
        expect.stringMatching(/^data block 0x[0-9a-f]+\+1024$/),
        '',
        '',
      ],
      ['nvme_sq', 'nvme0n1', 0, 1, 1, 1],
      ['nvme_complete_rq', 'nvme0n1', 0, 1, 0x1000, 0, 0, 0, 0],
    ])
    map.destroy()
    finish(rig)
  })
})
