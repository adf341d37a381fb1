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
  BlkStatus,
  createBlockDeviceFile,
  createRamDisk,
  type DmabufIoMap,
  type DmabufToken,
  type DmabufTokenFactory,
  dmabufFile,
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
      *create() {
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
    expect(scheduler.runSync('register', io.createDmabufToken({} as never, 0))).toBe(token)
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
})
