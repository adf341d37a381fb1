// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmabufToken } from '@iolayers/block-core'
import { type DmaBuf, type DmaBufAttachment, DmaFence, DmaResvUsage } from '@iolayers/dma-buf'
import { DmaDirection, type SgTable } from '@iolayers/dma-mapping'
import {
  Completion,
  joinAll,
  joinTask,
  KernelError,
  type Op,
  type Task,
  yieldNow,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { TokenFactoryInit, TokenParts } from '../../src/index.ts'
import { MapGeneration, Token } from '../../src/parts.ts'
import { RevocableExporter } from '../revocable-exporter.ts'
import { expectNothingLeft, makeWorld, type World } from '../world.ts'

const { BIDIRECTIONAL } = DmaDirection

/** Fails, or takes its time, where the test says so. */
class TroubledExporter extends RevocableExporter {
  failAttach = false
  failMap = false
  failUnmap = false
  failDetach = false
  slow: Completion | null = null
  /** A move for the mapping, that is still being copied when the table is given out. */
  move: DmaFence | null = null

  override attach(dmabuf: DmaBuf, attachment: DmaBufAttachment): void {
    if (this.failAttach) throw new KernelError('EBUSY', 'no attachment')
    super.attach(dmabuf, attachment)
  }

  detach(): void {
    if (this.failDetach) throw new KernelError('EIO', 'the detach went wrong')
  }

  override unmapDmaBuf(...args: Parameters<RevocableExporter['unmapDmaBuf']>): void {
    super.unmapDmaBuf(...args)
    if (this.failUnmap) throw new KernelError('EIO', 'the unmap went wrong')
  }

  override *mapDmaBuf(attachment: DmaBufAttachment, direction: DmaDirection): Op<SgTable> {
    if (this.failMap) throw new KernelError('ENOMEM', 'no table')
    yield* this.slow?.wait() ?? nothing()
    if (this.move !== null) {
      this.dmabuf.resv.reserveFences(1)
      this.dmabuf.resv.addFence(this.move, DmaResvUsage.KERNEL)
    }
    return yield* super.mapDmaBuf(attachment, direction)
  }
}

function* nothing(): Op<void> {}

class Rig {
  readonly world: World
  readonly exporter: TroubledExporter

  constructor(init: TokenFactoryInit = {}, parts: TokenParts = {}) {
    this.world = makeWorld({ seed: 9 }, init, {}, parts)
    this.exporter = new TroubledExporter(this.world)
  }

  run<T>(op: Op<T>): T {
    return this.world.scheduler.runSync('run', op)
  }

  create(dmabuf: DmaBuf = this.exporter.dmabuf): DmabufToken {
    return this.run(this.world.tokens.create(this.world.device, dmabuf, BIDIRECTIONAL))
  }

  /** Lets everybody go on as far as they can without time. */
  settle(): void {
    const { scheduler } = this.world
    function* turns(): Op<void> {
      for (let i = 0; i < 50; i++) yield* yieldNow(scheduler)
    }
    this.run(turns())
  }

  codeOf(op: Op<unknown>): string {
    return this.codeOfTask(this.world.scheduler.spawn('failing', op))
  }

  codeOfTask(task: Task<unknown>): string {
    try {
      this.run(joinTask(this.world.scheduler, task))
    } catch (error) {
      if (error instanceof KernelError) return error.code
      throw error
    }
    return 'none'
  }

  finish(token: DmabufToken | null): void {
    if (token !== null) this.run(token.release())
    expect(this.exporter.dmabuf.attachments).toBe(0)
    this.exporter.dmabuf.put()
    this.world.device.destroy()
    expectNothingLeft(this.world)
  }
}

describe('a registration that fails', () => {
  it('H13: leaves nothing when the exporter refuses the device', () => {
    const rig = new Rig()
    rig.exporter.failAttach = true
    const { tokens, device } = rig.world
    expect(rig.codeOf(tokens.create(device, rig.exporter.dmabuf, BIDIRECTIONAL))).toBe('EBUSY')
    expect(rig.exporter.dmabuf.references).toBe(1)
    expect([tokens.stats.tokens, tokens.source.begin()]).toEqual([0, null])
    rig.finish(null)
  })
})

describe('a map that cannot be made', () => {
  it("H3, H4, R-MQ-5: is the exporter's own error, with the lock let go and nothing mapped; the next one is made", () => {
    const rig = new Rig()
    const token = rig.create()
    rig.exporter.failMap = true
    expect(rig.codeOf(token.getMap())).toBe('ENOMEM')
    expect([rig.exporter.dmabuf.resv.isLocked, rig.exporter.dmabuf.mappings]).toEqual([false, 0])
    rig.exporter.failMap = false
    rig.run(token.getMap()).put()
    rig.finish(token)
  })

  it('H3, H4: what was mapped is unmapped when anything fails after it', () => {
    let failing = true
    class Failing extends Token {
      protected override makeGeneration(
        ...args: Parameters<Token['makeGeneration']>
      ): MapGeneration {
        if (failing) throw new KernelError('ENOMEM', 'no generation')
        return super.makeGeneration(...args)
      }
    }
    const rig = new Rig({}, { token: Failing })
    const token = rig.create()
    expect(rig.codeOf(token.getMap())).toBe('ENOMEM')
    expect([rig.exporter.dmabuf.resv.isLocked, rig.exporter.dmabuf.mappings]).toEqual([false, 0])
    failing = false
    rig.run(token.getMap()).put()
    rig.finish(token)
  })

  it('H7: EINVAL for a table that is shorter than its buffer, before anybody has an address of it', () => {
    const rig = new Rig()
    const real = rig.exporter.dmabuf
    const longer = {
      resv: real.resv,
      inode: real.inode,
      sizeBytes: 2 * real.sizeBytes,
      get: () => real.get(),
      put: () => real.put(),
      dynamicAttach: real.dynamicAttach.bind(real),
      detach: real.detach.bind(real),
      mapAttachment: real.mapAttachment.bind(real),
      unmapAttachment: real.unmapAttachment.bind(real),
    } as unknown as DmaBuf
    const token = rig.create(longer)
    expect(rig.codeOf(token.getMap())).toBe('EINVAL')
    expect([real.resv.isLocked, real.mappings]).toEqual([false, 0])
    rig.finish(token)
  })
})

describe('an exporter that throws where it may not', () => {
  it('H12: a detach that goes wrong is told once, and leaves no buffer, attachment or registration behind', () => {
    const rig = new Rig()
    const token = rig.create()
    rig.run(token.getMap()).put()
    rig.exporter.failDetach = true
    function* release(): Op<string> {
      try {
        yield* token.release()
        return 'none'
      } catch (error) {
        return error instanceof KernelError ? error.code : 'another error'
      }
    }
    const { scheduler } = rig.world
    const tasks = [0, 1].map((i) => scheduler.spawn(`release ${i}`, release()))
    const codes = rig.run(joinAll(scheduler, tasks))
    expect(codes.sort()).toEqual(['EIO', 'none'])
    expect(rig.exporter.dmabuf.references).toBe(1)
    expect(rig.world.tokens.stats.tokensLive).toBe(0)
    rig.finish(null)
  })

  it('H12: nor does an unmap that goes wrong keep a release waiting', () => {
    const rig = new Rig()
    const token = rig.create()
    const map = rig.run(token.getMap())
    rig.exporter.failUnmap = true
    const release = rig.world.scheduler.spawn('release', token.release())
    expect(() => rig.run(joinTask(rig.world.scheduler, release))).toThrow('the unmap went wrong')
    rig.run(joinTask(rig.world.scheduler, release))
    map.put()
    rig.finish(null)
  })
})

describe('a token that closes while its map is made', () => {
  const CLOSES = [
    ['release', 'ENOENT', (token: DmabufToken) => token.release()],
    ['detachDevice', 'ENODEV', (token: DmabufToken) => token.detachDevice()],
  ] as const

  for (const [name, code, close] of CLOSES) {
    it(`H14, D4: ${name} takes effect while the exporter makes the table: ${code}, and what was mapped is unmapped`, () => {
      const rig = new Rig()
      const { scheduler } = rig.world
      const token = rig.create()
      rig.exporter.slow = new Completion(scheduler, 'slow exporter')
      const making = scheduler.spawn('making', token.getMap())
      rig.settle()
      const closing = scheduler.spawn('closing', close(token))
      rig.settle()
      expect([making.state, closing.state]).toEqual(['parked', 'parked'])
      rig.exporter.slow.completeAll()
      expect(rig.codeOfTask(making)).toBe(code)
      rig.run(joinTask(scheduler, closing))
      expect(rig.codeOf(token.getMap())).toBe(code)
      expect(rig.world.tokens.stats.mapsMade).toBe(0)
      rig.finish(token)
    })
  }

  it('H15: what comes after both says that the registration was released', () => {
    const rig = new Rig()
    const token = rig.create()
    rig.run(token.detachDevice())
    rig.run(token.release())
    expect(rig.codeOf(token.getMap())).toBe('ENOENT')
    rig.finish(null)
  })
})

describe('the waits of making a map', () => {
  /** An exporter that goes on without waiting for the DMA to end. */
  function* loseMap({ dmabuf }: TroubledExporter): Op<void> {
    yield* dmabuf.resv.lock(null)
    yield* dmabuf.invalidateMappings()
    dmabuf.resv.unlock()
  }

  it('R-MQ-4, D4: the wait for an older map holds no lock; it is ETIME or ERESTARTSYS, and the new map stays', () => {
    const rig = new Rig({ timeoutNs: 1000 })
    const { scheduler } = rig.world
    const token = rig.create()
    const older = rig.run(token.getMap())
    older.tryGetActive()
    rig.run(loseMap(rig.exporter))
    const waiting = scheduler.spawn('waiting', token.getMap())
    rig.settle()
    expect([waiting.state, rig.exporter.dmabuf.resv.isLocked]).toEqual(['parked', false])
    expect(rig.codeOfTask(waiting)).toBe('ETIME')
    rig.run(loseMap(rig.exporter))
    const interrupted = scheduler.spawn('interrupted', token.getMap())
    rig.settle()
    interrupted.signal()
    expect(rig.codeOfTask(interrupted)).toBe('ERESTARTSYS')
    const current = token.tryGetMap()
    expect(current?.dead).toBe(false)
    current?.put()
    older.putActive()
    older.put()
    rig.finish(token)
    // Who gave up has nothing of the map that was made.
    expect(current instanceof MapGeneration ? current.refs : -1).toBe(0)
  })

  it('F9, R-MQ-6: the fences of two generations with DMA in flight stand side by side: an exporter waits for both', () => {
    const rig = new Rig({ policy: 'fence', timeoutNs: 1000 })
    const { resv } = rig.exporter.dmabuf
    const token = rig.create()
    const first = rig.run(token.getMap())
    first.tryGetActive()
    rig.run(loseMap(rig.exporter))
    expect(rig.codeOf(token.getMap())).toBe('ETIME')
    const second = token.tryGetMap()
    expect(second?.tryGetActive()).not.toBeNull()
    rig.run(loseMap(rig.exporter))
    second?.putActive()
    expect(resv.testSignaled(DmaResvUsage.BOOKKEEP)).toBe(false)
    first.putActive()
    expect(resv.testSignaled(DmaResvUsage.BOOKKEEP)).toBe(true)
    second?.put()
    first.put()
    rig.finish(token)
  })

  it('F7: who holds the lock and waits for readers and writers gets on, with the drain fence pending', () => {
    const rig = new Rig({ policy: 'fence' })
    const { resv } = rig.exporter.dmabuf
    const token = rig.create()
    const map = rig.run(token.getMap())
    map.tryGetActive()
    rig.run(loseMap(rig.exporter))
    function* restore(): Op<number> {
      yield* resv.lock(null)
      try {
        return yield* resv.waitTimeout(DmaResvUsage.READ, false, 1000)
      } finally {
        resv.unlock()
      }
    }
    expect(rig.run(restore())).toBe(1000)
    expect(resv.testSignaled(DmaResvUsage.BOOKKEEP)).toBe(false)
    map.putActive()
    map.put()
    rig.finish(token)
  })

  it('R-MQ-4: the wait for the lock is interruptible', () => {
    const rig = new Rig()
    const { scheduler } = rig.world
    const { resv } = rig.exporter.dmabuf
    const token = rig.create()
    const done = new Completion(scheduler, 'holder')
    function* hold(): Op<void> {
      yield* resv.lock(null)
      yield* done.wait()
      resv.unlock()
    }
    const holder = scheduler.spawn('holder', hold())
    rig.settle()
    const task = scheduler.spawn('interrupted', token.getMap())
    rig.settle()
    task.signal()
    expect(rig.codeOfTask(task)).toBe('ERESTARTSYS')
    done.completeAll()
    rig.run(joinTask(scheduler, holder))
    rig.finish(token)
  })

  it("R-MQ-10, F5: no wait for WRITE, READ or BOOKKEEP fences, in a lookup or in making a map: contents are the user's to order", () => {
    const rig = new Rig()
    const { kernel, core } = rig.world
    const { dmabuf } = rig.exporter
    const ops = { getDriverName: () => 'gpu', getTimelineName: () => 'ring 0' }
    const { WRITE, READ, BOOKKEEP } = DmaResvUsage
    const fences = [WRITE, READ, BOOKKEEP].map((usage) => {
      const fence = new DmaFence(kernel, ops)
      fence.init(core.fenceContextAlloc(1), 1)
      function* add(): Op<void> {
        yield* dmabuf.resv.lock(null)
        dmabuf.resv.reserveFences(1)
        dmabuf.resv.addFence(fence, usage)
        dmabuf.resv.unlock()
      }
      rig.run(add())
      return fence
    })
    const token = rig.create()
    rig.run(token.getMap()).put()
    const again = token.tryGetMap()
    expect(again?.dead).toBe(false)
    again?.put()
    for (const fence of fences) {
      fence.signal()
      fence.put()
    }
    rig.finish(token)
  })
})

describe('the policy of a registration', () => {
  it('is its own, beside others on the same buffer, and the factory has one for those that choose none', () => {
    const rig = new Rig({ policy: 'drain' })
    const { tokens, device } = rig.world
    const { dmabuf } = rig.exporter
    const fenced = rig.run(tokens.create(device, dmabuf, BIDIRECTIONAL, { policy: 'fence' }))
    const drained = rig.create()
    for (const token of [fenced, drained]) rig.run(token.getMap()).put()
    rig.run(rig.exporter.evict(() => undefined))
    expect(tokens.stats).toMatchObject({ mapsLost: 2, drainFences: 1, drainFallbacks: 0 })
    const policies: string[] = []
    const { source } = tokens
    for (let item = source.begin(); item !== null; item = source.next(item)) {
      policies.push(item.fields.policy)
    }
    expect(policies).toEqual(['drain', 'fence'])
    rig.run(fenced.release())
    rig.finish(drained)
  })

  function moving(init: TokenFactoryInit = {}) {
    const rig = new Rig(init)
    const { kernel, core } = rig.world
    const ops = { getDriverName: () => 'gpu', getTimelineName: () => 'copies' }
    const move = new DmaFence(kernel, ops)
    move.init(core.fenceContextAlloc(1), 1)
    rig.exporter.move = move
    return { rig, move, token: rig.create() }
  }

  it('F8: a move that the exporter began for the mapping is waited for before the map is given out', () => {
    const { rig, move, token } = moving()
    const getting = rig.world.scheduler.spawn('getMap', token.getMap())
    rig.settle()
    expect([token.tryGetMap(), rig.world.tokens.stats.mapsMade]).toEqual([null, 0])
    move.signal()
    const map = rig.run(joinTask(rig.world.scheduler, getting))
    expect(map.dead).toBe(false)
    map.put()
    move.put()
    rig.finish(token)
  })

  it('F8: a move that does not end in time is ETIME, and the mapping is taken back', () => {
    const { rig, move, token } = moving({ timeoutNs: 1e9 })
    expect(rig.codeOf(token.getMap())).toBe('ETIME')
    expect(rig.world.tokens.stats.mapsMade).toBe(0)
    move.signal()
    move.put()
    rig.finish(token)
  })
})
