// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// An I/O path put together by hand from the entry `parts`: no controller is probed, and a step can be another than ours.

import {
  BlkEhTimerReturn,
  BlkStatus,
  createDisk,
  createTagSet,
  ReqOp,
  type Request,
} from '@iolayers/block-core'
import {
  createDevice,
  createPhysicalMemory,
  IommuMode,
  type PhysicalMemory,
} from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { RegisterBar } from '../../../src/controller/contracts.ts'
import { CommandData } from '../../../src/host/dma/command-data.ts'
import { DiscardData } from '../../../src/host/dma/discard-data.ts'
import {
  CtrlState,
  createDescriptorPools,
  DmabufData,
  HostCounters,
  HostTrace,
  type IoRecovery,
  MappedData,
  NvmeIo,
  type NvmeIod,
  NvmeQueue,
  PrpList,
  SglList,
} from '../../../src/parts.ts'
import { contiguousMap, dmabufIo, makeRig, runIo, TestMap } from './rig.ts'

const DEPTH = 4
const TAIL_DOORBELL = 0x1008

/** Completes with success what it is told of, when it is asked to. */
class Hardware implements RegisterBar {
  readonly sizeBytes: number = 0x2000
  queue: NvmeQueue | null = null
  cqAddr = 0
  tail = 0
  readonly #memory: PhysicalMemory
  #done = 0

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
  }

  read32(): number {
    return 0
  }

  write32(offset: number, value: number): void {
    if (offset === TAIL_DOORBELL) this.tail = value
  }

  /** In a passthrough domain the bus addresses are those of memory. */
  completeAll(): number {
    const { queue } = this
    if (queue === null) throw new Error('no queue')
    let count = 0
    for (; this.#done !== this.tail; this.#done = (this.#done + 1) % queue.entries) {
      const sqe = new Uint8Array(64)
      this.#memory.read(queue.sqDmaAddr + this.#done * 64, sqe)
      const cqe = new Uint8Array(16)
      cqe.set(sqe.subarray(2, 4), 12)
      cqe[14] = 1
      this.#memory.write(queue.cqDmaAddr + this.#done * 16, cqe)
      count++
    }
    return count
  }
}

function makePath(recovery: IoRecovery | null = null) {
  const scheduler = createVirtualScheduler({ seed: 1 })
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 18, backing: 'plain' })
  const device = createDevice(
    { kernel, memory, iommu: null },
    { name: 'nvme0', iommuMode: IommuMode.PASSTHROUGH, coherent: true },
  )
  const hardware = new Hardware(memory)
  const counters = new HostCounters()
  const pools = createDescriptorPools(device, { small: DEPTH, page: 1 })
  const sgl = new SglList(pools)
  const queue = new NvmeQueue(
    { device, bar: hardware, counters },
    { qid: 1, entries: DEPTH + 1, vector: 1, sqDoorbell: TAIL_DOORBELL, cqDoorbell: 0x100c },
  )
  hardware.queue = queue
  const policy = {
    sglSupported: true,
    sglThresholdBytes: 512,
    sglOnly: false,
    maxSegmentSizeBytes: device.maxSegmentSizeBytes,
    segBoundaryMask: device.segBoundaryMask,
  }
  const lists = { sgl, prp: new PrpList(pools) }
  const path = new NvmeIo(
    {
      dmabufData: new DmabufData(device, sgl, counters),
      mappedData: new MappedData(device, lists, policy, counters),
      discardData: new DiscardData(pools, false),
      commandData: new CommandData(lists.prp, false),
      trace: new HostTrace(kernel.tracer, 0),
      counters,
      ...(recovery && { recovery }),
    },
    { bounds: { descriptors: 1, mappings: 8 }, queueDepth: DEPTH, maxRetries: 5 },
  )
  path.addQueue(queue)
  const tagSet = createTagSet<NvmeIod>({ kernel }, { ops: path, nrHwQueues: 1, queueDepth: DEPTH })
  const disk = createDisk({ kernel, tagSet }, { name: 'nvme0n1', capacitySectors: 64 })
  path.addNamespace({ nsid: 1, sectorsPerLba: 1, deallocatesZeroes: false, disk })
  const close = (): void => {
    scheduler.runSync('destroy', disk.destroy())
    queue.destroy()
    pools.small.destroy()
    pools.page.destroy()
    device.destroy()
    expect(memory.stats.pagesAllocated).toBe(0)
    expect(kernel.reports).toEqual([])
  }
  return { scheduler, kernel, memory, device, hardware, path, tagSet, disk, counters, close }
}

describe('nvme parts', () => {
  it('an I/O path without a controller', () => {
    const t = makePath()
    const frame = t.memory.allocContiguous(1)
    const page = [{ addr: frame * 4096, length: 4096 }]
    const map = new TestMap({ ...makeRig(), ...t }, page, () => t.memory.freeContiguous(frame, 1))
    const ios = [0, 1, 2].map((n) => dmabufIo(t, map, n * 512, 512, { op: ReqOp.READ, sector: n }))
    for (const io of ios) expect(t.disk.submitBio(io.bio, null)).toBe(BlkStatus.OK)
    expect(map.active).toBe(3)
    expect(t.hardware.completeAll()).toBe(3)
    expect(t.path.reap(0)).toBe(3)
    expect(map.active).toBe(0)
    for (const { ends, bio } of ios) expect([ends, bio.biStatus]).toEqual([1, BlkStatus.OK])
    expect(t.path.timeout).toBeUndefined()
    map.destroy()
    t.close()
  })

  it('a request that the hardware has can be taken back, and ends when nothing more is tried', () => {
    const t = makePath()
    const frame = t.memory.allocContiguous(1)
    const page = [{ addr: frame * 4096, length: 4096 }]
    const map = new TestMap({ ...makeRig(), ...t }, page, () => t.memory.freeContiguous(frame, 1))
    const io = dmabufIo(t, map, 0, 512, { op: ReqOp.READ })
    t.disk.submitBio(io.bio, null)
    expect(t.path.nrInFlight).toBe(1)
    t.path.online = false
    t.disk.markDead()
    t.path.cancelAll()
    expect(t.path.nrInFlight).toBe(0)
    expect([io.ends, io.bio.biStatus]).toEqual([1, BlkStatus.IOERR])
    expect(map.active).toBe(0)
    const late = dmabufIo(t, map, 0, 512, { op: ReqOp.READ })
    expect(t.disk.submitBio(late.bio, null)).toBe(BlkStatus.IOERR)
    expect(map.activations).toBe(1)
    map.destroy()
    t.close()
  })

  it.each([
    // state, fatal, an Abort can be sent, one was sent: what happens
    [CtrlState.LIVE, false, true, false, 'abort'],
    [CtrlState.LIVE, false, false, false, 'wait'],
    [CtrlState.LIVE, false, true, true, 'recover'],
    [CtrlState.LIVE, true, true, false, 'recover'],
    [CtrlState.RESETTING, false, true, false, 'wait'],
    [CtrlState.RESETTING, false, true, true, 'wait'],
    [CtrlState.CONNECTING, false, true, false, 'recover'],
    [CtrlState.DELETING, false, true, false, 'recover'],
    [CtrlState.DEAD, false, true, false, 'recover'],
  ] as const)(
    'R-MQ-7 D3: a timeout, controller %s, fatal %s, abort possible %s, aborted %s: %s',
    (...row) => {
      const [state, fatal, canAbort, aborted, expected] = row
      const seen: string[] = []
      const t = makePath({
        state,
        fatal,
        tryAbort: (sqid, commandId) => {
          if (canAbort) seen.push(`abort ${sqid} ${commandId}`)
          return canAbort
        },
        recover: () => seen.push('recover'),
      })
      const frame = t.memory.allocContiguous(1)
      const page = [{ addr: frame * 4096, length: 4096 }]
      const map = new TestMap({ ...makeRig(), ...t }, page, () => t.memory.freeContiguous(frame, 1))
      const io = dmabufIo(t, map, 0, 512, { op: ReqOp.READ })
      t.disk.submitBio(io.bio, null)
      const rq = t.tagSet.tagToRq(0, 0)
      if (rq === null) throw new Error('no request')
      rq.pdu.aborted = aborted
      const done = expected === 'recover' ? BlkEhTimerReturn.DONE : BlkEhTimerReturn.RESET_TIMER
      expect(t.path.timeout?.(rq)).toBe(done)
      const actions = { abort: ['abort 1 4096'], wait: [], recover: ['recover'] }
      expect(seen).toEqual(actions[expected])
      expect(rq.pdu.aborted).toBe(aborted || expected === 'abort')
      // Whatever was done, nothing was dropped.
      expect(map.active).toBe(1)
      expect(io.ends).toBe(0)
      t.hardware.completeAll()
      t.path.reap(0)
      expect([map.active, io.ends]).toEqual([0, 1])
      map.destroy()
      t.close()
    },
  )

  it('R-MQ-7: a timeout whose completion is there, or has made room for another, is nothing', () => {
    const seen: string[] = []
    const t = makePath({
      state: CtrlState.LIVE,
      fatal: false,
      tryAbort: () => seen.push('abort') > 0,
      recover: () => seen.push('recover'),
    })
    const frame = t.memory.allocContiguous(1)
    const page = [{ addr: frame * 4096, length: 4096 }]
    const map = new TestMap({ ...makeRig(), ...t }, page, () => t.memory.freeContiguous(frame, 1))
    const io = dmabufIo(t, map, 0, 512, { op: ReqOp.READ })
    const next = dmabufIo(t, map, 512, 512, { op: ReqOp.READ })
    t.disk.submitBio(io.bio, null)
    const rq = t.tagSet.tagToRq(0, 0)
    if (rq === null) throw new Error('no request')
    t.hardware.completeAll()
    // The end of the one submits the other, which gets the same tag.
    const end = io.bioEndIo.bind(io)
    io.bioEndIo = () => {
      end()
      t.disk.submitBio(next.bio, null)
    }
    expect(t.path.timeout?.(rq)).toBe(BlkEhTimerReturn.DONE)
    expect(seen).toEqual([])
    expect(t.counters).toMatchObject({ timeouts: 1, lostInterrupts: 1 })
    expect([io.ends, next.ends]).toEqual([1, 0])
    t.hardware.completeAll()
    t.path.reap(0)
    expect(next.ends).toBe(1)
    map.destroy()
    t.close()
  })

  it('a host of other parts uses them', () => {
    let ended = 0
    class CountingIo extends NvmeIo {
      protected override endData(rq: Request<NvmeIod>): void {
        ended++
        super.endData(rq)
      }
    }
    const rig = makeRig({ parts: { io: CountingIo } })
    rig.scheduler.runSync('probe', rig.host.probe())
    const [disk] = rig.host.disks
    if (disk === undefined) throw new Error('no disk')
    const map = contiguousMap(rig, 1)
    expect(runIo(rig, disk, dmabufIo(rig, map, 0, 512, { op: ReqOp.READ }))).toBe(BlkStatus.OK)
    expect(ended).toBe(1)
    map.destroy()
    rig.scheduler.runSync('shutdown', rig.host.shutdown())
    rig.device.destroy()
  })
})
