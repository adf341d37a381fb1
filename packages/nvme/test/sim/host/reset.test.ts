// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, ReqOp } from '@iolayers/block-core'
import { createWorkQueue, joinTask, type Op, sleep, WaitQueue, WorkItem } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { TwinCommand } from './controller-twin.ts'
import {
  contiguousMap,
  dmabufIo,
  finish,
  makeRig,
  probed,
  type RigInit,
  runIo,
  type TestIo,
  type TestMap,
} from './rig.ts'

type ProbedRig = ReturnType<typeof probed>

const isIo = ({ qid }: TwinCommand): boolean => qid !== 0

function hold(rig: ProbedRig): void {
  rig.twin.judge = (command) => (isIo(command) ? 'hold' : 'run')
}

function start(rig: ProbedRig, map: TestMap, count: number): TestIo[] {
  const ios = Array.from({ length: count }, (_, i) =>
    dmabufIo(rig, map, i * 512, 512, { op: ReqOp.READ, sector: i }),
  )
  for (const io of ios) expect(rig.disk.submitBio(io.bio, null)).toBe(BlkStatus.OK)
  rig.scheduler.runUntilIdle()
  return ios
}

function read(rig: ProbedRig, map: TestMap): BlkStatus {
  return runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))
}

describe('nvme host: reset', () => {
  it('R-MQ-7: what the controller has is taken back once, and sent again', () => {
    const rig = probed({ host: { ioQueues: 2 } })
    const map = contiguousMap(rig, 1)
    hold(rig)
    const ios = start(rig, map, 5)
    expect(map.active).toBe(5)
    rig.twin.onDisable = () => expect(map.active).toBe(5)
    rig.twin.judge = () => 'run'
    rig.scheduler.runSync('reset', rig.host.reset())
    rig.scheduler.runUntilIdle()
    for (const io of ios) expect([io.ends, io.bio.biStatus]).toEqual([1, BlkStatus.OK])
    expect(map.activations).toBe(10)
    expect(map.active).toBe(0)
    expect(rig.host.stats).toMatchObject({ resets: 1, cancelled: 5, retries: 5 })
    expect(rig.host.state).toBe('live')
    expect(rig.device.bus.enabled).toBe(true)
    map.destroy()
    finish(rig)
  })

  it('H15: a controller that does not stop loses the bus before anything is taken back', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    hold(rig)
    const [io] = start(rig, map, 1)
    rig.twin.stuck = 'never-disabled'
    const late = rig.twin.held[0]
    map.onPut = () => {
      expect(rig.device.bus.enabled).toBe(false)
      expect(io?.ends).toBe(0)
      late?.run()
    }
    expect(() => rig.scheduler.runSync('reset', rig.host.reset())).toThrow(/not done within/)
    rig.scheduler.runUntilIdle()
    // What the controller tried then was refused by the bus.
    expect(rig.twin.faults).toBe(1)
    rig.twin.faults = 0
    expect([io?.ends, io?.bio.biStatus]).toEqual([1, BlkStatus.IOERR])
    // It did not get the bus back.
    expect(rig.host.state).toBe('dead')
    expect(rig.device.bus.enabled).toBe(false)
    rig.twin.held.length = 0
    map.destroy()
    finish(rig)
  })

  it('what was completed in time ends as it was completed', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    hold(rig)
    const [io] = start(rig, map, 1)
    rig.twin.mute = true
    rig.twin.release()
    rig.twin.judge = () => 'run'
    rig.twin.onDisable = () => {
      rig.twin.mute = false
    }
    rig.scheduler.runSync('reset', rig.host.reset())
    expect([io?.ends, io?.bio.biStatus]).toEqual([1, BlkStatus.OK])
    expect(rig.host.stats).toMatchObject({ cancelled: 0, retries: 0 })
    expect(map.activations).toBe(1)
    map.destroy()
    finish(rig)
  })

  it('a generation that died meanwhile is not used again: the request ends with STALE (R-MQ-8, R3)', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    hold(rig)
    const [io] = start(rig, map, 1)
    map.dead = true
    rig.twin.judge = () => 'run'
    rig.scheduler.runSync('reset', rig.host.reset())
    rig.scheduler.runUntilIdle()
    expect([io?.ends, io?.bio.biStatus]).toEqual([1, BlkStatus.STALE])
    expect(map.activations).toBe(1)
    expect(map.active).toBe(0)
    map.destroy()
    finish(rig)
  })

  it('I/O that comes meanwhile waits', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    const resetting = rig.scheduler.spawn('reset', rig.host.reset())
    const both = function* (): Op<void> {
      while (rig.host.state === 'live') yield* sleep(rig.scheduler, 1000)
      const io = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
      yield* rig.disk.submitBioWait(io.bio, null)
      expect(rig.host.state).not.toBe('live')
      expect(yield* io.wait()).toBe(BlkStatus.OK)
      yield* joinTask(rig.scheduler, resetting)
    }
    rig.twin.stuck = 'never-ready'
    rig.twin.onDisable = () => {}
    const unstick = function* (): Op<void> {
      yield* sleep(rig.scheduler, 5e6)
      rig.twin.stuck = 'no'
    }
    rig.scheduler.spawn('unstick', unstick())
    rig.scheduler.runSync('both', both())
    map.destroy()
    finish(rig)
  })

  it('one at a time, and of a live controller', () => {
    const rig = makeRig()
    expect(() => rig.scheduler.runSync('reset', rig.host.reset())).toThrow(/EBUSY|is new/)
    rig.scheduler.runSync('probe', rig.host.probe())
    const first = rig.scheduler.spawn('first', rig.host.reset())
    const second = function* (): Op<void> {
      while (rig.host.state === 'live') yield* sleep(rig.scheduler, 10)
      yield* rig.host.reset()
    }
    rig.twin.stuck = 'never-ready'
    rig.twin.onDisable = () => {}
    expect(() => rig.scheduler.runSync('second', second())).toThrow(/the controller is/)
    rig.twin.stuck = 'no'
    const join = function* (): Op<void> {
      yield* joinTask(rig.scheduler, first)
    }
    rig.scheduler.runSync('join', join())
    expect(rig.host.stats.resets).toBe(1)
    rig.scheduler.runSync('again', rig.host.reset())
    expect(rig.host.stats.resets).toBe(2)
    finish(rig)
  })

  it.each([
    ['never-ready', /not done within/],
    ['fatal', /fatal status/],
    ['gone', /no controller answers/],
  ] as const)(
    'D3 F13: one that does not come back (%s) is dead, and all I/O ends',
    (stuck, reason) => {
      const rig = probed()
      const map = contiguousMap(rig, 1)
      hold(rig)
      const ios = start(rig, map, 3)
      const waiting: TestIo[] = []
      rig.twin.stuck = stuck
      const submitter = function* (): Op<void> {
        while (rig.host.state === 'live') yield* sleep(rig.scheduler, 10)
        const io = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
        waiting.push(io)
        yield* rig.disk.submitBioWait(io.bio, null)
      }
      rig.scheduler.spawn('submitter', submitter())
      expect(() => rig.scheduler.runSync('reset', rig.host.reset())).toThrow(reason)
      rig.scheduler.runUntilIdle()
      expect(rig.host.state).toBe('dead')
      for (const io of [...ios, ...waiting]) {
        expect([io.ends, io.bio.biStatus]).toEqual([1, BlkStatus.IOERR])
      }
      expect(map.active).toBe(0)
      expect(rig.device.bus.enabled).toBe(false)
      const late = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ })
      expect(rig.disk.submitBio(late.bio, null)).toBe(BlkStatus.IOERR)
      expect(() => rig.scheduler.runSync('reset', rig.host.reset())).toThrow(/is dead/)
      map.destroy()
      finish(rig)
    },
  )

  it('fewer I/O queues than before: it is dead', () => {
    const init: RigInit = { host: { ioQueues: 2 }, twin: { queuesGranted: 2 } }
    const rig = probed(init)
    Object.defineProperty(init.twin, 'queuesGranted', { value: 1 })
    expect(() => rig.scheduler.runSync('reset', rig.host.reset())).toThrow(/1 I\/O queues granted/)
    expect(rig.host.state).toBe('dead')
    finish(rig)
  })

  it('an admin command that is not answered in time ends the reset', () => {
    const rig = probed({ host: { adminTimeoutNs: 1e9 } })
    rig.twin.judge = () => 'drop'
    expect(() => rig.scheduler.runSync('reset', rig.host.reset())).toThrow(/no completion within/)
    expect(rig.host.state).toBe('dead')
    finish(rig)
  })

  it('F13: takes no memory, and gets a worker when all are blocked', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    hold(rig)
    const [io] = start(rig, map, 1)
    const { scheduler, workers } = rig.kernel
    const reclaim = createWorkQueue({ scheduler, workers }, { name: 'reclaim', maxActive: 100 })
    const forever = new WaitQueue(scheduler, 'the end of the I/O')
    const items = Array.from(
      { length: workers.workersMax * 2 },
      (_, i) => new WorkItem(`stuck ${i}`, () => forever.waitEvent(() => io?.ends === 1)),
    )
    for (const item of items) reclaim.queue(item)
    const tell = function* (): Op<void> {
      yield* io?.wait() ?? sleep(scheduler, 0)
      forever.wakeUpAll()
    }
    scheduler.spawn('tell', tell())
    const before = { ...rig.device.dma.stats }
    const pages = rig.memory.stats.pagesAllocated
    rig.twin.judge = () => 'run'
    rig.scheduler.runSync('reset', rig.host.reset())
    rig.scheduler.runUntilIdle()
    expect(io?.ends).toBe(1)
    expect(rig.device.dma.stats.coherentAllocs).toBe(before.coherentAllocs)
    expect(rig.memory.stats.pagesAllocated).toBe(pages)
    rig.scheduler.runSync('reclaim', reclaim.destroy())
    map.destroy()
    finish(rig)
  })

  it('notices what became of the namespaces', () => {
    const nsids = [1, 2, 3, 4, 5]
    const namespaces = nsids.map((nsid) => ({ nsid, blocks: 64 }))
    const rig = probed({ twin: { namespaces } })
    const change = (nsid: number, init: object): void => {
      const ns = rig.twin.namespaces.get(nsid)
      if (ns === undefined) throw new Error('no namespace')
      rig.twin.namespaces.set(nsid, { ...ns, init: { ...ns.init, ...init } })
    }
    rig.twin.namespaces.delete(2)
    change(3, { blocks: 32 })
    change(4, { lbaShift: 12 })
    change(5, { writeProtected: true })
    const { disks } = rig.host
    rig.scheduler.runSync('reset', rig.host.reset())
    const map = contiguousMap(rig, 1)
    const statusOf = (nsid: number): BlkStatus => {
      const disk = disks[nsid - 1]
      if (disk === undefined) throw new Error('no disk')
      return runIo(rig, disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))
    }
    expect(nsids.map(statusOf)).toEqual([
      BlkStatus.OK,
      BlkStatus.IOERR,
      BlkStatus.OK,
      BlkStatus.IOERR,
      BlkStatus.OK,
    ])
    // Those that are lost go, and what took the place of one comes.
    rig.scheduler.runUntilIdle()
    const now = rig.host.disks
    expect(now.map(({ name }) => name)).toEqual(['nvme0n1', 'nvme0n3', 'nvme0n4', 'nvme0n5'])
    expect(now.map((disk) => disks.indexOf(disk))).toEqual([0, 2, -1, 4])
    expect(now.map((disk) => disk.capacitySectors)).toEqual([64, 32, 512, 64])
    expect(now.map((disk) => disk.readOnly)).toEqual([false, false, false, true])
    map.destroy()
    finish(rig)
  })

  it('shutdown waits for a reset, and then is orderly', () => {
    const rig = probed()
    const map = contiguousMap(rig, 1)
    expect(read(rig, map)).toBe(BlkStatus.OK)
    map.destroy()
    const resetting = rig.scheduler.spawn('reset', rig.host.reset())
    const down = function* (): Op<void> {
      while (rig.host.state === 'live') yield* sleep(rig.scheduler, 10)
      yield* rig.host.shutdown()
      yield* joinTask(rig.scheduler, resetting)
    }
    rig.twin.stuck = 'never-ready'
    const unstick = function* (): Op<void> {
      yield* sleep(rig.scheduler, 3e6)
      rig.twin.stuck = 'no'
    }
    rig.scheduler.spawn('unstick', unstick())
    rig.scheduler.runSync('down', down())
    expect(rig.twin.ioQueues).toBe(0)
    expect(rig.twin.enables).toBe(2)
    finish(rig)
  })
})
