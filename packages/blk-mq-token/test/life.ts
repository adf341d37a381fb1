// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Several devices and tokens on one buffer, each with a policy of its own, while the exporter evicts and at last revokes it, a device goes away, tokens
// are released in any order and I/O is interrupted.

import type { DmabufIoMap, DmabufToken } from '@iolayers/block-core'
import { BusAccess, createDevice, type Device, DmaDirection } from '@iolayers/dma-mapping'
import { createPrng, joinAll, KernelError, type Op, sleep, type Task } from '@iolayers/kernel'
import { expect } from 'vitest'
import type { TokenParts } from '../src/index.ts'
import { MapGeneration } from '../src/parts.ts'
import { RevocableExporter } from './revocable-exporter.ts'
import { expectNothingLeft, makeWorld, type World } from './world.ts'

const TOKENS = 4
const IOS = 8
const ROUNDS = 4
/** The registration is over, the device or the buffer is gone, a signal came. */
export const ENDS: readonly string[] = ['ENODEV', 'ENOENT', 'ERESTARTSYS']

class Life {
  readonly world: World
  readonly exporter: RevocableExporter
  readonly devices: Device[]
  readonly tokens: DmabufToken[] = []
  readonly seen: Set<MapGeneration> = new Set()
  /** Why I/O ended before its rounds were over. */
  readonly ends: Set<string> = new Set()
  readonly #prng: { below(bound: number): number }
  readonly #gone: Set<number> = new Set()
  readonly #inFlight: number[] = [0, 0]

  constructor(seed: number, parts: TokenParts, full: () => boolean) {
    const policy = seed % 2 === 0 ? 'fence' : 'drain'
    this.world = makeWorld({ seed }, { policy }, { failReserveFences: full }, parts)
    const { scheduler, tokens } = this.world
    this.#prng = createPrng(seed * 13 + 1)
    this.exporter = new RevocableExporter(this.world)
    this.devices = [0, 1].map((i) => {
      const device = createDevice(this.world, { name: `d${i}`, iommuMode: 'strict' })
      device.bus.enabled = true
      return device
    })
    for (let i = 0; i < TOKENS; i++) {
      // Every third seed: tokens of both policies side by side, on one buffer.
      const other = i % 2 === 0 ? 'fence' : 'drain'
      const create = tokens.create(
        this.#device(i),
        this.exporter.dmabuf,
        DmaDirection.BIDIRECTIONAL,
        seed % 3 === 0 ? { policy: other } : {},
      )
      this.tokens.push(scheduler.runSync('register', create))
    }
  }

  #device(i: number): Device {
    return this.devices[i % 2] as Device
  }

  #dma(i: number): number {
    return this.#inFlight[i % 2] ?? 0
  }

  #count(i: number, by: number): void {
    this.#inFlight[i % 2] = this.#dma(i) + by
  }

  *io(id: number): Op<void> {
    const token = this.tokens[id % TOKENS] as DmabufToken
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const map = token.tryGetMap() ?? (yield* token.getMap())
        if (map instanceof MapGeneration) this.seen.add(map)
        yield* sleep(this.world.scheduler, this.#prng.below(8))
        yield* this.#transfer(id, map)
        map.put()
      }
    } catch (error) {
      if (!(error instanceof KernelError) || !ENDS.includes(error.code)) throw error
      this.ends.add(error.code)
    }
  }

  /** The hardware: it holds `active` as long as it may touch memory. */
  *#transfer(id: number, map: DmabufIoMap): Op<void> {
    const { scheduler, range } = this.world
    // The queue of a device that is gone takes nothing.
    const segments = this.#gone.has(id % 2) ? null : map.tryGetActive()
    if (segments === null) return
    this.#count(id, 1)
    const { bus, dma } = this.#device(id)
    // Each has bytes of its own: two I/Os on the same ones would be a race of their issuers.
    const part = map.sizeBytes / IOS
    const addr = segments.addressAt(0) + id * part
    dma.syncSingleForDevice(addr, part, DmaDirection.BIDIRECTIONAL)
    yield* sleep(scheduler, this.#prng.below(40))
    const bytes = bus.translate(addr, part, BusAccess.READ, range)
    dma.syncSingleForCpu(addr, part, DmaDirection.BIDIRECTIONAL)
    this.#count(id, -1)
    map.putActive()
    expect(bytes).toBeGreaterThan(0)
  }

  /** An exporter that looks after its buffer has a reference on it. */
  holding(op: Op<void>): Op<void> {
    const { dmabuf } = this.exporter
    dmabuf.get()
    return (function* (): Op<void> {
      yield* op
      dmabuf.put()
    })()
  }

  *evictor(): Op<void> {
    for (let i = 0; i < 5; i++) {
      yield* sleep(this.world.scheduler, this.#prng.below(40))
      yield* this.exporter.evict(() => expect(this.#inFlight).toEqual([0, 0]))
    }
  }

  *revoker(): Op<void> {
    yield* sleep(this.world.scheduler, this.#prng.below(400))
    yield* this.exporter.revoke()
    expect(this.#inFlight).toEqual([0, 0])
    expect(this.exporter.dmabuf.mappings).toBe(0)
  }

  /** A driver whose device goes away: no new map, no new DMA, the DMA under way ends, detach. */
  *remover(): Op<void> {
    const { scheduler } = this.world
    const index = this.#prng.below(2)
    const mine = this.tokens.filter((_, i) => i % 2 === index)
    yield* sleep(scheduler, this.#prng.below(300))
    for (const token of mine) token.deviceRemoved()
    this.#gone.add(index)
    while (this.#dma(index) > 0) yield* sleep(scheduler, 5)
    for (const token of mine) {
      yield* token.detachDevice()
      expect(token.tryGetMap()).toBeNull()
    }
    expect(this.exporter.dmabuf.attachedDevices).not.toContain(`d${index}`)
    // Whatever the owners of the registrations do later, they do it without the device.
    this.#device(index).destroy()
  }

  *releaser(i: number): Op<void> {
    yield* sleep(this.world.scheduler, this.#prng.below(600))
    yield* this.tokens[i]?.release() ?? nothing()
  }

  *interrupter(tasks: readonly Task<unknown>[]): Op<void> {
    for (let i = 0; i < 3; i++) {
      yield* sleep(this.world.scheduler, this.#prng.below(60))
      tasks[this.#prng.below(tasks.length)]?.signal()
    }
  }

  /** The device that stayed. */
  destroyDevices(): void {
    for (const [i, device] of this.devices.entries()) if (!this.#gone.has(i)) device.destroy()
    this.world.device.destroy()
  }
}

function* nothing(): Op<void> {}

/** `parts`: what the tokens are made of; `full`: whether there is no room for a fence now. */
export function runLife(
  seed: number,
  parts: TokenParts = {},
  full: () => boolean = () => false,
): { trace: string; ends: Set<string> } {
  const life = new Life(seed, parts, full)
  const { world, tokens } = life
  const { scheduler } = world
  const trace: string[] = []
  world.kernel.tracer.subscribe(
    () => true,
    ({ point, values }) => trace.push(`${point} ${values.join(' ')}`),
  )
  const ios = Array.from({ length: IOS }, (_, id) => scheduler.spawn(`io ${id}`, life.io(id)))
  const tasks: Task<unknown>[] = [
    ...ios,
    scheduler.spawn('evictor', life.holding(life.evictor())),
    scheduler.spawn('interrupter', life.interrupter(ios)),
    ...tokens.map((_, i) => scheduler.spawn(`releaser ${i}`, life.releaser(i))),
  ]
  if (seed % 4 < 2) tasks.push(scheduler.spawn('remover', life.remover()))
  if (seed % 5 < 3) tasks.push(scheduler.spawn('revoker', life.holding(life.revoker())))
  // Whoever made the buffer lets go first: the registrations keep it.
  life.exporter.dmabuf.put()
  scheduler.runSync('all', joinAll(scheduler, tasks))
  life.destroyDevices()
  expectNothingLeft(world)
  for (const map of life.seen) expect([map.refs, map.active, map.dead]).toEqual([0, 0, true])
  return { trace: trace.join('\n'), ends: life.ends }
}
