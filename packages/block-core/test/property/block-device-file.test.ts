// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { PAGE_SIZE, type PhysicalMemory } from '@iolayers/dma-mapping'
import { Errno } from '@iolayers/kernel'
import { IocbFlags, IovIter, ITER_DEST, ITER_SOURCE, Kiocb } from '@iolayers/uio'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blkdevControl, type DmabufIoMap, type Plug } from '../../src/index.ts'
import {
  ARENA_BYTES,
  BUFFER_BYTES,
  CHUNK_BYTES,
  DISK_BYTES,
  type Limits,
  makeRig,
  type Rig,
  SLOT_PAGES,
  SLOTS,
} from '../file-rig.ts'
import { fileOf } from '../file-support.ts'
import { KiocbRecorder, tearDown } from '../support.ts'

interface Transfer {
  readonly kind: 'ubuf' | 'iovec' | 'kvec' | 'bvec' | 'dmabuf'
  readonly form: 'sync' | 'async' | 'plain' | 'nowait'
  readonly write: boolean
  readonly direct: boolean
  /** In units of `unit` bytes. */
  readonly pos: number
  readonly unit: number
  readonly segments: readonly { readonly offset: number; readonly length: number }[]
}

type Command =
  | ({ readonly type: 'transfer' } & Transfer)
  | { readonly type: 'zero'; readonly start: number; readonly length: number }
  | { readonly type: 'resize'; readonly sectors: number }
  | { readonly type: 'readOnly'; readonly on: boolean }

const limitsArb: fc.Arbitrary<Limits> = fc.record({
  block: fc.constantFrom(512, 1024, 4096),
  dmaMask: fc.constantFrom(0, 3, 511),
  maxHwSectors: fc.constantFrom(8, 24, 256),
})

const unitArb = fc.constantFrom(512, 512, 4096, 4096, 4096, 4, 1)

const segmentArb = unitArb.chain((unit) =>
  fc.record({
    offset: fc.integer({ min: 0, max: PAGE_SIZE / unit - 1 }).map((n) => n * unit),
    length: fc.integer({ min: 0, max: ((SLOT_PAGES - 1) * PAGE_SIZE) / unit }).map((n) => n * unit),
  }),
)

const commandArb: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      type: fc.constant('transfer' as const),
      kind: fc.constantFrom('ubuf', 'iovec', 'kvec', 'bvec', 'dmabuf'),
      form: fc.constantFrom('sync', 'async', 'plain', 'nowait'),
      write: fc.boolean(),
      direct: fc.integer({ min: 0, max: 19 }).map((n) => n > 0),
      pos: fc.integer({ min: -1, max: DISK_BYTES / 512 + 8 }),
      unit: fc.constantFrom(512, 512, 1024, 2048, 4096, 100),
      segments: fc.array(segmentArb, { minLength: 1, maxLength: SLOTS }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('zero' as const),
      start: fc.integer({ min: 0, max: 33 }).map((n) => n * 4096),
      length: fc.integer({ min: 0, max: 64 }).map((n) => n * 512),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('resize' as const),
      sectors: fc.integer({ min: 0, max: DISK_BYTES / 4096 }).map((n) => n * 8),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('readOnly' as const), on: fc.boolean() }),
  },
)

/** What is there: bytes, as they ought to be. */
interface Model {
  readonly disk: Uint8Array
  readonly arena: Uint8Array
  readonly buffer: Uint8Array
  sizeBytes: number
  readOnly: boolean
}

/** Where the bytes of a transfer lie, in the arena or in the dma-buf. */
function placesOf(command: Transfer): readonly { at: number; length: number }[] {
  if (command.kind === 'dmabuf') {
    const first = command.segments[0] ?? { offset: 0, length: 0 }
    const length = Math.min(first.length, BUFFER_BYTES - first.offset)
    return [{ at: first.offset, length }]
  }
  const used = command.kind === 'ubuf' ? command.segments.slice(0, 1) : command.segments
  return used.map(({ offset, length }, i) => ({
    at: i * SLOT_PAGES * PAGE_SIZE + offset,
    length,
  }))
}

function iterOf(rig: Rig, command: Transfer): IovIter<DmabufIoMap> {
  const places = placesOf(command)
  const iter = new IovIter<DmabufIoMap>()
  const direction = command.write ? ITER_SOURCE : ITER_DEST
  const total = places.reduce((sum, { length }) => sum + length, 0)
  if (command.kind === 'dmabuf') {
    iter.initDmabufMap(direction, rig.map, places[0]?.at ?? 0, total)
    return iter
  }
  const runs = places.map(({ at, length }) => ({
    frame: rig.arenaFrame + Math.floor(at / PAGE_SIZE),
    offsetBytes: at % PAGE_SIZE,
    lengthBytes: length,
  }))
  const first = runs[0] ?? { frame: 0, offsetBytes: 0, lengthBytes: 0 }
  if (command.kind === 'ubuf') iter.initUbuf(direction, first.frame, first.offsetBytes, total)
  else if (command.kind === 'iovec') iter.initIovec(direction, runs, runs.length, total)
  else if (command.kind === 'kvec') iter.initKvec(direction, runs, runs.length, total)
  else iter.initBvec(direction, runs, runs.length, total)
  return iter
}

/** What the system call would return if it may take its time: bytes, or a negative errno. */
function predict(model: Model, limits: Limits, command: Transfer): number {
  const pos = command.pos * command.unit
  if (!command.direct || pos < 0) return -Errno.EINVAL
  if (command.write && model.readOnly) return -Errno.EPERM
  const places = placesOf(command)
  const asked = places.reduce((sum, { length }) => sum + length, 0)
  if (asked === 0) return 0
  if (pos >= model.sizeBytes) return command.write ? -Errno.ENOSPC : 0
  const bytes = Math.min(asked, model.sizeBytes - pos)
  if (pos % limits.block !== 0 || bytes % limits.block !== 0) return -Errno.EINVAL
  let left = bytes
  for (const { at, length } of places) {
    const part = Math.min(length, left)
    const step = limits.dmaMask + 1
    if (part > 0 && (at % step !== 0 || part % step !== 0)) return -Errno.EINVAL
    left -= part
  }
  return bytes
}

/** Moves the bytes in the model. */
function apply(model: Model, command: Transfer, bytes: number): void {
  const memory = command.kind === 'dmabuf' ? swapHalves(model.buffer) : model.arena
  let pos = command.pos * command.unit
  let left = bytes
  for (const { at, length } of placesOf(command)) {
    const part = Math.min(length, left)
    if (command.write) model.disk.set(memory.subarray(at, at + part), pos)
    else memory.set(model.disk.subarray(pos, pos + part), at)
    pos += part
    left -= part
  }
  if (command.kind === 'dmabuf') model.buffer.set(swapHalves(memory))
}

/** The buffer as its map orders it; its own inverse. */
function swapHalves(bytes: Uint8Array): Uint8Array {
  const half = bytes.length / 2
  const swapped = new Uint8Array(bytes.length)
  swapped.set(bytes.subarray(half), 0)
  swapped.set(bytes.subarray(0, half), half)
  return swapped
}

/** Runs the I/O to its end: what it returned, or what it was completed with. */
function perform(
  rig: Rig,
  command: Transfer,
  iter: IovIter<DmabufIoMap>,
  kiocb: Kiocb<Plug>,
  recorder: KiocbRecorder,
): number {
  const io = fileOf(rig.file)
  let result: number
  if (command.form === 'plain') {
    result = command.write ? io.writeIter(kiocb, iter) : io.readIter(kiocb, iter)
  } else {
    const op = command.write ? io.writeIterWait(kiocb, iter) : io.readIterWait(kiocb, iter)
    result = rig.scheduler.runSync('io', op)
  }
  rig.scheduler.runUntilIdle()
  if (result !== -Errno.EIOCBQUEUED) {
    expect(recorder.results).toEqual([])
    return result
  }
  expect(command.form).not.toBe('sync')
  expect(recorder.results).toHaveLength(1)
  return recorder.results[0] ?? 0
}

/** A transfer that nothing cuts, neither a limit nor the end of a chunk, so that nothing about it has to wait. */
function isSmall(rig: Rig, command: Transfer): boolean {
  const lengths = placesOf(command).map(({ length }) => length)
  const bytes = lengths.reduce((sum, length) => sum + length, 0)
  if (rig.lowers.length === 0) return bytes <= PAGE_SIZE
  return ((command.pos * command.unit) % CHUNK_BYTES) + bytes <= CHUNK_BYTES
}

function transfer(rig: Rig, model: Model, limits: Limits, command: Transfer): void {
  const recorder = new KiocbRecorder()
  const kiocb = new Kiocb<Plug>(command.form === 'sync' ? null : recorder)
  kiocb.init(rig.file, command.pos * command.unit)
  if (!command.direct) kiocb.flags &= ~IocbFlags.DIRECT
  if (command.form === 'nowait') kiocb.flags |= IocbFlags.NOWAIT
  const iter = iterOf(rig, command)
  const asked = iter.countBytes
  const wanted = predict(model, limits, command)
  const result = perform(rig, command, iter, kiocb, recorder)
  const mayRefuse = command.form === 'plain' || command.form === 'nowait'
  if (mayRefuse && result === -Errno.EAGAIN) {
    expect(wanted).toBeGreaterThan(0)
    expect(isSmall(rig, command)).toBe(false)
    return
  }
  expect(result).toBe(wanted)
  expect(kiocb.posBytes).toBe(command.pos * command.unit + Math.max(0, wanted))
  expect(iter.countBytes).toBe(asked - Math.max(0, wanted))
  if (wanted > 0) apply(model, command, wanted)
}

function zero(rig: Rig, model: Model, limits: Limits, start: number, length: number): void {
  const control = rig.file.query(blkdevControl)
  if (control === undefined) throw new Error('no control')
  let code = 'ok'
  try {
    rig.scheduler.runSync('zero', control.blkZeroOut(start, length))
  } catch (error) {
    code = (error as { code: string }).code
  }
  const isRange = length > 0 && start + length <= model.sizeBytes
  const isBlocks = start % limits.block === 0 && length % limits.block === 0
  if (!isRange || !isBlocks) expect(code).toBe('EINVAL')
  else if (model.readOnly) expect(code).toBe('EPERM')
  else {
    expect(code).toBe('ok')
    model.disk.fill(0, start, start + length)
  }
}

function step(rig: Rig, model: Model, limits: Limits, command: Command): void {
  if (command.type === 'transfer') transfer(rig, model, limits, command)
  else if (command.type === 'zero') zero(rig, model, limits, command.start, command.length)
  else if (command.type === 'resize') {
    rig.disk.setCapacity(command.sectors)
    model.sizeBytes = command.sectors * 512
  } else {
    rig.disk.setReadOnly(command.on)
    model.readOnly = command.on
  }
}

function expectBytes(memory: PhysicalMemory, frame: number, wanted: Uint8Array): void {
  const bytes = new Uint8Array(wanted.length)
  memory.read(frame * PAGE_SIZE, bytes)
  expect(Buffer.compare(bytes, wanted)).toBe(0)
}

function expectDisk(rig: Rig, model: Model): void {
  rig.disk.setCapacity(DISK_BYTES / 512)
  const io = fileOf(rig.file)
  for (let at = 0; at < DISK_BYTES; at += BUFFER_BYTES) {
    const kiocb = new Kiocb<Plug>(null)
    kiocb.init(rig.file, at)
    const iter = new IovIter<DmabufIoMap>()
    iter.initUbuf(ITER_DEST, rig.arenaFrame, 0, BUFFER_BYTES)
    expect(rig.scheduler.runSync('read', io.readIterWait(kiocb, iter))).toBe(BUFFER_BYTES)
    expectBytes(rig.memory, rig.arenaFrame, model.disk.subarray(at, at + BUFFER_BYTES))
  }
}

function run(given: Limits, commands: readonly Command[], striped: boolean): Set<number> {
  const rig = makeRig(given, striped)
  // What is stacked wants memory aligned to sectors, whatever is below. @see block/blk-settings.c blk_set_stacking_limits
  const limits = striped ? { ...given, dmaMask: 511 } : given
  const model: Model = {
    disk: new Uint8Array(DISK_BYTES),
    arena: Uint8Array.from({ length: ARENA_BYTES }, (_, i) => (i * 31 + (i >> 9)) % 251),
    buffer: Uint8Array.from({ length: BUFFER_BYTES }, (_, i) => (i * 17 + (i >> 10)) % 241),
    sizeBytes: DISK_BYTES,
    readOnly: false,
  }
  rig.memory.write(rig.arenaFrame * PAGE_SIZE, model.arena)
  rig.memory.write(rig.bufferFrame * PAGE_SIZE, model.buffer)
  const seen = new Set<number>()
  for (const wanted of commands) {
    // The fake map of this rig is of one device.
    const isDmabuf = wanted.type === 'transfer' && wanted.kind === 'dmabuf'
    const command = striped && isDmabuf ? { ...wanted, kind: 'ubuf' as const } : wanted
    if (command.type === 'transfer') seen.add(Math.min(1, predict(model, limits, command)))
    step(rig, model, limits, command)
    expectBytes(rig.memory, rig.arenaFrame, model.arena)
    expectBytes(rig.memory, rig.bufferFrame, model.buffer)
  }
  expectDisk(rig, model)
  expect(rig.map).toMatchObject({ refs: 1, active: 0 })
  rig.file.put()
  tearDown(rig, rig.disk)
  for (const lower of rig.lowers) tearDown(rig, lower)
  return seen
}

describe('the block device file', () => {
  it.each([
    ['a RAM disk', false, 160],
    ['a striped disk', true, 90],
  ])(
    'any sequence of I/O over %s does what an array of bytes does, errors included',
    (_name, striped, numRuns) => {
      const seen = new Set<number>()
      fc.assert(
        fc.property(
          limitsArb,
          fc.array(commandArb, { minLength: 1, maxLength: 40 }),
          (limits, commands) => {
            for (const outcome of run(limits, commands, striped)) seen.add(outcome)
          },
        ),
        { numRuns, seed: 4 },
      )
      // Each outcome was met: data, nothing to do, and every error.
      expect(seen).toEqual(new Set([1, 0, -Errno.EINVAL, -Errno.EPERM, -Errno.ENOSPC]))
    },
  )
})
