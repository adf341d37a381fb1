// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A scheduler, a kernel and the stacks of a scenario, used for many runs: making them costs more than running them. Every run begins in the
// same state: either in a world that was just made, or, when worlds are used again, in one that has had a run of the default policy, and then any
// number of runs that left nothing behind. What goes on counting over runs (inodes, fence contexts, times of tags) chooses nobody.

import {
  type Candidate,
  createKernel,
  createVirtualScheduler,
  type Kernel,
  type StepObserver,
  type Strategy,
  type VirtualScheduler,
} from '@iolayers/kernel'
import type { WeaveStrategy } from '../search/contracts.ts'
import { type DesignParts, Stack, type StackInit } from '../stack/stack.ts'

const STEPS_MAX = 10_000
/** Of the shared work queues: few, so that they can all be busy. */
const WORKERS = 2

/** Chooses first come, first served, and nobody in plain code, but for the race itself. */
export class PhasedStrategy implements Strategy {
  racing = false
  choices: number[] = []
  inner: WeaveStrategy | null = null
  /** Of the choice that the next step comes from: the label of the point in plain code. */
  chosenAt: string | null = null
  chosen = false

  choose(candidates: readonly Candidate[]): number {
    if (!this.racing || this.inner === null) return 0
    const index = this.inner.choose(candidates)
    this.choices.push(index)
    this.chosen = true
    return index
  }

  chooseNested(candidates: readonly Candidate[], label: string): number {
    if (!this.racing || this.inner === null) return -1
    const index = this.inner.chooseNested?.(candidates, label) ?? -1
    this.choices.push(index)
    if (index < 0) return -1
    this.chosen = true
    this.chosenAt = label
    return index
  }
}

export class World {
  readonly strategy: PhasedStrategy = new PhasedStrategy()
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  observer: StepObserver | null = null
  readonly #stacks: Stack[] = []
  #stacksUsed = 0

  constructor() {
    this.scheduler = createVirtualScheduler({
      strategy: this.strategy,
      stepsMax: STEPS_MAX,
      observer: {
        stepBegins: (item) => this.observer?.stepBegins(item),
        stepEnded: (item) => this.observer?.stepEnded(item),
      },
    })
    this.kernel = createKernel(
      { scheduler: this.scheduler },
      { checked: true, stackTraces: false, workers: WORKERS },
    )
  }

  /** The n-th call of a run gives the stack of the n-th call of every run. */
  stackOf(init: StackInit, parts: DesignParts): Stack {
    const known = this.#stacks[this.#stacksUsed++]
    if (known !== undefined) return known
    const stack = new Stack({ kernel: this.kernel, parts }, init)
    this.#stacks.push(stack)
    return stack
  }

  /** After a run that left nothing behind; false when the world cannot be used again. */
  reset(): boolean {
    if (this.kernel.reclaimWq.rescued > 0) return false
    if (this.scheduler.outstanding().length > 0) return false
    for (const stack of this.#stacks) if (!stack.reset()) return false
    this.strategy.racing = false
    this.kernel.workers.retire()
    this.scheduler.runReady()
    this.#stacksUsed = 0
    this.scheduler.restart()
    return true
  }
}
