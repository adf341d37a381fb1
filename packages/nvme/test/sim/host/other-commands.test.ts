// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What a host sends besides reads, writes and flushes: discards, zeros, commands of somebody's own, signs of life.

import {
  Bio,
  BlkdevZero,
  BlkStatus,
  blkdevIssueDiscard,
  blkdevIssueZeroout,
  type Disk,
  Plug,
  ReqFlags,
  ReqOp,
} from '@iolayers/block-core'
import { createDevice, createPhysicalMemory } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler, joinTask, type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createMemoryStore,
  createNvmeController,
  type NvmeControllerInit,
} from '../../../src/controller/index.ts'
import { createFaults } from '../../../src/faults/index.ts'
import { createNvmeHost, type NvmeHostInit } from '../../../src/host/index.ts'
import { AdminOpcode, NvmOpcode } from '../../../src/spec/index.ts'
import type { TwinCommand } from './controller-twin.ts'
import { finish, pattern, probed, type Rig, type RigInit, submit, TestIo, vecIo } from './rig.ts'

const DSM = 1 << 2
const WZ = 1 << 3
const SIZE_BYTES = 1 << 20

function makeStack(
  init: { readonly controller?: NvmeControllerInit; readonly host?: NvmeHostInit } = {},
) {
  const scheduler = createVirtualScheduler({ seed: 1 })
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 16 << 20, backing: 'plain' })
  const device = createDevice(
    { kernel, memory, iommu: null },
    { name: 'nvme0', iommuMode: 'passthrough' },
  )
  const faults = createFaults({ kernel })
  const controller = createNvmeController(
    { kernel, bus: device.bus, faults },
    { mdtsBytes: 131_072, ...init.controller },
  )
  const store = createMemoryStore({ kernel, memory }, { sizeBytes: SIZE_BYTES })
  controller.addNamespace(1, { store })
  const host = createNvmeHost(
    {
      kernel,
      device,
      bar: controller.bar,
      interrupts: (sink) => controller.connectInterrupts(sink),
    },
    { queueDepth: 8, ...init.host },
  )
  const run = <T>(op: Op<T>): T => scheduler.runSync('test', op)
  run(host.probe())
  const [disk] = host.disks
  if (disk === undefined) throw new Error('no disk')
  const medium = (): Uint8Array => store.segments[0]?.subarray(0, SIZE_BYTES) ?? new Uint8Array()
  medium().fill(0x5a)
  return {
    scheduler,
    kernel,
    memory,
    faults,
    controller,
    host,
    disk,
    run,
    medium,
    close(): void {
      run(host.shutdown())
      controller.destroy()
      run(store.close())
      scheduler.runUntilIdle()
      expect(scheduler.outstanding()).toEqual([])
      device.destroy()
      expect(kernel.reports).toEqual([])
      expect(memory.stats.pagesAllocated).toBe(0)
    },
  }
}

/** Which sectors of the medium are zeros. */
function zeroed(medium: Uint8Array): number[] {
  const found: number[] = []
  for (let at = 0; at < medium.length; at += 512) {
    if (medium.subarray(at, at + 512).every((byte) => byte === 0)) found.push(at / 512)
  }
  return found
}

function span(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i)
}

/** Bios without data, in one plug. */
function* submitAll(rig: Rig, disk: Disk, op: ReqOp, ranges: readonly (readonly number[])[]) {
  const plug = new Plug()
  const ios = ranges.map(([sector = 0, sectors = 0]) => {
    const io = new TestIo(rig, { op, sector })
    io.bio.biIter.biSize = sectors * 512
    return io
  })
  for (const io of ios) yield* disk.submitBioWait(io.bio, plug)
  plug.finish()
  const ends: BlkStatus[] = []
  for (const io of ios) ends.push(yield* io.wait())
  return ends
}

/** The ranges that a Dataset Management command names, read where it says; the IOMMU is off. */
function rangesOf(rig: Rig, { sqe }: TwinCommand): [number, number][] {
  const count = sqe.getUint8(40) + 1
  const bytes = new Uint8Array(count * 16)
  rig.memory.read(sqe.getUint32(24, true), bytes)
  const view = new DataView(bytes.buffer)
  return Array.from({ length: count }, (_, i) => [
    view.getUint32(i * 16 + 8, true),
    view.getUint32(i * 16 + 4, true),
  ])
}

function twinWith(twin: RigInit['twin'], host: NvmeHostInit = {}) {
  const rig = probed({ iommuMode: 'passthrough', twin: { vwc: 0, ...twin }, host })
  const seen: { command: TwinCommand; ranges: [number, number][] }[] = []
  rig.twin.judge = (command) => {
    if (command.qid === 0) return 'run'
    const ranges = command.opcode === NvmOpcode.DATASET_MANAGEMENT ? rangesOf(rig, command) : []
    seen.push({ command, ranges })
    return { status: 0 }
  }
  return { rig, seen }
}

describe('discard', () => {
  it('is offered where the controller has Dataset Management, within its bounds', () => {
    const limitsOf = (twin: RigInit['twin']) => {
      const { rig } = twinWith(twin)
      const { maxDiscardSectors, maxDiscardSegments, discardGranularityBytes } = rig.disk.limits
      finish(rig)
      return [maxDiscardSectors, maxDiscardSegments, discardGranularityBytes]
    }
    expect(limitsOf({})).toEqual([0, 1, 0])
    expect(limitsOf({ oncs: DSM })).toEqual([0xffff_ffff, 256, 512])
    expect(limitsOf({ oncs: DSM, nvm: { dmrl: 4, dmrsl: 100 } })).toEqual([100, 4, 512])
    expect(limitsOf({ oncs: DSM, nvm: { dmrsl: 100, dmsl: 60 } })).toEqual([60, 256, 512])
    const namespaces = [{ nsid: 1, blocks: 64, lbaShift: 12 }]
    expect(limitsOf({ oncs: DSM, nvm: { dmrsl: 100 }, namespaces })).toEqual([800, 256, 4096])
  })

  it.each([
    [1, 'small'],
    [16, 'small'],
    [17, 'page'],
    [256, 'page'],
  ] as const)('%i ranges go in one command, in a %s block', (count, pool) => {
    const { rig, seen } = twinWith({ oncs: DSM })
    const ranges = Array.from({ length: count }, (_, i) => [i * 4, 1 + (i % 3)] as const)
    const ends = rig.scheduler.runSync('d', submitAll(rig, rig.disk, ReqOp.DISCARD, ranges))
    expect(ends).toEqual(ranges.map(() => BlkStatus.OK))
    expect(seen.map(({ command }) => command.opcode)).toEqual([NvmOpcode.DATASET_MANAGEMENT])
    expect(seen[0]?.ranges).toEqual(ranges)
    expect(seen[0]?.command.sqe.getUint32(44, true)).toBe(4)
    const blockBytes = pool === 'small' ? 256 : 4096
    expect((seen[0]?.command.sqe.getUint32(24, true) ?? 1) % blockBytes).toBe(0)
    finish(rig)
  })

  it('more ranges than the controller takes are more commands', () => {
    const { rig, seen } = twinWith({ oncs: DSM, nvm: { dmrl: 3 } })
    const ranges = Array.from({ length: 7 }, (_, i) => [i * 4, 2] as const)
    rig.scheduler.runSync('d', submitAll(rig, rig.disk, ReqOp.DISCARD, ranges))
    expect(seen.map((command) => command.ranges.length)).toEqual([3, 3, 1])
    expect(seen.flatMap((command) => command.ranges)).toEqual(ranges)
    finish(rig)
  })

  it('counts in logical blocks', () => {
    const namespaces = [{ nsid: 1, blocks: 64, lbaShift: 12 }]
    const { rig, seen } = twinWith({ oncs: DSM, namespaces })
    const { kernel } = rig
    rig.scheduler.runSync('d', blkdevIssueDiscard({ kernel, disk: rig.disk }, 16, 24))
    expect(seen[0]?.ranges).toEqual([[2, 3]])
    finish(rig)
  })

  it('waits where no descriptor block is free', () => {
    const { rig, seen } = twinWith({ oncs: DSM }, { smallDescriptors: 1 })
    const { judge } = rig.twin
    rig.twin.judge = (command) => {
      const verdict = judge(command)
      return command.qid === 0 ? verdict : 'hold'
    }
    const plain = { kernel: rig.kernel, disk: rig.disk }
    const both = [0, 100].map((sector) =>
      rig.scheduler.spawn('discard', blkdevIssueDiscard(plain, sector, 1)),
    )
    rig.scheduler.runReady()
    expect(seen.length).toBe(1)
    rig.twin.judge = judge
    // What was held runs: a completion frees the block, and the other goes.
    const [held] = rig.twin.held.splice(0)
    if (held === undefined) throw new Error('nothing is held')
    rig.twin.forge(1, held.command.cid)
    for (const task of both) rig.scheduler.runSync('end', joinTask(rig.scheduler, task))
    expect(seen.length).toBe(2)
    expect(rig.host.stats.resourceRefusals).toBeGreaterThan(0)
    finish(rig)
  })

  it('gives blocks back that read as zeros then', () => {
    const stack = makeStack()
    const { kernel, disk } = stack
    stack.run(blkdevIssueDiscard({ kernel, disk }, 8, 16))
    expect(zeroed(stack.medium())).toEqual(span(8, 16))
    stack.close()
  })
})

describe('write zeroes', () => {
  it('is offered where the controller has it, within its bounds', () => {
    const limitsOf = (twin: RigInit['twin']) => {
      const { rig } = twinWith(twin)
      const { maxWriteZeroesSectors, maxHwWzeroesUnmapSectors } = rig.disk.limits
      finish(rig)
      return [maxWriteZeroesSectors, maxHwWzeroesUnmapSectors]
    }
    expect(limitsOf({})).toEqual([0, 0])
    expect(limitsOf({ oncs: WZ })).toEqual([16_384, 0])
    expect(limitsOf({ oncs: WZ, mdts: 5, dlfeat: 9 })).toEqual([256, 256])
    expect(limitsOf({ oncs: WZ, mdts: 5, dlfeat: 1 })).toEqual([256, 0])
    expect(limitsOf({ oncs: WZ, mdts: 5, nvm: { wzsl: 7 } })).toEqual([1024, 0])
    expect(limitsOf({ oncs: WZ, nvm: { wzsl: 31 } })).toEqual([65_536, 0])
  })

  it('may deallocate, unless it was told not to, where what is deallocated reads as zeros', () => {
    const controlOf = (dlfeat: number, flags: number): number => {
      const { rig, seen } = twinWith({ oncs: WZ, dlfeat })
      const { kernel, disk } = rig
      rig.scheduler.runSync('z', blkdevIssueZeroout({ kernel, disk }, 8, 24, flags))
      const [first] = seen
      if (first === undefined) throw new Error('no command')
      const { sqe, opcode, flags: entryFlags } = first.command
      expect([opcode, entryFlags, sqe.getUint32(24, true)]).toEqual([NvmOpcode.WRITE_ZEROES, 0, 0])
      expect([sqe.getUint32(40, true), sqe.getUint16(48, true)]).toEqual([8, 23])
      finish(rig)
      return sqe.getUint16(50, true)
    }
    expect(controlOf(9, 0)).toBe(0x200)
    expect(controlOf(9, BlkdevZero.NOUNMAP)).toBe(0)
    expect(controlOf(1, 0)).toBe(0)
  })

  it('zeroes what it names and nothing else, in as many commands as it takes', () => {
    const stack = makeStack()
    const { kernel, disk } = stack
    expect(disk.limits.maxWriteZeroesSectors).toBe(256)
    stack.run(blkdevIssueZeroout({ kernel, disk }, 3, 700))
    expect(zeroed(stack.medium())).toEqual(span(3, 700))
    expect(stack.host.stats.requests).toBe(3)
    stack.close()
  })
})

describe('a status with a retry delay', () => {
  const READ_SECTOR = 8

  function* readOnce(stack: ReturnType<typeof makeStack>): Op<BlkStatus> {
    const frame = stack.memory.allocPages(0)
    const run = [{ addr: frame * 4096, length: 4096 }]
    const end = yield* submit(
      stack.disk,
      vecIo(stack, run, { op: ReqOp.READ, sector: READ_SECTOR }),
    )
    stack.memory.freePages(frame, 0)
    return end
  }

  it.each([
    [[3, 5, 7], 1, 300e6],
    [[3, 5, 7], 3, 700e6],
    [[3, 5, 7], 0, 0],
    [undefined, 2, 0],
  ] as const)(
    'delays %j, and the status says %i: tried again after %i ns',
    (retryDelays, crd, ns) => {
      const stack = makeStack({
        controller: retryDelays === undefined ? {} : { retryDelays: [...retryDelays] },
      })
      stack.faults.add({
        match: { opcode: NvmOpcode.READ, nth: 1 },
        before: { status: { sct: 0, sc: 0x21, crd } },
      })
      const before = stack.scheduler.nowNs()
      expect(stack.run(readOnce(stack))).toBe(BlkStatus.OK)
      const took = stack.scheduler.nowNs() - before
      expect(took).toBeGreaterThanOrEqual(ns)
      expect(took).toBeLessThan(ns + 50e6)
      expect(stack.host.stats.retries).toBe(1)
      stack.close()
    },
  )

  it('is not waited for on a disk that goes away', () => {
    const stack = makeStack({ controller: { retryDelays: [36_000, 0, 0] } })
    stack.faults.add({
      match: { opcode: NvmOpcode.READ, nth: 1 },
      before: { status: { sct: 0, sc: 0x21, crd: 1 } },
    })
    const read = stack.scheduler.spawn('read', readOnce(stack))
    stack.scheduler.runReady()
    stack.controller.removeNamespace(1)
    const before = stack.scheduler.nowNs()
    stack.run(stack.host.rescan())
    expect(stack.host.disks).toEqual([])
    expect(stack.run(joinTask(stack.scheduler, read))).not.toBe(BlkStatus.OK)
    expect(stack.scheduler.nowNs() - before).toBeLessThan(1e9)
    stack.close()
  })

  it('is asked for only where there are delays', () => {
    const featureOf = (crdt?: readonly number[]) => {
      const { rig } = twinWith(crdt === undefined ? {} : { crdt })
      const features = rig.twin.commands
        .filter(({ qid, opcode }) => qid === 0 && opcode === AdminOpcode.SET_FEATURES)
        .map(({ sqe }) => sqe.getUint8(40))
      finish(rig)
      return features.includes(0x16)
    }
    expect([featureOf(), featureOf([0, 1, 1]), featureOf([1, 0, 0])]).toEqual([false, false, true])
  })
})

describe("commands of somebody's own", () => {
  it('reads, writes and compares as it is told', () => {
    const stack = makeStack()
    const bytes = pattern(40_960, 9)
    const range = { cdw10: 16, cdw12: bytes.length / 512 - 1 }
    const send = (opcode: number, data: { dataIn?: Uint8Array; dataOut?: Uint8Array }) =>
      stack.run(stack.host.ioPassthru(1, { opcode, ...range, ...data }))
    expect(send(NvmOpcode.WRITE, { dataOut: bytes })).toEqual({ status: 0, result: 0 })
    const back = new Uint8Array(bytes.length)
    expect(send(NvmOpcode.READ, { dataIn: back }).status).toBe(0)
    expect(back).toEqual(bytes)
    expect(send(NvmOpcode.COMPARE, { dataOut: bytes }).status).toBe(0)
    back[back.length - 1] = (back.at(-1) ?? 0) ^ 1
    expect(send(NvmOpcode.COMPARE, { dataOut: back }).status & 0x7ff).toBe(0x285)
    stack.close()
  })

  it.each([512, 4096, 8192, 12_288, 131_072])('moves %i bytes', (length) => {
    const stack = makeStack()
    const bytes = pattern(length, 3)
    stack.medium().set(bytes)
    const dataIn = new Uint8Array(length)
    const command = { opcode: NvmOpcode.READ, cdw12: length / 512 - 1, dataIn }
    expect(stack.run(stack.host.ioPassthru(1, command)).status).toBe(0)
    expect(dataIn).toEqual(bytes)
    stack.close()
  })

  it('returns what the controller refuses, once: nothing is tried again', () => {
    const stack = makeStack()
    stack.faults.add({
      match: { opcode: NvmOpcode.VERIFY },
      before: { status: { sct: 0, sc: 0x06 } },
    })
    const { status } = stack.run(stack.host.ioPassthru(1, { opcode: NvmOpcode.VERIFY }))
    expect(status).toBe(0x006)
    expect(stack.host.stats).toMatchObject({ requests: 1, retries: 0, errors: 1 })
    const unknown = stack.run(stack.host.ioPassthru(1, { opcode: 0x7e }))
    expect(unknown.status & 0x7ff).toBe(0x001)
    stack.close()
  })

  it('has a time of its own, on either queue', () => {
    const stack = makeStack({ host: { ioTimeoutNs: 30e9 } })
    stack.faults.add({ match: { opcode: NvmOpcode.FLUSH }, before: { hold: true } })
    stack.faults.add({ match: { queue: 0, opcode: 0x02 }, before: { hold: true } })
    const before = stack.scheduler.nowNs()
    const io = { opcode: NvmOpcode.FLUSH, timeoutNs: 5e6 }
    // It is aborted, and says so.
    expect(stack.run(stack.host.ioPassthru(1, io)).status & 0x7ff).toBe(0x007)
    const admin = { opcode: AdminOpcode.GET_LOG_PAGE, timeoutNs: 5e6 }
    expect(() => stack.run(stack.host.adminPassthru(admin))).toThrow(/no completion within 5 ms/)
    expect(stack.scheduler.nowNs() - before).toBeLessThan(1e9)
    stack.close()
  })

  it('refuses what cannot be sent', () => {
    const stack = makeStack()
    const send = (nsid: number, command: Parameters<typeof stack.host.ioPassthru>[1]) => () =>
      stack.run(stack.host.ioPassthru(nsid, command))
    expect(send(2, { opcode: 0 })).toThrow(/ENODEV|no disk of namespace 2/)
    const most = new Uint8Array(131_073)
    expect(send(1, { opcode: 2, dataIn: most })).toThrow(/131073.*at most 131072/)
    expect(send(1, { opcode: 2, dataIn: most, dataOut: most })).toThrow(/both directions/)
    stack.close()
  })

  it('ends when the controller is reset or goes away meanwhile', () => {
    for (const end of ['reset', 'remove'] as const) {
      const stack = makeStack({ host: { ioTimeoutNs: 1e9 } })
      stack.faults.add({ match: { opcode: NvmOpcode.READ }, before: { lost: true } })
      const dataIn = new Uint8Array(12_288)
      const command = { opcode: NvmOpcode.READ, cdw12: 23, dataIn }
      const sent = stack.scheduler.spawn(
        'sent',
        (function* (): Op<string> {
          try {
            yield* stack.host.ioPassthru(1, command)
            return 'answered'
          } catch (error) {
            return String(error)
          }
        })(),
      )
      stack.scheduler.runReady()
      if (end === 'remove') stack.run(stack.host.remove())
      expect(stack.run(joinTask(stack.scheduler, sent))).toMatch(/went away before it had answered/)
      expect(stack.host.stats).toMatchObject({ cancelled: 1, retries: 0 })
      stack.close()
    }
  })
})

describe('Keep Alive', () => {
  it('keeps a controller that listens for it alive, also after a reset', () => {
    const stack = makeStack({ host: { keepAliveMs: 400 } })
    stack.run(sleep(stack.scheduler, 5e9))
    expect([stack.host.state, stack.host.stats.resets]).toEqual(['live', 0])
    stack.run(stack.host.reset())
    stack.run(sleep(stack.scheduler, 5e9))
    expect([stack.host.state, stack.host.stats.resets]).toEqual(['live', 1])
    expect(stack.controller.stats.errors).toBe(0)
    stack.close()
  })

  it('a host that falls silent meets a controller in fatal error, and resets it', () => {
    const stack = makeStack({ host: { keepAliveMs: 400, ioTimeoutNs: 1e9, adminTimeoutNs: 1e9 } })
    stack.faults.add({
      match: { queue: 0, opcode: AdminOpcode.KEEP_ALIVE, times: 1 },
      before: { lost: true },
    })
    stack.run(sleep(stack.scheduler, 10e9))
    expect([stack.host.state, stack.host.stats.resets]).toEqual(['live', 1])
    stack.close()
  })

  it('ends with a controller that refuses it', () => {
    const rig = probed({ host: { keepAliveMs: 10 } })
    rig.scheduler.runSync('wait', sleep(rig.scheduler, 1e9))
    const asked = rig.twin.commands.filter(({ opcode, qid }) => qid === 0 && opcode === 0x18)
    expect(asked.length).toBe(1)
    finish(rig)
  })
})

describe('a bio that asks for what the disk does not have', () => {
  it.each([ReqOp.DISCARD, ReqOp.WRITE_ZEROES])('operation %i: NOTSUPP', (op) => {
    const { rig, seen } = twinWith({})
    const bio = new Bio()
    const ends: BlkStatus[] = []
    bio.init(op | ReqFlags.NOMERGE, 0, { bioEndIo: ({ biStatus }) => void ends.push(biStatus) })
    bio.biIter.biSize = 4096
    rig.scheduler.runSync('io', rig.disk.submitBioWait(bio, null))
    expect(ends).toEqual([BlkStatus.NOTSUPP])
    expect(seen).toEqual([])
    finish(rig)
  })
})
