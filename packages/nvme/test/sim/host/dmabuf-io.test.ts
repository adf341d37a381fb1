// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { BlkStatus, Plug, ReqFlags, ReqOp } from '@iolayers/block-core'
import { createDmaBufCore, createMovableHeap, createSystemHeap } from '@iolayers/dma-buf'
import { DmaDirection, type DmaSegmentTable, IommuMode } from '@iolayers/dma-mapping'
import { createPrng, type Op, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  contiguousMap,
  dmabufIo,
  expectSameBytes,
  finish,
  pattern,
  probed,
  type RigInit,
  readRuns,
  runIo,
  scatteredMap,
  submit,
  type TestIo,
  writeRuns,
} from './rig.ts'

const BIG = { namespaces: [{ nsid: 1, blocks: 16_384 }] }
const passthrough = { iommuMode: IommuMode.PASSTHROUGH, twin: BIG } as const

function lastIo(rig: ReturnType<typeof probed>) {
  const command = rig.twin.commands.filter((candidate) => candidate.qid !== 0).at(-1)
  if (command === undefined) throw new Error('no I/O command')
  return command
}

/** Lets the twin go on with what it holds, again and again: what was refused comes later. */
function releaseUntilDone(rig: ReturnType<typeof probed>, ios: readonly TestIo[]): void {
  for (const io of ios) {
    while (!io.done.done) {
      rig.twin.release()
      rig.scheduler.runSync('time', sleep(rig.scheduler, 10e6))
    }
    expect(io.bio.biStatus).toBe(BlkStatus.OK)
  }
}

describe('nvme host: dmabuf requests', () => {
  it('R-NVME-1 one segment is one data block inside the command', () => {
    const rig = probed({ twin: BIG })
    const map = scatteredMap(rig, 8)
    // Strict: the whole buffer is one range of device addresses, and so one segment.
    expect(map.segments.count).toBe(1)
    const bytes = pattern(8192, 3)
    rig.twin.namespaces.get(1)?.data.set(bytes, 512 * 7)
    expect(
      runIo(rig, rig.disk, dmabufIo(rig, map, 4608, 8192, { op: ReqOp.READ, sector: 7 })),
    ).toBe(BlkStatus.OK)
    expectSameBytes(readRuns(rig, map.runs(4608, 8192)), bytes)
    const command = lastIo(rig)
    expect(command.flags).toBe(0x40)
    expect(command.sqe.getUint32(32, true)).toBe(8192)
    expect(command.sqe.getUint8(39)).toBe(0)
    expect(rig.host.stats.sglDescriptors).toBe(1)
    expect(rig.host.stats.sglBytes).toBe(16)
    expect(rig.host.stats.descriptorBlocks).toBe(0)
    map.destroy()
    finish(rig)
  })

  it.each([2, 16, 17, 255, 256, 257, 511, 512, 513])(
    'R-NVME-5 S1 a list of %i descriptors chains',
    (count) => {
      const rig = probed({ ...passthrough, host: { maxSegments: 600 } })
      const map = scatteredMap(rig, count)
      const bytes = pattern(count * 4096, count)
      rig.twin.namespaces.get(1)?.data.set(bytes)
      const io = dmabufIo(rig, map, 0, count * 4096, { op: ReqOp.READ })
      expect(runIo(rig, rig.disk, io)).toBe(BlkStatus.OK)
      expectSameBytes(readRuns(rig, map.pages), bytes)
      expect(lastIo(rig).pieces).toEqual(map.pages)
      expect(rig.host.stats.sglDescriptors).toBe(count)
      const pages = count <= 256 ? 1 : Math.ceil((count - 1) / 255)
      expect(rig.host.stats.descriptorBlocks).toBe(pages)
      expect(rig.host.stats.syncsForDevice).toBe(count)
      expect(rig.host.stats.syncsForCpu).toBe(count)
      map.destroy()
      finish(rig)
    },
  )

  it('R-NVME-1 neighbouring segments are one descriptor', () => {
    const rig = probed(passthrough)
    const map = contiguousMap(rig, 32)
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 131_072, { op: ReqOp.WRITE }))).toBe(0)
    expect(rig.host.stats.sglDescriptors).toBe(1)
    map.destroy()
    finish(rig)
  })

  it('R-NVME-3 S6 syncs before and after, reads and writes alike, clipped to the bytes of the request', () => {
    const rig = probed({ ...passthrough, coherent: false })
    const map = scatteredMap(rig, 4)
    const bytes = pattern(4096 * 4, 9)
    writeRuns(rig, map.pages, bytes)
    const before = { ...rig.device.dma.stats }
    const write = dmabufIo(rig, map, 3584, 5120, { op: ReqOp.WRITE, sector: 0 })
    expect(runIo(rig, rig.disk, write)).toBe(BlkStatus.OK)
    expectSameBytes(
      rig.twin.namespaces.get(1)?.data.subarray(0, 5120) ?? new Uint8Array(),
      bytes.subarray(3584, 8704),
    )
    const { stats } = rig.device.dma
    expect(stats.syncsForDevice - before.syncsForDevice).toBe(3)
    expect(stats.syncsForCpu - before.syncsForCpu).toBe(3)
    // Both ways exactly the request's bytes: nothing widened to a page or a segment.
    expect(stats.syncBytes - before.syncBytes).toBe(2 * 5120)
    rig.twin.namespaces.get(1)?.data.fill(0x5a, 0, 5120)
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 512, 512, { op: ReqOp.READ }))).toBe(0)
    const got = readRuns(rig, map.pages)
    expectSameBytes(got.subarray(512, 1024), new Uint8Array(512).fill(0x5a))
    expectSameBytes(got.subarray(0, 512), bytes.subarray(0, 512))
    expectSameBytes(got.subarray(1024), bytes.subarray(1024))
    expect(rig.host.stats.syncsForDevice).toBe(4)
    expect(rig.host.stats.syncsForCpu).toBe(4)
    map.destroy()
    finish(rig)
  })

  it('R-NVME-3 S5 two requests in one page do not change each other', () => {
    const rig = probed({ ...passthrough, coherent: false })
    const map = contiguousMap(rig, 1)
    const data = rig.twin.namespaces.get(1)?.data ?? new Uint8Array()
    data.fill(0x11, 0, 512)
    data.fill(0x22, 512, 1024)
    rig.twin.judge = (command) => (command.qid === 0 ? 'run' : 'hold')
    const first = dmabufIo(rig, map, 0, 512, { op: ReqOp.READ, sector: 0 })
    const second = dmabufIo(rig, map, 512, 512, { op: ReqOp.READ, sector: 1 })
    rig.disk.submitBio(first.bio, null)
    rig.disk.submitBio(second.bio, null)
    rig.scheduler.runUntilIdle()
    rig.twin.release()
    expect(rig.scheduler.runSync('first', first.wait())).toBe(BlkStatus.OK)
    // The first half is the CPU's now, while the device still owns the second.
    const { addr } = map.pages[0] ?? { addr: 0 }
    writeRuns(rig, [{ addr, length: 512 }], new Uint8Array(512).fill(0x33))
    rig.twin.release()
    expect(rig.scheduler.runSync('second', second.wait())).toBe(BlkStatus.OK)
    const got = readRuns(rig, map.pages)
    expectSameBytes(got.subarray(0, 512), new Uint8Array(512).fill(0x33))
    expectSameBytes(got.subarray(512, 1024), new Uint8Array(512).fill(0x22))
    map.destroy()
    finish(rig)
  })

  it('R-MQ-7 a dead generation is STALE, and nothing is posted', () => {
    const rig = probed(passthrough)
    const map = scatteredMap(rig, 2)
    map.dead = true
    const posted = rig.host.stats.requests
    const io = dmabufIo(rig, map, 0, 4096, { op: ReqOp.READ })
    expect(runIo(rig, rig.disk, io)).toBe(BlkStatus.STALE)
    expect(rig.host.stats.requests).toBe(posted)
    expect(rig.host.stats.staleRefusals).toBe(1)
    map.destroy()
    finish(rig)
  })

  it('S2 what lies before a request in its buffer, or behind it, costs nothing', () => {
    const rig = probed(passthrough)
    const map = scatteredMap(rig, 1024)
    let looks = 0
    const { segments } = map
    const counting: DmaSegmentTable = Object.create(segments, {
      addressAt: { value: (i: number) => look(segments.addressAt(i)) },
      startAt: { value: (i: number) => look(segments.startAt(i)) },
      lengthAt: { value: (i: number) => look(segments.lengthAt(i)) },
      find: { value: (offset: number) => look(segments.find(offset)) },
      totalBytes: { value: segments.totalBytes },
      count: { value: segments.count },
    })
    const look = (value: number): number => {
      looks++
      return value
    }
    Object.defineProperty(map, 'segments', { value: counting })
    const looksAt = (offset: number, length: number): number => {
      looks = 0
      expect(runIo(rig, rig.disk, dmabufIo(rig, map, offset, length, { op: ReqOp.READ }))).toBe(0)
      return looks
    }
    const first = looksAt(0, 512)
    expect(first).toBeGreaterThan(0)
    expect(looksAt(1023 * 4096, 512)).toBe(first)
    expect(looksAt(512 * 4096 + 100 * 4, 512)).toBe(first)
    // In proportion to what is moved, wherever it is.
    const sixteen = looksAt(0, 65_536)
    expect(looksAt(1008 * 4096, 65_536)).toBe(sixteen)
    expect(sixteen).toBeLessThan(16 * first)
    map.destroy()
    finish(rig)
  })

  it('S4 what a request frees is what it took: a failed try frees nothing, and no list of another', () => {
    const rig = probed({ ...passthrough, host: { smallDescriptors: 2, pageDescriptors: 3 } })
    const map = scatteredMap(rig, 64)
    rig.twin.judge = (command) => (command.qid === 0 ? 'run' : 'hold')
    const read = (page: number, pages: number) =>
      dmabufIo(rig, map, page * 4096, pages * 4096, { op: ReqOp.READ, sector: page * 8 })
    // Lists of both sizes, requests of one segment without a list between them, and more than there are descriptors for.
    const ranges = [
      [0, 2],
      [2, 1],
      [4, 20],
      [24, 2],
      [26, 1],
      [28, 2],
    ] as const
    const ios = ranges.map(([page, pages]) => read(page, pages))
    for (const io of ios) expect(rig.disk.submitBio(io.bio, null)).toBe(BlkStatus.OK)
    const { resourceRefusals } = rig.host.stats
    expect(resourceRefusals).toBeGreaterThan(0)
    releaseUntilDone(rig, ios)
    // Each command found its own list, whatever was freed meanwhile.
    const found = rig.twin.commands.flatMap(({ qid, pieces }) => (qid === 0 ? [] : [pieces]))
    const key = (pieces: readonly { readonly addr: number }[]) =>
      pieces.map(({ addr }) => addr).join()
    const expected = ranges.map(([page, pages]) => map.runs(page * 4096, pages * 4096))
    expect(found.map(key).toSorted()).toEqual(expected.map(key).toSorted())
    expect(map.active).toBe(0)
    // Everything is back: as many descriptors as there were at first.
    const refused = rig.host.stats.resourceRefusals
    const again = [read(0, 2), read(4, 20), read(24, 2)]
    for (const io of again) expect(rig.disk.submitBio(io.bio, null)).toBe(BlkStatus.OK)
    expect(rig.host.stats.resourceRefusals).toBe(refused)
    releaseUntilDone(rig, again)
    map.destroy()
    finish(rig)
  })

  it('R-MQ-7 R4 without descriptors active is rolled back, and the request comes again', () => {
    const rig = probed({ ...passthrough, host: { smallDescriptors: 1, pageDescriptors: 2 } })
    const map = scatteredMap(rig, 8)
    rig.twin.judge = (command) => (command.qid === 0 ? 'run' : 'hold')
    const ios = [0, 2, 4].map((page) =>
      dmabufIo(rig, map, page * 4096, 8192, { op: ReqOp.READ, sector: page * 8 }),
    )
    for (const io of ios) expect(rig.disk.submitBio(io.bio, null)).toBe(BlkStatus.OK)
    expect(map.active).toBe(1)
    expect(rig.host.stats.resourceRefusals).toBe(1)
    releaseUntilDone(rig, ios)
    expect(map.active).toBe(0)
    expect(rig.host.stats.requests).toBe(3)
    map.destroy()
    finish(rig)
  })

  it('R-NVME-5 a request with more segments than a command can have is IOERR, not an overrun', () => {
    const rig = probed({ ...passthrough, host: { maxSegments: 4, maxBytes: 16_384 } })
    const map = scatteredMap(rig, 600)
    // A map that lies about its granule gets by the split of the block layer.
    Object.defineProperty(map, 'granuleShift', { value: 30 })
    Object.defineProperty(rig.disk.limits, 'maxSectors', { value: 8192 })
    const io = dmabufIo(rig, map, 0, 600 * 4096, { op: ReqOp.READ })
    expect(runIo(rig, rig.disk, io)).toBe(BlkStatus.IOERR)
    expect(map.active).toBe(0)
    map.destroy()
    finish(rig)
  })

  it('splits by segments and by MDTS', () => {
    const rig = probed({ ...passthrough, twin: { ...BIG, mdts: 3 }, host: { maxSegments: 6 } })
    expect(rig.disk.limits.maxHwSectors).toBe(64)
    expect(rig.disk.limits.maxSegments).toBe(6)
    const map = scatteredMap(rig, 32)
    const bytes = pattern(131_072, 5)
    writeRuns(rig, map.pages, bytes)
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 512, 130_560, { op: ReqOp.WRITE }))).toBe(0)
    expectSameBytes(
      rig.twin.namespaces.get(1)?.data.subarray(0, 130_560) ?? new Uint8Array(),
      bytes.subarray(512),
    )
    for (const { pieces, qid } of rig.twin.commands) {
      if (qid !== 0) expect(pieces.length).toBeLessThanOrEqual(6)
    }
    map.destroy()
    finish(rig)
  })

  it('obeys the SGL descriptor threshold', () => {
    const rig = probed({ ...passthrough, twin: { ...BIG, sgls: 1 | (5 << 8) } })
    expect(rig.disk.limits.maxSegments).toBe(5)
    finish(rig)
  })

  it('one doorbell for a batch, one completion doorbell for its completions', () => {
    const rig = probed(passthrough)
    const map = contiguousMap(rig, 16)
    const before = { ...rig.host.stats }
    const plug = new Plug()
    const ios = Array.from({ length: 16 }, (_, i) =>
      dmabufIo(rig, map, i * 4096, 4096, { op: ReqOp.READ, sector: i * 8 }),
    )
    for (const io of ios) rig.disk.submitBio(io.bio, plug)
    expect(rig.host.stats.doorbells).toBe(before.doorbells)
    plug.finish()
    expect(rig.host.stats.doorbells).toBe(before.doorbells + 1)
    rig.scheduler.runUntilIdle()
    for (const io of ios) expect(io.ends).toBe(1)
    expect(rig.host.stats.completionDoorbells).toBe(before.completionDoorbells + 1)
    expect(rig.host.stats.interrupts).toBe(before.interrupts + 1)
    map.destroy()
    finish(rig)
  })

  it('rings by itself when the ring would wrap round to what the controller knows', () => {
    const rig = probed({ ...passthrough, host: { queueDepth: 8 } })
    const map = contiguousMap(rig, 16)
    const plug = new Plug({ maxRequests: 8 })
    const ios = Array.from({ length: 24 }, (_, i) =>
      dmabufIo(rig, map, (i % 16) * 4096, 4096, { op: ReqOp.READ }),
    )
    const all = function* (): Op<void> {
      for (const io of ios) yield* rig.disk.submitBioWait(io.bio, plug)
      plug.finish()
      for (const io of ios) yield* io.wait()
    }
    rig.scheduler.runSync('all', all())
    map.destroy()
    finish(rig)
  })
})

describe('nvme host: registration', () => {
  const withTokens = (init: RigInit) => {
    const made: { core?: ReturnType<typeof createDmaBufCore> } = {}
    const rig = probed({
      ...init,
      tokens: (kernel) => {
        made.core = createDmaBufCore({ kernel })
        return createDmabufTokenFactory({ kernel, fences: made.core })
      },
    })
    if (made.core === undefined) throw new Error('no core')
    return { ...rig, core: made.core }
  }

  it.each([0, 3])('R-NVME-1 is refused with EOPNOTSUPP where SGLS is %i', (sgls) => {
    const rig = withTokens({ twin: { sgls } })
    const dmabuf = createSystemHeap(rig).allocate(8192)
    const { dmabuf: registrar } = rig.disk
    expect(() =>
      rig.scheduler.runSync(
        'register',
        registrar?.createDmabufToken(dmabuf, DmaDirection.BIDIRECTIONAL) ?? unreachable(),
      ),
    ).toThrow(/no SGL support/)
    dmabuf.put()
    finish(rig)
  })

  it('is refused by a host that was made without tokens', () => {
    const rig = probed()
    const { dmabuf: registrar } = rig.disk
    const core = createDmaBufCore(rig)
    const dmabuf = createSystemHeap({ ...rig, core }).allocate(4096)
    expect(() =>
      rig.scheduler.runSync(
        'register',
        registrar?.createDmabufToken(dmabuf, DmaDirection.TO_DEVICE) ?? unreachable(),
      ),
    ).toThrow(/without dma-buf registration/)
    dmabuf.put()
    finish(rig)
  })

  it.each([
    ['strict', true],
    ['lazy', false],
    ['passthrough', false],
  ] as const)(
    'I/O through a token while the buffer moves: %s, coherent %s',
    (iommuMode, coherent) => {
      for (let seed = 1; seed <= 6; seed++) movingBuffer({ seed, iommuMode, coherent })
    },
  )

  function movingBuffer(init: RigInit): void {
    const rig = withTokens({ ...init, twin: { namespaces: [{ nsid: 1, blocks: 512 }] } })
    const heap = createMovableHeap(rig)
    const dmabuf = heap.allocate(65_536)
    const data = rig.twin.namespaces.get(1)?.data ?? new Uint8Array()
    data.set(pattern(data.length, init.seed ?? 0))
    const prng = createPrng(init.seed ?? 0)
    let stopped = false
    const mover = function* (): Op<void> {
      while (!stopped) {
        yield* heap.move(dmabuf)
        yield* sleep(rig.scheduler, prng.below(2000))
      }
    }
    const reader = function* (): Op<void> {
      const token = yield* rig.disk.dmabuf?.createDmabufToken(dmabuf, DmaDirection.FROM_DEVICE) ??
        unreachable()
      for (let i = 0; i < 30; i++) {
        const blocks = 1 + prng.below(64)
        const offset = prng.below(129 - blocks) * 512
        const sector = prng.below(512 - blocks)
        for (;;) {
          const map = token.tryGetMap() ?? (yield* token.getMap())
          const io: TestIo = dmabufIo(rig, map, offset, blocks * 512, { op: ReqOp.READ, sector })
          const status = yield* submit(rig.disk, io)
          map.put()
          if (status === BlkStatus.STALE) continue
          expect(status).toBe(BlkStatus.OK)
          break
        }
      }
      stopped = true
      yield* token.release()
    }
    rig.scheduler.spawn('mover', mover())
    rig.scheduler.runSync('reader', reader())
    rig.scheduler.runUntilIdle()
    const whole = function* (): Op<void> {
      const token = yield* rig.disk.dmabuf?.createDmabufToken(dmabuf, DmaDirection.FROM_DEVICE) ??
        unreachable()
      const map = yield* token.getMap()
      expect(yield* submit(rig.disk, dmabufIo(rig, map, 0, 65_536, { op: ReqOp.READ }))).toBe(0)
      map.put()
      yield* token.release()
      const view = yield* dmabuf.vmap()
      let at = 0
      for (const segment of view.segments) {
        expectSameBytes(segment, data.subarray(at, at + segment.length))
        at += segment.length
      }
      dmabuf.vunmap()
    }
    rig.scheduler.runSync('whole', whole())
    dmabuf.put()
    finish(rig)
  }

  function* unreachable(): Op<never> {
    throw new Error('no registrar')
  }
})

describe('nvme host: flags', () => {
  it('FUA and read ahead are in the command', () => {
    const rig = probed(passthrough)
    const map = contiguousMap(rig, 1)
    const write = { op: ReqOp.WRITE, flags: ReqFlags.FUA }
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 512, write))).toBe(BlkStatus.OK)
    expect(lastIo(rig).sqe.getUint32(48, true)).toBe(0x4000_0000)
    const ahead = { op: ReqOp.READ, flags: ReqFlags.RAHEAD }
    expect(runIo(rig, rig.disk, dmabufIo(rig, map, 0, 1024, ahead))).toBe(BlkStatus.OK)
    expect(lastIo(rig).sqe.getUint32(48, true)).toBe(0x8000_0001)
    expect(lastIo(rig).sqe.getUint32(52, true)).toBe(7)
    map.destroy()
    finish(rig)
  })
})
