// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf } from '@iolayers/dma-buf'
import { createPhysicalMemory, DmaDirection, type PhysicalMemory } from '@iolayers/dma-mapping'
import { OpenFlags } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  Badblocks,
  BlkStatus,
  createBlockDeviceFile,
  createFaultAttr,
  createNullBlk,
  createNullBlkTags,
  dmabufFile,
  type FaultInjector,
  type NullBlk,
  type NullBlkInit,
  NullIrqMode,
  NullQueueMode,
  Plug,
  ReqFlags,
  ReqOp,
  setupFaultAttr,
} from '../../src/index.ts'
import { dmabufBio, EndRecorder, FakeMap, type Machine, makeMachine, runBio } from '../support.ts'

const PAGE = 4096

interface Rig extends Machine {
  readonly memory: PhysicalMemory
  readonly frame: number
  readonly device: NullBlk
}

function makeRig(init: Partial<NullBlkInit> = {}): Rig {
  const machine = makeMachine()
  const memory = createPhysicalMemory(
    { kernel: machine.kernel },
    { ramBytes: 1 << 22, backing: 'plain' },
  )
  const device = createNullBlk(
    { kernel: machine.kernel, memory },
    { name: 'nullb0', sizeBytes: 1 << 20, ...init },
  )
  return { ...machine, memory, frame: memory.allocPages(3), device }
}

function end(rig: Rig): void {
  rig.scheduler.runSync('destroy', rig.device.destroy())
  rig.scheduler.runUntilIdle()
  expect(rig.device.pages + rig.device.cachedPages).toBe(0)
  expect(rig.scheduler.outstanding()).toEqual([])
}

/** Submits and waits; how it ended. */
function io(rig: Rig, op: number, sector: number, bytes: number): BlkStatus | undefined {
  const recorder = new EndRecorder()
  const bio = runBio({ op, sector, bytes }, recorder)
  bio.biIoVec = [{ frame: rig.frame, offsetBytes: 0, lengthBytes: bytes }]
  rig.scheduler.runSync('submit', rig.device.disk.submitBioWait(bio, null))
  rig.scheduler.runUntilIdle()
  expect(recorder.ended).toHaveLength(1)
  return bio.biStatus
}

function write(rig: Rig, sector: number, bytes: number, value: number, flags = 0): unknown {
  rig.memory.write(rig.frame * PAGE, new Uint8Array(bytes).fill(value))
  return io(rig, ReqOp.WRITE | flags, sector, bytes)
}

/** The bytes of a range; each sector has to be of one value, which is what is given. */
function sectorsOf(rig: Rig, sector: number, count: number): number[] {
  rig.memory.write(rig.frame * PAGE, new Uint8Array(count * 512).fill(0xee))
  expect(io(rig, ReqOp.READ, sector, count * 512)).toBe(BlkStatus.OK)
  const bytes = new Uint8Array(count * 512)
  rig.memory.read(rig.frame * PAGE, bytes)
  return Array.from({ length: count }, (_, i) => {
    const one = bytes.subarray(i * 512, i * 512 + 512)
    expect(one.every((value) => value === one[0])).toBe(true)
    return one[0] ?? -1
  })
}

function start(rig: Rig, op: number, sector: number, recorder: EndRecorder, plug?: Plug): void {
  const bio = runBio({ op, sector, bytes: 512 }, recorder)
  bio.biIoVec = [{ frame: rig.frame, offsetBytes: 0, lengthBytes: 512 }]
  expect(rig.device.disk.submitBio(bio, plug ?? null)).toBe(BlkStatus.OK)
}

describe('null_blk', () => {
  it('has the defaults of the kernel', () => {
    const rig = makeRig()
    const { disk } = rig.device
    expect(disk.nrRequests).toBe(64)
    expect(disk.limits).toMatchObject({
      logicalBlockSizeBytes: 512,
      physicalBlockSizeBytes: 512,
      maxSectors: 255,
      dmaAlignmentMask: 1,
      maxDiscardSectors: 0,
      writeCache: false,
      virtBoundaryMask: 0,
    })
    const large = createNullBlk({ kernel: rig.kernel }, { name: 'nullb1' })
    expect(large.disk.capacitySectors).toBe((250 * 2 ** 30) / 512)
    rig.scheduler.runSync('destroy', large.destroy())
    end(rig)
  })

  it('completion modes: before queueRq returns, in a call of its own, and after completionNs', () => {
    for (const [irqMode, atNs] of [
      [NullIrqMode.NONE, 0],
      [NullIrqMode.SOFTIRQ, 0],
      [NullIrqMode.TIMER, 10_000],
    ] as const) {
      const rig = makeRig({ irqMode })
      const recorder = new EndRecorder()
      start(rig, ReqOp.READ, 0, recorder)
      expect(recorder.statuses).toEqual(irqMode === NullIrqMode.NONE ? [BlkStatus.OK] : [])
      rig.scheduler.runReady()
      expect(recorder.statuses).toEqual(irqMode === NullIrqMode.TIMER ? [] : [BlkStatus.OK])
      rig.scheduler.runUntilIdle()
      expect(recorder.statuses).toEqual([BlkStatus.OK])
      expect(rig.scheduler.nowNs()).toBe(atNs)
      end(rig)
    }
  })

  it('without memory backing leaves memory as it is', () => {
    const rig = makeRig()
    write(rig, 0, 512, 7)
    expect(sectorsOf(rig, 0, 1)).toEqual([0xee])
    expect(rig.device.pages).toBe(0)
    end(rig)
  })

  it('memory-backed: makes pages when they are written, and discard drops them', () => {
    const rig = makeRig({ memoryBacked: true, discard: true, sizeBytes: 2 ** 41 })
    expect(sectorsOf(rig, 0, 16)).toEqual(new Array(16).fill(0))
    expect(rig.device.pages).toBe(0)
    write(rig, 6, 2048, 7)
    write(rig, 2 ** 31 - 8, 4096, 9)
    expect(rig.device.pages).toBe(3)
    expect(sectorsOf(rig, 4, 8)).toEqual([0, 0, 7, 7, 7, 7, 0, 0])
    expect(sectorsOf(rig, 2 ** 31 - 8, 8)).toEqual(new Array(8).fill(9))
    io(rig, ReqOp.DISCARD, 7, 512)
    expect(rig.device.pages).toBe(3)
    expect(sectorsOf(rig, 6, 4)).toEqual([7, 0, 7, 7])
    io(rig, ReqOp.DISCARD, 0, 4096)
    expect(rig.device.pages).toBe(2)
    expect(sectorsOf(rig, 6, 4)).toEqual([0, 0, 7, 7])
    // A page that was dropped and comes back holds nothing of before.
    write(rig, 0, 512, 3)
    expect(sectorsOf(rig, 0, 8)).toEqual([3, 0, 0, 0, 0, 0, 0, 0])
    end(rig)
  })

  it('what was in the cache is lost when the power goes, what was flushed or written with FUA is not', () => {
    for (const fua of [true, false]) {
      const rig = makeRig({ memoryBacked: true, cacheSizeBytes: 1 << 16, fua })
      expect(rig.device.disk.limits).toMatchObject({ writeCache: true, fua })
      write(rig, 0, 512, 1)
      expect(io(rig, ReqOp.WRITE | ReqFlags.PREFLUSH, 0, 0)).toBe(BlkStatus.OK)
      expect(rig.device).toMatchObject({ pages: 1, cachedPages: 0 })
      write(rig, 1, 512, 2)
      write(rig, 8, 512, 3, ReqFlags.FUA)
      write(rig, 9, 512, 4, ReqFlags.PREFLUSH)
      write(rig, 0, 512, 5)
      expect(sectorsOf(rig, 0, 2)).toEqual([5, 2])
      expect(sectorsOf(rig, 8, 2)).toEqual([3, 4])
      rig.scheduler.runSync('off', rig.device.powerOff())
      expect(rig.device.cachedPages).toBe(0)
      rig.device.powerOn()
      expect(sectorsOf(rig, 0, 2)).toEqual([1, 2])
      expect(sectorsOf(rig, 8, 2)).toEqual([3, 0])
      end(rig)
    }
  })

  it('a full cache makes room, and FUA, discard and memory off the sectors find what is in it', () => {
    const rig = makeRig({ memoryBacked: true, discard: true, cacheSizeBytes: 8192 })
    for (let page = 0; page < 5; page++) write(rig, page * 8, 4096, page + 1)
    expect(rig.device).toMatchObject({ pages: 3, cachedPages: 2 })
    for (let page = 0; page < 5; page++) expect(sectorsOf(rig, page * 8, 1)).toEqual([page + 1])
    write(rig, 32, 512, 9, ReqFlags.FUA)
    expect(sectorsOf(rig, 32, 2)).toEqual([9, 5])
    io(rig, ReqOp.DISCARD, 24, 4096)
    expect(sectorsOf(rig, 24, 8)).toEqual(new Array(8).fill(0))
    const bio = runBio({ op: ReqOp.WRITE, sector: 7, bytes: 1024 })
    rig.memory.write(rig.frame * PAGE, new Uint8Array(1024).fill(6))
    bio.biIoVec = [0, 300, 302, 1000].map((from, i, all) => ({
      frame: rig.frame,
      offsetBytes: from,
      lengthBytes: (all[i + 1] ?? 1024) - from,
    }))
    bio.biVcnt = 4
    rig.scheduler.runSync('submit', rig.device.disk.submitBioWait(bio, null))
    rig.scheduler.runUntilIdle()
    expect(sectorsOf(rig, 6, 4)).toEqual([1, 6, 6, 2])
    end(rig)
  })

  it('bad blocks fail with IOERR, nothing of it moved; once heals them, partial moves what is before', () => {
    const rig = makeRig({ memoryBacked: true, blockSizeBytes: 1024 })
    rig.device.badblocks.store('+5-6')
    expect(write(rig, 0, 4096, 1)).toBe(BlkStatus.IOERR)
    expect(io(rig, ReqOp.READ, 4, 1024)).toBe(BlkStatus.IOERR)
    expect(write(rig, 0, 2048, 1)).toBe(BlkStatus.OK)
    expect(rig.device.pages).toBe(1)
    end(rig)
    const partial = makeRig({
      memoryBacked: true,
      blockSizeBytes: 1024,
      badblocksPartialIo: true,
      badblocksOnce: true,
      discard: true,
    })
    partial.device.badblocks.store('+5-6')
    expect(write(partial, 2, 4096, 1)).toBe(BlkStatus.IOERR)
    expect(partial.device.badblocks.ranges).toEqual([])
    expect(sectorsOf(partial, 0, 10)).toEqual([0, 0, 1, 1, 0, 0, 0, 0, 0, 0])
    partial.device.badblocks.store('+2-2')
    expect(write(partial, 2, 1024, 2)).toBe(BlkStatus.IOERR)
    expect(sectorsOf(partial, 2, 2)).toEqual([1, 1])
    partial.device.badblocks.store('+3-3')
    expect(io(partial, ReqOp.DISCARD, 0, 4096)).toBe(BlkStatus.IOERR)
    expect(sectorsOf(partial, 2, 2)).toEqual([1, 1])
    end(partial)
  })

  it('requeue_inject alternates between RESOURCE and giving the request back', () => {
    const chances: boolean[] = [true, true, true, true]
    const requeueInject: FaultInjector = { shouldFail: () => chances.shift() ?? false }
    const rig = makeRig({ memoryBacked: true, requeueInject })
    expect(write(rig, 0, 512, 1)).toBe(BlkStatus.OK)
    expect(rig.device.disk.stats.requeues).toBe(4)
    expect(sectorsOf(rig, 0, 1)).toEqual([1])
    end(rig)
  })

  it('R-MQ-6: mbps passes so many bytes in each tick of 20 ms', () => {
    const rig = makeRig({ mbps: 1, maxSectors: 8, sizeBytes: 1 << 20 })
    const bytes = 1 << 16
    for (let i = 0; i < 4; i++) io(rig, ReqOp.WRITE, 0, 1 << 15)
    const perTick = Math.floor((1 << 20) / 50)
    const ticks = rig.scheduler.nowNs() / 20_000_000
    expect(ticks).toBeGreaterThanOrEqual(Math.floor((2 * bytes) / perTick))
    expect(ticks).toBeLessThanOrEqual(Math.ceil((2 * bytes) / (perTick - 4096)) + 4)
    expect(rig.device.disk.stats.requeues).toBeGreaterThan(0)
    end(rig)
  })

  it('power off lets what a throttle holds back through', () => {
    const rig = makeRig({ mbps: 1, maxSectors: 64 })
    const recorder = new EndRecorder()
    for (let i = 0; i < 8; i++) {
      const bio = runBio({ op: ReqOp.WRITE, sector: i * 128, bytes: 32_768 }, recorder)
      expect(rig.device.disk.submitBio(bio, null)).toBe(BlkStatus.OK)
    }
    rig.scheduler.runSync('off', rig.device.powerOff())
    expect(recorder.statuses).toEqual(new Array(8).fill(BlkStatus.OK))
    expect(rig.scheduler.nowNs()).toBeLessThan(20_000_000)
    end(rig)
  })

  it('R3: the power goes while I/O is in flight: that ends, new I/O is refused, the disk is gone', () => {
    const rig = makeRig({ irqMode: NullIrqMode.TIMER })
    const { disk } = rig.device
    const recorder = new EndRecorder()
    for (let i = 0; i < 3; i++) start(rig, ReqOp.READ, i * 8, recorder)
    rig.scheduler.spawn('off', rig.device.powerOff())
    rig.scheduler.runReady()
    expect(disk.submitBio(runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }), null)).toBe(
      BlkStatus.IOERR,
    )
    rig.scheduler.runUntilIdle()
    expect(recorder.statuses).toEqual([BlkStatus.OK, BlkStatus.OK, BlkStatus.OK])
    expect(rig.device.power).toBe(false)
    expect(() => rig.device.disk).toThrow('nullb0: the power is off')
    rig.device.powerOn()
    rig.device.powerOn()
    expect(rig.device.disk).not.toBe(disk)
    end(rig)
    end(rig)
  })

  it('what hangs is cancelled, what does not is left alone', () => {
    const timeoutInject = createFaultAttr({ seed: 1, probability: 100 })
    const rig = makeRig({ timeoutInject, irqMode: NullIrqMode.TIMER })
    const recorder = new EndRecorder()
    for (const sector of [0, 8]) start(rig, ReqOp.READ, sector, recorder)
    expect(rig.device.cancelHung(BlkStatus.TRANSPORT)).toBe(1)
    expect(rig.device.cancelHung(BlkStatus.TRANSPORT)).toBe(0)
    rig.scheduler.runUntilIdle()
    expect(recorder.statuses).toEqual([BlkStatus.TRANSPORT, BlkStatus.OK])
    end(rig)
  })

  it('timeout_inject: a request hangs until its time is over, and gets it once more where it is told so', () => {
    for (const irqMode of [NullIrqMode.NONE, NullIrqMode.SOFTIRQ, NullIrqMode.TIMER]) {
      const timeoutInject = createFaultAttr({ seed: 1, probability: 100, times: 2 })
      const resetTimerInject = createFaultAttr({ seed: 1, probability: 100, times: 1 })
      const rig = makeRig({ timeoutInject, resetTimerInject, irqMode, timeoutNs: 1_000_000 })
      const recorder = new EndRecorder()
      for (const sector of [0, 8, 16]) start(rig, ReqOp.READ, sector, recorder)
      rig.scheduler.advance(999_999)
      expect(recorder.statuses).toEqual([BlkStatus.OK])
      rig.scheduler.advance(1)
      expect(recorder.statuses).toEqual([BlkStatus.OK, BlkStatus.TIMEOUT])
      rig.scheduler.advance(1_000_000)
      expect(recorder.statuses).toEqual([BlkStatus.OK, BlkStatus.TIMEOUT, BlkStatus.TIMEOUT])
      end(rig)
    }
  })

  it('a request that is only slow ends when it would have, and with TIMEOUT', () => {
    const rig = makeRig({ irqMode: NullIrqMode.TIMER, completionNs: 50_000, timeoutNs: 20_000 })
    expect(io(rig, ReqOp.READ, 0, 512)).toBe(BlkStatus.TIMEOUT)
    expect(rig.scheduler.nowNs()).toBe(50_000)
    end(rig)
  })

  it('what nobody polls for times out, and is not found by a poll afterwards', () => {
    const rig = makeRig({ pollQueues: 1, timeoutNs: 1_000_000 })
    const recorder = new EndRecorder()
    start(rig, ReqOp.READ | ReqFlags.POLLED, 0, recorder)
    rig.scheduler.advance(600_000)
    start(rig, ReqOp.READ | ReqFlags.POLLED, 8, recorder)
    rig.scheduler.advance(600_000)
    expect(recorder.statuses).toEqual([BlkStatus.TIMEOUT])
    expect(rig.device.disk.queue.poll()).toBe(1)
    expect(recorder.statuses).toEqual([BlkStatus.TIMEOUT, BlkStatus.OK])
    end(rig)
  })

  it('R3: the power goes while a request hangs: its time runs out', () => {
    const timeoutInject = createFaultAttr({ seed: 1, probability: 100 })
    const rig = makeRig({ timeoutInject })
    const recorder = new EndRecorder()
    start(rig, ReqOp.READ, 0, recorder)
    rig.scheduler.runSync('off', rig.device.powerOff())
    expect(recorder.statuses).toEqual([BlkStatus.TIMEOUT])
    expect(rig.scheduler.nowNs()).toBe(5_000_000_000)
    end(rig)
  })

  it('busyInject refuses, and the request comes again', () => {
    const busyInject = createFaultAttr({ seed: 1, probability: 100, times: 2 })
    const rig = makeRig({ busyInject })
    expect(io(rig, ReqOp.READ, 0, 512)).toBe(BlkStatus.OK)
    expect(rig.device.disk.stats.requeues).toBe(2)
    expect(rig.scheduler.nowNs()).toBe(6_000_000)
    end(rig)
  })

  it('poll queues: only who polls ends a polled request', () => {
    const rig = makeRig({ memoryBacked: true, pollQueues: 1, irqMode: NullIrqMode.TIMER })
    const recorder = new EndRecorder()
    rig.device.badblocks.store('+8-8')
    for (const sector of [0, 8, 16]) {
      start(rig, ReqOp.WRITE | ReqFlags.POLLED, sector, recorder)
    }
    rig.scheduler.advance(1_000_000)
    expect(recorder.ended).toEqual([])
    expect(rig.device.disk.queue.poll()).toBe(3)
    expect(recorder.statuses.sort()).toEqual([BlkStatus.OK, BlkStatus.OK, BlkStatus.IOERR].sort())
    expect(rig.device.disk.queue.poll()).toBe(0)
    end(rig)
  })

  it('the number of queues changes while the device is on, and while it is off', () => {
    const rig = makeRig({ submitQueues: 2, pollQueues: 2, nrCpus: 4, hwQueueDepth: 4 })
    const { scheduler, device } = rig
    expect(device.disk.nrRequests).toBe(16)
    scheduler.runSync('submit queues', device.setSubmitQueues(4))
    scheduler.runSync('poll queues', device.setPollQueues(1))
    expect(device.disk.nrRequests).toBe(20)
    expect(() => scheduler.runSync('many', device.setSubmitQueues(5))).toThrow(
      'submitQueues is 5, but must be an integer from 1 to 4',
    )
    expect(() => scheduler.runSync('many', device.setPollQueues(3))).toThrow('from 0 to 2')
    scheduler.runSync('off', device.powerOff())
    scheduler.runSync('submit queues', device.setSubmitQueues(1))
    device.powerOn()
    expect(device.disk.nrRequests).toBe(8)
    expect(io(rig, ReqOp.READ, 0, 512)).toBe(BlkStatus.OK)
    end(rig)
  })

  it('a hardware queue that cannot be made: the device stays as it was', () => {
    const fault = createFaultAttr({ seed: 1, times: -1 })
    const rig = makeRig({ submitQueues: 1, nrCpus: 4, initHctxFaultInject: fault })
    fault.probability = 100
    expect(() => rig.scheduler.runSync('queues', rig.device.setSubmitQueues(3))).toThrow(
      'hardware queue 1 was told to fail',
    )
    expect(rig.device.disk.nrRequests).toBe(64)
    expect(io(rig, ReqOp.READ, 0, 512)).toBe(BlkStatus.OK)
    rig.scheduler.runSync('off', rig.device.powerOff())
    expect(() => rig.device.powerOn()).toThrow('hardware queue 0 was told to fail')
    expect(rig.device.power).toBe(false)
    fault.probability = 0
    rig.device.powerOn()
    expect(rig.device.disk.nrRequests).toBe(64)
    end(rig)
  })

  it('shares tags between devices, and between the hardware queues of one', () => {
    const rig = makeRig()
    const sharedTags = createNullBlkTags(
      { kernel: rig.kernel },
      { hwQueueDepth: 8, submitQueues: 2, sharedTagBitmap: true },
    )
    const devices = ['nullb1', 'nullb2'].map((name) =>
      createNullBlk({ kernel: rig.kernel, sharedTags }, { name, irqMode: NullIrqMode.TIMER }),
    )
    const recorder = new EndRecorder()
    for (const device of devices) {
      for (let i = 0; i < 4; i++) start({ ...rig, device }, ReqOp.READ, i * 8, recorder)
      expect(device.disk.nrRequests).toBe(8)
    }
    const [first, second] = devices
    expect(first?.disk.submitBio(runBio({ op: ReqOp.READ, sector: 0, bytes: 512 }), null)).toBe(
      BlkStatus.AGAIN,
    )
    rig.scheduler.runUntilIdle()
    expect(recorder.statuses).toHaveLength(8)
    if (first === undefined || second === undefined) throw new Error('no devices')
    rig.scheduler.runSync('queues', second.setSubmitQueues(1))
    expect(sharedTags.tagSet.nrHwQueues).toBe(1)
    for (const device of devices) rig.scheduler.runSync('destroy', device.destroy())
    sharedTags.tagSet.destroy()
    end(rig)
  })

  it('over shared tags, what hangs on another device is left to it', () => {
    const rig = makeRig()
    const sharedTags = createNullBlkTags({ kernel: rig.kernel }, { hwQueueDepth: 8 })
    const timeoutInject = createFaultAttr({ seed: 1, probability: 100, times: -1 })
    const devices = ['nullb1', 'nullb2'].map((name) =>
      createNullBlk({ kernel: rig.kernel, sharedTags }, { name, timeoutInject }),
    )
    const recorders = devices.map((device) => {
      const recorder = new EndRecorder()
      start({ ...rig, device }, ReqOp.READ, 0, recorder)
      return recorder
    })
    expect(devices[1]?.cancelHung(BlkStatus.TRANSPORT)).toBe(1)
    rig.scheduler.runReady()
    expect(recorders.map(({ statuses }) => statuses)).toEqual([[], [BlkStatus.TRANSPORT]])
    for (const device of devices) rig.scheduler.runSync('destroy', device.destroy())
    expect(recorders[0]?.statuses).toEqual([BlkStatus.TIMEOUT])
    sharedTags.tagSet.destroy()
    end(rig)
  })

  it('a batch leaves what is refused, which comes again', () => {
    const requeueInject = createFaultAttr({ seed: 3, probability: 50, times: -1 })
    const rig = makeRig({ memoryBacked: true, requeueInject })
    const recorder = new EndRecorder()
    const plug = new Plug()
    for (let i = 0; i < 16; i++) start(rig, ReqOp.WRITE, i * 8, recorder, plug)
    plug.finish()
    rig.scheduler.runUntilIdle()
    expect(recorder.statuses).toEqual(new Array(16).fill(BlkStatus.OK))
    expect(rig.device.disk.stats.requeues).toBeGreaterThan(4)
    end(rig)
  })

  it('takes no dma-buf: EOPNOTSUPP for a registration, NOTSUPP for a bio that somebody sends all the same', () => {
    const rig = makeRig()
    const { kernel, device } = rig
    const file = createBlockDeviceFile(
      { kernel, disk: device.disk },
      { flags: OpenFlags.O_RDWR | OpenFlags.O_DIRECT },
    )
    expect(device.disk.dmabuf).toBe(null)
    const buffer = { name: 'b' } as unknown as DmaBuf
    expect(() => file.query(dmabufFile)?.createDmabufToken(buffer, DmaDirection.TO_DEVICE)).toThrow(
      expect.objectContaining({ code: 'EOPNOTSUPP' }),
    )
    const recorder = new EndRecorder()
    const map = new FakeMap(1 << 16, 12)
    const bio = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 4096 }, recorder)
    rig.scheduler.runSync('submit', device.disk.submitBioWait(bio, null))
    expect(recorder.statuses).toEqual([BlkStatus.NOTSUPP])
    expect(map).toMatchObject({ active: 0, refs: 1 })
    end(rig)
  })

  it('bio mode: the same device without requests', () => {
    for (const irqMode of [NullIrqMode.NONE, NullIrqMode.SOFTIRQ, NullIrqMode.TIMER]) {
      const rig = makeRig({
        queueMode: NullQueueMode.BIO,
        memoryBacked: true,
        discard: true,
        cacheSizeBytes: 1 << 16,
        hwQueueDepth: 2,
        maxSectors: 8,
        irqMode,
      })
      const { disk } = rig.device
      expect(disk.queue.tagSet).toBe(null)
      expect(disk.nrRequests).toBe(2)
      write(rig, 0, 12_288, 1)
      write(rig, 1, 512, 2, ReqFlags.FUA)
      write(rig, 2, 512, 3, ReqFlags.PREFLUSH)
      io(rig, ReqOp.DISCARD, 3, 512)
      rig.device.badblocks.store('+20-20')
      expect(io(rig, ReqOp.READ, 16, 4096)).toBe(BlkStatus.IOERR)
      expect(sectorsOf(rig, 0, 5)).toEqual([1, 2, 3, 0, 1])
      rig.scheduler.runSync('queues', rig.device.setSubmitQueues(1))
      rig.scheduler.runSync('off', rig.device.powerOff())
      rig.device.powerOn()
      expect(sectorsOf(rig, 0, 5)).toEqual([1, 2, 1, 0, 1])
      expect(rig.device.cancelHung(BlkStatus.IOERR)).toBe(0)
      end(rig)
    }
  })

  it('bio mode: AGAIN where all commands are in use, who may waits, dma-bufs are refused', () => {
    const rig = makeRig({
      queueMode: NullQueueMode.BIO,
      hwQueueDepth: 2,
      irqMode: NullIrqMode.TIMER,
    })
    const { disk } = rig.device
    const recorder = new EndRecorder()
    for (const sector of [0, 8]) start(rig, ReqOp.WRITE, sector, recorder)
    const late = runBio({ op: ReqOp.WRITE, sector: 16, bytes: 512 }, recorder)
    expect(disk.submitBio(late, null)).toBe(BlkStatus.AGAIN)
    const hasty = runBio({ op: ReqOp.WRITE | ReqFlags.NOWAIT, sector: 16, bytes: 512 }, recorder)
    rig.scheduler.runSync('submit', disk.submitBioWait(hasty, null))
    expect(recorder.statuses).toEqual([BlkStatus.AGAIN])
    rig.scheduler.runSync('submit', disk.submitBioWait(late, null))
    const map = new FakeMap(1 << 16, 12)
    const bio = dmabufBio(map, { op: ReqOp.READ, sector: 0, offset: 0, bytes: 4096 }, recorder)
    rig.scheduler.runSync('submit', disk.submitBioWait(bio, null))
    rig.scheduler.runUntilIdle()
    expect(recorder.statuses.sort()).toEqual([0, 0, 0, BlkStatus.NOTSUPP, BlkStatus.AGAIN].sort())
    end(rig)
  })

  const cases: readonly (readonly [Partial<NullBlkInit>, string])[] = [
    [{ blockSizeBytes: 256 }, 'blockSizeBytes is 256'],
    [{ blockSizeBytes: 1536 }, 'blockSizeBytes is 1536, but must be a power of two'],
    [{ blockSizeBytes: 8192 }, 'blockSizeBytes is 8192, but must be an integer from 512 to 4096'],
    [{ sizeBytes: 1000 }, 'sizeBytes is 1000, but must be a multiple of the block of 512'],
    [{ sizeBytes: -512 }, 'sizeBytes is -512'],
    [{ maxSectors: 4 }, 'maxSectors is 4'],
    [{ completionNs: -1 }, 'completionNs is -1'],
    [{ timeoutNs: 0 }, 'timeoutNs is 0'],
    [{ memoryBacked: true, cacheSizeBytes: 1000 }, 'cacheSizeBytes is 1000'],
    [{ cacheSizeBytes: 4096 }, 'cacheSizeBytes is 4096, but must be 0 without memoryBacked'],
    [{ discard: true }, 'discard is true, but needs memoryBacked'],
    [{ mbps: 50_000 }, 'mbps is 50000, but must be an integer from 0 to 40960'],
    [{ nrCpus: 0 }, 'nrCpus is 0'],
    [{ submitQueues: 3, nrCpus: 2 }, 'submitQueues is 3, but must be an integer from 1 to 2'],
    [{ pollQueues: -1 }, 'pollQueues is -1'],
    [{ queueMode: NullQueueMode.RQ }, 'queueMode is 1, but there is no such path any more'],
    [{ queueMode: 0, pollQueues: 1 }, 'pollQueues is 1, but must be 0 in bio mode'],
    [{ queueMode: 0, mbps: 1 }, 'mbps is 1, but must be 0 in bio mode'],
    [{ hwQueueDepth: 0 }, 'hwQueueDepth is 0, but must be an integer from 1 to 10240'],
  ]
  for (const [init, message] of cases) {
    it(`refuses that ${message}`, () => {
      expect(() => makeRig(init)).toThrow(message)
    })
  }

  it('refuses memory backing without memory', () => {
    const { kernel } = makeMachine()
    const init = { name: 'nullb0', memoryBacked: true }
    expect(() => createNullBlk({ kernel }, init)).toThrow('needs the component memory')
  })
})

describe('bad blocks', () => {
  it('join where they touch, part where they are cleared, and show as lines', () => {
    const bad = new Badblocks()
    bad.store('+10-19\n')
    bad.store(' +30-39')
    bad.store('+20-24')
    expect(bad.show()).toBe('10 15\n30 10\n')
    bad.store('+22-32')
    expect(bad.ranges).toEqual([{ start: 10, sectors: 30 }])
    bad.store('-15-19')
    expect(bad.show()).toBe('10 5\n20 20\n')
    expect(bad.check(15, 5)).toBe(null)
    expect(bad.check(0, 10)).toBe(null)
    expect(bad.check(40, 100)).toBe(null)
    expect(bad.check(14, 100)).toEqual({ start: 10, sectors: 5 })
    expect(bad.check(15, 6)).toEqual({ start: 20, sectors: 20 })
    bad.store('-0-100')
    expect(bad.show()).toBe('')
  })

  it('agree with an array of flags', () => {
    const bad = new Badblocks()
    const flags = new Array<boolean>(64).fill(false)
    const chance = createFaultAttr({ seed: 5, probability: 60, times: -1 })
    for (let i = 0; i < 400; i++) {
      const start = (i * 37) % 60
      const count = 1 + ((i * 11) % 4)
      const value = chance.shouldFail(null)
      if (value) bad.set(start, count)
      else bad.clear(start, count)
      flags.fill(value, start, start + count)
      for (let at = 0; at < 64; at++) expect(bad.check(at, 1) !== null).toBe(flags[at])
    }
  })

  it('refuse what is no range, and more ranges than there is room for', () => {
    const bad = new Badblocks()
    for (const setting of ['', '10-20', '+10', '+20-10', '+a-b', '+1-99999999999999999999']) {
      expect(() => bad.store(setting)).toThrow("must be '+first-last'")
    }
    for (let i = 0; i < 512; i++) bad.set(i * 2, 1)
    expect(() => bad.set(2000, 1)).toThrow('513 ranges, but there is room for 512')
    expect(bad.ranges).toHaveLength(512)
  })
})

describe('fault attributes', () => {
  const outcomes = (setting: string, chances: number): string => {
    const fault = setupFaultAttr(setting, 7)
    return Array.from({ length: chances }, () => (fault.shouldFail(null) ? 'x' : '.')).join('')
  }

  it('interval, probability, space and times are those of the kernel', () => {
    expect(outcomes('1,100,0,-1', 5)).toBe('xxxxx')
    expect(outcomes('1,0,0,-1', 5)).toBe('.....')
    expect(outcomes('1,100,0,2', 5)).toBe('xx...')
    expect(outcomes('3,100,0,-1', 7)).toBe('..x..x.')
    expect(outcomes('1,100,3,-1', 5)).toBe('..xxx')
    expect(outcomes('1,100,0,0', 3)).toBe('...')
    const half = outcomes('1,50,0,-1', 1000)
    expect(half).toBe(outcomes('1,50,0,-1', 1000))
    expect(half.replaceAll('.', '').length).toBeGreaterThan(400)
    expect(half.replaceAll('.', '').length).toBeLessThan(600)
  })

  it('once, by default, and never without a probability', () => {
    const fault = createFaultAttr({ seed: 1 })
    expect(fault.shouldFail(null)).toBe(false)
    fault.probability = 100
    expect([fault.shouldFail(null), fault.shouldFail(null)]).toEqual([true, false])
  })

  it('refuse what is out of range', () => {
    expect(() => setupFaultAttr('1,2,3', 1)).toThrow("'<interval>,<probability>,<space>,<times>'")
    expect(() => setupFaultAttr('1,101,0,1', 1)).toThrow('probability is 101')
    expect(() => createFaultAttr({ seed: 1, interval: -1 })).toThrow('interval is -1')
    expect(() => createFaultAttr({ seed: 1, times: -2 })).toThrow('times is -2')
    expect(() => createFaultAttr({ seed: 1, space: 0.5 })).toThrow('space is 0.5')
  })
})
