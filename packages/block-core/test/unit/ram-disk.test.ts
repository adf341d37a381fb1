// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  createDevice,
  createPhysicalMemory,
  type Device,
  DmaDirection,
  DmaSegmentTable,
} from '@iolayers/dma-mapping'
import { Errno, OpenFlags } from '@iolayers/kernel'
import { IovIter, ITER_DEST, ITER_SOURCE } from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import {
  type Bio,
  BlkStatus,
  createBlockDeviceFile,
  createRamDisk,
  type DmabufIoMap,
  type DmabufToken,
  type DmabufTokenFactory,
  dmabufFile,
  Plug,
  type QueueLimitsInit,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import {
  dmabufIter,
  EndRecorder,
  FakeMap,
  KiocbRecorder,
  makeMachine,
  newKiocb,
  runBio,
  tearDown,
} from '../support.ts'

const flags = OpenFlags.O_RDWR | OpenFlags.O_DIRECT

class PhysicalMap extends FakeMap {
  readonly table: DmaSegmentTable
  constructor(addresses: number[], segmentBytes: number) {
    super(addresses.length * segmentBytes, Math.log2(segmentBytes))
    const starts = [...addresses.keys(), addresses.length].map((i) => i * segmentBytes)
    this.table = new DmaSegmentTable(Float64Array.from(addresses), Float64Array.from(starts))
  }

  override tryGetActive(): DmaSegmentTable | null {
    return super.tryGetActive() === null ? null : this.table
  }
}

describe('the RAM disk', () => {
  for (const completion of ['inline', 'deferred'] as const) {
    it(`keeps what was written, completion ${completion}`, () => {
      const machine = makeMachine()
      const { kernel, scheduler } = machine
      const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'plain' })
      const disk = createRamDisk(
        { kernel, memory },
        { name: 'ram0', sizeBytes: 1 << 16, completion, limits: { maxSegments: 2 } },
      )
      const file = createBlockDeviceFile({ kernel, disk }, { flags })
      const io = file.query(dmabufFile)
      if (io === undefined) throw new Error('no dmabuf file')
      const frame = memory.allocPages(1)
      const data = Uint8Array.from({ length: 4096 }, (_, i) => i % 251)
      memory.write(frame * 4096 + 512, data)
      const recorder = new KiocbRecorder()
      const kiocb = newKiocb(recorder)
      kiocb.init(file, 1024)
      const iter = new IovIter<DmabufIoMap>()
      const source = Array.from({ length: 4 }, (_, i) => ({
        frame,
        offsetBytes: 512 + i * 1024,
        lengthBytes: 1024,
      }))
      iter.initBvec(ITER_SOURCE, source, 4, 4096)
      scheduler.runSync('write', io.writeIterWait(kiocb, iter))
      scheduler.runUntilIdle()
      memory.write(frame * 4096, new Uint8Array(8192))
      kiocb.init(file, 1024)
      iter.initUbuf(ITER_DEST, frame, 0, 4096)
      expect(io.readIter(kiocb, iter)).toBe(-Errno.EIOCBQUEUED)
      scheduler.runUntilIdle()
      expect(recorder.results).toEqual([4096, 4096])
      const back = new Uint8Array(4096)
      memory.read(frame * 4096, back)
      expect(back).toEqual(data)
      const end = new EndRecorder()
      disk.submitBio(runBio({ op: ReqOp.WRITE_ZEROES, sector: 0, bytes: 4096 }, end), null)
      scheduler.runUntilIdle()
      kiocb.init(file, 1024)
      iter.initUbuf(ITER_DEST, frame, 0, 1024)
      io.readIter(kiocb, iter)
      scheduler.runUntilIdle()
      memory.read(frame * 4096, back)
      expect(back.subarray(0, 1024)).toEqual(new Uint8Array(1024))
      memory.freePages(frame, 1)
      file.put()
      tearDown(machine, disk)
    })
  }

  it('moves registered buffers through the bus of its device, and a fault is IOERR', () => {
    const machine = makeMachine()
    const { kernel, scheduler } = machine
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'plain' })
    const device: Device = createDevice(
      { kernel, memory, iommu: null },
      { name: 'ram', iommuMode: 'passthrough' },
    )
    const token = { sizeBytes: 8192 } as DmabufToken
    const tokens: DmabufTokenFactory = {
      *create(_device, _dmabuf, _direction, options) {
        expect(options).toEqual({ policy: 'drain' })
        return token
      },
    }
    const disk = createRamDisk(
      { kernel, memory, device, tokens },
      { name: 'ram0', sizeBytes: 1 << 16 },
    )
    const file = createBlockDeviceFile({ kernel, disk }, { flags })
    const io = file.query(dmabufFile)
    if (io === undefined) throw new Error('no dmabuf file')
    const registration = io.createDmabufToken({} as never, 0, { policy: 'drain' })
    expect(scheduler.runSync('register', registration)).toBe(token)
    const frame = memory.allocPages(2)
    const map = new PhysicalMap([(frame + 2) * 4096, frame * 4096], 4096)
    const pages = [(frame + 2) * 4096, frame * 4096]
    for (const page of pages) {
      device.dma.mapSingle(page, 4096, DmaDirection.BIDIRECTIONAL)
      device.dma.syncSingleForCpu(page, 4096, DmaDirection.BIDIRECTIONAL)
    }
    device.bus.enabled = true
    const data = Uint8Array.from({ length: 8192 }, (_, i) => (i * 7) % 253)
    memory.write((frame + 2) * 4096, data.subarray(0, 4096))
    memory.write(frame * 4096, data.subarray(4096))
    const recorder = new KiocbRecorder()
    const kiocb = newKiocb(recorder)
    kiocb.init(file, 0)
    io.writeIter(kiocb, dmabufIter(map, 0, 8192, true))
    scheduler.runUntilIdle()
    memory.write(frame * 4096, new Uint8Array(16_384))
    kiocb.init(file, 1024)
    io.readIter(kiocb, dmabufIter(map, 3584, 1024))
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([8192, 1024])
    const back = new Uint8Array(512)
    memory.read((frame + 2) * 4096 + 3584, back)
    expect(back).toEqual(data.slice(1024, 1536))
    memory.read(frame * 4096, back)
    expect(back).toEqual(data.slice(1536, 2048))
    device.bus.enabled = false
    kiocb.init(file, 0)
    io.readIter(kiocb, dmabufIter(map, 0, 4096))
    scheduler.runUntilIdle()
    expect(recorder.results.at(-1)).toBe(-Errno.EIO)
    expect(map).toMatchObject({ active: 0, refs: 1 })
    for (const page of pages) device.dma.unmapSingle(page, 4096, DmaDirection.BIDIRECTIONAL)
    memory.freePages(frame, 2)
    file.put()
    tearDown(machine, disk)
    device.destroy()
  })

  it('takes no registration without a device', () => {
    const { kernel } = makeMachine()
    const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 16, backing: 'plain' })
    const disk = createRamDisk({ kernel, memory }, { name: 'ram0', sizeBytes: 1 << 12 })
    expect(disk.dmabuf).toBe(null)
    expect(disk.submitBio(runBio({ op: ReqOp.READ, sector: 8, bytes: 512 }), null)).toBe(
      BlkStatus.IOERR,
    )
  })

  describe('at the edges', () => {
    const rig = (limits: QueueLimitsInit = {}, sizeBytes = 2 ** 42) => {
      const machine = makeMachine()
      const { kernel } = machine
      const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'plain' })
      const frame = memory.allocPages(2)
      const disk = createRamDisk({ kernel, memory }, { name: 'ram0', sizeBytes, limits })
      const recorder = new EndRecorder()
      const io = (op: number, sector: number, bytes: number, plug: Plug | null = null): Bio => {
        const bio = runBio({ op, sector, bytes }, recorder)
        bio.biIoVec = [{ frame, offsetBytes: 0, lengthBytes: Math.min(bytes, 16_384) }]
        machine.scheduler.runSync('submit', disk.submitBioWait(bio, plug))
        if (plug === null) machine.scheduler.runUntilIdle()
        return bio
      }
      const fill = (value: number) => memory.write(frame * 4096, new Uint8Array(16_384).fill(value))
      const read = (sector: number, bytes: number): Uint8Array => {
        fill(0xee)
        expect(io(ReqOp.READ, sector, bytes).biStatus).toBe(BlkStatus.OK)
        const data = new Uint8Array(bytes)
        memory.read(frame * 4096, data)
        return data
      }
      return { machine, disk, recorder, io, fill, read }
    }

    it('a disk of 4 TiB holds only what is written, to its last sector', () => {
      const { machine, disk, io, fill, read } = rig()
      const last = 2 ** 33 - 1
      fill(5)
      expect(io(ReqOp.WRITE, last, 512).biStatus).toBe(BlkStatus.OK)
      expect(read(last - 1, 1024)).toEqual(
        Uint8Array.from({ length: 1024 }, (_, i) => (i < 512 ? 0 : 5)),
      )
      expect(io(ReqOp.WRITE, last, 1024).biStatus).toBe(BlkStatus.IOERR)
      expect(io(ReqOp.DISCARD, last + 1, 512).biStatus).toBe(BlkStatus.IOERR)
      tearDown(machine, disk)
    })

    it('discards and zeroes what it is told to and nothing beside it', () => {
      for (const op of [ReqOp.DISCARD, ReqOp.WRITE_ZEROES]) {
        const { machine, disk, io, fill, read } = rig()
        fill(7)
        io(ReqOp.WRITE, 0, 16_384)
        expect(io(op, 5, 8192).biStatus).toBe(BlkStatus.OK)
        const expected = Uint8Array.from({ length: 16_384 }, (_, i) =>
          i >= 2560 && i < 10_752 ? 0 : 7,
        )
        expect(read(0, 16_384)).toEqual(expected)
        expect(io(op, 0, 2 ** 31).biStatus).toBe(BlkStatus.OK)
        expect(read(0, 16_384)).toEqual(new Uint8Array(16_384))
        tearDown(machine, disk)
      }
    })

    it('discards that gather in one request are each discarded', () => {
      const { machine, disk, io, fill, read, recorder } = rig({ maxDiscardSegments: 4 })
      fill(7)
      io(ReqOp.WRITE, 0, 16_384)
      const plug = new Plug()
      for (const sector of [1, 9, 20]) io(ReqOp.DISCARD, sector, 512, plug)
      expect(plug.requests).toBe(1)
      plug.finish()
      machine.scheduler.runUntilIdle()
      expect(recorder.statuses).toEqual(new Array(4).fill(BlkStatus.OK))
      const expected = Uint8Array.from({ length: 16_384 }, (_, i) =>
        [1, 9, 20].includes(i >> 9) ? 0 : 7,
      )
      expect(read(0, 16_384)).toEqual(expected)
      tearDown(machine, disk)
    })

    it('with a write cache it takes flushes, which find nothing to do', () => {
      const { machine, disk, io, fill, read } = rig({ writeCache: true })
      fill(3)
      expect(io(ReqOp.WRITE | ReqFlags.PREFLUSH | ReqFlags.FUA, 4, 512).biStatus).toBe(0)
      expect(io(ReqOp.WRITE | ReqFlags.PREFLUSH, 0, 0).biStatus).toBe(0)
      expect(read(4, 512)).toEqual(new Uint8Array(512).fill(3))
      tearDown(machine, disk)
    })

    it('refuses a size that is none', () => {
      expect(() => rig({}, -512)).toThrow('capacity is -1 sectors')
      expect(() => rig({}, Number.NaN)).toThrow('capacity is NaN sectors')
    })
  })
})
