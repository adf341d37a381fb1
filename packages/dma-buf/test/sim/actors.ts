// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Device, DmaDirection } from '@iolayers/dma-mapping'
import { assert, joinAll, type Op, yieldNow } from '@iolayers/kernel'
import { type BufferView, type DmaBuf, DmaResvUsage } from '../../src/index.ts'
import { DeviceView, SimImporter } from './importer.ts'
import type { SimWorld } from './world.ts'

const DIRECTION = DmaDirection.BIDIRECTIONAL

/** Has buffers made, and drops its references at any time. */
export function* owner(world: SimWorld): Op<void> {
  for (let round = 0; round < 3; round++) {
    const some = [world.allocate(), world.allocate()]
    for (const dmabuf of some) {
      yield* world.pause()
      yield* world.pause()
      dmabuf?.put()
    }
  }
}

/** Moves buffers, wherever they are in use. */
export function* mover(world: SimWorld): Op<void> {
  for (let round = 0; round < 4; round++) {
    const dmabuf = world.pick()
    if (dmabuf !== null) {
      try {
        yield* world.heap.move(dmabuf)
      } catch (error) {
        // No memory; the importers took too long; a buffer of the heap that does not move.
        world.expectError(error, 'ENOMEM', 'ETIME', 'EINVAL')
        world.counts.tooLate++
      }
      dmabuf.put()
    }
    yield* world.pause()
  }
}

/** A device whose importer lets go when it is told to. Two tasks of it have DMA under way at once. */
export function* dynamicDevice(
  world: SimWorld,
  device: Device,
  slot: number,
  rounds: number,
): Op<void> {
  const { rig, prng, guard, lab } = world
  for (let round = 0; round < rounds; round++) {
    yield* world.pause()
    const dmabuf = world.pick()
    if (dmabuf === null) continue
    const skipCpuSync = world.nonCoherent || prng.below(2) === 0
    const importer = new SimImporter(rig, dmabuf, device, {
      guard,
      skipCpuSync,
      drain: prng.below(3) === 0,
      makeFence: () => lab.plain(),
      onFence: (fence) => {
        world.log(dmabuf).added(fence, DmaResvUsage.BOOKKEEP)
        lab.publish(fence)
      },
    })
    // The importer has a reference of its own.
    dmabuf.put()
    const io = (at: number): Op<void> =>
      world.watched(deviceIo(world, dmabuf, importer, at, skipCpuSync))
    const tasks = [slot, slot + 1].map((at) => rig.scheduler.spawn(`io ${device.name}`, io(at)))
    yield* joinAll(rig.scheduler, tasks)
    world.counts.maps += importer.maps
    yield* importer.close()
  }
}

function* deviceIo(
  world: SimWorld,
  dmabuf: DmaBuf,
  importer: SimImporter,
  slot: number,
  alone: boolean,
): Op<void> {
  const order = world.userOrder(dmabuf)
  for (let i = 0; i < 3; i++) {
    const offset = world.wordOffset(dmabuf, slot)
    if (!alone) yield* order.lock()
    world.counted(dmabuf, offset, yield* importer.increment(offset))
    if (!alone) order.unlock()
    yield* world.pause()
  }
}

/** A device whose driver cannot be told to let go: what it has mapped stays where it is. */
export function* staticDevice(world: SimWorld, device: Device, slot: number): Op<void> {
  for (let round = 0; round < 3; round++) {
    yield* world.pause()
    const dmabuf = world.pick()
    if (dmabuf === null) continue
    const order = world.userOrder(dmabuf)
    yield* order.lock()
    const attachment = dmabuf.attach(device)
    yield* dmabuf.resv.lock(null)
    world.took(dmabuf)
    const table = yield* world.signalled(dmabuf.mapAttachment(attachment, DIRECTION))
    world.unlock(dmabuf)
    if (table !== null) {
      const view = new DeviceView(device, table, world.guard)
      const offset = world.wordOffset(dmabuf, slot)
      world.counted(dmabuf, offset, yield* view.increment(offset, false, () => world.pause()))
      yield* dmabuf.resv.lock(null)
      world.took(dmabuf)
      view.close()
      dmabuf.unmapAttachment(attachment, table, DIRECTION)
      world.unlock(dmabuf)
    }
    dmabuf.detach(attachment)
    order.unlock()
    dmabuf.put()
  }
}

/** The CPU looks at buffers and changes them, between begin and end. */
export function* cpu(world: SimWorld, slot: number): Op<void> {
  for (let round = 0; round < 3; round++) {
    yield* world.pause()
    const dmabuf = world.pick()
    if (dmabuf === null) continue
    const order = world.userOrder(dmabuf)
    yield* order.lock()
    const began = yield* world.signalled(begin(dmabuf))
    if (began === true) {
      const view = yield* dmabuf.vmap()
      const offset = world.wordOffset(dmabuf, slot)
      world.counted(dmabuf, offset, yield* incrementByCpu(world, view, offset))
      dmabuf.vunmap()
      yield* dmabuf.endCpuAccess(DIRECTION)
    }
    order.unlock()
    dmabuf.put()
  }
}

function* begin(dmabuf: DmaBuf): Op<true> {
  yield* dmabuf.beginCpuAccess(DIRECTION)
  return true
}

function* incrementByCpu(world: SimWorld, view: BufferView, offset: number): Op<number> {
  const { guard, rig } = world
  let left = offset
  const segment = view.segments.find(({ length }) => {
    left -= length
    return left < 0
  })
  assert(segment !== undefined, 'a view is shorter than its buffer')
  const at = left + segment.length
  const region = rig.memory.regions[0]
  assert(region !== undefined && segment.buffer === region.bytes.buffer, 'a view of other memory')
  const addr = region.baseAddr + segment.byteOffset - region.bytes.byteOffset + at
  const number = guard.numberAt(addr)
  guard.assertSame(addr, number)
  const words = new DataView(segment.buffer, segment.byteOffset, segment.length)
  const value = words.getInt32(at, true)
  yield* yieldNow(rig.scheduler)
  yield* world.pause()
  guard.assertSame(addr, number)
  words.setInt32(at, value + 1, true)
  return value
}
