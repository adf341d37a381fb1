// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors
import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { createBlockDeviceFile, createRamDisk } from '@iolayers/block-core'
import { createDmaBufCore, createMovableHeap, type DmaBuf } from '@iolayers/dma-buf'
import { createDevice, createPhysicalMemory } from '@iolayers/dma-mapping'
import {
  createKernel,
  createVirtualScheduler,
  Errno,
  joinTask,
  type Op,
  OpenFlags,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { createIoUring } from '../../src/index.ts'

const SECTOR = 512
const IO_BYTES = 4096
const IOS = 16
const SEEDS = 120

/** Writes a pattern through one buffer and reads it back through another, while both are moved about. */
function simulate(seed: number, maxSegments: number): string {
  const scheduler = createVirtualScheduler({ seed })
  const kernel = createKernel({ scheduler }, { checked: true })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 2 << 20, backing: 'plain' })
  const core = createDmaBufCore({ kernel })
  const heap = createMovableHeap({ kernel, memory, core })
  const device = createDevice(
    { kernel, memory, iommu: null },
    { name: 'ram', iommuMode: 'passthrough' },
  )
  const tokens = createDmabufTokenFactory({ kernel, fences: core })
  const disk = createRamDisk(
    { kernel, memory, device, tokens },
    { name: 'ram0', sizeBytes: IOS * IO_BYTES, queueDepth: 4, limits: { maxSegments } },
  )
  const file = createBlockDeviceFile(
    { kernel, disk },
    { flags: OpenFlags.O_RDWR | OpenFlags.O_DIRECT },
  )
  const ring = createIoUring({ kernel }, { entries: 8, workers: 2 })
  const out = heap.allocate(IOS * IO_BYTES)
  const back = heap.allocate(IOS * IO_BYTES)
  const userData = new Int32Array(8)
  const results = new Int32Array(8)
  const log: number[] = []

  /** Every range once; ranges that end with ESTALE are sent again, as a user would. */
  function* transfer(isWrite: boolean): Op<void> {
    const todo = Array.from({ length: IOS }, (_, i) => i)
    let open = 0
    while (todo.length > 0 || open > 0) {
      while (todo.length > 0 && ring.sqReady < ring.sqEntries) {
        const id = todo.shift() ?? 0
        const at = id * IO_BYTES
        const sqe = ring.getSqe()
        if (isWrite) ring.prepWriteFixed(sqe, 0, at, 0, at, IO_BYTES, id)
        else ring.prepReadFixed(sqe, 0, at, 1, at, IO_BYTES, id)
        open += 1
      }
      yield* ring.submitAndWait(1)
      const count = ring.reap(userData, results, 8)
      for (let i = 0; i < count; i += 1) {
        const [id = -1, res = 0] = [userData[i], results[i]]
        log.push(id, res)
        open -= 1
        if (res === -Errno.ESTALE) todo.push(id)
        else expect(res, `seed ${seed}: range ${id}`).toBe(IO_BYTES)
      }
    }
  }
  function* mover(buffer: DmaBuf): Op<void> {
    for (let i = 0; i < 5; i += 1) {
      yield* heap.move(buffer)
      yield* yieldNow(scheduler)
    }
  }
  function* fill(): Op<void> {
    const view = yield* out.vmap()
    let at = 0
    for (const segment of view.segments) {
      for (let i = 0; i < segment.length; i += 1, at += 1) segment[i] = (at * 13 + (at >> 9)) % 253
    }
    out.vunmap()
  }
  function* whileMoving(buffer: DmaBuf, isWrite: boolean): Op<void> {
    const moving = scheduler.spawn('mover', mover(buffer))
    yield* transfer(isWrite)
    yield* joinTask(scheduler, moving)
  }
  function* compare(): Op<void> {
    const [a, b] = [yield* out.vmap(), yield* back.vmap()]
    const [left, right] = [Buffer.concat(a.segments), Buffer.concat(b.segments)]
    expect(Buffer.compare(left, right), `seed ${seed}: wrong bytes`).toBe(0)
    expect(left.subarray(SECTOR, SECTOR + 4)).toEqual(Buffer.from([79, 92, 105, 118]))
    out.vunmap()
    back.vunmap()
  }
  function* main(): Op<void> {
    ring.registerFiles([file])
    yield* ring.registerBuffers([
      { dmabuf: out, fileIndex: 0 },
      { dmabuf: back, fileIndex: 0 },
    ])
    yield* fill()
    yield* whileMoving(out, true)
    yield* whileMoving(back, false)
    yield* compare()
    yield* ring.close()
  }
  scheduler.runSync('main', main())
  file.put()
  expect(out.references, `seed ${seed}`).toBe(1)
  out.put()
  back.put()
  scheduler.runUntilIdle()
  expect(core.begin(), `seed ${seed}`).toBeNull()
  expect(scheduler.outstanding(), `seed ${seed}`).toEqual([])
  expect(kernel.reports, `seed ${seed}`).toEqual([])
  return `${scheduler.steps} ${log.join(' ')}`
}

describe('the ring over a RAM disk with registered buffers', () => {
  it(`R-MQ-6, R-MQ-8: ${SEEDS} seeds of writes and reads while the buffers move: no wrong byte, nothing left`, () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) simulate(seed, seed % 2 === 0 ? 128 : 1)
  })

  it('the same seed makes the same run', () => {
    for (let seed = 1; seed <= 10; seed += 1) expect(simulate(seed, 1)).toBe(simulate(seed, 1))
  })
})
