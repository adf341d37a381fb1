// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What an I/O does with the map of a registered buffer: find it, take a reference and `active`, give both back. Once with the choice points that the product has on
// this way, at the same places, and once as it would be without. Both are classes of this file so that they differ in nothing else.

import {
  assert,
  assertLive,
  assertRef,
  createEventLoopScheduler,
  createKernel,
  type Kernel,
  type Scheduler,
} from '@iolayers/kernel'

/** Takes and gives back; says what it counted, so that nothing is left out. */
export interface MapReferences {
  takeAndGive(): number
}

/** For the bench: one kernel on the event loop, as an app has it. */
export function createBenchKernel(): Kernel {
  return createKernel({ scheduler: createEventLoopScheduler() })
}

/** @see Token.tryGetMap of @iolayers/blk-mq-token, PercpuRef of @iolayers/kernel */
export class WithChoicePoints implements MapReferences {
  readonly #kernel: Kernel
  readonly #scheduler: Scheduler
  #refs = 1
  #active = 1
  #dying = false
  #exited = false

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#scheduler = kernel.scheduler
  }

  takeAndGive(): number {
    if (!this.tryGetMap() || !this.tryGetActive()) return 0
    const held = this.#active + this.#refs
    this.putActive()
    this.put()
    return held
  }

  kill(): void {
    this.#dying = true
  }

  tryGetMap(): boolean {
    const { rcu, scheduler } = this.#kernel
    rcu.readLock()
    try {
      if (scheduler.exploring) scheduler.choicePoint('looked up, not yet referenced')
      if (this.#refs === 0) return false
      this.#refs++
      return true
    } finally {
      rcu.readUnlock()
    }
  }

  tryGetActive(): boolean {
    assertLive(!this.#exited, 'used after its exit')
    if (this.#dying) return false
    if (this.#scheduler.exploring) this.#scheduler.choicePoint('seen live, not yet taken')
    this.#active++
    return true
  }

  putActive(): void {
    assertRef(this.#active > 0, 'dropped what nobody held')
    this.#active--
  }

  put(): void {
    assert(this.#refs > 0, 'put what nobody held')
    this.#refs--
    if (this.#refs > 0) return
    if (this.#scheduler.exploring) this.#scheduler.choicePoint('last put, not yet freed')
    this.#exited = true
  }
}

/** The same without the choice points. */
export class WithoutChoicePoints implements MapReferences {
  readonly #kernel: Kernel
  #refs = 1
  #active = 1
  #dying = false
  #exited = false

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  takeAndGive(): number {
    if (!this.tryGetMap() || !this.tryGetActive()) return 0
    const held = this.#active + this.#refs
    this.putActive()
    this.put()
    return held
  }

  kill(): void {
    this.#dying = true
  }

  tryGetMap(): boolean {
    const { rcu } = this.#kernel
    rcu.readLock()
    try {
      if (this.#refs === 0) return false
      this.#refs++
      return true
    } finally {
      rcu.readUnlock()
    }
  }

  tryGetActive(): boolean {
    assertLive(!this.#exited, 'used after its exit')
    if (this.#dying) return false
    this.#active++
    return true
  }

  putActive(): void {
    assertRef(this.#active > 0, 'dropped what nobody held')
    this.#active--
  }

  put(): void {
    assert(this.#refs > 0, 'put what nobody held')
    this.#refs--
    if (this.#refs > 0) return
    this.#exited = true
  }
}
