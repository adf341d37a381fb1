// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AssertionFailure } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  type BlkMqHwCtx,
  BlkMqQueueMap,
  BlkStatus,
  blkMqMapQueues,
  createDisk,
  createTagSet,
  HctxType,
  type MapQueues,
  Plug,
  ReqFlags,
  ReqOp,
} from '../../src/index.ts'
import { blkMqGetHctxType } from '../../src/mq/queue-map.ts'
import { EndRecorder, makeMachine, runBio, ScriptedDriver, tearDown } from '../support.ts'

function spread(nrCpus: number, nrQueues: number, queueOffset = 0): number[] {
  const map = new BlkMqQueueMap(nrCpus)
  map.nrQueues = nrQueues
  map.queueOffset = queueOffset
  blkMqMapQueues(map)
  return [...map.mqMap]
}

describe('blkMqMapQueues', () => {
  it('gives neighbouring CPUs the same queue, the first ones one more', () => {
    expect(spread(8, 4)).toEqual([0, 0, 1, 1, 2, 2, 3, 3])
    expect(spread(8, 3)).toEqual([0, 0, 0, 1, 1, 1, 2, 2])
    expect(spread(5, 1)).toEqual([0, 0, 0, 0, 0])
    expect(spread(4, 4, 6)).toEqual([6, 7, 8, 9])
  })

  it('leaves queues without a CPU where there are fewer CPUs', () => {
    expect(spread(2, 5)).toEqual([4, 3])
    expect(spread(3, 6, 1)).toEqual([4, 5, 6])
  })

  it('gives every queue a CPU where there are enough, and never differs by more than one', () => {
    for (let nrCpus = 1; nrCpus <= 24; nrCpus++) {
      for (let nrQueues = 1; nrQueues <= nrCpus; nrQueues++) {
        const counts = new Array<number>(nrQueues).fill(0)
        for (const queue of spread(nrCpus, nrQueues)) counts[queue] = (counts[queue] ?? 0) + 1
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        expect(Math.min(...counts)).toBeGreaterThan(0)
      }
    }
  })

  it('needs a queue', () => {
    expect(() => spread(2, 0)).toThrow(AssertionFailure)
  })
})

describe('blkMqGetHctxType', () => {
  it('POLLED goes before READ, and everything else is DEFAULT', () => {
    expect(blkMqGetHctxType(ReqOp.READ | ReqFlags.POLLED)).toBe(HctxType.POLL)
    expect(blkMqGetHctxType(ReqOp.WRITE | ReqFlags.POLLED)).toBe(HctxType.POLL)
    expect(blkMqGetHctxType(ReqOp.READ | ReqFlags.SYNC)).toBe(HctxType.READ)
    for (const op of [ReqOp.WRITE, ReqOp.FLUSH, ReqOp.DISCARD, ReqOp.DRV_IN]) {
      expect(blkMqGetHctxType(op)).toBe(HctxType.DEFAULT)
    }
  })
})

/** As many queues of each kind as told, one kind after the other. @see drivers/nvme/host/pci.c nvme_pci_map_queues */
function kinds(...nrQueues: number[]): MapQueues {
  return (maps) => {
    let queueOffset = 0
    for (const [type, map] of maps.entries()) {
      map.nrQueues = nrQueues[type] ?? 0
      map.queueOffset = queueOffset
      if (map.nrQueues > 0) blkMqMapQueues(map)
      queueOffset += map.nrQueues
    }
  }
}

interface Setup {
  readonly nrHwQueues: number
  readonly nrCpus?: number
  readonly nrMaps?: number
  readonly mapQueues?: MapQueues
}

/** Which hardware queue a bio goes to, with its operation word as it was submitted. */
function makeProbe(setup: Setup) {
  const machine = makeMachine()
  const seen: { queue: number; opf: number }[] = []
  const hctxs: BlkMqHwCtx[] = []
  const driver = new ScriptedDriver(machine.kernel, (rq) => {
    seen.push({ queue: rq.mqHctx?.queueNum ?? -1, opf: rq.cmdFlags })
    return BlkStatus.OK
  })
  const ops = Object.assign(driver, { initHctx: (hctx: BlkMqHwCtx) => hctxs.push(hctx) })
  const tagSet = createTagSet({ kernel: machine.kernel }, { ops, queueDepth: 4, ...setup })
  const { kernel } = machine
  const disk = createDisk({ kernel, tagSet }, { name: 'probe', capacitySectors: 1024 })
  const route = (opf: number, cpu: number | null): number => {
    const plug = cpu === null ? null : new Plug({ cpu })
    const bio = runBio({ op: opf, sector: 0, bytes: 512 }, new EndRecorder())
    expect(disk.submitBio(bio, plug)).toBe(BlkStatus.OK)
    plug?.finish()
    machine.scheduler.runUntilIdle()
    return seen.at(-1)?.queue ?? -1
  }
  return { route, seen, hctxs, tagSet, done: () => tearDown(machine, disk) }
}

describe('the hardware queue of a bio', () => {
  it('is that of its CPU, modulo the CPUs there are; without a plug that of CPU 0', () => {
    const { route, done, tagSet } = makeProbe({ nrHwQueues: 2, nrCpus: 4 })
    expect([0, 1, 2, 3, 4, 7].map((cpu) => route(ReqOp.WRITE, cpu))).toEqual([0, 0, 1, 1, 0, 1])
    expect(route(ReqOp.READ, null)).toBe(0)
    expect(tagSet.nrCpus).toBe(4)
    done()
  })

  it('one kind has no more queues than there are CPUs', () => {
    const { tagSet, done } = makeProbe({ nrHwQueues: 8, nrCpus: 3 })
    expect(tagSet.nrHwQueues).toBe(3)
    done()
  })

  it('is of the kind of its operation, and says so itself', () => {
    const setup = { nrHwQueues: 5, nrCpus: 4, nrMaps: 3, mapQueues: kinds(2, 2, 1) }
    const { route, hctxs, seen, done } = makeProbe(setup)
    expect([0, 3].map((cpu) => route(ReqOp.WRITE, cpu))).toEqual([0, 1])
    expect([0, 3].map((cpu) => route(ReqOp.READ, cpu))).toEqual([2, 3])
    expect([0, 3].map((cpu) => route(ReqOp.READ | ReqFlags.POLLED, cpu))).toEqual([4, 4])
    expect((seen.at(-1)?.opf ?? 0) & ReqFlags.POLLED).toBe(ReqFlags.POLLED)
    const { DEFAULT, READ, POLL } = HctxType
    expect(hctxs.map(({ type }) => type)).toEqual([DEFAULT, DEFAULT, READ, READ, POLL])
    expect(hctxs.map(({ nrCtx }) => nrCtx)).toEqual([2, 2, 2, 2, 4])
    done()
  })

  it('without queues for reads is that of writes', () => {
    const setup = { nrHwQueues: 3, nrCpus: 2, nrMaps: 3, mapQueues: kinds(2, 0, 1) }
    const { route, done } = makeProbe(setup)
    expect([0, 1].map((cpu) => route(ReqOp.READ, cpu))).toEqual([0, 1])
    expect(route(ReqOp.READ | ReqFlags.POLLED, 1)).toBe(2)
    done()
  })

  it('a POLLED bio loses POLLED where there are no queues to poll', () => {
    for (const setup of [
      { nrHwQueues: 2, nrCpus: 2 },
      { nrHwQueues: 2, nrCpus: 2, nrMaps: 3, mapQueues: kinds(1, 1, 0) },
    ]) {
      const { route, seen, done } = makeProbe(setup)
      route(ReqOp.READ | ReqFlags.POLLED, 1)
      expect(seen.map(({ queue, opf }) => [queue, opf & ReqFlags.POLLED])).toEqual([[1, 0]])
      done()
    }
  })

  it('queues that two kinds share are of the first, and count each CPU once', () => {
    const shared: MapQueues = (maps) => {
      for (const map of maps) {
        map.nrQueues = 2
        blkMqMapQueues(map)
      }
    }
    const { route, hctxs, done } = makeProbe({
      nrHwQueues: 2,
      nrCpus: 4,
      nrMaps: 2,
      mapQueues: shared,
    })
    expect([route(ReqOp.WRITE, 3), route(ReqOp.READ, 3)]).toEqual([1, 1])
    expect(hctxs.map(({ type, nrCtx }) => [type, nrCtx])).toEqual([
      [HctxType.DEFAULT, 2],
      [HctxType.DEFAULT, 2],
    ])
    done()
  })

  it('a queue that no CPU submits to stays unused', () => {
    const setup = { nrHwQueues: 4, nrCpus: 1, nrMaps: 2, mapQueues: kinds(3, 1) }
    const { route, hctxs, done } = makeProbe(setup)
    expect([route(ReqOp.WRITE, 5), route(ReqOp.READ, 5)]).toEqual([2, 3])
    expect(hctxs.map(({ nrCtx }) => nrCtx)).toEqual([0, 0, 1, 1])
    done()
  })
})

describe('what a driver must not map', () => {
  const make = (setup: Setup) => () => makeProbe(setup)

  it('several kinds by default, or more than three', () => {
    expect(make({ nrHwQueues: 2, nrMaps: 2 })).toThrow(/nrMaps is 2, and needs mapQueues/)
    expect(make({ nrHwQueues: 2, nrMaps: 4, mapQueues: kinds(1) })).toThrow(/nrMaps is 4/)
    expect(make({ nrHwQueues: 2, nrCpus: 0 })).toThrow(/nrCpus is 0/)
  })

  it('a default map without queues, or a queue that is not there', () => {
    expect(make({ nrHwQueues: 2, nrMaps: 2, mapQueues: kinds(0, 2) })).toThrow(/default map/)
    expect(make({ nrHwQueues: 2, nrCpus: 3, nrMaps: 2, mapQueues: kinds(1, 2) })).toThrow(
      /CPU 2 to hardware queue 2, but must send it to one from 0 to 1/,
    )
    const negative: MapQueues = ([map]) => map?.mqMap.fill(-1)
    expect(make({ nrHwQueues: 2, mapQueues: negative })).toThrow(/CPU 0 to hardware queue -1/)
  })
})
