// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createDevice, createIommu, createPhysicalMemory, type Device } from '@iolayers/dma-mapping'
import { createKernel, createVirtualScheduler } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createDescriptorPools,
  type DescriptorPools,
} from '../../../src/host/dma/descriptor-pools.ts'
import { AllocResult, iodFreeDescriptors, NvmeIod } from '../../../src/host/dma/iod.ts'
import { PrpList, prpBlocks, prpEntries, prpHasGaps } from '../../../src/host/dma/prp-list.ts'
import { SglList, setCommandSgl, sglBlocks } from '../../../src/host/dma/sgl-list.ts'

interface Piece {
  readonly addr: number
  readonly length: number
}

const device = makeDevice()
const pools = createDescriptorPools(device, { small: 2, page: 16 })

function makeDevice(): Device {
  const scheduler = createVirtualScheduler({ seed: 1 })
  const kernel = createKernel({ scheduler })
  const memory = createPhysicalMemory({ kernel }, { ramBytes: 1 << 20, backing: 'plain' })
  const iommu = createIommu({ kernel })
  return createDevice({ kernel, memory, iommu }, { name: 'nvme0', iommuMode: 'strict' })
}

/** The bytes at a device address of a descriptor block. */
function blockAt(lists: DescriptorPools, iod: NvmeIod, addr: number): DataView {
  for (let i = 0; i < iod.nrDescriptors; i++) {
    const index = iod.descriptors[i] ?? -1
    for (const pool of [lists.small, lists.page]) {
      if (iod.pool !== pool || pool.dmaAddrOf(index) !== addr) continue
      const view = pool.viewOf(index)
      return new DataView(view.buffer, view.byteOffset + pool.offsetOf(index), pool.blockSizeBytes)
    }
  }
  throw new Error('an address outside the descriptors of the command')
}

function addrAt(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
}

/** As the specification has an SGL read; nothing of the host's code. */
function walkSgl(iod: NvmeIod): Piece[] {
  const pieces: Piece[] = []
  let segment = new DataView(iod.dptr.buffer)
  let bytes = 16
  let isLast = false
  for (let hop = 0; ; hop++) {
    let link: { addr: number; bytes: number; isLast: boolean } | null = null
    for (let at = 0; at < bytes; at += 16) {
      const type = segment.getUint8(at + 15)
      const addr = addrAt(segment, at)
      const length = segment.getUint32(at + 8, true)
      if (type === 0) pieces.push({ addr, length })
      else {
        expect(at).toBe(bytes - 16)
        expect(isLast).toBe(false)
        expect([0x20, 0x30]).toContain(type)
        link = { addr, bytes: length, isLast: type === 0x30 }
      }
    }
    if (link === null) {
      expect(isLast || hop === 0).toBe(true)
      return pieces
    }
    segment = blockAt(pools, iod, link.addr)
    bytes = link.bytes
    isLast = link.isLast
    expect(bytes).toBeLessThanOrEqual(segment.byteLength)
  }
}

function walkPrp(iod: NvmeIod, length: number): Piece[] {
  const command = new DataView(iod.dptr.buffer)
  const prp1 = addrAt(command, 0)
  const first = Math.min(length, 4096 - (prp1 % 4096))
  const pieces: Piece[] = [{ addr: prp1, length: first }]
  let left = length - first
  if (left === 0) return pieces
  if (left <= 4096) return [...pieces, { addr: addrAt(command, 8), length: left }]
  let block = blockAt(pools, iod, addrAt(command, 8))
  for (let slot = 0; left > 0; slot++) {
    const addr = addrAt(block, slot * 8)
    if (slot === 511 && left > 4096) {
      block = blockAt(pools, iod, addr)
      slot = -1
      continue
    }
    pieces.push({ addr, length: Math.min(left, 4096) })
    left -= Math.min(left, 4096)
  }
  return pieces
}

function newIod(): NvmeIod {
  return new NvmeIod({ descriptors: 16, mappings: 64 })
}

const address = fc.integer({ min: 1, max: 2 ** 40 }).map((page) => page * 4096 - 512)

describe('SGL lists', () => {
  it('R-NVME-5 read back as they were added, in as few blocks as can be, any length', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 200, max: 2100 })),
        address,
        (count, base) => {
          const iod = newIod()
          const list = new SglList(pools)
          const pieces = Array.from({ length: count }, (_, i) => ({
            addr: base + i * 8192,
            length: 512 + (i % 7) * 512,
          }))
          expect(list.begin(iod, count)).toBe(AllocResult.OK)
          for (const { addr, length } of pieces) list.add(addr, length)
          expect(walkSgl(iod)).toEqual(pieces)
          expect(iod.nrDescriptors).toBe(count <= 16 ? 1 : sglBlocks(count))
          expect(iod.sgl).toBe(true)
          iodFreeDescriptors(iod)
          expect(pools.small.used + pools.page.used).toBe(0)
        },
      ),
      { numRuns: 150 },
    )
  })

  it.each([
    [255, 1],
    [256, 1],
    [257, 2],
    [511, 2],
    [512, 3],
    [513, 3],
    [766, 3],
    [767, 4],
  ])('R-NVME-5 %i descriptors take %i pages', (count, expected) => {
    expect(sglBlocks(count)).toBe(expected)
  })

  it('one data block of up to 4 GiB less one goes into the command', () => {
    const iod = newIod()
    setCommandSgl(iod, 2 ** 52 + 4096, 0xffff_ffff, 0)
    expect(walkSgl(iod)).toEqual([{ addr: 2 ** 52 + 4096, length: 0xffff_ffff }])
    expect(sglBlocks(1)).toBe(0)
  })

  it('what cannot be had leaves nothing taken', () => {
    const list = new SglList(pools)
    const iod = newIod()
    expect(list.begin(iod, 256 * 17)).toBe(AllocResult.TOO_MANY)
    const first = newIod()
    const second = newIod()
    const third = newIod()
    expect(list.begin(first, 2)).toBe(AllocResult.OK)
    expect(list.begin(second, 16)).toBe(AllocResult.OK)
    expect(list.begin(third, 3)).toBe(AllocResult.EMPTY)
    expect(third.nrDescriptors).toBe(0)
    iodFreeDescriptors(third)
    iodFreeDescriptors(second)
    iodFreeDescriptors(first)
    iodFreeDescriptors(first)
    expect(pools.small.free).toBe(2)
    expect(() => list.begin(iod, 1)).toThrow(/one data block/)
  })

  it('does not take more than it was made for', () => {
    const list = new SglList(pools)
    const iod = newIod()
    list.begin(iod, 2)
    list.add(0, 512)
    list.add(512, 512)
    expect(() => list.add(1024, 512)).toThrow(/more data blocks/)
    iodFreeDescriptors(iod)
  })
})

describe('PRP lists', () => {
  it('read back as the pages of the mappings, any length', () => {
    const middle = fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 20 })
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1023 }).map((dwords) => dwords * 4),
        middle,
        fc.integer({ min: 1, max: 4096 }),
        (offset, pages, tail) => {
          const iod = newIod()
          const add = (addr: number, length: number): void => {
            iod.mappedAddrs[iod.nrMapped] = addr
            iod.mappedLengths[iod.nrMapped] = length
            iod.nrMapped++
          }
          const base = 2 ** 33
          if (pages.length === 0) add(base + offset, tail)
          else {
            add(base + offset, 4096 - offset)
            pages.forEach((count, i) => {
              add(base + (i + 1) * 2 ** 24, count * 4096)
            })
            add(base + 2 ** 30, tail)
          }
          let total = 0
          const expected: Piece[] = []
          for (let i = 0; i < iod.nrMapped; i++) {
            let addr = iod.mappedAddrs[i] ?? 0
            const end = addr + (iod.mappedLengths[i] ?? 0)
            total += end - addr
            while (addr < end) {
              const next = Math.min(end, (Math.floor(addr / 4096) + 1) * 4096)
              expected.push({ addr, length: next - addr })
              addr = next
            }
          }
          expect(prpHasGaps(iod)).toBe(false)
          const entries = prpEntries(iod)
          expect(entries).toBe(expected.length)
          expect(new PrpList(pools).build(iod, entries)).toBe(AllocResult.OK)
          expect(walkPrp(iod, total)).toEqual(expected)
          expect(iod.nrDescriptors).toBe(prpBlocks(entries))
          expect(iod.sgl).toBe(false)
          iodFreeDescriptors(iod)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('sees gaps', () => {
    const iod = newIod()
    iod.mappedAddrs.set([4096, 16_384])
    iod.mappedLengths.set([4096, 512])
    iod.nrMapped = 2
    expect(prpHasGaps(iod)).toBe(false)
    iod.mappedLengths[0] = 512
    expect(prpHasGaps(iod)).toBe(true)
    iod.mappedLengths[0] = 4096
    iod.mappedAddrs[1] = 16_896
    expect(prpHasGaps(iod)).toBe(true)
  })

  it('what cannot be had leaves nothing taken', () => {
    const iod = newIod()
    iod.mappedAddrs[0] = 4096
    iod.mappedLengths[0] = 512 * 17 * 4096
    iod.nrMapped = 1
    expect(new PrpList(pools).build(iod, prpEntries(iod))).toBe(AllocResult.TOO_MANY)
    expect(iod.nrDescriptors).toBe(0)
    expect(() => new PrpList(pools).build(iod, 0)).toThrow(/of nothing/)
  })
})
