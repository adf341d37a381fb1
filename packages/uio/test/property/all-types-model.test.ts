// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE } from '@iolayers/dma-mapping'
import { KernelError } from '@iolayers/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type BioVec,
  copyFolioFromIter,
  copyFolioToIter,
  copyFromIter,
  copyFromIterFull,
  copyPageFromIter,
  copyPageToIter,
  copyToIter,
  copyToIterFull,
  dupIter,
  extractBvecs,
  faultInIovIterReadable,
  faultInIovIterWriteable,
  IovIter,
  IovIterState,
  ITER_DEST,
  ITER_SOURCE,
  IterType,
  iovIterExtractPages,
  iovIterGetPages,
  PageList,
  userBackedIter,
  zeroIter,
} from '../../src/index.ts'
import { buildWorld, DMABUF_BYTES, type Setup, WALKED_PAGES, type World } from '../byte-model.ts'
import { badFrameOf, check, same } from '../iter-checks.ts'

const OPERATIONS = [
  'advance',
  'revert',
  'truncate',
  'reexpand',
  'save',
  'restore',
  'copy',
  'copyFull',
  'zero',
  'copyPage',
  'copyFolio',
  'extractBvecs',
  'extractPages',
  'getPages',
  'dup',
  'faultIn',
] as const
type Operation = (typeof OPERATIONS)[number]

const size = fc.oneof(fc.nat(64), fc.nat(5000), fc.nat(20_000))
const setups: fc.Arbitrary<Setup> = fc.record({
  type: fc.constantFrom(...Object.values(IterType)),
  direction: fc.constantFrom(ITER_DEST, ITER_SOURCE),
  segments: fc.array(
    fc.tuple(
      fc.oneof(
        fc.nat(WALKED_PAGES * PAGE_SIZE - 1),
        fc.nat(WALKED_PAGES - 1).map((page) => page * PAGE_SIZE),
      ),
      fc.oneof(
        fc.constant(0),
        size,
        fc.nat(2).map((pages) => pages * PAGE_SIZE),
      ),
    ),
    { maxLength: 6 },
  ),
  folios: fc.array(
    fc.nat(2).chain((order) =>
      fc.record({
        order: fc.constant(order),
        frame: fc.nat(WALKED_PAGES - (1 << order)),
        missing: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
      }),
    ),
    { maxLength: 6 },
  ),
  lead: fc.nat(31),
  startBytes: fc.nat(DMABUF_BYTES / 2).map((n) => n % (5 * PAGE_SIZE)),
  countBytes: fc.nat(10 * PAGE_SIZE),
  badPage: fc.nat(WALKED_PAGES + 1),
})
const steps = fc.array(fc.tuple(fc.constantFrom(...OPERATIONS), size, fc.nat(9)), {
  maxLength: 12,
})

/** The memory as the model has it after `reached` bytes of `data` were written, or what it has there. */
function expectWritten(world: World, before: Uint8Array, data: Uint8Array): void {
  const region = world.memory.regions[0]
  if (region === undefined) throw new Error('no region')
  for (let i = 0; i < data.length && world.model.addresses.length > 0; i += 1) {
    before[world.model.at(i) - region.baseAddr] = data[i] ?? 0
  }
  expect(Buffer.compare(region.bytes, before)).toBe(0)
}

const snapshot = (world: World): Uint8Array =>
  world.memory.regions[0]?.bytes.slice() ?? new Uint8Array(0)

function modelBytes(world: World, length: number): Uint8Array {
  const region = world.memory.regions[0]
  return Uint8Array.from(
    { length },
    (_, i) => region?.bytes[world.model.at(i) - region.baseAddr] ?? 0,
  )
}

function copy(world: World, wanted: number, full: boolean): void {
  const { user, iter, model } = world
  const reach = model.reach(wanted, badFrameOf(world))
  const data = Uint8Array.from({ length: wanted }, (_, i) => (i * 7 + wanted) % 253)
  if (iter.dataSource === ITER_DEST) {
    const before = snapshot(world)
    const result = full ? copyToIterFull(user, data, iter) : copyToIter(user, data, iter)
    expect(result).toBe(full ? reach === wanted : reach)
    expectWritten(world, before, data.subarray(0, reach))
  } else {
    const result = full ? copyFromIterFull(user, data, iter) : copyFromIter(user, data, iter)
    expect(result).toBe(full ? reach === wanted : reach)
    expect(Buffer.compare(data.subarray(0, reach), modelBytes(world, reach))).toBe(0)
  }
  if (!full || reach === wanted) model.position += reach
}

function zero(world: World, wanted: number): void {
  if (world.iter.dataSource !== ITER_DEST) return
  const reach = world.model.reach(wanted, badFrameOf(world))
  const before = snapshot(world)
  expect(zeroIter(world.user, wanted, world.iter)).toBe(reach)
  expectWritten(world, before, new Uint8Array(reach))
  world.model.position += reach
}

function copyFolio(world: World, wanted: number, skip: number): void {
  const { user, iter } = world
  const folio = { frame: world.first + WALKED_PAGES, order: 1 }
  const length = Math.min(wanted, 2 * PAGE_SIZE - skip)
  copyBlock(world, folio.frame * PAGE_SIZE + skip, length, () =>
    iter.dataSource === ITER_DEST
      ? copyFolioToIter(user, folio, skip, length, iter)
      : copyFolioFromIter(user, folio, skip, length, iter),
  )
}

function copyPage(world: World, wanted: number, skip: number): void {
  const { user, iter } = world
  const frame = world.first + WALKED_PAGES + 1
  const length = Math.min(wanted, PAGE_SIZE - skip)
  copyBlock(world, frame * PAGE_SIZE + skip, length, () =>
    iter.dataSource === ITER_DEST
      ? copyPageToIter(user, frame, skip, length, iter)
      : copyPageFromIter(user, frame, skip, length, iter),
  )
}

/** A copy between the iterator and `length` bytes at an address. */
function copyBlock(world: World, address: number, length: number, run: () => number): void {
  const { memory, iter, model } = world
  const reach = model.reach(length, badFrameOf(world))
  const inBlock = new Uint8Array(reach)
  if (iter.dataSource === ITER_DEST) {
    memory.read(address, inBlock)
    const before = snapshot(world)
    same('copied', run(), reach)
    expectWritten(world, before, inBlock)
  } else {
    const expected = modelBytes(world, reach)
    same('copied', run(), reach)
    memory.read(address, inBlock)
    expect(Buffer.compare(inBlock, expected)).toBe(0)
  }
  model.position += reach
}

function extract(world: World, wanted: number, maxVecs: number): void {
  const { iter, model } = world
  const out: BioVec[] = []
  const count = extractBvecs(iter, out, maxVecs, wanted)
  const taken = model.count - iter.countBytes
  let at = 0
  let end = -1
  for (const run of out.slice(0, count)) {
    const address = run.frame * PAGE_SIZE + run.offsetBytes
    expect(address).not.toBe(end)
    end = address + run.lengthBytes
    for (let i = 0; i < run.lengthBytes; i += 1) {
      if (model.at(at + i) !== address + i) expect([at, i]).toEqual('the address of the model')
    }
    at += run.lengthBytes
  }
  expect(at).toBe(taken)
  if (count < maxVecs) expect(taken).toBe(model.reach(wanted, -1))
  model.position += taken
}

function takePages(world: World, wanted: number, maxPages: number, isGet: boolean): void {
  const { iter, model } = world
  if (isGet && iter.iterType === IterType.KVEC) {
    expect(() => iovIterGetPages(iter, new PageList(), 1, 1)).toThrow(KernelError)
    return
  }
  const out = new PageList()
  const take = isGet ? iovIterGetPages : iovIterExtractPages
  const taken = take(iter, out, wanted, maxPages)
  for (let i = 0; i < taken; i += 1) {
    const at = out.offsetBytes + i
    const address = (out.frames[Math.floor(at / PAGE_SIZE)] ?? -1) * PAGE_SIZE + (at % PAGE_SIZE)
    if (address !== model.at(i)) expect(i).toBe('the address of the model')
  }
  if (taken > 0) expect(out.nrPages).toBe(Math.ceil((out.offsetBytes + taken) / PAGE_SIZE))
  expect(out.nrPages).toBeLessThanOrEqual(maxPages)
  if (taken < model.reach(wanted, -1) && out.nrPages < maxPages) {
    const oneByOne = iter.iterType < IterType.BVEC || iter.iterType === IterType.KVEC
    const segment = oneByOne || (isGet && iter.iterType === IterType.BVEC)
    const brokenOff = model.at(taken) % PAGE_SIZE !== 0 || (out.offsetBytes + taken) % PAGE_SIZE
    expect(segment ? taken === model.ranges()[0]?.[1] : brokenOff).toBeTruthy()
  }
  model.position += taken
}

function duplicate(world: World, wanted: number): void {
  const { iter, model } = world
  const copied = new IovIter()
  const owned = dupIter(copied, iter)
  expect(owned !== null).toBe(iter.hasVector)
  check({ ...world, iter: copied })
  const { position } = model
  copied.advance(wanted)
  model.position += Math.min(wanted, model.count)
  check({ ...world, iter: copied })
  copied.revert(model.position - position)
  model.position = position
  check({ ...world, iter: copied })
}

function faultIn(world: World, wanted: number): void {
  const { iter, user, model } = world
  const reach = userBackedIter(iter) ? model.reach(wanted, badFrameOf(world)) : wanted
  expect(faultInIovIterReadable(user, iter, wanted)).toBe(wanted - reach)
  expect(faultInIovIterWriteable(user, iter, wanted)).toBe(wanted - reach)
}

/** What moves the iterator without touching memory. False for another operation. */
function move(world: World, saved: Saved, what: Operation, wanted: number): boolean {
  const { iter, model } = world
  if (what === 'advance') {
    iter.advance(wanted)
    model.position += Math.min(wanted, model.count)
  } else if (what === 'revert') {
    const back = Math.min(wanted, model.position)
    iter.revert(back)
    model.position -= back
  } else if (what === 'truncate') {
    iter.truncate(wanted)
    model.end = Math.min(model.end, model.position + wanted)
  } else if (what === 'reexpand') {
    model.end = model.whole
    iter.reexpand(model.count)
  } else if (what === 'save') {
    iter.saveState(saved.state)
    saved.position = model.position
    saved.end = model.end
  } else if (what === 'restore') {
    iter.restore(saved.state)
    model.position = saved.position
    model.end = saved.end
  } else return false
  return true
}

interface Saved {
  readonly state: IovIterState
  position: number
  end: number
}

function access(world: World, what: Operation, wanted: number, few: number): void {
  if (what === 'copy' || what === 'copyFull') copy(world, wanted, what === 'copyFull')
  else if (what === 'zero') zero(world, wanted)
  else if (what === 'copyPage') copyPage(world, wanted, few * 400)
  else if (what === 'copyFolio') copyFolio(world, wanted, few * 700)
  else if (what === 'extractBvecs') extract(world, wanted, few)
  else if (what === 'extractPages') takePages(world, wanted, few, false)
  else if (what === 'getPages') takePages(world, wanted, few, true)
  else if (what === 'dup') duplicate(world, wanted)
  else faultIn(world, wanted)
}

/** Whether the type refuses the operation, with a clear error and nothing moved. */
function isRefused({ iter }: World, what: Operation): boolean {
  const takes = what === 'extractBvecs' || what === 'extractPages' || what === 'getPages'
  if (iter.iterType === IterType.DISCARD) return takes
  if (iter.iterType !== IterType.DMABUF_MAP) return false
  if (what === 'zero') return iter.dataSource === ITER_DEST
  return takes || what.startsWith('copy')
}

describe('every type of iterator against a byte array', () => {
  it('R-UIO-1, R-UIO-2, R-UIO-3: any sequence of all operations', () => {
    fc.assert(
      fc.property(setups, steps, (setup, sequence) => {
        const world = buildWorld(setup)
        const saved: Saved = { state: new IovIterState(), position: 0, end: world.model.end }
        world.iter.saveState(saved.state)
        check(world)
        for (const [what, wanted, few] of sequence) {
          if (isRefused(world, what))
            expect(() => access(world, what, wanted, few)).toThrow(/: a (dmabuf|discard) iterator/)
          else if (!move(world, saved, what, wanted)) access(world, what, wanted, few)
          check(world)
        }
      }),
      { numRuns: 3000 },
    )
  })
})
