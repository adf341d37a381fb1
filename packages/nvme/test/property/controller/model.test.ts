// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A random program of admin and I/O commands does to a controller what it does to a few lines of model.

import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEventLoopScheduler, createKernel, createPrng, type Prng } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  createMemoryStore,
  createSimulatedStore,
  type NamespaceStore,
} from '../../../src/controller/index.ts'
import { createFileStore } from '../../../src/file/index.ts'
import {
  AdminOpcode,
  Csts,
  FeatureId,
  NvmOpcode,
  Reg,
  STATUS_CODE_MASK,
  setUint64,
} from '../../../src/spec/index.ts'
import { type ModelCommand, NaiveNamespace } from '../../naive-namespace.ts'
import { PowerCutStore } from '../../power-cut-store.ts'
import { type Command, RawDriver } from '../../raw-driver.ts'

const SIZE = 64 * 1024
const DATA_BYTES = 16 * 4096

const OPCODES = [
  NvmOpcode.READ,
  NvmOpcode.READ,
  NvmOpcode.WRITE,
  NvmOpcode.WRITE,
  NvmOpcode.COMPARE,
  NvmOpcode.WRITE_ZEROES,
  NvmOpcode.WRITE_UNCORRECTABLE,
  NvmOpcode.DATASET_MANAGEMENT,
  NvmOpcode.VERIFY,
  NvmOpcode.COPY,
  NvmOpcode.FLUSH,
] as const

class Program {
  readonly driver: RawDriver
  readonly model: NaiveNamespace
  readonly prng: Prng
  readonly #data: number
  readonly #lists: number

  constructor(driver: RawDriver, seed: number) {
    this.driver = driver
    this.model = new NaiveNamespace(SIZE, 512)
    this.prng = createPrng(seed)
    this.#data = driver.alloc(DATA_BYTES)
    this.#lists = driver.alloc(8192)
  }

  /** Enables, or begins to where the scheduler goes by itself. */
  begin(): void {
    this.driver.enable()
  }

  /** Mostly in the namespace, now and then over its end. */
  command(): ModelCommand {
    const { prng, model } = this
    const opcode = OPCODES[prng.below(OPCODES.length)] ?? NvmOpcode.READ
    const first = prng.below(model.blocks + 1)
    const most = Math.floor(DATA_BYTES / model.blockBytes)
    const blocks = 1 + prng.below(Math.min(most, prng.below(4) === 0 ? 40 : 6))
    const ranges = Array.from({ length: 1 + prng.below(3) }, () => ({
      first: prng.below(model.blocks),
      blocks: 1 + prng.below(5),
    }))
    if (opcode === NvmOpcode.WRITE) {
      const data = Uint8Array.from({ length: blocks * model.blockBytes }, () => prng.below(256))
      return { opcode, first, blocks, data }
    }
    if (opcode !== NvmOpcode.COMPARE) return { opcode, first, blocks, ranges }
    const data = new Uint8Array(blocks * model.blockBytes)
    data.set(model.slice(first, blocks))
    if (prng.below(2) === 0) data[prng.below(data.length)]! ^= 0x10
    return { opcode, first, blocks, data }
  }

  /** The entry for it, with its data and lists in memory. */
  entry({ opcode, first, blocks, data, ranges = [] }: ModelCommand): Command {
    const { view, bytes } = this.driver
    bytes.fill(0xa5, this.#data, this.#data + DATA_BYTES)
    if (data !== undefined) bytes.set(data, this.#data)
    const common = { opcode, nsid: 1, cdw10: first }
    const list = this.#lists
    if (opcode === NvmOpcode.DATASET_MANAGEMENT) {
      ranges.forEach((range, i) => {
        view.setUint32(list + i * 16 + 4, range.blocks, true)
        setUint64(view, list + i * 16 + 8, range.first)
      })
      return { ...common, cdw10: ranges.length - 1, cdw11: 4, prp1: list }
    }
    if (opcode === NvmOpcode.COPY) {
      ranges.forEach((range, i) => {
        setUint64(view, list + i * 32 + 8, range.first)
        view.setUint16(list + i * 32 + 16, range.blocks - 1, true)
      })
      return { ...common, cdw12: ranges.length - 1, prp1: list }
    }
    const pages = list + 4096
    for (let i = 1; i < 16; i++) {
      setUint64(view, pages + (i - 1) * 8, this.driver.base + this.#data + i * 4096)
    }
    const lengthBytes = blocks * this.model.blockBytes
    const prp2 = lengthBytes > 8192 ? pages : this.#data + 4096
    return { ...common, cdw12: blocks - 1, prp1: this.#data, prp2 }
  }

  /** One command, and what it should have come to. */
  step(): void {
    const { driver, prng } = this
    if (prng.below(60) === 0) {
      this.admin()
      return
    }
    const command = this.command()
    const { status } = driver.exec(1, this.entry(command))
    this.expectOutcome(command, status)
  }

  /** The model does the same, and it looks the same. */
  expectOutcome(command: ModelCommand, status: number): void {
    const { driver, model } = this
    const expected = model.run(command)
    expect([command.opcode, status & STATUS_CODE_MASK]).toEqual([command.opcode, expected])
    if (command.opcode !== NvmOpcode.READ || status !== 0) return
    const { first, blocks } = command
    const found = driver.bytes.subarray(this.#data, this.#data + blocks * model.blockBytes)
    expect(Buffer.compare(found, model.slice(first, blocks))).toBe(0)
  }

  admin(): void {
    const { driver, model, prng } = this
    if (prng.below(3) === 0) {
      const format = prng.below(2)
      expect(driver.admin({ opcode: AdminOpcode.FORMAT_NVM, nsid: 1, cdw10: format }).status).toBe(
        0,
      )
      model.format(format === 0 ? 512 : 4096)
      return
    }
    const cdw11 = prng.below(2)
    const set = { opcode: AdminOpcode.SET_FEATURES, cdw10: FeatureId.VOLATILE_WRITE_CACHE, cdw11 }
    expect(driver.admin(set).status).toBe(0)
  }
}

function runProgram(
  driver: RawDriver,
  store: NamespaceStore,
  seed: number,
  steps: number,
): Program {
  driver.controller.addNamespace(1, { store })
  const program = new Program(driver, seed)
  program.begin()
  driver.createQueuePair(1)
  for (let i = 0; i < steps; i++) program.step()
  driver.expectQuiet()
  return program
}

describe('a random program', () => {
  it.each([1, 2, 3, 4])('over memory is as the model: seed %i', (seed) => {
    const driver = new RawDriver({ seed })
    const { kernel, memory } = driver
    const store = createMemoryStore({ kernel, memory }, { sizeBytes: SIZE })
    const { model } = runProgram(driver, store, seed, 1500)
    expect(Buffer.compare(store.segments[0]!, model.bytes)).toBe(0)
  })

  it.each([5, 6])('over a medium that takes its time is as the model: seed %i', (seed) => {
    const driver = new RawDriver({ seed })
    const store = createSimulatedStore(
      { kernel: driver.kernel },
      { sizeBytes: SIZE, stepBytes: 1000 },
    )
    const { model } = runProgram(driver, store, seed, 600)
    expect(Buffer.compare(store.bytes, model.bytes)).toBe(0)
  })
})

/** What is followed by a flush where there is no volatile cache. */
const WRITE_THROUGH: ReadonlySet<number> = new Set([
  NvmOpcode.WRITE,
  NvmOpcode.WRITE_ZEROES,
  NvmOpcode.COPY,
])

describe('a power cut at any point', () => {
  it.each([11, 12, 13, 14])(
    'what was flushed is there, and nothing but what was written: seed %i',
    (seed) => {
      const driver = new RawDriver({ seed })
      const store = new PowerCutStore(SIZE)
      driver.controller.addNamespace(1, { store })
      const program = new Program(driver, seed)
      program.begin()
      driver.createQueuePair(1)
      const { prng, model } = program
      // Of each sector: what it may be after a cut. The first is what was durable.
      let candidates = new Map<number, Uint8Array[]>()
      let durable = model.bytes.slice()
      let cached = true
      for (let i = 0; i < 1200; i++) {
        if (prng.below(40) === 0) {
          store.cut(prng)
          for (let sector = 0; sector < SIZE / 512; sector++) {
            const found = store.volatile.subarray(sector * 512, sector * 512 + 512)
            const allowed = [
              durable.subarray(sector * 512, sector * 512 + 512),
              ...(candidates.get(sector) ?? []),
            ]
            expect(allowed.some((one) => Buffer.compare(one, found) === 0)).toBe(true)
          }
          model.bytes.set(store.volatile)
          durable = model.bytes.slice()
          candidates = new Map()
          continue
        }
        const before = model.bytes.slice()
        const command = program.command()
        const { status } = driver.exec(1, program.entry(command))
        expect(status & STATUS_CODE_MASK).toBe(model.run(command))
        for (let sector = 0; sector < SIZE / 512; sector++) {
          const [from, to] = [sector * 512, sector * 512 + 512]
          const now = model.bytes.slice(from, to)
          if (Buffer.compare(now, before.subarray(from, to)) === 0) continue
          candidates.set(sector, [...(candidates.get(sector) ?? []), now])
        }
        // A flush makes all of it durable; a write that went through is durable when it ends, and Dataset Management never is.
        const through = !cached && WRITE_THROUGH.has(command.opcode)
        if (status === 0 && (command.opcode === NvmOpcode.FLUSH || through)) {
          durable = model.bytes.slice()
          candidates = new Map()
        }
        if (prng.below(50) === 0) {
          cached = prng.below(2) === 0
          const cdw11 = cached ? 1 : 0
          driver.admin({
            opcode: AdminOpcode.SET_FEATURES,
            cdw10: FeatureId.VOLATILE_WRITE_CACHE,
            cdw11,
          })
        }
      }
      driver.expectQuiet()
    },
  )
})

describe('over a file', () => {
  it.each([21, 22])(
    'a random program leaves in it what it leaves in the model: seed %i',
    async (seed) => {
      const directory = mkdtempSync(join(tmpdir(), 'nvme-model-'))
      const path = join(directory, 'medium')
      writeFileSync(path, '')
      truncateSync(path, SIZE)
      const scheduler = createEventLoopScheduler()
      const kernel = createKernel({ scheduler })
      const driver = new RawDriver({ kernel })
      const store = createFileStore({ kernel }, { path })
      driver.controller.addNamespace(1, { store })
      const program = new Program(driver, seed)
      program.begin()
      await driver.settle(() => (driver.read(Reg.CSTS) === Csts.RDY ? true : undefined))
      for (const command of driver.queuePairCommands(1)) {
        expect((await driver.execSoon(0, command)).status).toBe(0)
      }
      const { model } = program
      for (let i = 0; i < 250; i++) {
        const command = program.command()
        const { status } = await driver.execSoon(1, program.entry(command))
        program.expectOutcome(command, status)
      }
      expect((await driver.execSoon(1, { opcode: NvmOpcode.FLUSH, nsid: 1 })).status).toBe(0)
      expect(Buffer.compare(readFileSync(path), model.bytes)).toBe(0)
      driver.controller.destroy()
      await scheduler.run('close', store.close())
      rmSync(directory, { recursive: true })
    },
  )
})
