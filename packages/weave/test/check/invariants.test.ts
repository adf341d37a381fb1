// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The invariants that hold at every step of every run, broken on purpose, one after the other: each is seen by the checker that is always on.

import { Token } from '@iolayers/blk-mq-token/parts'
import { BlkStatus, type Request } from '@iolayers/block-core'
import { Mutex, type Op, yieldNow } from '@iolayers/kernel'
import { DmabufData, NvmeIo, type NvmeIod, SglList } from '@iolayers/nvme/parts'
import { describe, expect, it } from 'vitest'
import { type DesignParts, explore, type Race, type Weave, wovenProgram } from '../../src/index.ts'
import { oneBuffer, readBlocks } from '../../src/scenarios/common.ts'

function found(setup: (weave: Weave) => Op<Race>, parts: DesignParts = {}): string | undefined {
  const program = wovenProgram({ setup }, parts, 'fence')
  return explore(program, { scheduler: 'random', schedules: 300 }).found?.fault.check
}

function* oneRead(weave: Weave): Op<Race> {
  const { exporter, user } = yield* oneBuffer(weave, {}, { pages: 2, scattered: true })
  return {
    actors: {
      submitter: (function* () {
        yield* user.io({ op: 'read', lba: 0, blocks: 16 })
      })(),
    },
    *finish() {
      yield* user.release()
      exporter.dmabuf.put()
    },
  }
}

/** A read beside an exporter that moves its buffer. */
function* readAndMove(weave: Weave): Op<Race> {
  const { exporter, user } = yield* oneBuffer(weave)
  return {
    actors: {
      submitter: (function* () {
        yield* user.io({ op: 'read', lba: 0, blocks: 2 })
      })(),
      exporter: exporter.move(),
    },
    *finish() {
      yield* user.release()
      exporter.dmabuf.put()
    },
  }
}

describe('invariants, broken on purpose', () => {
  it('none is, in our design', () => {
    expect(found(oneRead)).toBeUndefined()
    expect(found(readAndMove)).toBeUndefined()
  })

  it('1: no DMA on pages after their exporter was told that there is none', () => {
    function* givesAwayAtOnce(weave: Weave): Op<Race> {
      const { exporter, user } = yield* oneBuffer(weave)
      return {
        actors: {
          submitter: (function* () {
            yield* user.io({ op: 'read', lba: 0, blocks: 2 })
          })(),
          exporter: (function* () {
            yield* exporter.dmabuf.resv.lock(null)
            yield* exporter.replacePages()
            exporter.dmabuf.resv.unlock()
          })(),
        },
        *finish() {
          yield* user.release()
          exporter.dmabuf.put()
        },
      }
    }
    expect(found(givesAwayAtOnce)).toBe('dma-after-drain')
  })

  it('2: as many requests hold a map as the map counts', () => {
    class TakesOneMore extends DmabufData {
      protected override activate(rq: Request<NvmeIod>): BlkStatus {
        rq.dmabufMap?.tryGetActive()
        return super.activate(rq)
      }
    }
    expect(found(oneRead, { dmabufData: TakesOneMore })).toBe('active-count')
  })

  it('3: a token has one map that can be used, and an I/O uses the one that was imported for it', () => {
    class MakesItsOwn extends Token {
      protected override takeRaced(): null {
        return null
      }
    }
    function* twoFirstReads(weave: Weave): Op<Race> {
      const { user } = yield* oneBuffer(weave)
      return { actors: { submitter: readBlocks(user), 'io worker': readBlocks(user, 1) } }
    }
    expect(found(twoFirstReads, { tokens: { token: MakesItsOwn } })).toBe('assertion')
  })

  it('4: nothing that a fence depends on takes a reservation lock', () => {
    function* locksWhileSignalling(weave: Weave): Op<Race> {
      const { exporter } = yield* oneBuffer(weave)
      return {
        actors: {
          signaller: (function* () {
            const cookie = weave.kernel.signalling.begin('a fence')
            yield* exporter.dmabuf.resv.lock(null)
            exporter.dmabuf.resv.unlock()
            weave.kernel.signalling.end(cookie)
          })(),
        },
      }
    }
    expect(found(locksWhileSignalling)).toBe('dma-fence')
  })

  it('5: locks, fences, work and tasks wait in no circle', () => {
    function* opposite({ scheduler }: Weave): Op<Race> {
      const locks = [new Mutex(scheduler, 'one'), new Mutex(scheduler, 'other')] as const
      function* both(outer: Mutex, inner: Mutex): Op<void> {
        yield* outer.lock()
        yield* yieldNow(scheduler)
        yield* inner.lock()
        inner.unlock()
        outer.unlock()
      }
      return { actors: { there: both(...locks), back: both(locks[1], locks[0]) } }
    }
    expect(found(opposite)).toMatch(/deadlock|lock-order/)
  })

  it('6: no status goes round for ever, and no range is sent twice', () => {
    class RefusesForEver extends NvmeIo {
      protected override prepareData(rq: Request<NvmeIod>): BlkStatus {
        const status = super.prepareData(rq)
        return status === BlkStatus.STALE ? BlkStatus.RESOURCE : status
      }
    }
    expect(found(readAndMove, { io: RefusesForEver })).toBe('livelock')

    function* sendsTwice(weave: Weave): Op<Race> {
      const { user } = yield* oneBuffer(weave)
      return {
        actors: {
          submitter: (function* () {
            const io = { op: 'read', lba: 0, blocks: 2 } as const
            yield* user.io(io)
            const map = yield* user.token.getMap()
            yield* user.submit(map, io)
            map.put()
          })(),
        },
      }
    }
    expect(found(sendsTwice)).toBe('transferred-twice')
  })

  it('7: descriptors describe the data of their command, and nothing else', () => {
    class ShortList extends SglList {
      override add(addr: number, length: number): void {
        super.add(addr, length - 512)
      }
    }
    expect(found(oneRead, { sglList: ShortList })).toBe('descriptors')
  })

  it('8: what was read is what is there', () => {
    function* rots(weave: Weave): Op<Race> {
      const { stack, exporter, user } = yield* oneBuffer(weave)
      return {
        actors: {
          submitter: (function* () {
            yield* user.io({ op: 'read', lba: 0, blocks: 2 })
          })(),
          rot: (function* () {
            stack.hardware.medium[700] = 0
          })(),
        },
        *finish() {
          yield* user.release()
          exporter.dmabuf.put()
        },
      }
    }
    expect(found(rots)).toBe('data')
  })
})
