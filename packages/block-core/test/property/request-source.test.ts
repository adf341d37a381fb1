// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  BlkStatus,
  blkMqEndRequest,
  blkMqRequeueRequest,
  createDisk,
  createRequestSource,
  createTagSet,
  type Disk,
  type InFlightRequest,
  Plug,
  ReqOp,
  type Request,
} from '../../src/index.ts'
import { makeMachine, runBio, ScriptedDriver } from '../support.ts'

// Two disks that share the tags of two hardware queues. Requests begin, end, and are given back while a walk goes on. Each request has a
// sector of its own, which names it.

type Action =
  | { readonly kind: 'submit'; readonly disk: number; readonly cpu: number }
  | { readonly kind: 'end' | 'requeue'; readonly pick: number }
  | { readonly kind: 'step' }

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('submit' as const),
    disk: fc.nat(1),
    cpu: fc.nat(1),
  }),
  fc.record({ kind: fc.constantFrom('end' as const, 'requeue' as const), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant('step' as const) }),
)

class World {
  readonly machine = makeMachine()
  readonly driver = new ScriptedDriver(this.machine.kernel, () => 'hold')
  readonly disks: Disk[]
  /** By sector: begun and not ended. */
  readonly present = new Set<number>()
  #sectors = 0

  constructor() {
    const { kernel } = this.machine
    const init = { ops: this.driver, nrHwQueues: 2, queueDepth: 4 }
    const tagSet = createTagSet({ kernel }, init)
    this.disks = ['a', 'b'].map((name) =>
      createDisk({ kernel, tagSet }, { name, capacitySectors: 1 << 20 }),
    )
  }

  submit(disk: number, cpu: number): void {
    const plug = new Plug({ cpu })
    this.#sectors += 1
    const sector = this.#sectors
    const bio = runBio({ op: ReqOp.READ, sector, bytes: 512 })
    if (this.disks[disk]?.submitBio(bio, plug) === BlkStatus.OK) this.present.add(sector)
    plug.finish()
  }

  end(pick: number): void {
    const rq = this.#take(pick)
    if (rq === undefined) return
    this.present.delete(rq.sector)
    blkMqEndRequest(rq, BlkStatus.OK)
  }

  /** Given back, it comes again at once. */
  requeue(pick: number): void {
    const rq = this.#take(pick)
    if (rq === undefined) return
    blkMqRequeueRequest(rq, true)
    this.machine.scheduler.runUntilIdle()
  }

  finish(): void {
    const { scheduler } = this.machine
    while (this.driver.held.length > 0) this.end(0)
    scheduler.runUntilIdle()
    for (const disk of this.disks) scheduler.runSync('destroy', disk.destroy())
    expect(scheduler.outstanding()).toEqual([])
  }

  #take(pick: number): Request | undefined {
    const { held } = this.driver
    return held.splice(pick % Math.max(1, held.length), 1)[0]
  }
}

it('R-ITER-1: a walk lists what is there all the time once, nothing twice, and nothing that has ended', () => {
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 40 }),
      fc.array(action, { maxLength: 80 }),
      (before, during) => {
        const world = new World()
        const source = createRequestSource(() => world.disks)
        const act = (what: Action): void => {
          if (what.kind === 'submit') world.submit(what.disk, what.cpu)
          else if (what.kind === 'end') world.end(what.pick)
          else if (what.kind === 'requeue') world.requeue(what.pick)
        }
        for (const what of before) act(what)
        const throughout = new Set(world.present)
        const listed: number[] = []
        let current: InFlightRequest | null = source.begin()
        const step = (): void => {
          if (current === null) return
          if (source.live(current)) {
            expect(world.present.has(current.sector)).toBe(true)
            listed.push(current.sector)
          }
          current = source.next(current)
        }
        for (const what of during) {
          if (what.kind === 'step') step()
          else act(what)
          for (const sector of throughout) if (!world.present.has(sector)) throughout.delete(sector)
        }
        while (current !== null) step()
        expect(new Set(listed).size).toBe(listed.length)
        for (const sector of throughout) expect(listed).toContain(sector)
        world.finish()
      },
    ),
    { numRuns: 400 },
  )
})
