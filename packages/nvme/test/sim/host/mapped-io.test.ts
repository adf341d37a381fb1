// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, ReqFlags, ReqOp } from '@iolayers/block-core'
import { IommuMode } from '@iolayers/dma-mapping'
import { createPrng, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  expectSameBytes,
  finish,
  pattern,
  probed,
  readRuns,
  runIo,
  TestIo,
  vecIo,
  writeRuns,
} from './rig.ts'

type Rig = ReturnType<typeof probed>
const BIG = [{ nsid: 1, blocks: 32_768 }]

function pages(rig: Rig, count: number): { base: number; free: () => void } {
  const frame = rig.memory.allocContiguous(count)
  if (frame < 0) throw new Error('no memory')
  return { base: frame * 4096, free: () => rig.memory.freeContiguous(frame, count) }
}

function ioCommands(rig: Rig) {
  return rig.twin.commands.filter(({ qid }) => qid !== 0)
}

/** Writes from the runs, reads into them again after they were wiped, and checks both ends. */
function roundTrip(rig: Rig, runs: { addr: number; length: number }[], sector = 0): void {
  const total = runs.reduce((sum, { length }) => sum + length, 0)
  const bytes = pattern(total, total)
  writeRuns(rig, runs, bytes)
  expect(runIo(rig, rig.disk, vecIo(rig, runs, { op: ReqOp.WRITE, sector }))).toBe(BlkStatus.OK)
  const data = rig.twin.namespaces.get(1)?.data ?? new Uint8Array()
  expectSameBytes(data.subarray(sector * 512, sector * 512 + total), bytes)
  writeRuns(rig, runs, new Uint8Array(total))
  expect(runIo(rig, rig.disk, vecIo(rig, runs, { op: ReqOp.READ, sector }))).toBe(BlkStatus.OK)
  expectSameBytes(readRuns(rig, runs), bytes)
}

describe('nvme host: ordinary requests', () => {
  it.each([
    ['one page', 0, 4096, 1, 0],
    ['part of a page', 512, 1024, 1, 0],
    ['two pages, PRP2 is the second', 2048, 4096, 2, 0],
    ['a list in a small block', 0, 33 * 4096, 33, 1],
    ['a list that is a page', 0, 34 * 4096, 34, 1],
    ['a full page of entries', 0, 513 * 4096, 513, 1],
    ['a chain of two', 0, 514 * 4096, 514, 2],
    ['a chain of three', 4092, 1100 * 4096, 1101, 3],
  ])('PRP entries: %s', (_name, offset, length, entries, blocks) => {
    const rig = probed({
      coherent: false,
      twin: { namespaces: BIG, sgls: 0 },
      host: { maxBytes: 8 << 20 },
    })
    Object.defineProperty(rig.disk.limits, 'maxSectors', { value: 16_384 })
    const { base, free } = pages(rig, 1110)
    roundTrip(rig, [{ addr: base + offset, length }])
    expect(rig.host.stats.prpEntries).toBe(2 * entries)
    expect(rig.host.stats.prpBytes).toBe(16 * entries)
    expect(rig.host.stats.descriptorBlocks).toBe(2 * blocks)
    expect(rig.host.stats.mappings).toBe(2)
    for (const { flags } of ioCommands(rig)) expect(flags).toBe(0)
    free()
    finish(rig)
  })

  it('without SGLs runs with gaps become requests of their own', () => {
    const rig = probed({ twin: { namespaces: BIG, sgls: 0 } })
    expect(rig.disk.limits.virtBoundaryMask).toBe(4095)
    const { base, free } = pages(rig, 8)
    roundTrip(rig, [
      { addr: base + 512, length: 1024 },
      { addr: base + 8192, length: 4096 },
      { addr: base + 12_288 + 1024, length: 512 },
    ])
    expect(ioCommands(rig).length).toBe(6)
    free()
    finish(rig)
  })

  it('with SGLs runs with gaps are one command', () => {
    const rig = probed({ twin: { namespaces: BIG } })
    const { base, free } = pages(rig, 8)
    roundTrip(rig, [
      { addr: base + 512, length: 1024 },
      { addr: base + 8192, length: 4096 },
      { addr: base + 12_288 + 1024, length: 512 },
    ])
    expect(ioCommands(rig).map(({ flags }) => flags)).toEqual([0x40, 0x40])
    free()
    finish(rig)
  })

  it('takes an SGL from the threshold on, by the average segment', () => {
    const rig = probed({ twin: { namespaces: BIG } })
    const { base, free } = pages(rig, 64)
    roundTrip(rig, [{ addr: base, length: 32_256 }])
    roundTrip(rig, [{ addr: base, length: 32_768 }])
    roundTrip(rig, [
      { addr: base, length: 49_152 },
      { addr: base + 65_536, length: 12_288 },
    ])
    expect(ioCommands(rig).map(({ flags }) => flags)).toEqual([0, 0, 0x40, 0x40, 0, 0])
    free()
    finish(rig)
  })

  it('a threshold of 0 means PRP entries', () => {
    const rig = probed({ twin: { namespaces: BIG }, host: { sglThresholdBytes: 0 } })
    const { base, free } = pages(rig, 64)
    roundTrip(rig, [{ addr: base, length: 262_144 }])
    expect(ioCommands(rig).map(({ flags }) => flags)).toEqual([0, 0])
    free()
    finish(rig)
  })

  it("cuts runs at the device's segment size", () => {
    const rig = probed({
      maxSegmentSizeBytes: 8192,
      iommuMode: IommuMode.PASSTHROUGH,
      twin: { namespaces: BIG },
      host: { sglThresholdBytes: 1 },
    })
    const { base, free } = pages(rig, 8)
    roundTrip(rig, [{ addr: base + 512, length: 20_480 }])
    expect(ioCommands(rig)[0]?.pieces.map(({ length }) => length)).toEqual([8192, 8192, 4096])
    free()
    finish(rig)
  })

  it('a mapping that fails is put off, not lost', () => {
    const rig = probed({ twin: { namespaces: BIG } })
    const { base, free } = pages(rig, 4)
    const { mapSingle } = rig.device.dma
    let failures = 2
    rig.device.dma.mapSingle = (addr, length, direction) => {
      failures--
      return failures === 0 || failures === 0 - 1
        ? -1
        : mapSingle.call(rig.device.dma, addr, length, direction)
    }
    roundTrip(rig, [
      { addr: base, length: 4096 },
      { addr: base + 8192, length: 4096 },
    ])
    expect(rig.host.stats.resourceRefusals).toBe(2)
    free()
    finish(rig)
  })

  it.each([
    ['PRP entries', 0],
    ['SGL', 1],
  ])(
    'without descriptors everything is unmapped, and the request comes again: %s',
    (_name, sgls) => {
      const rig = probed({
        twin: { namespaces: BIG, sgls },
        host: { smallDescriptors: 1, sglThresholdBytes: 512 },
      })
      const { base, free } = pages(rig, 64)
      rig.twin.judge = (command) => (command.qid === 0 ? 'run' : 'hold')
      const ios = [0, 1, 2].map((i) => {
        const at = base + i * 65_536
        const runs =
          sgls === 0
            ? [{ addr: at, length: 32_768 }]
            : [
                { addr: at, length: 4096 },
                { addr: at + 8192, length: 4096 },
              ]
        return vecIo(rig, runs, { op: ReqOp.READ, sector: i * 64 })
      })
      for (const io of ios) expect(rig.disk.submitBio(io.bio, null)).toBe(BlkStatus.OK)
      expect(rig.host.stats.requests).toBe(1)
      expect(rig.host.stats.resourceRefusals).toBe(1)
      while (ios.some(({ ends }) => ends === 0)) {
        rig.twin.release()
        rig.scheduler.runSync('time', sleep(rig.scheduler, 10e6))
      }
      for (const io of ios) expect(io.bio.biStatus).toBe(BlkStatus.OK)
      free()
      finish(rig)
    },
  )

  it('more segments than a request was made for is IOERR, and nothing stays mapped', () => {
    const rig = probed({ twin: { namespaces: BIG }, host: { maxSegments: 2 } })
    Object.defineProperty(rig.disk.limits, 'maxSegments', { value: 100 })
    const { base, free } = pages(rig, 8)
    const runs = [0, 2, 4].map((i) => ({ addr: base + i * 4096, length: 4096 }))
    expect(runIo(rig, rig.disk, vecIo(rig, runs, { op: ReqOp.READ }))).toBe(BlkStatus.IOERR)
    free()
    finish(rig)
  })

  it('gaps where neither PRP nor SGL can describe them are IOERR', () => {
    const rig = probed({ twin: { namespaces: BIG, sgls: 0 } })
    Object.defineProperty(rig.disk.limits, 'virtBoundaryMask', { value: 0 })
    const { base, free } = pages(rig, 8)
    const runs = [
      { addr: base, length: 512 },
      { addr: base + 8192, length: 512 },
    ]
    expect(runIo(rig, rig.disk, vecIo(rig, runs, { op: ReqOp.READ }))).toBe(BlkStatus.IOERR)
    free()
    finish(rig)
  })

  it('random runs round trip, with every kind of addressing', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const prng = createPrng(seed)
      const modes = [IommuMode.STRICT, IommuMode.LAZY, IommuMode.PASSTHROUGH]
      const rig = probed({
        seed,
        coherent: prng.below(2) === 0,
        iommuMode: modes[prng.below(3)] ?? IommuMode.STRICT,
        twin: { namespaces: BIG, sgls: prng.below(2) },
        host: { sglThresholdBytes: prng.below(3) * 4096, maxSegments: 1 + prng.below(40) },
      })
      const { base, free } = pages(rig, 256)
      for (let round = 0; round < 4; round++) {
        const runs: { addr: number; length: number }[] = []
        for (let page = 0; page < 200; ) {
          const offset = prng.below(8) * 512
          const length = (1 + prng.below(60)) * 512
          if (prng.below(3) > 0) runs.push({ addr: base + page * 4096 + offset, length })
          page += Math.ceil((offset + length) / 4096)
        }
        if (runs.length > 0) roundTrip(rig, runs, prng.below(1000))
      }
      free()
      finish(rig)
    }
  })
})

describe('nvme host: flush and flags', () => {
  it('a flush is a command without data', () => {
    const rig = probed({ twin: { namespaces: BIG } })
    const io = new TestIo(rig, { op: ReqOp.WRITE, flags: ReqFlags.PREFLUSH })
    expect(runIo(rig, rig.disk, io)).toBe(BlkStatus.OK)
    expect(rig.twin.flushes).toBe(1)
    const [command] = ioCommands(rig)
    for (let dword = 2; dword < 16; dword++) expect(command?.sqe.getUint32(dword * 4, true)).toBe(0)
    expect(command?.flags).toBe(0)
    finish(rig)
  })

  it('without a volatile write cache there is nothing to flush', () => {
    const rig = probed({ twin: { namespaces: BIG, vwc: 0 } })
    expect(rig.disk.limits.writeCache).toBe(false)
    const io = new TestIo(rig, { op: ReqOp.WRITE, flags: ReqFlags.PREFLUSH })
    expect(runIo(rig, rig.disk, io)).toBe(BlkStatus.OK)
    expect(rig.twin.flushes).toBe(0)
    finish(rig)
  })

  it('blocks of 4096 bytes are counted as such', () => {
    const rig = probed({ twin: { namespaces: [{ nsid: 1, blocks: 64, lbaShift: 12 }] } })
    const { base, free } = pages(rig, 4)
    roundTrip(rig, [{ addr: base, length: 12_288 }], 16)
    const [command] = ioCommands(rig)
    expect(command?.sqe.getUint32(40, true)).toBe(2)
    expect(command?.sqe.getUint16(48, true)).toBe(2)
    free()
    finish(rig)
  })
})
