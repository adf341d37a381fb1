// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Completion, timeout, abort, reset, removal and the eviction of registered buffers at once, from seeds. A failure names its seed.

import { type CountingTokenFactory, createDmabufTokenFactory } from '@iolayers/blk-mq-token'
import { BlkStatus, type DmabufIoMap, type DmabufToken, ReqOp } from '@iolayers/block-core'
import { createDmaBufCore, createMovableHeap, type DmaBuf } from '@iolayers/dma-buf'
import { DmaDirection, type DmaSegmentTable } from '@iolayers/dma-mapping'
import { createPrng, joinAll, KernelError, type Op, type Prng, sleep } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { TwinCommand, TwinVerdict } from './controller-twin.ts'
import {
  dmabufIo,
  expectNothingLeft,
  expectSameBytes,
  pattern,
  probed,
  submit,
  type TestIo,
} from './rig.ts'

const BLOCKS = 256
const BUFFER_BYTES = 16_384
const READERS = 3
const READS = 6
const IO_TIMEOUT_NS = 1e9

/** A map as one I/O has it, and whether the device may use it. */
class WatchedMap implements DmabufIoMap {
  readonly granuleShift: number
  readonly sizeBytes: number
  active = 0
  activations = 0
  readonly #inner: DmabufIoMap
  readonly #from: number
  readonly #to: number
  #table: DmaSegmentTable | null = null

  constructor(inner: DmabufIoMap, offset: number, length: number) {
    this.#inner = inner
    this.#from = offset
    this.#to = offset + length
    this.granuleShift = inner.granuleShift
    this.sizeBytes = inner.sizeBytes
  }

  get dead(): boolean {
    return this.#inner.dead
  }

  get(): void {
    this.#inner.get()
  }

  put(): void {
    this.#inner.put()
  }

  tryGetActive(): DmaSegmentTable | null {
    const table = this.#inner.tryGetActive()
    if (table === null) return null
    this.active++
    this.activations++
    this.#table = table
    return table
  }

  putActive(): void {
    if (this.active === 0) throw new Error('active dropped more often than taken')
    this.active--
    this.#inner.putActive()
  }

  /** Whether these bytes are the I/O's own, and it holds `active`. */
  covers(addr: number, length: number): boolean {
    const table = this.#table
    if (this.active === 0 || table === null) return false
    for (let i = 0; i < table.count; i++) {
      const start = table.startAt(i)
      const from = Math.max(this.#from, start)
      const to = Math.min(this.#to, start + table.lengthAt(i))
      const at = addr - table.addressAt(i) + start
      if (at >= from && at + length <= to) return true
    }
    return false
  }
}

type End = 'shutdown' | 'remove' | 'surprise'

interface Totals {
  reads: number
  failed: number
  stale: number
  aborts: number
  resets: number
  cancelled: number
  lostInterrupts: number
  lateDma: number
  mapsLost: number
  dead: number
}

class Race {
  readonly prng: Prng
  readonly rig
  readonly tokens: CountingTokenFactory
  readonly heap
  readonly maps: WatchedMap[] = []
  readonly ios: TestIo[] = []
  readonly end: End
  readonly totals: Totals
  working = true
  ended = false

  constructor(seed: number, policy: 'fence' | 'drain', totals: Totals) {
    this.totals = totals
    this.prng = createPrng(seed * 977 + 5)
    this.end = (['shutdown', 'remove', 'surprise'] as const)[seed % 3] ?? 'shutdown'
    const made: { tokens?: CountingTokenFactory; core?: ReturnType<typeof createDmaBufCore> } = {}
    this.rig = probed({
      seed,
      coherent: seed % 2 === 0,
      host: {
        ioTimeoutNs: IO_TIMEOUT_NS,
        adminTimeoutNs: 3e9,
        queueDepth: 3,
        ioQueues: 1 + (seed % 2),
        maxRetries: 3,
      },
      twin: { acl: seed % 3, namespaces: [{ nsid: 1, blocks: BLOCKS }] },
      tokens: (kernel) => {
        made.core = createDmaBufCore({ kernel })
        made.tokens = createDmabufTokenFactory({ kernel, fences: made.core }, { policy })
        return made.tokens
      },
    })
    if (made.core === undefined || made.tokens === undefined) throw new Error('no tokens')
    this.tokens = made.tokens
    this.heap = createMovableHeap({ ...this.rig, core: made.core })
    this.medium.set(pattern(this.medium.length, seed))
  }

  get medium(): Uint8Array {
    return this.rig.twin.namespaces.get(1)?.data ?? new Uint8Array()
  }

  run(): void {
    const { rig } = this
    rig.twin.judge = (command) => this.#judge(command)
    rig.twin.onData = (addr, length) => this.#checkDma(addr, length)
    const { scheduler } = rig
    scheduler.spawn('device', this.#device())
    scheduler.spawn('resetter', this.#resetter())
    if (this.end !== 'shutdown') scheduler.spawn('remover', this.#remover())
    const readers = Array.from({ length: READERS }, (_, id) =>
      scheduler.spawn(`reader ${id}`, this.#reader(id)),
    )
    scheduler.runSync('join', joinAll(scheduler, readers))
    this.working = false
    rig.twin.mute = false
    rig.twin.judge = () => 'run'
    scheduler.runUntilIdle()
    if (!this.ended) scheduler.runSync('shutdown', rig.host.shutdown())
    this.#checkEnd()
  }

  #judge({ qid }: TwinCommand): TwinVerdict {
    const dice = this.prng.below(100)
    if (qid === 0) return dice < 2 ? 'drop' : dice < 6 ? 'hold' : 'run'
    if (dice < 55) return 'run'
    if (dice < 80) return 'hold'
    return dice < 93 ? 'drop' : { status: 0x006 }
  }

  /** What the device touches belongs to a request that has not given it back. */
  #checkDma(addr: number, length: number): void {
    if (!this.rig.device.bus.enabled) {
      this.totals.lateDma++
      return
    }
    if (this.maps.some((map) => map.covers(addr, length))) return
    throw new Error(`DMA to ${addr.toString(16)} for which nobody holds active`)
  }

  *#device(): Op<void> {
    const { twin, scheduler } = this.rig
    while (this.working) {
      yield* sleep(scheduler, 1 + this.prng.below(400e6))
      if (twin.stuck !== 'gone') twin.mute = this.prng.below(8) === 0
      if (twin.held.length > 0) twin.release(this.prng.below(twin.held.length))
    }
    while (twin.held.length > 0) twin.release()
  }

  *#resetter(): Op<void> {
    const { host, scheduler, twin } = this.rig
    while (this.working) {
      yield* sleep(scheduler, 1 + this.prng.below(5e9))
      const stubborn = this.prng.below(12) === 0 && twin.stuck === 'no'
      if (stubborn) twin.stuck = 'never-disabled'
      try {
        yield* host.reset()
      } catch (error) {
        if (!(error instanceof KernelError)) throw error
      }
      if (stubborn && twin.stuck === 'never-disabled') twin.stuck = 'no'
    }
  }

  *#remover(): Op<void> {
    const { host, scheduler, twin } = this.rig
    yield* sleep(scheduler, 1 + this.prng.below(12e9))
    if (this.end === 'surprise') twin.stuck = 'gone'
    this.ended = true
    yield* host.remove()
    this.ended = true
  }

  *#mover(dmabuf: DmaBuf, on: { moving: boolean }): Op<void> {
    while (on.moving) {
      yield* sleep(this.rig.scheduler, 1 + this.prng.below(500e6))
      yield* this.heap.move(dmabuf)
    }
  }

  *#reader(id: number): Op<void> {
    const { rig, heap } = this
    const { scheduler, disk } = rig
    const dmabuf = heap.allocate(BUFFER_BYTES)
    const on = { moving: true }
    const mover = scheduler.spawn(`mover ${id}`, this.#mover(dmabuf, on))
    let token: DmabufToken | null = null
    try {
      if (disk.dmabuf === null) throw new Error('no registrar')
      token = yield* disk.dmabuf.createDmabufToken(dmabuf, DmaDirection.BIDIRECTIONAL)
      for (let i = 0; i < READS; i++) yield* this.#read(dmabuf, token)
    } catch (error) {
      // The device went away.
      if (!(error instanceof KernelError) || error.code !== 'ENODEV') throw error
      expect(this.ended).toBe(true)
    } finally {
      on.moving = false
    }
    if (token !== null) yield* token.release()
    yield* joinAll(scheduler, [mover])
    dmabuf.put()
  }

  *#read(dmabuf: DmaBuf, token: DmabufToken): Op<void> {
    const blocks = 1 + this.prng.below(16)
    const offset = this.prng.below(BUFFER_BYTES / 512 - blocks + 1) * 512
    const sector = this.prng.below(BLOCKS - blocks)
    const inner = token.tryGetMap() ?? (yield* token.getMap())
    const map = new WatchedMap(inner, offset, blocks * 512)
    this.maps.push(map)
    const io = dmabufIo(this.rig, map, offset, blocks * 512, { op: ReqOp.READ, sector })
    this.ios.push(io)
    const status = yield* submit(this.rig.disk, io)
    map.put()
    this.totals.reads++
    if (status === BlkStatus.STALE) this.totals.stale++
    else if (status !== BlkStatus.OK) {
      expect(status).toBe(BlkStatus.IOERR)
      this.totals.failed++
    } else {
      const view = yield* dmabuf.vmap()
      const all = new Uint8Array(BUFFER_BYTES)
      let at = 0
      for (const segment of view.segments) {
        all.set(segment, at)
        at += segment.length
      }
      dmabuf.vunmap()
      const from = sector * 512
      expectSameBytes(
        all.subarray(offset, offset + blocks * 512),
        this.medium.subarray(from, from + blocks * 512),
      )
    }
  }

  #checkEnd(): void {
    const { rig, tokens, totals } = this
    for (const io of this.ios) expect(io.ends).toBe(1)
    for (const map of this.maps) expect(map.active).toBe(0)
    expect(tokens.stats.tokensLive).toBe(0)
    expect(tokens.stats.mapsLive).toBe(0)
    const { stats } = rig.host
    expect(stats.requests).toBe(stats.completions + stats.cancelled)
    totals.aborts += stats.aborts
    totals.resets += stats.resets
    totals.cancelled += stats.cancelled
    totals.lostInterrupts += stats.lostInterrupts
    totals.mapsLost += tokens.stats.mapsLost
    if (rig.host.state === 'dead') totals.dead++
    rig.twin.faults = 0
    expectNothingLeft(rig)
  }
}

describe('nvme host: everything at once', () => {
  it.each(['fence', 'drain'] as const)(
    'R-MQ-7 H1 H15 F13: active is taken and dropped once, no request is lost or ended twice, no DMA without active: %s',
    (policy) => {
      const totals: Totals = {
        reads: 0,
        failed: 0,
        stale: 0,
        aborts: 0,
        resets: 0,
        cancelled: 0,
        lostInterrupts: 0,
        lateDma: 0,
        mapsLost: 0,
        dead: 0,
      }
      for (let seed = 1; seed <= 60; seed++) {
        try {
          new Race(seed, policy, totals).run()
        } catch (error) {
          throw new Error(`seed ${seed}, policy ${policy}: ${String(error)}`, { cause: error })
        }
      }
      for (const [what, count] of Object.entries(totals)) {
        expect(count, what).toBeGreaterThan(0)
      }
      expect(totals.reads).toBeGreaterThan(500)
      expect(totals.cancelled).toBeGreaterThan(100)
      expect(totals.stale).toBeGreaterThan(10)
    },
  )
})
