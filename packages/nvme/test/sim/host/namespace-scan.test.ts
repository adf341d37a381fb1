// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Namespaces that come, go, grow and change while a host is at work.

import { BlkStatus, type Disk, ReqOp } from '@iolayers/block-core'
import { createDevice, createPhysicalMemory } from '@iolayers/dma-mapping'
import {
  createKernel,
  createPrng,
  createVirtualScheduler,
  joinTask,
  type Op,
  sleep,
  type Task,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createNvmeController, createSimulatedStore } from '../../../src/controller/index.ts'
import { createFaults, type FaultRuleData } from '../../../src/faults/index.ts'
import { createNvmeHost, type NvmeHostInit } from '../../../src/host/index.ts'
import {
  AdminOpcode,
  AsyncErrorInfo,
  AsyncEventType,
  LogId,
  NvmOpcode,
} from '../../../src/spec/index.ts'
import { finish, makeRig, submit, vecIo } from './rig.ts'

const BLOCKS = 64
const PAGES = 4

function makeStack(init: NvmeHostInit & { readonly seed?: number } = {}) {
  const { seed = 1, ...hostInit } = init
  const scheduler = createVirtualScheduler({ seed })
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 8 << 20, backing: 'plain' })
  const device = createDevice(
    { kernel, memory, iommu: null },
    { name: 'nvme0', iommuMode: 'passthrough' },
  )
  const faults = createFaults({ kernel }, { seed })
  const controller = createNvmeController({ kernel, bus: device.bus, faults })
  const makeStore = (blocks: number) =>
    createSimulatedStore({ kernel }, { sizeBytes: blocks * 4096 })
  const host = createNvmeHost(
    {
      kernel,
      device,
      bar: controller.bar,
      interrupts: (sink) => controller.connectInterrupts(sink),
    },
    { queueDepth: 4, ioTimeoutNs: 1e9, adminTimeoutNs: 2e9, ...hostInit },
  )
  const frame = memory.allocContiguous(PAGES)
  const run = <T>(op: Op<T>): T => scheduler.runSync('test', op)
  return {
    scheduler,
    controller,
    faults,
    host,
    run,
    add: (nsid: number, blocks = BLOCKS, logicalBlockBytes: 512 | 4096 = 512) =>
      controller.addNamespace(nsid, { store: makeStore(blocks), logicalBlockBytes }),
    replace: (nsid: number, blocks: number, logicalBlockBytes: 512 | 4096 = 512) =>
      controller.replaceNamespace(nsid, { store: makeStore(blocks), logicalBlockBytes }),
    names: () => host.disks.map(({ name }) => name),
    disk(nsid: number): Disk {
      const disk = host.disks.find(({ name }) => name === `nvme0n${nsid}`)
      if (disk === undefined) throw new Error(`no disk of namespace ${nsid}`)
      return disk
    },
    *io(disk: Disk, op: ReqOp, sector = 0, page = 0): Op<BlkStatus> {
      const addr = (frame + page) * 4096
      const io = vecIo({ scheduler }, [{ addr, length: 4096 }], { op, sector })
      return yield* submit(disk, io)
    },
    /** Nothing is left: no request, no memory, no disk. */
    close(): void {
      run(host.remove())
      controller.destroy()
      scheduler.runUntilIdle()
      memory.freeContiguous(frame, PAGES)
      expect(scheduler.outstanding()).toEqual([])
      device.destroy()
      expect(kernel.reports).toEqual([])
      expect(memory.stats.pagesAllocated).toBe(0)
      expect(host.stats.requests).toBe(host.stats.completions + host.stats.cancelled)
    },
  }
}

type Stack = ReturnType<typeof makeStack>

function probed(init: Parameters<typeof makeStack>[0] = {}): Stack {
  const stack = makeStack(init)
  stack.add(1)
  stack.run(stack.host.probe())
  return stack
}

describe('a host that is told of changes', () => {
  it('makes a disk of a namespace that comes, time and again, and keeps the others', () => {
    const stack = probed()
    const first = stack.disk(1)
    for (const nsid of [7, 3, 5]) {
      stack.add(nsid)
      stack.scheduler.runUntilIdle()
      expect(stack.names()).toContain(`nvme0n${nsid}`)
      expect(stack.run(stack.io(stack.disk(nsid), ReqOp.WRITE))).toBe(BlkStatus.OK)
    }
    expect(stack.names()).toEqual(['nvme0n1', 'nvme0n3', 'nvme0n5', 'nvme0n7'])
    expect(stack.disk(1)).toBe(first)
    expect(stack.host.stats.events).toBe(3)
    stack.close()
  })

  it('destroys the disk of a namespace that goes: new I/O ends with IOERR', () => {
    const stack = probed()
    stack.add(2)
    stack.scheduler.runUntilIdle()
    const gone = stack.disk(2)
    stack.controller.removeNamespace(2)
    stack.scheduler.runUntilIdle()
    expect(stack.names()).toEqual(['nvme0n1'])
    expect(stack.run(stack.io(gone, ReqOp.READ))).toBe(BlkStatus.IOERR)
    expect(stack.run(stack.io(stack.disk(1), ReqOp.READ))).toBe(BlkStatus.OK)
    stack.close()
  })

  it('resizes the disk of a namespace that grows, which stays the same disk', () => {
    const stack = probed()
    const disk = stack.disk(1)
    expect(stack.run(stack.io(disk, ReqOp.READ, BLOCKS * 8))).toBe(BlkStatus.IOERR)
    stack.replace(1, BLOCKS * 2)
    stack.scheduler.runUntilIdle()
    expect(stack.disk(1)).toBe(disk)
    expect(disk.capacitySectors).toBe(BLOCKS * 16)
    expect(stack.run(stack.io(disk, ReqOp.READ, BLOCKS * 8))).toBe(BlkStatus.OK)
    stack.close()
  })

  it('makes another disk of a namespace that has other blocks', () => {
    const stack = probed()
    const before = stack.disk(1)
    stack.replace(1, BLOCKS, 4096)
    stack.scheduler.runUntilIdle()
    expect(stack.disk(1)).not.toBe(before)
    expect(stack.disk(1).limits.logicalBlockSizeBytes).toBe(4096)
    expect(stack.run(stack.io(stack.disk(1), ReqOp.WRITE))).toBe(BlkStatus.OK)
    expect(stack.run(stack.io(before, ReqOp.WRITE))).toBe(BlkStatus.IOERR)
    stack.close()
  })

  it('is told again after a reset, and finds what changed meanwhile', () => {
    const stack = probed()
    const reset = stack.scheduler.spawn('reset', stack.host.reset())
    stack.add(2)
    stack.run(joinTask(stack.scheduler, reset))
    stack.scheduler.runUntilIdle()
    expect(stack.names()).toEqual(['nvme0n1', 'nvme0n2'])
    stack.add(3)
    stack.scheduler.runUntilIdle()
    expect(stack.names()).toEqual(['nvme0n1', 'nvme0n2', 'nvme0n3'])
    stack.close()
  })

  it('resets a controller that tells of a persistent internal error', () => {
    const stack = probed()
    const rule: FaultRuleData = {
      match: { opcode: NvmOpcode.READ, nth: 1 },
      before: {
        event: {
          type: AsyncEventType.ERROR,
          info: AsyncErrorInfo.PERSISTENT_INTERNAL_ERROR,
          log: LogId.ERROR,
        },
      },
    }
    stack.faults.add(rule)
    expect(stack.run(stack.io(stack.disk(1), ReqOp.READ))).toBe(BlkStatus.OK)
    stack.scheduler.runUntilIdle()
    expect(stack.host.stats.resets).toBe(1)
    expect(stack.host.state).toBe('live')
    stack.add(2)
    stack.scheduler.runUntilIdle()
    expect(stack.names()).toEqual(['nvme0n1', 'nvme0n2'])
    stack.close()
  })
})

describe('a host that looks when it is asked', () => {
  it('finds what came, went and grew', () => {
    const stack = probed({ watchNamespaces: false })
    stack.add(2)
    stack.replace(1, BLOCKS * 2)
    stack.scheduler.runUntilIdle()
    expect(stack.names()).toEqual(['nvme0n1'])
    stack.run(stack.host.rescan())
    expect(stack.names()).toEqual(['nvme0n1', 'nvme0n2'])
    expect(stack.disk(1).capacitySectors).toBe(BLOCKS * 16)
    stack.controller.removeNamespace(1)
    stack.run(stack.host.rescan())
    expect(stack.names()).toEqual(['nvme0n2'])
    expect(stack.host.stats.events).toBe(0)
    stack.close()
  })

  it('has to have a live controller', () => {
    const stack = makeStack()
    expect(() => stack.run(stack.host.rescan())).toThrow(/no live controller/)
    stack.run(stack.host.probe())
    stack.run(stack.host.remove())
    expect(() => stack.run(stack.host.rescan())).toThrow(/no live controller/)
    stack.close()
  })

  it('leaves a namespace that is not identified as it is, does the others, and says so', () => {
    const rig = makeRig()
    rig.scheduler.runSync('probe', rig.host.probe())
    const [first] = rig.host.disks
    const namespace = (nsid: number) => ({ init: { nsid, blocks: 8 }, data: new Uint8Array(4096) })
    for (const nsid of [2, 3]) rig.twin.namespaces.set(nsid, namespace(nsid))
    rig.twin.judge = ({ opcode, nsid, qid }) =>
      qid === 0 && opcode === AdminOpcode.IDENTIFY && nsid === 2 ? { status: 0x4006 } : 'run'
    expect(() => rig.scheduler.runSync('rescan', rig.host.rescan())).toThrow(
      /identify namespace 2: SCT 0h SC 06h/,
    )
    expect(rig.host.disks.map(({ name }) => name)).toEqual(['nvme0n1', 'nvme0n3'])
    expect(rig.host.disks[0]).toBe(first)
    rig.twin.judge = () => 'run'
    rig.scheduler.runSync('rescan', rig.host.rescan())
    expect(rig.host.disks.map(({ name }) => name)).toEqual(['nvme0n1', 'nvme0n2', 'nvme0n3'])
    finish(rig)
  })

  it('waits for I/O of a namespace that is gone, which only a reset ends', () => {
    const rig = makeRig({ host: { ioTimeoutNs: 1e9 } })
    rig.scheduler.runSync('probe', rig.host.probe())
    const [disk] = rig.host.disks
    if (disk === undefined) throw new Error('no disk')
    rig.twin.judge = ({ qid }) => (qid === 0 ? 'run' : 'drop')
    const frame = rig.memory.allocContiguous(1)
    const io = vecIo(rig, [{ addr: frame * 4096, length: 512 }], { op: ReqOp.READ })
    const reading = rig.scheduler.spawn('read', submit(disk, io))
    rig.scheduler.runReady()
    rig.twin.namespaces.delete(1)
    rig.scheduler.runSync('rescan', rig.host.rescan())
    expect(rig.host.disks).toEqual([])
    expect(rig.scheduler.runSync('end', joinTask(rig.scheduler, reading))).toBe(BlkStatus.IOERR)
    expect(rig.host.stats).toMatchObject({ resets: 1, cancelled: 1 })
    rig.memory.freeContiguous(frame, 1)
    finish(rig)
  })
})

describe('changes under I/O', () => {
  const ENDS = [BlkStatus.OK, BlkStatus.IOERR, BlkStatus.NOTSUPP, BlkStatus.TARGET]

  /** Reads as long as it may, each time from whatever disk is there for the namespace. */
  function* reader(stack: Stack, nsid: number, ends: number[]): Op<void> {
    for (let round = 0; round < 60; round++) {
      const disk = stack.host.disks.find(({ name }) => name === `nvme0n${nsid}`)
      if (disk === undefined) yield* sleep(stack.scheduler, 50_000)
      else ends.push(yield* stack.io(disk, ReqOp.READ, (round % 8) * 8, nsid))
    }
  }

  function* changer(stack: Stack, seed: number): Op<void> {
    const prng = createPrng(seed)
    const there = new Set([1])
    for (let round = 0; round < 12; round++) {
      const nsid = 1 + prng.below(3)
      if (!there.has(nsid)) {
        stack.add(nsid, BLOCKS, prng.below(2) === 0 ? 512 : 4096)
        there.add(nsid)
      } else if (prng.below(3) === 0) {
        stack.replace(nsid, BLOCKS * (1 + prng.below(2)), prng.below(4) === 0 ? 4096 : 512)
      } else {
        stack.controller.removeNamespace(nsid)
        there.delete(nsid)
      }
      yield* sleep(stack.scheduler, prng.below(400_000))
      if (prng.below(6) === 0) yield* stack.host.reset()
    }
    yield* stack.host.rescan()
    const expected = [...there].toSorted((a, b) => a - b).map((nsid) => `nvme0n${nsid}`)
    expect(stack.names()).toEqual(expected)
  }

  it.each(Array.from({ length: 40 }, (_, i) => i + 1))(
    'seed %i: every request ends, and the disks are the namespaces',
    (seed) => {
      const stack = probed({ seed })
      const ends: number[] = []
      const tasks: Task<void>[] = [1, 2, 3].map((nsid) =>
        stack.scheduler.spawn(`reader ${nsid}`, reader(stack, nsid, ends)),
      )
      tasks.push(stack.scheduler.spawn('changer', changer(stack, seed)))
      for (const task of tasks) stack.run(joinTask(stack.scheduler, task))
      stack.scheduler.runUntilIdle()
      expect(new Set(ends)).toContain(BlkStatus.OK)
      for (const end of ends) {
        expect(ENDS).toContain(end)
      }
      stack.close()
    },
  )

  it.each(Array.from({ length: 30 }, (_, i) => i + 1))(
    'seed %i: removed or shut down in the midst of a scan, it ends',
    (seed) => {
      const stack = probed({ seed })
      const prng = createPrng(seed)
      for (let nsid = 2; nsid < 8; nsid++) stack.add(nsid)
      const scan = stack.scheduler.spawn(
        'rescan',
        (function* (): Op<void> {
          try {
            yield* stack.host.rescan()
          } catch (error) {
            expect(error).toMatchObject({ code: expect.stringMatching(/ENODEV|EIO|EAGAIN/) })
          }
        })(),
      )
      stack.run(sleep(stack.scheduler, prng.below(60_000)))
      stack.run(seed % 2 === 0 ? stack.host.remove() : stack.host.shutdown())
      stack.run(joinTask(stack.scheduler, scan))
      stack.close()
    },
  )
})
