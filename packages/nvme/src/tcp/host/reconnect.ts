// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What is done when a connection is lost: the controller is taken out of service, and connected anew until that works, or its time is up.
//
//   lost --> [resetting] disable: all that it had is taken back --> [connecting] connect, queues, namespaces --> [live] handed over again
//                                                                       |    ^
//                                                                       +----+ refused or lost again: after a delay, twice as long each time
//                                                                       |
//                                                                       +--> refused for good, or too late: disks die --> [dead]

import { Completion, KernelError, type Op, Timer } from '@iolayers/kernel'
import { CtrlState } from '../../host/ctrl/ctrl-state.ts'
import type { DevDisable } from '../../host/life/dev-disable.ts'
import type { NvmeDev } from '../../host/life/nvme-dev.ts'
import { restartController } from '../../host/life/probe.ts'
import { Recovery } from '../../host/life/recovery.ts'
import type { LinkError } from './link-error.ts'

const MS = 1e6
/** The first delay, as a part of the longest. */
const FIRST_DELAY_SHIFT = 5

export interface ReconnectInit {
  /** The longest time between two attempts. */
  readonly reconnectDelayMs: number
  /** From the loss on; then the controller is given up. */
  readonly ctrlLossTimeoutMs: number
  /** From the loss on; then requests end with an error rather than wait. Infinity: never. */
  readonly fastIoFailMs: number
}

/** What is told while the controller is away. */
export interface ReconnectEvents {
  /** The next attempt is made after so long; `attempt` counts from 1. */
  retrying(attempt: number, delayMs: number, error: KernelError): void
  connected(attempts: number): void
  gaveUp(error: KernelError): void
  /** Why the last attempt failed. */
  readonly failure: LinkError | null
}

/** @see drivers/nvme/host/tcp.c nvme_tcp_error_recovery_work, nvme_tcp_reconnect_or_remove, nvme_tcp_reconnect_ctrl_work */
export class ReconnectRecovery extends Recovery {
  readonly #init: ReconnectInit
  readonly #events: ReconnectEvents
  readonly #wake: Completion
  readonly #failFast: Timer
  #isAbandoned: boolean
  #failsFast: boolean

  constructor(dev: NvmeDev, disable: DevDisable, init: ReconnectInit, events: ReconnectEvents) {
    super(dev, disable)
    const { scheduler } = dev.kernel
    this.#init = init
    this.#events = events
    this.#wake = new Completion(scheduler, `reconnect of ${dev.name}`)
    this.#failFast = new Timer(scheduler, `fast I/O failure of ${dev.name}`, () =>
      this.#failWaiting(),
    )
    this.#isAbandoned = false
    this.#failsFast = false
  }

  /** A connection is gone, and the controller does no more DMA. Atomic. */
  lost(): void {
    if (this.tryReset() || this.state !== CtrlState.CONNECTING) return
    // In the midst of a start: nothing that waits for the admin queue will hear of it.
    const { admin, device } = this.dev
    if (admin === null) return
    device.bus.enabled = false
    admin.queue.online = false
    admin.cancelAll()
  }

  /** No more attempts from now on: a controller that is away is given up. */
  abandon(): void {
    this.#isAbandoned = true
    this.#wake.completeAll()
  }

  override *stop(): Op<void> {
    this.abandon()
    yield* super.stop()
    this.#failFast.cancel()
  }

  protected override *run(): Op<void> {
    const { fastIoFailMs, ctrlLossTimeoutMs } = this.#init
    const { scheduler } = this.dev.kernel
    const deadline = scheduler.nowNs() + ctrlLossTimeoutMs * MS
    this.#failsFast = false
    if (Number.isFinite(fastIoFailMs)) this.#failFast.arm(fastIoFailMs * MS)
    for (let attempt = 1; ; attempt++) {
      const error = yield* this.#attempt()
      if (error === null) {
        this.#events.connected(attempt)
        break
      }
      this.failure = error
      if (!(yield* this.#waitBefore(attempt, deadline, error))) {
        this.#failFast.cancel()
        yield* this.giveUp()
        this.#events.gaveUp(error)
        return
      }
    }
    this.#failFast.cancel()
    this.#failsFast = false
    this.failure = null
    this.goOn()
  }

  /** Why it did not work; null: it did. */
  *#attempt(): Op<KernelError | null> {
    const { dev } = this
    try {
      yield* this.disable.run(false)
      if (this.#failsFast) this.disable.unquiesce()
      if (this.state !== CtrlState.CONNECTING) this.enter(CtrlState.CONNECTING)
      yield* restartController(dev, this)
      this.enter(CtrlState.LIVE)
      return null
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      // The connection knows better why than whoever waited for it.
      return this.#events.failure ?? error
    }
  }

  /** False: there is no other attempt. */
  *#waitBefore(attempt: number, deadline: number, error: KernelError): Op<boolean> {
    const { reconnectDelayMs } = this.#init
    const { scheduler } = this.dev.kernel
    const isForGood = this.#events.failure?.isForGood === true
    const leftNs = deadline - scheduler.nowNs()
    if (isForGood || leftNs <= 0 || this.#isOver) return false
    const shift = Math.max(0, FIRST_DELAY_SHIFT - attempt + 1)
    const delayMs = Math.min(reconnectDelayMs / 2 ** shift, leftNs / MS)
    this.#events.retrying(attempt, delayMs, error)
    yield* this.#wake.waitTimeout(delayMs * MS)
    return !this.#isOver
  }

  get #isOver(): boolean {
    return this.#isAbandoned || this.state !== CtrlState.CONNECTING
  }

  /** What waits for the controller, and what comes, ends with an error while it is away. @see drivers/nvme/host/core.c nvme_failfast_work */
  #failWaiting(): void {
    if (this.state !== CtrlState.CONNECTING) return
    this.#failsFast = true
    this.disable.unquiesce()
  }
}
