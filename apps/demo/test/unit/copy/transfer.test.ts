// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createEventLoopScheduler, Errno, KernelError, type Op } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type TransferEnd,
  type TransferInit,
  type TransferResult,
  type TransferSlot,
  transfer,
} from '../../../src/copy/transfer.ts'
import { type Script, ScriptedRing } from './scripted-ring.ts'

const BLOCK = 2048
const LOGICAL = 512
const SLOTS = 3

interface Setup {
  readonly sizeBytes: number
  readonly script?: Script
  readonly resubmitMax?: number
  readonly entries?: number
  readonly cancelled?: () => Error | null
  readonly explain?: (where: string) => KernelError | null
  readonly lookOnly?: boolean
}

interface Outcome {
  readonly ring: ScriptedRing
  readonly result: Promise<TransferResult>
  readonly seen: number[]
  readonly progress: number[]
}

function start(setup: Setup): Outcome {
  const padded = Math.ceil(setup.sizeBytes / LOGICAL) * LOGICAL
  const source = Uint8Array.from({ length: padded }, (_, i) => (i * 7 + (i >> 8)) & 0xff)
  const ring = new ScriptedRing({
    files: [source, new Uint8Array(padded)],
    memoryBytes: SLOTS * BLOCK,
    ...(setup.entries === undefined ? {} : { entries: setup.entries }),
    ...(setup.script === undefined ? {} : { script: setup.script }),
  })
  const slots = Array.from(
    { length: SLOTS },
    (_, i): TransferSlot => ({
      bufferOffsetBytes: i * BLOCK,
      bufferIndexFor: ({ fileIndex }) => 2 * i + fileIndex,
    }),
  )
  const end = (fileIndex: number, name: string): TransferEnd => ({
    fileIndex,
    name,
    singleRequestBytes: 1024,
    explain: setup.explain ?? (() => null),
  })
  const seen: number[] = []
  const progress: number[] = []
  function* onBlock(slot: number, lengthBytes: number): Op<void> {
    for (const byte of ring.memory.subarray(slot * BLOCK, slot * BLOCK + lengthBytes))
      seen.push(byte)
  }
  const init: TransferInit = {
    from: end(0, 'SRC'),
    ...(setup.lookOnly === true ? {} : { to: end(1, 'DST') }),
    sizeBytes: setup.sizeBytes,
    blockSizeBytes: BLOCK,
    logicalBlockBytes: LOGICAL,
    resubmitMax: setup.resubmitMax ?? 10,
    cancelled: setup.cancelled ?? (() => null),
    onBlock,
    onProgress: (done) => progress.push(done),
  }
  const result = createEventLoopScheduler().run('transfer', transfer(ring, slots, init))
  return { ring, result, seen, progress }
}

function source(ring: ScriptedRing, sizeBytes: number): number[] {
  return [...(ring.files[0]?.subarray(0, sizeBytes) ?? [])]
}

describe('a transfer', () => {
  it.each([0, 1, 511, 512, 513, BLOCK, BLOCK + 1, 10 * BLOCK - 3])(
    'moves %d bytes and shows each block once, in order',
    async (sizeBytes) => {
      const { ring, result, seen, progress } = start({ sizeBytes })
      expect(await result).toEqual({ resubmitted: 0 })
      expect(ring.files[1]).toEqual(ring.files[0])
      expect(seen).toEqual(source(ring, sizeBytes))
      expect(progress.at(-1) ?? 0).toBe(sizeBytes)
      expect(progress).toEqual([...progress].sort((a, b) => a - b))
      expect(ring.idle).toBe(true)
    },
  )

  it('keeps every slot busy, and each in the buffer that is registered for its file', async () => {
    const { ring, result } = start({ sizeBytes: 10 * BLOCK })
    await result
    expect(ring.inFlightMax).toBe(SLOTS)
    for (const io of ring.log) {
      expect(io.bufferIndex).toBe(2 * Math.floor(io.bufferOffset / BLOCK) + (io.write ? 1 : 0))
    }
  })

  it('without a target only looks', async () => {
    const { ring, result, seen } = start({ sizeBytes: 5 * BLOCK + 9, lookOnly: true })
    await result
    expect(seen).toEqual(source(ring, 5 * BLOCK + 9))
    expect(ring.log.every(({ write }) => !write)).toBe(true)
  })
})

describe('after ESTALE', () => {
  it.each([false, true])('a range goes again in single requests (write: %s)', async (write) => {
    let stale = 0
    const { ring, result, seen } = start({
      sizeBytes: 4 * BLOCK,
      script: (io) =>
        io.write === write && io.length === BLOCK && stale++ < 2 ? -Errno.ESTALE : undefined,
    })
    expect(await result).toEqual({ resubmitted: 2 })
    expect(ring.files[1]).toEqual(ring.files[0])
    expect(seen).toEqual(source(ring, 4 * BLOCK))
    const pieces = ring.log.filter((io) => io.length === 1024)
    expect(pieces).toHaveLength(4)
    expect(pieces.every((io) => io.write === write)).toBe(true)
  })

  it('a piece that is refused goes again as it is, up to the maximum', async () => {
    let refused = 0
    const { result } = start({
      sizeBytes: BLOCK,
      resubmitMax: 5,
      script: (io) => (io.offset === 0 && !io.write && refused++ < 5 ? -Errno.ESTALE : undefined),
    })
    expect(await result).toEqual({ resubmitted: 5 })
  })

  it('more than the maximum for one range ends the transfer', async () => {
    const { ring, result } = start({
      sizeBytes: 6 * BLOCK,
      resubmitMax: 2,
      script: (io) => (io.offset === 0 ? -Errno.ESTALE : undefined),
    })
    await expect(result).rejects.toThrow(
      'SRC at offset 0: its buffer moved away 3 times under way, --resubmit-max is 2',
    )
    await expect(result).rejects.toMatchObject({ code: 'ESTALE' })
    expect(ring.idle).toBe(true)
  })
})

describe('a failure', () => {
  it('ends with its errno and the place, once nothing is in flight', async () => {
    const { ring, result } = start({
      sizeBytes: 20 * BLOCK,
      script: (io) => (io.write && io.offset === 3 * BLOCK ? -Errno.ENOSPC : undefined),
    })
    await expect(result).rejects.toMatchObject({
      code: 'ENOSPC',
      message: 'writing DST at offset 6144: no space left on device',
    })
    expect(ring.idle).toBe(true)
    expect(ring.log.length).toBeLessThan(20)
  })

  it('is told as the back end explains it', async () => {
    const places: string[] = []
    const { result } = start({
      sizeBytes: BLOCK,
      script: () => -Errno.EIO,
      explain: (where) => {
        places.push(where)
        return new KernelError('EIO', 'SRC shrank')
      },
    })
    await expect(result).rejects.toThrow('SRC shrank')
    expect(places).toEqual(['reading SRC at offset 0'])
  })

  it('an unknown status is EIO', async () => {
    const { result } = start({ sizeBytes: BLOCK, script: () => -99_999 })
    await expect(result).rejects.toMatchObject({ code: 'EIO' })
  })

  it('a short result is EIO with both lengths', async () => {
    const { result } = start({ sizeBytes: BLOCK, script: () => 512 })
    await expect(result).rejects.toThrow(
      'reading SRC at offset 0: 512 bytes moved, 2048 were asked for',
    )
  })

  it('a ring without room is EBUSY', async () => {
    const { ring, result } = start({ sizeBytes: 9 * BLOCK, entries: 1 })
    await expect(result).rejects.toMatchObject({ code: 'EBUSY' })
    expect(ring.idle).toBe(true)
  })
})

it('a cancelled transfer starts nothing more and waits for what is under way', async () => {
  const reason = new Error('interrupted')
  let asked = 0
  const { ring, result } = start({
    sizeBytes: 100 * BLOCK,
    cancelled: () => (++asked > 4 ? reason : null),
  })
  await expect(result).rejects.toBe(reason)
  expect(ring.idle).toBe(true)
  expect(ring.log.length).toBeLessThan(10)
})
