// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  type Design,
  explore,
  type Policy,
  type Program,
  type Scenario,
  type SearchKind,
  scenarioProgram,
} from '@iolayers/weave'

const HASHED_SCHEDULES = 50

/** One scenario in one design, searched one way. */
export interface SearchInit {
  readonly scenario: Scenario
  readonly design: Design
  readonly policy: Policy
  readonly search: SearchKind
}

/** Runs schedules of a scenario; each call goes on with other seeds, where the search is by chance. */
export class WovenSchedules {
  readonly name: string
  readonly #program: Program
  readonly #init: SearchInit
  #seed = 1

  constructor(init: SearchInit) {
    const { scenario, design, policy, search } = init
    this.name = `weave ${scenario.id} ${design} ${policy} ${search}`
    this.#program = scenarioProgram(scenario, design, policy)
    this.#init = init
  }

  /** Schedules that ran: `schedules`, or fewer where the space has no more. Throws when ours fails. */
  run(schedules: number): number {
    return this.#explore(this.#program, schedules, this.#seed++)
  }

  /** Of the choices and steps of the first few schedules. */
  hash(): string {
    let hash = 0x811c_9dc5
    const add = (value: number): void => {
      hash = Math.imul(hash ^ value, 0x0100_0193)
    }
    const hashing: Program = (strategy, options) => {
      const report = this.#program(strategy, options)
      report.choices.forEach(add)
      add(report.steps)
      return report
    }
    this.#explore(hashing, HASHED_SCHEDULES, 1)
    return (hash >>> 0).toString(16).padStart(8, '0')
  }

  #explore(program: Program, schedules: number, seed: number): number {
    const { search: scheduler, design } = this.#init
    const failuresMax = design === 'ours' ? 1 : Number.POSITIVE_INFINITY
    const result = explore(program, { scheduler, schedules, seed, failuresMax })
    if (design === 'ours' && result.found !== null) {
      throw new Error(`${this.name} failed: ${result.found.fault.message}`)
    }
    return result.schedules
  }
}
