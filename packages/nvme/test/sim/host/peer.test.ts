// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Peer to peer: the buffers of I/O lie in the memory of a device, and the controller reaches it without system memory in between.

import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { BlkStatus, type Disk, type DmabufToken, ReqOp } from '@iolayers/block-core'
import { createDeviceMemory, createDmaBufCore, type DmaBuf } from '@iolayers/dma-buf'
import { createMisbehavingExporter, Lie, verifyDeviceWrite } from '@iolayers/dma-buf/testing'
import { createDevice, createPhysicalMemory, DmaDirection } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createMemoryStore, createNvmeController } from '../../../src/controller/index.ts'
import { createNvmeHost } from '../../../src/host/index.ts'
import { Reg } from '../../../src/spec/index.ts'
import { dmabufIo, expectSameBytes, pattern, submit } from './rig.ts'

const BYTES = 65_536
const FRAMES = 64

/** A controller and a host of it, and a region of device memory: of another device, or the controller's memory buffer. */
function makeStack(where: 'gpu' | 'buffer' | 'system', reach = true) {
  const scheduler = createVirtualScheduler({ seed: 1 })
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 8 << 20, backing: 'plain' })
  const region = memory.addRegion({ frames: FRAMES, kind: 'device', backing: 'plain' })
  const common = { iommuMode: 'passthrough', peerToPeer: reach } as const
  const device = createDevice({ kernel, memory, iommu: null }, { ...common, name: 'nvme0' })
  const gpu = createDevice({ kernel, memory, iommu: null }, { ...common, name: 'gpu0' })
  const controller = createNvmeController(
    { kernel, bus: device.bus },
    { mdtsBytes: BYTES, ...(where === 'buffer' && { memoryBuffer: region }) },
  )
  const store = createMemoryStore({ kernel, memory }, { sizeBytes: 1 << 20 })
  controller.addNamespace(1, { store })
  const core = createDmaBufCore({ kernel })
  const tokens = createDmabufTokenFactory({ kernel, fences: core })
  const host = createNvmeHost({
    kernel,
    device,
    bar: controller.bar,
    interrupts: (sink) => controller.connectInterrupts(sink),
    tokens,
  })
  const owner = where === 'buffer' ? device : gpu
  const peer = createDeviceMemory({ kernel, memory, core, device: owner }, { region })
  const run = <T>(op: Op<T>): T => scheduler.runSync('test', op)
  run(host.probe())
  if (where === 'buffer') controller.bar.write64(Reg.CMBMSC, BigInt(region.baseAddr) | 3n)
  const [disk] = host.disks
  if (disk?.dmabuf == null) throw new Error('no disk for buffers')
  const registrar = disk.dmabuf
  return {
    scheduler,
    kernel,
    memory,
    core,
    region,
    device,
    controller,
    store,
    peer,
    disk,
    run,
    register: (dmabuf: DmaBuf): DmabufToken =>
      run(registrar.createDmabufToken(dmabuf, DmaDirection.BIDIRECTIONAL)),
    close(...buffers: { readonly token: DmabufToken; readonly dmabuf: DmaBuf }[]): void {
      for (const { token, dmabuf } of buffers) {
        run(token.release())
        dmabuf.put()
      }
      run(host.shutdown())
      controller.destroy()
      run(store.close())
      scheduler.runUntilIdle()
      peer.destroy()
      expect(scheduler.outstanding()).toEqual([])
      expect(device.bus.faultCount).toBe(0)
      expect(kernel.reports).toEqual([])
    },
  }
}

type Stack = ReturnType<typeof makeStack>

function* io(
  stack: Pick<Stack, 'scheduler'>,
  disk: Disk,
  token: DmabufToken,
  op: ReqOp,
  sector: number,
): Op<void> {
  const map = token.tryGetMap() ?? (yield* token.getMap())
  expect(yield* submit(disk, dmabufIo(stack, map, 0, BYTES, { op, sector }))).toBe(BlkStatus.OK)
  map.put()
}

describe('a copy between blocks', () => {
  it.each(['gpu', 'buffer'] as const)(
    'through memory of a device (%s): none of it passes system memory',
    (where) => {
      const stack = makeStack(where)
      const { disk, peer, store, region } = stack
      const bytes = pattern(BYTES, 3)
      store.segments[0]?.set(bytes)
      const dmabuf = stack.run(peer.allocate(BYTES))
      const token = stack.register(dmabuf)
      stack.run(io(stack, disk, token, ReqOp.READ, 0))
      // It is there, in the memory of the device.
      expectSameBytes(region.bytes.slice(0, BYTES), bytes)
      stack.run(io(stack, disk, token, ReqOp.WRITE, 512))
      expectSameBytes(
        store.segments[0]?.slice(512 * 512, 512 * 512 + BYTES) ?? new Uint8Array(),
        bytes,
      )
      expect([peer.stats.mappingsSystem, peer.stats.bytesP2p]).toEqual([0, BYTES])
      stack.close({ token, dmabuf })
    },
  )

  it('through a buffer that moves from the device to system memory in between', () => {
    const stack = makeStack('gpu')
    const { disk, peer } = stack
    const dmabuf = stack.run(peer.allocate(BYTES))
    const token = stack.register(dmabuf)
    const bytes = pattern(BYTES, 5)
    stack.store.segments[0]?.set(bytes)
    stack.run(io(stack, disk, token, ReqOp.READ, 0))
    // Others need all of the room.
    const other = stack.run(peer.allocate(FRAMES * 4096))
    expect(peer.stats.movesToSystem).toBe(1)
    stack.run(io(stack, disk, token, ReqOp.WRITE, 512))
    expectSameBytes(
      stack.store.segments[0]?.slice(512 * 512, 512 * 512 + BYTES) ?? new Uint8Array(),
      bytes,
    )
    expect(peer.stats.mappingsSystem).toBe(1)
    other.put()
    stack.close({ token, dmabuf })
  })

  it('where the controller cannot reach other devices: through system memory, and counted', () => {
    const stack = makeStack('gpu', false)
    const { disk, peer } = stack
    const dmabuf = stack.run(peer.allocate(BYTES))
    const token = stack.register(dmabuf)
    stack.run(io(stack, disk, token, ReqOp.READ, 0))
    expect(peer.stats.mappingsP2p).toBe(0)
    expect(peer.stats.fallbacks.unreachable + peer.stats.fallbacks.notAllowed).toBeGreaterThan(0)
    stack.close({ token, dmabuf })
  })
})

describe('P1: what peers write', () => {
  it('arrives in the memory of a device', () => {
    const stack = makeStack('gpu')
    const dmabuf = stack.run(stack.peer.allocate(BYTES))
    const token = stack.register(dmabuf)
    const bytes = pattern(BYTES, 9)
    stack.store.segments[0]?.set(bytes)
    const read = () => io(stack, stack.disk, token, ReqOp.READ, 0)
    stack.run(verifyDeviceWrite(dmabuf, bytes, read, { cpuAccess: false }))
    stack.close({ token, dmabuf })
  })

  it('and an exporter swallows: the read ends well, and comparing detects it', () => {
    const stack = makeStack('system')
    const init = { lie: Lie.SWALLOW_PEER_WRITES, sizeBytes: BYTES }
    const exporter = createMisbehavingExporter(stack, init)
    const { dmabuf } = exporter
    const token = stack.register(dmabuf)
    const bytes = pattern(BYTES, 9)
    stack.store.segments[0]?.set(bytes)
    const read = () => io(stack, stack.disk, token, ReqOp.READ, 0)
    expect(() => stack.run(verifyDeviceWrite(dmabuf, bytes, read))).toThrow(
      /did not arrive: 65536 of 65536 bytes.*65536 are as they were before/,
    )
    expect(exporter.told).toBeGreaterThan(0)
    stack.close({ token, dmabuf })
    exporter.cleanUp()
  })
})
