// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blkMqUpdateNrRequests, NullIrqMode, ReqFlags, ReqOp } from '../../src/index.ts'
import type { IoInit } from '../blk-mq-io.ts'
import { BlkMqRig, type RigInit } from '../blk-mq-rig.ts'

/** The model is in the rig, beside the bios that it speaks of. */
type Model = Record<string, never>

class Step implements fc.Command<Model, BlkMqRig> {
  readonly #label: string
  readonly #act: (rig: BlkMqRig) => void

  constructor(label: string, act: (rig: BlkMqRig) => void) {
    this.#label = label
    this.#act = act
  }

  check(): boolean {
    return true
  }

  run(_model: Model, rig: BlkMqRig): void {
    this.#act(rig)
    rig.check()
  }

  toString(): string {
    return this.#label
  }
}

const KINDS: readonly (readonly [op: ReqOp, flags: number, name: string])[] = [
  [ReqOp.READ, 0, 'read'],
  [ReqOp.READ, ReqFlags.NOWAIT, 'read nowait'],
  [ReqOp.READ, ReqFlags.POLLED, 'read polled'],
  [ReqOp.WRITE, 0, 'write'],
  [ReqOp.WRITE, ReqFlags.SYNC, 'write sync'],
  [ReqOp.WRITE, ReqFlags.NOWAIT, 'write nowait'],
  [ReqOp.WRITE, ReqFlags.FUA, 'write fua'],
  [ReqOp.WRITE, ReqFlags.PREFLUSH, 'write preflush'],
  [ReqOp.WRITE, ReqFlags.PREFLUSH | ReqFlags.FUA, 'write preflush fua'],
  [ReqOp.WRITE, ReqFlags.POLLED, 'write polled'],
  [ReqOp.DISCARD, 0, 'discard'],
]

const ioArb: fc.Arbitrary<{ io: IoInit; name: string }> = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    sector: fc.nat(255),
    blocks: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 8 }) },
      { weight: 1, arbitrary: fc.integer({ min: 9, max: 64 }) },
    ),
    runSectors: fc.constantFrom(1, 3, 8, 64),
  })
  .map(({ kind: [op, flags, name], sector, blocks, runSectors }) => ({
    io: { op, flags, sector, blocks, runSectors },
    name: `${name} ${sector}+${blocks}b/${runSectors}`,
  }))

const nowArb = fc
  .tuple(ioArb, fc.constantFrom(null, 0, 1))
  .map(
    ([{ io, name }, plug]) =>
      new Step(`${name} now${plug === null ? '' : ` plug ${plug}`}`, (rig) =>
        rig.submitNow(io, plug === null ? null : (rig.plugs[plug] ?? null)),
      ),
  )

const waitArb = fc
  .tuple(ioArb, fc.boolean(), fc.nat(3))
  .map(
    ([{ io, name }, plugged, cpu]) =>
      new Step(`${name} wait${plugged ? ' plugged' : ''} cpu ${cpu}`, (rig) =>
        rig.submitWait(io, plugged, cpu),
      ),
  )

const FLUSH: IoInit = {
  op: ReqOp.WRITE,
  flags: ReqFlags.PREFLUSH,
  sector: 0,
  blocks: 0,
  runSectors: 8,
}

const sequentialArb = fc
  .tuple(fc.nat(200), fc.integer({ min: 2, max: 6 }), fc.constantFrom(0, 1), fc.boolean())
  .map(([sector, count, plug, up]) => {
    const name = `write ${count} ${up ? 'upwards' : 'downwards'} from ${sector} plug ${plug}`
    return new Step(name, (rig) => {
      const step = rig.init.blockSizeBytes / 512
      for (let i = 0; i < count; i++) {
        const at = sector + (up ? i : count - 1 - i) * step
        const io = { op: ReqOp.WRITE, flags: 0, sector: at, blocks: 1, runSectors: 8 }
        rig.submitNow(io, rig.plugs[plug] ?? null)
      }
    })
  })

const DELAYS = [0, 10_000, 20_000, 3_000_000, 50_000_000, 1_000_000_000, 6_000_000_000] as const

const advanceArb = fc.constantFrom(...DELAYS).map(
  (ns) =>
    new Step(`advance ${ns}`, (rig) => {
      rig.machine.scheduler.advance(ns)
    }),
)

const faultArb = fc
  .tuple(
    fc.constantFrom('requeues', 'requeues', 'busy', 'timeouts', 'resets'),
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 0, max: 8 }),
  )
  .map(
    ([what, interval, times]) =>
      new Step(`${what} every ${interval}. time, ${times} times`, (rig) => {
        const fault = rig.faults[what]
        fault.interval = interval
        fault.times = times
      }),
  )

const badArb = fc
  .tuple(fc.boolean(), fc.nat(255), fc.integer({ min: 0, max: 12 }))
  .map(([add, first, more]) => {
    const setting = `${add ? '+' : '-'}${first}-${first + (add ? more : more * 8)}`
    return new Step(`bad ${setting}`, (rig) => rig.setBad(setting))
  })

const queuesArb = fc
  .integer({ min: 1, max: 4 })
  .map(
    (count) =>
      new Step(`${count} queues`, (rig) =>
        rig.control('queues', rig.device.setSubmitQueues(count)),
      ),
  )

const depthArb = fc.integer({ min: 1, max: 8 }).map(
  (depth) =>
    new Step(`depth ${depth}`, (rig) => {
      if (rig.removed) return
      const nr = Math.min(depth, rig.init.hwQueueDepth)
      rig.control('depth', blkMqUpdateNrRequests(rig.device.disk, nr))
    }),
)

const schedulerArb = fc.constantFrom('none', 'mq-deadline').map(
  (name) =>
    new Step(`scheduler ${name}`, (rig) => {
      if (rig.removed) return
      rig.control('scheduler', rig.device.disk.queue.setScheduler(name))
    }),
)

/** Without resources for 30 ms, each queue asks every 3 ms and after each end, and not more often. */
const starveArb = fc.constant(
  new Step('no resources for 30 ms', (rig) => {
    const { busy } = rig.faults
    busy.interval = 1
    busy.times = -1
    rig.machine.scheduler.runReady()
    const before = rig.faults.offers
    rig.machine.scheduler.advance(30_000_000)
    const { hwQueueDepth, submitQueues, pollQueues } = rig.init
    const queues = Math.max(4, submitQueues) + pollQueues
    const most = 6 * (30 / 3 + 1) * queues + 4 * hwQueueDepth * queues
    busy.times = 0
    if (rig.faults.offers - before > most)
      throw new Error(`${rig.faults.offers - before} offers in 30 ms`)
  }),
)

function plain(label: string, act: (rig: BlkMqRig) => void): fc.Arbitrary<Step> {
  return fc.constant(new Step(label, act))
}

const commandArbs: fc.Arbitrary<Step>[] = [
  nowArb,
  nowArb,
  nowArb,
  waitArb,
  waitArb,
  waitArb,
  sequentialArb,
  plain('flush', (rig) => rig.submitWait(FLUSH, false, 0)),
  plain('flush now', (rig) => rig.submitNow(FLUSH, rig.plugs[0] ?? null)),
  plain('finish plug 0', (rig) => rig.plugs[0]?.finish()),
  plain('finish plug 1', (rig) => rig.plugs[1]?.finish()),
  plain('run', (rig) => rig.machine.scheduler.runReady()),
  advanceArb,
  advanceArb,
  faultArb,
  faultArb,
  starveArb,
  badArb,
  plain('poll', (rig) => rig.poll()),
  plain('cancel what hangs', (rig) => rig.cancelHung()),
  plain('abort', (rig) => rig.abort()),
  plain('freeze', (rig) => rig.freeze()),
  plain('unfreeze', (rig) => rig.unfreeze()),
  plain('quiesce', (rig) => rig.quiesce()),
  plain('unquiesce', (rig) => rig.unquiesce()),
  queuesArb,
  depthArb,
  schedulerArb,
  plain('power off', (rig) => rig.remove()),
]

const rigArb: fc.Arbitrary<RigInit> = fc.record({
  seed: fc.nat(0xffff),
  irqMode: fc.constantFrom(NullIrqMode.NONE, NullIrqMode.SOFTIRQ, NullIrqMode.TIMER),
  hwQueueDepth: fc.integer({ min: 1, max: 8 }),
  submitQueues: fc.integer({ min: 1, max: 3 }),
  pollQueues: fc.integer({ min: 0, max: 1 }),
  sharedTagBitmap: fc.boolean(),
  maxSectors: fc.constantFrom(8, 16, 255),
  blockSizeBytes: fc.constantFrom(512, 512, 1024, 4096),
  cachePages: fc.constantFrom(0, 2, 64, 64),
  fua: fc.boolean(),
  virtBoundary: fc.constantFrom(false, false, true),
  timeoutNs: fc.constantFrom(5_000_000_000, 1_000_000_000, 1_000_000_000, 5_000),
  badblocksPartialIo: fc.boolean(),
})

/** What was met in all runs: a test that meets nothing proves nothing. */
interface Met {
  bios: number
  splits: number
  merges: number
  requeues: number
  errors: number
  tagWaits: number
}

function runAll(exploring: boolean, numRuns: number): Met {
  const met: Met = { bios: 0, splits: 0, merges: 0, requeues: 0, errors: 0, tagWaits: 0 }
  const commands = fc.commands(commandArbs, { maxCommands: 70, size: 'max' })
  const property = fc.property(rigArb, commands, (init, steps) => {
    const rig = new BlkMqRig(init, exploring)
    fc.modelRun(() => ({ model: {}, real: rig }), steps)
    rig.finish()
    const { stats } = rig
    met.bios += stats.bios
    met.splits += stats.splits
    met.merges += stats.merges
    met.requeues += stats.requeues
    met.errors += stats.errors
    met.tagWaits += stats.tagWaits
  })
  fc.assert(property, { numRuns })
  return met
}

describe('blk-mq over null_blk, under commands', () => {
  it('every request ends exactly once with the right status, tags balance, nothing stalls', () => {
    const met = runAll(false, 300)
    for (const count of Object.values(met)) expect(count).toBeGreaterThan(20)
  })

  it('the same where other CPUs run wherever they can', () => {
    const met = runAll(true, 200)
    for (const count of Object.values(met)) expect(count).toBeGreaterThan(10)
  })
})
