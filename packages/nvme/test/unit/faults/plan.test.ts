// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createKernel, createVirtualScheduler } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import type { CommandInfo, FaultTarget } from '../../../src/controller/index.ts'
import {
  type CommandMatch,
  createFaults,
  type FaultPlan,
  type FaultRuleData,
  parseFaultPlan,
  when,
} from '../../../src/faults/index.ts'
import { NvmOpcode } from '../../../src/spec/index.ts'

function newFaults(seed = 1) {
  const kernel = createKernel({ scheduler: createVirtualScheduler({ seed: 1 }) })
  return createFaults({ kernel }, { seed })
}

function info(init: Partial<CommandInfo> = {}): CommandInfo {
  return {
    sqid: 1,
    commandId: 7,
    opcode: NvmOpcode.READ,
    nsid: 1,
    firstBlock: 100,
    blocks: 10,
    inFlight: 1,
    hostId: '00112233445566778899aabbccddeeff',
    dword: (index) => index * 0x1111,
    ...init,
  }
}

const BROKEN = { before: { status: 6 } }

/** Which of the commands are met, counted from 1. */
function met(match: CommandMatch, count: number, seed = 1): number[] {
  const faults = newFaults(seed)
  faults.add({ match, ...BROKEN })
  return Array.from({ length: count }, (_, i) => i + 1).filter(
    () => faults.command(info()) !== null,
  )
}

describe('a rule means', () => {
  it.each<[CommandMatch, Partial<CommandInfo>, boolean]>([
    [{}, {}, true],
    [{}, { sqid: 0 }, false],
    [{ queue: 0 }, { sqid: 0 }, true],
    [{ queue: 2 }, { sqid: 2 }, true],
    [{ opcode: NvmOpcode.WRITE }, {}, false],
    [{ nsid: 2 }, {}, false],
    [{ firstBlock: 99 }, {}, false],
    [{ firstBlock: 99, blocks: 2 }, {}, true],
    [{ firstBlock: 109 }, {}, true],
    [{ firstBlock: 110 }, {}, false],
    [{ inFlight: 4 }, { inFlight: 3 }, false],
    [{ inFlight: 4 }, { inFlight: 4 }, true],
    [{ host: '00112233' }, {}, true],
    [{ host: '00112233445566778899AABBCCDDEEFF' }, {}, true],
    [{ host: '10112233' }, {}, false],
    [{ dwords: [{ index: 2, value: 0x2222 }] }, {}, true],
    [{ dwords: [{ index: 2, value: 0x12222 }] }, {}, false],
    [{ dwords: [{ index: 2, value: 0x1_2222, mask: 0xffff }] }, {}, true],
    [
      {
        dwords: [
          { index: 2, value: 0x2222 },
          { index: 3, value: 0 },
        ],
      },
      {},
      false,
    ],
  ])('%j of %j: %s', (match, command, expected) => {
    const faults = newFaults()
    const rule = faults.add({ match, ...BROKEN })
    expect(faults.command(info(command)) !== null).toBe(expected)
    expect(rule.hits).toBe(expected ? 1 : 0)
  })

  it('the nth, so many times, each so many', () => {
    expect(met({}, 4)).toEqual([1, 2, 3, 4])
    expect(met({ nth: 3 }, 9)).toEqual([3])
    expect(met({ nth: 3, times: 2 }, 9)).toEqual([3, 4])
    expect(met({ every: 3 }, 9)).toEqual([1, 4, 7])
    expect(met({ nth: 2, every: 3 }, 9)).toEqual([2, 5, 8])
    expect(met({ nth: 2, every: 3, times: 2 }, 9)).toEqual([2, 5])
    expect(met({ times: 2 }, 9)).toEqual([1, 2])
  })

  it('a part of them by chance, the same with the same seed', () => {
    const some = met({ probability: 0.25 }, 4000)
    expect(some.length).toBeGreaterThan(900)
    expect(some.length).toBeLessThan(1100)
    expect(met({ probability: 0.25 }, 4000)).toEqual(some)
    expect(met({ probability: 0.25 }, 4000, 2)).not.toEqual(some)
    expect([met({ probability: 0 }, 100), met({ probability: 1 }, 2)]).toEqual([[], [1, 2]])
    // Times counts what is met, not what is tried.
    expect(met({ probability: 0.25, times: 3 }, 4000)).toEqual(some.slice(0, 3))
  })

  it('by chance of its own: a rule that comes before changes nothing of it', () => {
    const alone = newFaults(9)
    const second = newFaults(9)
    const rule = { match: { probability: 0.5 }, ...BROKEN }
    const first = [0, 1].map(() => alone.add(rule))
    second.add({ match: { opcode: 0x55 }, ...BROKEN })
    const same = second.add(rule)
    for (let i = 0; i < 50; i++) {
      alone.command(info())
      second.command(info())
    }
    expect(same.hits).toBe(first[1]?.hits)
    expect(first[0]?.hits).not.toBe(0)
  })
})

describe('the builder and JSON', () => {
  const match = { opcode: NvmOpcode.WRITE, nth: 2 }
  const built = when(match)
    .before({ event: { namespace: 1 } })
    .before({ entry: [{ at: 40, xor: '01' }] })
    .data({ change: [{ at: 0, set: 'ff' }] })
    .media({ tornBytes: 512 })
    .media({ delay: { averageNs: 1, p99Ns: 5 } })
    .completion({ status: { sct: 2, sc: 0x80, dnr: true, crd: 2 } })
  const data: FaultRuleData = {
    match,
    before: { event: { namespace: 1 }, entry: [{ at: 40, xor: '01' }] },
    data: { change: [{ at: 0, set: 'ff' }] },
    media: { tornBytes: 512, delay: { averageNs: 1, p99Ns: 5 } },
    completion: { status: { sct: 2, sc: 0x80, dnr: true, crd: 2 } },
  }

  it('say the same', () => {
    expect(JSON.parse(JSON.stringify(built))).toEqual(data)
    const faults = newFaults()
    expect(faults.add(built).data).toEqual(faults.add(data).data)
    const fate = faults.command(info({ opcode: NvmOpcode.WRITE }))
    expect(fate).toBe(null)
    // Status 280h, CRD in bits 12:11, DNR bit 14. @see NVMe Base 2.1, figure 100
    expect(faults.command(info({ opcode: NvmOpcode.WRITE }))?.endStatus).toBe(0x5280)
  })

  it('a plan goes through JSON, and is loaded', () => {
    const plan: FaultPlan = {
      version: 1,
      seed: 5,
      readyDelayNs: 1000,
      ignoreDisable: true,
      identify: { mdts: 3, sgl: false },
      rules: [data, { match: { queue: 0 }, power: { event: 'cut', after: true } }],
    }
    const faults = newFaults()
    expect(faults.load(parseFaultPlan(JSON.parse(JSON.stringify(plan))))).toHaveLength(2)
    expect(faults.readyDelayNs).toBe(1000)
    expect(faults.ignoresDisable).toBe(true)
    expect(faults.identifyLies).toEqual({ mdts: 3, sgl: false })
    faults.load({ version: 1, readyDelayNs: null })
    expect(faults.readyDelayNs).toBe(Number.POSITIVE_INFINITY)
  })

  it('events reach the controller', () => {
    const told: string[] = []
    const target = {
      raiseEvent: (...event: number[]) => told.push(`event ${event}`),
      namespaceChanged: (nsid: number) => told.push(`namespace ${nsid}`),
    }
    const faults = newFaults()
    expect(() => faults.powerCut()).toThrow(/no controller/)
    faults.attach(target as unknown as FaultTarget)
    faults.add(when().before({ event: { namespace: 4 } }))
    const fate = faults.command(info())
    fate?.met()
    fate?.ended()
    faults.namespaceChanged(3)
    expect(told).toEqual(['namespace 4', 'namespace 3'])
  })
})

describe('a plan that makes no sense is refused with the place', () => {
  const rule = (data: object): object => ({ version: 1, rules: [{}, data].slice(1) })
  it.each<[unknown, RegExp]>([
    [null, /^faults: got null, accepted an object of version/],
    [[], /^faults/],
    [{}, /^faults: got "no version"/],
    [{ version: 2 }, /^faults\.version: got 2, accepted 1/],
    [{ version: 1, rules: {} }, /^faults\.rules: .* a list/],
    [{ version: 1, rule: [] }, /^faults: got "rule", accepted version, seed/],
    [rule({}), /^faults\.rules\[0\]: .* at least one of before, data, media/],
    [rule({ match: { opcode: 256 }, ...BROKEN }), /rules\[0\]\.match\.opcode: got 256/],
    [rule({ match: { opcode: 1.5 }, ...BROKEN }), /whole number/],
    [rule({ match: { probability: 1.1 }, ...BROKEN }), /probability: got 1\.1, accepted 0 to 1/],
    [rule({ match: { probability: 'x' }, ...BROKEN }), /probability/],
    [rule({ match: { host: '0' }, ...BROKEN }), /host: .* two a byte/],
    [rule({ match: { host: 5 }, ...BROKEN }), /host: got 5, accepted text/],
    [rule({ match: { dwords: [{ index: 16, value: 0 }] }, ...BROKEN }), /dwords\[0\]\.index/],
    [rule({ match: { dwords: [{ index: 1 }] }, ...BROKEN }), /no value/],
    [rule({ before: { status: 0x8000 } }), /before\.status/],
    [rule({ before: { status: { sct: 8, sc: 0 } } }), /status\.sct/],
    [rule({ before: { status: { sct: 1 } } }), /no sc/],
    [rule({ before: { delay: 0 } }), /before\.delay: got 0/],
    [rule({ before: { delay: { minNs: 1 } } }), /no maxNs/],
    [rule({ before: { delay: { minNs: 2, maxNs: 1 } } }), /not more than maxNs/],
    [
      rule({ before: { entry: [{ at: 64, set: '00' }] } }),
      /entry\[0\]\.at: got 64, accepted 0 to 63/,
    ],
    [rule({ before: { entry: [{ at: 0 }] } }), /either `xor` or `set`/],
    [rule({ before: { entry: [{ at: 0, set: '0' }] } }), /two a byte/],
    [rule({ before: { event: { namespace: 0 } } }), /event\.namespace/],
    [rule({ before: { event: { type: 1 } } }), /no info/],
    [rule({ data: {} }), /no change/],
    [rule({ media: { torn: 5 } }), /got "torn", accepted status, delay, tornBytes/],
    [rule({ power: { event: 'explosion' } }), /accepted fatal, removal, cut/],
    [rule({ before: { hold: true, delay: 5 } }), /one of status, delay, hold/],
    [rule({ before: { hold: true }, completion: { delay: 5 } }), /one delay or hold/],
    [rule({ completion: { drop: true, commandId: 1 } }), /one of drop, duplicate/],
    [rule({ completion: { hold: 'yes' } }), /true or false/],
    [JSON.parse('{"version":1,"rules":[{"before":{"__proto__":1}}]}'), /got "__proto__"/],
  ])('%j', (plan, message) => {
    expect(() => parseFaultPlan(plan)).toThrow(message)
    expect(() => newFaults().load(plan as FaultPlan)).toThrow(message)
  })
})
