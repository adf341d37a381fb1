// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPhysicalMemory, PAGE_SIZE } from '@iolayers/dma-mapping'
import { type Op, OpenFlags } from '@iolayers/kernel'
import { IovIter, ITER_DEST, ITER_SOURCE, vfsIterRead, vfsIterWrite } from '@iolayers/uio'
import { describe, expect, it } from 'vitest'
import {
  blkdevControl,
  createBlockDeviceFile,
  createRamDisk,
  type DmabufIoMap,
  dmabufFile,
} from '../../src/index.ts'
import { makeMachine, tearDown } from '../support.ts'

const RDWR = OpenFlags.O_RDWR | OpenFlags.O_DIRECT

describe('zeroing a RAM disk', () => {
  it.each([
    ['its own', {}],
    ['pages', { maxWriteZeroesSectors: 0 }],
  ])('zeroes by %s are zeroes, exactly where asked', (_name, limits) => {
    const machine = makeMachine()
    const memory = createPhysicalMemory(machine, { ramBytes: 4 << 20, backing: 'plain' })
    const sizeBytes = 64 * PAGE_SIZE
    const disk = createRamDisk({ ...machine, memory }, { name: 'ram0', sizeBytes, limits })
    const zeroFrame = memory.allocPages(0)
    memory.write(zeroFrame * PAGE_SIZE, new Uint8Array(PAGE_SIZE))
    const file = createBlockDeviceFile({ ...machine, disk }, { flags: RDWR, zeroFrame })
    const io = file.query(dmabufFile)
    const control = file.query(blkdevControl)
    if (io === undefined || control === undefined) throw new Error('no block device file')
    const frame = memory.allocContiguous(sizeBytes / PAGE_SIZE)
    const run = (op: Op<number>): number => machine.scheduler.runSync('io', op)
    const iter = new IovIter<DmabufIoMap>()
    memory.write(frame * PAGE_SIZE, new Uint8Array(sizeBytes).fill(1))
    iter.initUbuf(ITER_SOURCE, frame, 0, sizeBytes)
    expect(run(vfsIterWrite(file, io, iter, 0))).toBe(sizeBytes)
    machine.scheduler.runSync('zero', control.blkZeroOut(512 * 7, 512 * 300))
    iter.initUbuf(ITER_DEST, frame, 0, sizeBytes)
    expect(run(vfsIterRead(file, io, iter, 0))).toBe(sizeBytes)
    const bytes = new Uint8Array(sizeBytes)
    memory.read(frame * PAGE_SIZE, bytes)
    const expected = new Uint8Array(sizeBytes).fill(1).fill(0, 512 * 7, 512 * 307)
    expect(Buffer.compare(bytes, expected)).toBe(0)
    file.put()
    tearDown(machine, disk)
  })
})
