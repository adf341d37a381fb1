// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createFaultAttr, type FaultAttr, type NullBlkInit, type Request } from '../src/index.ts'

/** Faults of a null_blk that are set at any time, and what was made of them. */
export class RigInjectors {
  readonly requeues: FaultAttr
  readonly busy: FaultAttr
  readonly timeouts: FaultAttr
  readonly resets: FaultAttr
  /** For the device. */
  readonly init: Partial<NullBlkInit>
  /** Times that a request was offered to the driver. */
  offers = 0
  /** Times that it was refused or given back. */
  refusals = 0
  #hang = false

  /** `onOffer` comes before anything, `onTaken` when the driver takes a request, which may then hang. */
  constructor(
    seed: number,
    onOffer: () => void,
    onTaken: (rq: Request | null, hangs: boolean) => void,
  ) {
    const none = { seed, times: 0, probability: 100 }
    this.requeues = createFaultAttr(none)
    this.busy = createFaultAttr(none)
    this.timeouts = createFaultAttr(none)
    this.resets = createFaultAttr(none)
    // In the order in which the driver asks.
    this.init = {
      timeoutInject: {
        shouldFail: (rq) => {
          onOffer()
          this.offers++
          this.#hang = this.timeouts.shouldFail(rq)
          return this.#hang
        },
      },
      requeueInject: { shouldFail: (rq) => this.#refused(this.requeues.shouldFail(rq)) },
      busyInject: {
        shouldFail: (rq) => {
          const isBusy = this.busy.shouldFail(rq)
          if (!isBusy) onTaken(rq, this.#hang)
          return this.#refused(isBusy)
        },
      },
      resetTimerInject: this.resets,
    }
  }

  stop(): void {
    for (const fault of [this.requeues, this.busy, this.timeouts, this.resets]) fault.times = 0
  }

  #refused(isSo: boolean): boolean {
    if (isSo) this.refusals++
    return isSo
  }
}
