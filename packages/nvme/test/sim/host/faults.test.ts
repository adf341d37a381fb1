// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What the host makes of each kind of fault: no request lost, none ended twice, and recovery where Linux would recover.

import { BlkStatus, ReqOp } from '@iolayers/block-core'
import { describe, expect, it } from 'vitest'
import type { FaultRuleData } from '../../../src/faults/index.ts'
import {
  AdminOpcode,
  AsyncEventType,
  LogId,
  NvmOpcode,
  STATUS_DNR,
  Status,
} from '../../../src/spec/index.ts'
import { allOk, BLOCKS, FaultyStack } from './faulty-stack.ts'
import { pattern, submit, vecIo } from './rig.ts'

const { READ, WRITE, FLUSH } = NvmOpcode
const S = 1e9
/** The fourth block of the test. */
const FOURTH = { firstBlock: 24, blocks: 8 }
const once = { opcode: WRITE, nth: 3 }

/** Writes and reads everything under a rule; what became of it. */
function under(rule: FaultRuleData, host = {}) {
  const stack = new FaultyStack({ rules: [rule], host })
  const writes = stack.write()
  const { statuses: reads, wrong } = stack.read()
  const [hits] = stack.hits()
  const { stats } = stack.host
  return { stack, writes, reads, wrong, hits, stats }
}

describe('the host, and a command that', () => {
  it('is refused once: sent again', () => {
    const rule = { match: once, before: { status: Status.COMMAND_INTERRUPTED } }
    const { stack, writes, wrong, stats } = under(rule)
    expect([writes, wrong, stats.retries, stats.errors]).toEqual([allOk(), [], 1, 1])
    stack.close()
  })

  it('is refused each time: sent again as often as it may, and failed', () => {
    const status = { sct: 0, sc: 0x06 }
    const { stack, writes, stats, hits } = under({ match: FOURTH, before: { status } })
    expect(writes).toEqual(allOk({ 3: BlkStatus.IOERR }))
    // Both the write and the read: five retries of each.
    expect([stats.retries, hits]).toEqual([10, 12])
    stack.close()
  })

  it('is refused for good: failed at once, and no other', () => {
    const status = { sct: 2, sc: 0x80, dnr: true }
    const { stack, writes, wrong, stats } = under({ match: once, before: { status } })
    expect(writes).toEqual(allOk({ 2: BlkStatus.MEDIUM }))
    // It was not written: the read finds what was there before.
    expect([wrong, stats.retries]).toEqual([[2], 0])
    stack.close()
  })

  it('is done, and told as failed (as fault_inject of Linux does): failed, though it is written', () => {
    const status = Status.INVALID_OPCODE | STATUS_DNR
    const { stack, writes, wrong } = under({ match: once, completion: { status } })
    expect([writes, wrong]).toEqual([allOk({ 2: BlkStatus.NOTSUPP }), []])
    stack.close()
  })

  it('is done, and told as failed for now: done twice', () => {
    const status = Status.INTERNAL_ERROR
    const { stack, writes, wrong, stats } = under({ match: once, completion: { status } })
    expect([writes, wrong, stats.retries]).toEqual([allOk(), [], 1])
    expect(stack.controller.stats.ioCommands).toBe(2 * BLOCKS + 1)
    stack.close()
  })

  it('is late, but in time: waited for', () => {
    const { stack, writes, wrong, stats } = under({ match: {}, before: { delay: 0.4 * S } })
    expect([writes, wrong, stats.timeouts, stats.aborts]).toEqual([allOk(), [], 0, 0])
    stack.close()
  })

  it('takes one of two times, as a drive with a long tail', () => {
    const delay = { averageNs: 1e5, p99Ns: 0.5 * S }
    const { stack, writes, wrong, stats } = under({ match: {}, completion: { delay } })
    expect([writes, wrong, stats.timeouts]).toEqual([allOk(), [], 0])
    stack.close()
  })

  it('hangs before it began: aborted, and sent again', () => {
    const { stack, writes, wrong, stats } = under({ match: once, before: { hold: true } })
    expect([writes, wrong]).toEqual([allOk(), []])
    expect([stats.aborts, stats.retries, stats.resets]).toEqual([1, 1, 0])
    stack.close()
  })

  it('hangs after its data moved: aborted, and sent again', () => {
    const { stack, writes, wrong, stats } = under({ match: once, completion: { hold: true } })
    expect([writes, wrong]).toEqual([allOk(), []])
    expect([stats.aborts, stats.retries, stats.resets]).toEqual([1, 1, 0])
    stack.close()
  })

  it('is lost in the firmware: not found by an Abort, and sent again after a reset', () => {
    const { stack, writes, wrong, stats } = under({ match: once, before: { lost: true } })
    expect([writes, wrong]).toEqual([allOk(), []])
    expect([stats.aborts, stats.resets, stats.cancelled]).toEqual([1, 1, 1])
    stack.close()
  })

  it('loses its completion: sent again after a reset', () => {
    const { stack, writes, wrong, stats } = under({ match: once, completion: { drop: true } })
    expect([writes, wrong]).toEqual([allOk(), []])
    expect([stats.resets, stats.cancelled]).toEqual([1, 1])
    stack.close()
  })

  it('loses its interrupt: found by looking', () => {
    const rule = { match: { opcode: WRITE }, completion: { noInterrupt: true } }
    const { stack, writes, wrong, stats } = under(rule)
    expect([writes, wrong]).toEqual([allOk(), []])
    expect(stats.lostInterrupts).toBeGreaterThan(0)
    expect([stats.aborts, stats.resets]).toEqual([0, 0])
    stack.close()
  })

  it('completes twice: the second is ignored, and counted', () => {
    const { stack, writes, wrong, stats } = under({ match: once, completion: { duplicate: true } })
    expect([writes, wrong, stats.unknownCompletions]).toEqual([allOk(), [], 1])
    stack.close()
  })

  it('completes under a name that nobody has: ignored, and sent again after a reset', () => {
    const { stack, writes, wrong, stats } = under({
      match: once,
      completion: { commandId: 0x7777 },
    })
    expect([writes, wrong]).toEqual([allOk(), []])
    expect([stats.unknownCompletions, stats.resets]).toEqual([1, 1])
    stack.close()
  })

  it('is another than was sent (opcode): refused', () => {
    const before = { entry: [{ at: 0, set: '7f' }] }
    const { stack, writes } = under({ match: once, before })
    expect(writes).toEqual(allOk({ 2: BlkStatus.NOTSUPP }))
    stack.close()
  })

  it('is another than was sent (first block): written elsewhere, which only the data tells', () => {
    // 64 blocks on: outside of what the test reads.
    const before = { entry: [{ at: 40, xor: '40' }] }
    const { stack, writes, wrong } = under({ match: once, before })
    expect([writes, wrong]).toEqual([allOk(), [2]])
    stack.close()
  })
})

describe('the host, and data that', () => {
  it('changes on its way to the medium: ends well, and only the data tells', () => {
    const data = { change: [{ at: 100, xor: '01' }] }
    const { stack, writes, wrong } = under({ match: once, data })
    expect([writes, wrong, stack.read().wrong]).toEqual([allOk(), [2], [2]])
    stack.close()
  })

  it('changes on its way to the host: the next read is right', () => {
    const data = { change: [{ at: 4000, xor: 'ff' }] }
    const { stack, wrong } = under({ match: { opcode: READ, nth: 6 }, data })
    expect([wrong, stack.read().wrong]).toEqual([[5], []])
    stack.close()
  })

  it('changes in Identify: what it says is obeyed (MDTS of 4 KiB)', () => {
    const identify = { queue: 0, opcode: AdminOpcode.IDENTIFY, dwords: [{ index: 10, value: 1 }] }
    // MDTS is byte 77; 0 is no limit, 1 is two pages.
    const rule = { match: identify, data: { change: [{ at: 77, set: '01' }] } }
    const stack = new FaultyStack({ plan: { rules: [rule] } })
    expect(stack.disk.limits.maxSectors).toBe(16)
    expect([stack.write(), stack.read().wrong]).toEqual([allOk(), []])
    stack.close()
  })

  it('cannot be read from the medium: failed, and no other', () => {
    const match = { opcode: READ, ...FOURTH }
    const media = { status: { sct: 2, sc: 0x81, dnr: true } }
    const { stack, reads, stats } = under({ match, media })
    expect([reads, stats.retries]).toEqual([allOk({ 3: BlkStatus.MEDIUM }), 0])
    stack.close()
  })

  it('takes long at the medium: waited for', () => {
    const delay = { minNs: 1e6, maxNs: 0.5 * S }
    const { stack, writes, wrong, stats } = under({ match: {}, media: { delay } })
    expect([writes, wrong, stats.timeouts]).toEqual([allOk(), [], 0])
    stack.close()
  })

  it('is written in part: ends well, and only the data tells', () => {
    const { stack, writes, wrong } = under({ match: once, media: { tornBytes: 1024 } })
    expect([writes, wrong]).toEqual([allOk(), [2]])
    stack.close()
  })

  it('is changed and written in part, at any length', () => {
    const media = { tornBytes: 5, change: [{ at: 4, set: 'aabb' }] }
    const nth = BLOCKS + 1
    const stack = new FaultyStack({ rules: [{ match: { opcode: WRITE, nth }, media }] })
    expect([stack.write(1), stack.write(2), stack.flush()]).toEqual([
      allOk(),
      allOk(),
      BlkStatus.OK,
    ])
    // What was written before, and not flushed yet, is still there behind it.
    const [older, newer] = [pattern(4096, 1), pattern(4096, 2)]
    const expected = [newer[3], 0xaa, ...older.subarray(5, 7)]
    expect([...stack.medium.bytes.subarray(3, 7)]).toEqual(expected)
    stack.close()
  })

  it('is not written at all: ends well, and only the data tells', () => {
    const { stack, writes, wrong } = under({ match: once, media: { lost: true } })
    expect([writes, wrong]).toEqual([allOk(), [2]])
    stack.close()
  })

  it('rots at the medium', () => {
    const media = { change: [{ at: 0, set: '0badc0de' }] }
    const { stack, wrong } = under({ match: { opcode: READ, ...FOURTH }, media })
    expect(wrong).toEqual([3])
    stack.close()
  })

  it('is flushed by a drive that lies: gone when the power goes', () => {
    const flushed = (rules: FaultRuleData[]) => {
      const stack = new FaultyStack({ rules })
      expect([stack.write(), stack.flush()]).toEqual([allOk(), BlkStatus.OK])
      stack.store.powerCut()
      const { wrong } = stack.read()
      stack.close()
      return wrong.length
    }
    expect(flushed([])).toBe(0)
    expect(flushed([{ match: { opcode: FLUSH }, media: { lost: true } }])).toBeGreaterThan(0)
  })
})

describe('the host, and a controller that', () => {
  it('says that it is broken: reset, and nothing is lost', () => {
    const { stack, writes, wrong, stats } = under({ match: once, power: { event: 'fatal' } })
    expect([writes, wrong, stats.resets]).toEqual([allOk(), [], 1])
    expect(stats.aborts).toBe(0)
    stack.close()
  })

  it('loses its power: what was flushed before is there, what is sent again is written', () => {
    const stack = new FaultyStack({
      rules: [{ match: { opcode: WRITE, nth: BLOCKS + 3 }, power: { event: 'cut' } }],
    })
    expect([stack.write(1), stack.flush()]).toEqual([allOk(), BlkStatus.OK])
    expect(stack.write(2)).toEqual(allOk())
    const { stats } = stack.host
    expect(stats.resets).toBe(1)
    const { wrong } = stack.read(2)
    expect(wrong).not.toContain(2)
    // Writes that had ended and were not flushed may be gone: sector by sector the block is as it was flushed.
    expect(wrong.length).toBeGreaterThan(0)
    for (const block of wrong) {
      const newer = stack.sectors(block, 2)
      expect(stack.sectors(block, 1).map((older, i) => older || newer[i])).toEqual(
        Array(8).fill(true),
      )
    }
    stack.close()
  })

  it.each([false, true])(
    'is pulled out (after the data moved: %s): it and all that comes later fails',
    (after) => {
      const { stack, writes, stats } = under({ match: once, power: { event: 'removal', after } })
      expect(writes.slice(0, 2)).toEqual([BlkStatus.OK, BlkStatus.OK])
      // What was fetched with it may have ended before.
      expect(writes[2]).toBe(BlkStatus.IOERR)
      expect(stack.read().statuses).toEqual(Array(BLOCKS).fill(BlkStatus.IOERR))
      expect(stats.requests).toBe(stats.completions + stats.cancelled)
      expect(stack.host.state).toBe('dead')
      stack.close()
    },
  )

  it('does not come back from a reset: all that is left fails', () => {
    const stack = new FaultyStack({ rules: [{ match: once, before: { lost: true } }] })
    stack.faults.delayReady(Number.POSITIVE_INFINITY)
    const writes = stack.write()
    expect(writes.filter((status) => status !== BlkStatus.OK)).toEqual([BlkStatus.IOERR])
    expect(stack.host.state).toBe('dead')
    stack.close()
  })

  it('is slow to come back: waited for', () => {
    const stack = new FaultyStack({ rules: [{ match: once, before: { lost: true } }] })
    stack.faults.delayReady(2 * S)
    expect([stack.write(), stack.read().wrong]).toEqual([allOk(), []])
    expect(stack.host.stats.resets).toBe(1)
    stack.close()
  })

  it('does not let itself be disabled: loses the bus, and its late DMA reaches nothing', () => {
    const stack = new FaultyStack({ rules: [{ match: once, before: { lost: true } }] })
    stack.faults.ignoreDisable(true)
    const writes = stack.write()
    expect(writes.filter((status) => status !== BlkStatus.OK)).toEqual([BlkStatus.IOERR])
    expect(stack.device.bus.faultCount).toBe(0)
    stack.faults.ignoreDisable(false)
    stack.close()
  })

  it('grants fewer queues than it should: one is used', () => {
    const queues = { queue: 0, opcode: AdminOpcode.SET_FEATURES, dwords: [{ index: 10, value: 7 }] }
    const made = { queue: 0, opcode: AdminOpcode.CREATE_IO_SQ }
    const rules = [
      { match: queues, completion: { result: 0 } },
      { match: made, before: { delay: 1 } },
    ]
    const stack = new FaultyStack({ plan: { rules } })
    expect(stack.hits()).toEqual([1, 1])
    expect([stack.write(), stack.read().wrong]).toEqual([allOk(), []])
    stack.close()
  })

  it('promises more than it does (MDTS): what is too long is refused', () => {
    const stack = new FaultyStack({ plan: { identify: { mdts: 8 } } })
    // It takes 64 KiB, and says 1 MiB.
    const frames = 32
    const frame = stack.memory.allocContiguous(frames)
    const run = [{ addr: frame * 4096, length: frames * 4096 }]
    const long = vecIo(stack, run, { op: ReqOp.WRITE })
    expect(stack.run(submit(stack.disk, long))).toBe(BlkStatus.NOTSUPP)
    stack.memory.freeContiguous(frame, frames)
    expect([stack.write(), stack.read().wrong]).toEqual([allOk(), []])
    stack.close()
  })

  it('raises events that nobody asked for: nothing is lost', () => {
    const event = { type: AsyncEventType.ERROR, info: 3, log: LogId.ERROR }
    const { stack, writes, wrong } = under({ match: {}, completion: { event } })
    expect([writes, wrong]).toEqual([allOk(), []])
    stack.close()
  })
})

describe('many faults by chance', () => {
  const rules: FaultRuleData[] = [
    { match: { probability: 0.1 }, before: { status: Status.COMMAND_INTERRUPTED } },
    { match: { probability: 0.05 }, completion: { drop: true } },
    { match: { probability: 0.05 }, before: { lost: true } },
    { match: { probability: 0.1 }, completion: { duplicate: true } },
    { match: { probability: 0.1 }, completion: { noInterrupt: true } },
    { match: { probability: 0.2 }, media: { delay: { minNs: 1, maxNs: 2 * S } } },
    { match: { probability: 0.1 }, completion: { status: { sct: 0, sc: 6, crd: 1 } } },
    { match: { probability: 0.02 }, power: { event: 'fatal' } },
  ]

  function run(seed: number) {
    const stack = new FaultyStack({ seed, rules, host: { maxRetries: 255 } })
    const ends = [1, 2, 3].map((generation) => [stack.write(generation), stack.read(generation)])
    const { stats } = stack.host
    const told = JSON.stringify({ ends, stats, hits: stack.hits(), steps: stack.scheduler.steps })
    stack.close()
    return { ends, told, resets: stats.resets, hits: stack.hits() }
  }

  it('no request is lost, none ends twice, and the data is right', () => {
    let resets = 0
    let hits = 0
    for (let seed = 1; seed <= 40; seed++) {
      const one = run(seed)
      for (const [writes, reads] of one.ends) {
        expect([writes, reads]).toEqual([allOk(), { statuses: allOk(), wrong: [] }])
      }
      resets += one.resets
      hits += one.hits.reduce((sum, count) => sum + count, 0)
    }
    expect(resets).toBeGreaterThan(20)
    expect(hits).toBeGreaterThan(500)
  })

  it('the same seed, the same faults', () => {
    expect(run(5).told).toBe(run(5).told)
    expect(run(6).told).not.toBe(run(5).told)
  })
})
