// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError, type Op, Timer } from '@iolayers/kernel'
import { AdminOpcode, FeatureId } from '../../spec/index.ts'
import type { AdminEnd, AdminQueue } from '../admin/admin-queue.ts'
import { CtrlState } from '../ctrl/ctrl-state.ts'
import { nvmeStatusText } from '../nvme-error-status.ts'
import type { NvmeDev } from './nvme-dev.ts'

const MS = 1e6

/**
 * Tells the controller twice in each period that its host is there; one that does not hear of it in time stops. A Keep Alive that is not answered in
 * time is an admin command like others: the controller is reset. @see drivers/nvme/host/core.c nvme_keep_alive_work
 */
export class KeepAlive implements AdminEnd {
  readonly #dev: NvmeDev
  readonly #timer: Timer

  constructor(dev: NvmeDev) {
    this.#dev = dev
    this.#timer = new Timer(dev.kernel.scheduler, `keep alive of ${dev.name}`, () => this.#tick())
  }

  /** After each start of the controller, which has forgotten. Throws KernelError EOPNOTSUPP where it has no such timer. */
  *enable(admin: AdminQueue): Op<void> {
    const { keepAliveMs } = this.#dev.settings
    if (keepAliveMs === 0) return
    const { status } = yield* admin.execute({
      opcode: AdminOpcode.SET_FEATURES,
      cdw10: FeatureId.KEEP_ALIVE_TIMER,
      cdw11: keepAliveMs,
    })
    if (status === 0) return
    const text = `nvme: a keep alive timer of ${keepAliveMs} ms: ${nvmeStatusText(status)}`
    throw new KernelError('EOPNOTSUPP', text)
  }

  /** The controller is live, perhaps again. From any context. */
  live(): void {
    const { keepAliveMs } = this.#dev.settings
    if (keepAliveMs > 0) this.#timer.arm((keepAliveMs * MS) / 2)
  }

  stop(): void {
    this.#timer.cancel()
  }

  /** One that is refused is the last: the controller has no timer, or is being stopped. */
  adminEnded(status: number): void {
    if (status === 0 && this.#dev.state.current === CtrlState.LIVE) this.live()
  }

  #tick(): void {
    const { admin, state } = this.#dev
    if (admin === null || state.current !== CtrlState.LIVE) return
    // All its entries are in use: that is a sign of life, too, but not one that counts.
    const timeoutNs = this.#dev.settings.keepAliveMs * MS
    if (!admin.tryExecuteNowait({ opcode: AdminOpcode.KEEP_ALIVE, timeoutNs }, this)) this.live()
  }
}
