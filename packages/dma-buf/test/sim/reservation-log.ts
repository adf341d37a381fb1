// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, Errno, type Kernel, type Op } from '@iolayers/kernel'
import { type DmaFence, type DmaResv, DmaResvUsage, MAX_SCHEDULE_TIMEOUT } from '../../src/index.ts'

interface Entry {
  readonly fence: DmaFence
  readonly usage: DmaResvUsage
  readonly addedNs: number
  /** What was put in its place on purpose. */
  replacedBy: Entry | null
}

/**
 * Every fence that was ever added to one reservation object, and with it what each wait should come to. Has no references, so that
 * it keeps nothing alive.
 */
export class ReservationLog {
  readonly resv: DmaResv
  readonly #kernel: Kernel
  readonly #entries: Entry[]

  constructor(kernel: Kernel, resv: DmaResv) {
    this.#kernel = kernel
    this.resv = resv
    this.#entries = []
  }

  /** Told right after `addFence`. */
  added(fence: DmaFence, usage: DmaResvUsage): void {
    const addedNs = this.#kernel.scheduler.nowNs()
    this.#entries.push({ fence, usage, addedNs, replacedBy: null })
  }

  /** Told right after `replaceFences`. */
  replaced(context: number, replacement: DmaFence, usage: DmaResvUsage): void {
    const old = this.#entries.filter((entry) => {
      return entry.fence.context === context && entry.replacedBy === null
    })
    this.added(replacement, usage)
    const entry = this.#entries.at(-1)
    assert(entry !== undefined, 'nothing was added')
    for (const one of old) one.replacedBy = entry
  }

  /** The fences that a wait for `usage` that begins now has to see signalled. */
  pending(usage: DmaResvUsage): Entry[] {
    return this.#entries.filter((entry) => entry.usage <= usage && !satisfied(entry, usage))
  }

  /** As `waitTimeout` of the reservation object, and checks what came of it. */
  *wait(usage: DmaResvUsage, interruptible: boolean, timeoutNs: number): Op<number> {
    const { scheduler } = this.#kernel
    const before = this.pending(usage)
    const startNs = scheduler.nowNs()
    const task = scheduler.current
    const result = yield* this.resv.waitTimeout(usage, interruptible, timeoutNs)
    const tookNs = scheduler.nowNs() - startNs
    if (result > 0) {
      assert(
        before.every((entry) => satisfied(entry, usage)),
        'a wait ended before the fences that were there when it began',
      )
      assert(result <= Math.max(1, timeoutNs), 'a wait has more time left than it had')
      const slackNs = this.#entries.length
      if (timeoutNs !== MAX_SCHEDULE_TIMEOUT && timeoutNs > 0) {
        assert(Math.abs(timeoutNs - tookNs - result) <= slackNs, 'a wait tells a wrong time left')
      }
    } else if (result === 0) {
      assert(tookNs >= timeoutNs, 'a wait timed out before its time')
      assert(
        this.#pendingSince(usage, startNs + timeoutNs),
        'a wait timed out though all fences had signalled',
      )
    } else {
      assert(result === -Errno.ERESTARTSYS, 'a wait failed')
      assert(interruptible && task?.signalPending === true, 'a wait was interrupted by nothing')
    }
    return result
  }

  /** A look without waiting says what the log says. */
  check(): void {
    for (const usage of Object.values(DmaResvUsage)) {
      const quiet = this.resv.testSignaled(usage)
      assert(quiet === (this.pending(usage).length === 0), 'test_signaled is wrong')
    }
  }

  /** Whether some fence of `usage` had not signalled before `deadlineNs`. */
  #pendingSince(usage: DmaResvUsage, deadlineNs: number): boolean {
    return this.#entries.some(({ fence, usage: of, addedNs }) => {
      if (of > usage || addedNs > deadlineNs) return false
      return !fence.signaledFlag || fence.timestampNs >= deadlineNs
    })
  }
}

function satisfied(entry: Entry, usage: DmaResvUsage): boolean {
  if (entry.fence.signaledFlag) return true
  const { replacedBy } = entry
  return replacedBy !== null && (replacedBy.usage > usage || satisfied(replacedBy, usage))
}
