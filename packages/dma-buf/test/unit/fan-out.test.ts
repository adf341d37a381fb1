// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// One buffer, imported by devices of every kind at once.

import {
  BusAccess,
  BusRange,
  type Device,
  DmaDirection,
  type IommuMode,
  PAGE_SIZE,
  type SgTable,
} from '@iolayers/dma-mapping'
import { joinTask, type Op, PollEvents, pollFiles } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createMovableHeap,
  createSystemHeap,
  type DmaBuf,
  type DmaBufAttachment,
  DmaResvUsage,
  dmaBufInfo,
} from '../../src/index.ts'
import { addFence, createFence, importer } from '../buf-support.ts'
import { createRig, expectNothingOutstanding, type Rig, withLock } from '../support.ts'

const { BIDIRECTIONAL, FROM_DEVICE } = DmaDirection
const PAGES = 20
const KINDS: readonly (readonly [IommuMode, boolean])[] = [
  ['passthrough', true],
  ['passthrough', false],
  ['lazy', true],
  ['lazy', false],
  ['strict', true],
  ['strict', false],
]

/** One device with its own map of the buffer. */
class Importer {
  readonly device: Device
  readonly attachment: DmaBufAttachment
  told = 0
  #dmabuf: DmaBuf
  #table: SgTable | null = null
  readonly #range = new BusRange()

  constructor(rig: Rig, dmabuf: DmaBuf, [iommuMode, coherent]: (typeof KINDS)[number]) {
    this.device = rig.device(`${iommuMode}${coherent ? '' : ' without snooping'}`, {
      iommuMode,
      coherent,
    })
    this.#dmabuf = dmabuf
    this.attachment = dmabuf.dynamicAttach(
      this.device,
      importer(() => this.told++),
    )
  }

  get table(): SgTable {
    const table = this.#table
    if (table === null) throw new Error('not mapped')
    return table
  }

  *map(): Op<void> {
    this.#table = yield* this.#dmabuf.mapAttachmentUnlocked(this.attachment, BIDIRECTIONAL)
  }

  *unmap(): Op<void> {
    const { table } = this
    this.#table = null
    yield* this.#dmabuf.unmapAttachmentUnlocked(this.attachment, table, BIDIRECTIONAL)
  }

  /** Every page begins with a word that this device writes. */
  write(value: number): void {
    const { dma } = this.device
    dma.syncSgtableForDevice(this.table, BIDIRECTIONAL)
    for (let page = 0; page < PAGES; page++) {
      this.#word(page, BusAccess.WRITE).setUint32(0, value + page, true)
    }
    dma.syncSgtableForCpu(this.table, BIDIRECTIONAL)
  }

  read(): number[] {
    const { dma } = this.device
    dma.syncSgtableForDevice(this.table, BIDIRECTIONAL)
    const words = Array.from({ length: PAGES }, (_, page) =>
      this.#word(page, BusAccess.READ).getUint32(0, true),
    )
    dma.syncSgtableForCpu(this.table, BIDIRECTIONAL)
    return words
  }

  #word(page: number, access: BusAccess): DataView {
    let [i, start] = [0, 0]
    while (page * PAGE_SIZE >= start + this.table.dmaLengthAt(i)) {
      start += this.table.dmaLengthAt(i)
      i++
    }
    const address = this.table.dmaAddressAt(i) + page * PAGE_SIZE - start
    const range = this.#range
    expect(this.device.bus.translate(address, 4, access, range)).toBe(4)
    return new DataView(range.bytes.buffer, range.bytes.byteOffset + range.offset, 4)
  }
}

function setup(allocate: (rig: Rig) => DmaBuf, kinds = KINDS) {
  const rig = createRig()
  const dmabuf = allocate(rig)
  const importers = kinds.map((kind) => new Importer(rig, dmabuf, kind))
  for (const one of importers) rig.run(one.map())
  const finish = (): void => {
    for (const one of importers) {
      rig.run(one.unmap())
      dmabuf.detach(one.attachment)
      one.device.destroy()
    }
    dmabuf.put()
    expectNothingOutstanding(rig)
  }
  return { rig, dmabuf, importers, finish }
}

const onSystemHeap = (kinds = KINDS) =>
  setup((rig) => createSystemHeap(rig).allocate(PAGES * PAGE_SIZE), kinds)

function wordsFrom(value: number): number[] {
  return Array.from({ length: PAGES }, (_, page) => value + page)
}

function expectAllRead(importers: readonly Importer[], value: number): void {
  for (const one of importers) expect(one.read(), one.device.name).toEqual(wordsFrom(value))
}

describe('fan-out', () => {
  it('each device has a map of its own, and sees what every other one writes', () => {
    const { dmabuf, importers, finish } = onSystemHeap()
    expect([dmabuf.attachments, dmabuf.mappings]).toEqual([6, 6])
    expect(new Set(importers.map(({ table }) => table)).size).toBe(6)
    importers.forEach((writer, i) => {
      writer.write(i * 1000)
      expectAllRead(importers, i * 1000)
    })
    finish()
  })

  // An exporter syncs the whole buffer for every device: beside those that do not snoop, what those that do wrote is only in the CPU's caches, and
  // would be thrown away with them.
  it.each([
    ['snoops', true],
    ['does not snoop', false],
  ])('the CPU sees what every device that %s writes, and they what it writes', (_what, snoops) => {
    const kinds = KINDS.filter(([, coherent]) => coherent === snoops)
    const { rig, dmabuf, importers, finish } = onSystemHeap(kinds)
    const view = rig.run(dmabuf.vmap())
    const wordAt = (page: number): DataView => {
      let start = 0
      for (const segment of view.segments) {
        const offset = page * PAGE_SIZE - start
        if (offset < segment.length) {
          return new DataView(segment.buffer, segment.byteOffset + offset, 4)
        }
        start += segment.length
      }
      throw new Error('beyond the view')
    }
    importers.forEach((writer, i) => {
      writer.write(i * 1000)
      rig.run(dmabuf.beginCpuAccess(BIDIRECTIONAL))
      const seen = wordsFrom(0).map((page) => wordAt(page).getUint32(0, true))
      expect(seen, writer.device.name).toEqual(wordsFrom(i * 1000))
      for (let page = 0; page < PAGES; page++)
        wordAt(page).setUint32(0, i * 1000 + 500 + page, true)
      rig.run(dmabuf.endCpuAccess(BIDIRECTIONAL))
      expectAllRead(importers, i * 1000 + 500)
    })
    dmabuf.vunmap()
    finish()
  })

  it('the map of one may go and come without touching those of the others', () => {
    const { rig, dmabuf, importers, finish } = onSystemHeap()
    importers[0]?.write(7)
    for (const one of importers) {
      rig.run(one.unmap())
      expect(dmabuf.mappings).toBe(5)
      expectAllRead(
        importers.filter((other) => other !== one),
        7,
      )
      rig.run(one.map())
    }
    expectAllRead(importers, 7)
    finish()
  })

  it('a fence that one device adds is seen by all: waits, CPU access, poll, the listing', () => {
    const { rig, dmabuf, importers, finish } = onSystemHeap()
    const { scheduler } = rig
    const fence = createFence(rig)
    addFence(rig, dmabuf, fence, DmaResvUsage.WRITE)
    const waits = importers.map(({ attachment, device }) =>
      scheduler.spawn(
        `wait of ${device.name}`,
        attachment.dmabuf.resv.waitTimeout(DmaResvUsage.READ, false, 1e9),
      ),
    )
    const cpu = scheduler.spawn('cpu', dmabuf.beginCpuAccess(FROM_DEVICE))
    const entry = { file: dmabuf.file, events: PollEvents.EPOLLIN, revents: 0 }
    const poll = scheduler.spawn('poll', pollFiles(rig.kernel, [entry], 1e9))
    scheduler.runReady()
    expect([...waits, cpu, poll].map(({ state }) => state)).toEqual(Array(8).fill('parked'))
    const [listed] = rig.run(dmaBufInfo(rig.core)).buffers
    expect(listed?.fences).toMatchObject([{ usage: 'write', signaled: false }])
    expect(listed?.attachments).toEqual(importers.map(({ device }) => device.name))
    fence.signal()
    for (const task of waits) expect(rig.run(joinTask(scheduler, task))).toBeGreaterThan(0)
    rig.run(joinTask(scheduler, cpu))
    expect(rig.run(joinTask(scheduler, poll))).toBe(1)
    rig.run(dmabuf.endCpuAccess(FROM_DEVICE))
    fence.put()
    finish()
  })

  it('a move tells every device, waits for the DMA of all, and no byte is lost', () => {
    let move: (dmabuf: DmaBuf) => Op<boolean> = function* () {
      return false
    }
    const { rig, dmabuf, importers, finish } = setup((inRig) => {
      const heap = createMovableHeap(inRig)
      move = (moved) => heap.move(moved)
      return heap.allocate(PAGES * PAGE_SIZE)
    })
    const { scheduler } = rig
    importers[1]?.write(40)
    const old = importers.map(({ table }) => table)
    const fences = importers.map(() => createFence(rig))
    for (const fence of fences) addFence(rig, dmabuf, fence, DmaResvUsage.BOOKKEEP)
    const task = scheduler.spawn('move', move(dmabuf))
    for (const fence of fences) {
      scheduler.runReady()
      expect(task.state).toBe('parked')
      fence.signal()
      fence.put()
    }
    expect(rig.run(joinTask(scheduler, task))).toBe(true)
    expect(importers.map(({ told }) => told)).toEqual([1, 1, 1, 1, 1, 1])
    expect(importers.map(({ table }) => table)).toEqual(old)
    for (const one of importers) {
      rig.run(one.unmap())
      rig.run(one.map())
    }
    expectAllRead(importers, 40)
    finish()
  })

  it('one that detaches and one that comes while the others stay', () => {
    const { rig, dmabuf, importers, finish } = onSystemHeap()
    const [first] = importers
    first?.write(3)
    const guest = new Importer(rig, dmabuf, ['strict', false])
    rig.run(guest.map())
    expect(guest.read()).toEqual(wordsFrom(3))
    guest.write(9)
    rig.run(guest.unmap())
    dmabuf.detach(guest.attachment)
    guest.device.destroy()
    rig.run(withLock(dmabuf, () => dmabuf.invalidateMappings()))
    expect([guest.told, ...importers.map(({ told }) => told)]).toEqual([0, 1, 1, 1, 1, 1, 1])
    expectAllRead(importers, 9)
    finish()
  })
})
