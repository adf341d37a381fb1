// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory } from '@iolayers/dma-mapping'
import type { Op } from '@iolayers/kernel'
import { RwfFlags, vfsIterRead, vfsIterWrite } from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import {
  blkdevControl,
  createBlockDeviceFile,
  createNullBlk,
  diskStatLine,
  type NullBlkInit,
  NullIrqMode,
  Plug,
} from '../../src/index.ts'
import { fileOf, newInit, RDWR, vecIter } from '../file-support.ts'
import { KiocbRecorder, makeMachine } from '../support.ts'

const MS = 1_000_000

/** The fields of /sys/block/<disk>/stat, by the names of Documentation/block/stat.rst. */
const FIELDS = [
  'reads',
  'readMerges',
  'readSectors',
  'readTicks',
  'writes',
  'writeMerges',
  'writeSectors',
  'writeTicks',
  'inFlight',
  'ioTicks',
  'timeInQueue',
  'discards',
  'discardMerges',
  'discardSectors',
  'discardTicks',
  'flushes',
  'flushTicks',
] as const
type Stat = Record<(typeof FIELDS)[number], number>

/** A disk that takes 2 ms for each request, and a file over it. */
function makeRig(init: Partial<NullBlkInit> = {}) {
  const machine = makeMachine()
  const { kernel, scheduler } = machine
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'plain' })
  const frame = memory.allocPages(4)
  const device = createNullBlk(
    { kernel, memory },
    {
      name: 'nullb0',
      sizeBytes: 1 << 20,
      irqMode: NullIrqMode.TIMER,
      completionNs: 2 * MS,
      memoryBacked: true,
      discard: true,
      ...init,
    },
  )
  const { disk } = device
  const file = createBlockDeviceFile({ kernel, disk }, { flags: RDWR })
  const stat = (): Stat => {
    const numbers = diskStatLine(disk).trim().split(/\s+/).map(Number)
    expect(numbers).toHaveLength(FIELDS.length)
    return Object.fromEntries(FIELDS.map((name, i) => [name, numbers[i]])) as Stat
  }
  const run = <T>(op: Op<T>): T => scheduler.runSync('io', op)
  const iter = (bytes: number, write: boolean) => vecIter('kvec', [[frame, 0, bytes]], write)
  const end = (): void => {
    file.put()
    run(device.destroy())
    scheduler.runUntilIdle()
    expect(scheduler.outstanding()).toEqual([])
  }
  return { scheduler, disk, file, io: fileOf(file), stat, run, iter, end }
}

const NOTHING = Object.fromEntries(FIELDS.map((name) => [name, 0]))

describe('/sys/block/<disk>/stat of what a file does', () => {
  it('begins with nothing; reads and writes one after the other', () => {
    const { io, file, stat, run, iter, end } = makeRig()
    expect(stat()).toEqual(NOTHING)
    for (let i = 0; i < 3; i++) run(vfsIterRead(file, io, iter(4096, false), 8192 * i))
    run(vfsIterWrite(file, io, iter(1024, true), 0))
    expect(stat()).toEqual({
      ...NOTHING,
      reads: 3,
      readSectors: 24,
      readTicks: 6,
      writes: 1,
      writeSectors: 2,
      writeTicks: 2,
      ioTicks: 8,
      timeInQueue: 8,
    })
    end()
  })

  it('what overlaps is busy once, and in flight while it is', () => {
    const { io, file, stat, scheduler, iter, end } = makeRig()
    const recorder = new KiocbRecorder()
    for (let i = 0; i < 4; i++) {
      const kiocb = newInit(recorder, file)
      kiocb.posBytes = 65_536 * i
      if (i === 3) io.writeIter(kiocb, iter(4096, true))
      else io.readIter(kiocb, iter(4096, false))
    }
    expect(stat()).toEqual({ ...NOTHING, inFlight: 4 })
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([4096, 4096, 4096, 4096])
    expect(stat()).toEqual({
      ...NOTHING,
      reads: 3,
      readSectors: 24,
      readTicks: 6,
      writes: 1,
      writeSectors: 8,
      writeTicks: 2,
      ioTicks: 2,
      timeInQueue: 8,
    })
    end()
  })

  it('a split I/O is several, merged ones are one', () => {
    const { io, file, stat, scheduler, run, iter, end } = makeRig({ maxSectors: 16 })
    expect(run(vfsIterRead(file, io, iter(32_768, false), 0))).toBe(32_768)
    expect(stat()).toMatchObject({ reads: 4, readSectors: 64, readMerges: 0 })
    const plug = new Plug()
    const recorder = new KiocbRecorder()
    for (let i = 0; i < 3; i++) {
      const kiocb = newInit(recorder, file)
      kiocb.posBytes = 65_536 + 2048 * i
      kiocb.plug = plug
      io.writeIter(kiocb, iter(2048, true))
    }
    plug.finish()
    scheduler.runUntilIdle()
    expect(recorder.results).toEqual([2048, 2048, 2048])
    expect(stat()).toMatchObject({ writes: 1, writeMerges: 2, writeSectors: 12, writeTicks: 2 })
    end()
  })

  it('discards and flushes have fields of their own', () => {
    const { io, file, stat, run, iter, end } = makeRig({ cacheSizeBytes: 1 << 20, fua: false })
    const control = file.query(blkdevControl)
    if (control === undefined) throw new Error('no control')
    run(control.blkDiscard(4096, 65_536))
    expect(stat()).toMatchObject({ discards: 1, discardSectors: 128, discardTicks: 2, flushes: 0 })
    expect(run(vfsIterWrite(file, io, iter(512, true), 0, RwfFlags.DSYNC))).toBe(512)
    // The flush in place of FUA, and the one that a synchronous durable write ends with.
    expect(stat()).toMatchObject({ flushes: 2, flushTicks: 4, writeSectors: 1, reads: 0 })
    end()
  })

  it('I/O that comes to nothing is none', () => {
    const { io, file, stat, run, iter, disk, end } = makeRig()
    run(vfsIterRead(file, io, iter(4096, false), 1 << 20))
    run(vfsIterRead(file, io, iter(100, false), 0))
    run(vfsIterWrite(file, io, iter(0, true), 0))
    disk.setReadOnly(true)
    run(vfsIterWrite(file, io, iter(512, true), 0))
    expect(stat()).toEqual(NOTHING)
    end()
  })
})
