// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createWorkQueue, KernelError, type Op, WorkItem, type WorkQueue } from '@iolayers/kernel'
import { AdminOpcode } from '../../spec/index.ts'
import type { AdminCommand, AdminEnd } from '../admin/admin-queue.ts'
import { CtrlState } from '../ctrl/ctrl-state.ts'
import type { IdentifyController } from '../ctrl/identify.ts'
import type { IoRecovery } from '../io/nvme-io.ts'
import type { DevDisable } from './dev-disable.ts'
import type { NvmeDev } from './nvme-dev.ts'
import { restartController } from './probe.ts'

/**
 * What is done about commands that take too long: they are aborted, and where that does not help the controller is reset.
 *
 * The reset runs on a work queue of its own with a rescuer. Drain fences wait for it, through the requests that it cancels; so it must get a worker even
 * when all of them wait in memory reclaim for such fences (F3, F13), and may not stand in line behind what waits for them. It allocates nothing: rings,
 * descriptor pools and the page for Identify data are those of before, reinitialised.
 *
 *   recover / reset --> [resetting] disable --> [connecting] enable, queues, namespaces --> [live] dispatch again
 *                            |                        |
 *                            +------------------------+--> it did not work: [deleting] disable, disks die --> [dead]
 *
 * @see drivers/nvme/host/pci.c nvme_reset_work, nvme_timeout
 * @see drivers/nvme/host/core.c nvme_reset_ctrl
 */
export class Recovery implements IoRecovery, AdminEnd {
  protected readonly dev: NvmeDev
  protected readonly disable: DevDisable
  protected readonly wq: WorkQueue
  protected readonly work: WorkItem
  /** Abort commands that may be sent now. */
  protected abortLimit: number
  /** Why the last reset failed. */
  protected failure: KernelError | null

  constructor(dev: NvmeDev, disable: DevDisable) {
    const { scheduler, workers } = dev.kernel
    this.dev = dev
    this.disable = disable
    const init = { name: `${dev.name}-reset-wq`, maxActive: 1, rescuer: true }
    this.wq = createWorkQueue({ scheduler, workers }, init)
    this.work = new WorkItem(`reset of ${dev.name}`, () => this.run())
    this.abortLimit = 0
    this.failure = null
  }

  get state(): CtrlState {
    return this.dev.state.current
  }

  /** While a reset is under way it is no news. @see drivers/nvme/host/pci.c nvme_should_reset */
  get fatal(): boolean {
    return this.state === CtrlState.LIVE && this.dev.regs.fatal
  }

  /** The limit is 0's based. @see drivers/nvme/host/core.c nvme_init_identify */
  setAbortLimit(id: IdentifyController): void {
    this.abortLimit = id.acl + 1
  }

  tryAbort(sqid: number, commandId: number): boolean {
    const { admin, counters } = this.dev
    if (admin === null || this.abortLimit === 0) return false
    const command: AdminCommand = { opcode: AdminOpcode.ABORT, cdw10: sqid | (commandId << 16) }
    if (!admin.tryExecuteNowait(command, this)) return false
    this.abortLimit--
    counters.aborts++
    return true
  }

  /** An Abort is over. What it was for ends by a completion of its own, or not at all. @see drivers/nvme/host/pci.c abort_endio */
  adminEnded(): void {
    this.abortLimit++
  }

  /** An admin command took too long. In all states but LIVE somebody waits for it, who knows what to do. */
  adminExpired(): void {
    this.tryReset()
  }

  recover(): void {
    if (this.tryReset()) return
    // Restarting it does not work either: the reset that is under way is to fail.
    if (this.state === CtrlState.CONNECTING) this.dev.state.change(CtrlState.DELETING)
  }

  /** Begins a reset; false where the controller is not live. From any context. */
  tryReset(): boolean {
    const { dev } = this
    if (this.state !== CtrlState.LIVE || !dev.state.change(CtrlState.RESETTING)) return false
    dev.counters.resets++
    this.failure = null
    this.disable.quiesce()
    this.wq.queue(this.work)
    return true
  }

  /** Resets a live controller and waits for it. Throws KernelError EBUSY where it is not live, ENETRESET where it did not come back. */
  *reset(): Op<void> {
    if (!this.tryReset()) {
      throw new KernelError('EBUSY', `nvme reset: the controller is ${this.state}`)
    }
    yield* this.wq.flush()
    if (this.failure === null) return
    const text = `nvme reset: the controller is ${this.state}: ${this.failure.message}`
    throw new KernelError('ENETRESET', text)
  }

  /** Returns when no reset is under way. The next may begin as soon as the caller sleeps. */
  *settle(): Op<void> {
    while (this.state === CtrlState.RESETTING || this.state === CtrlState.CONNECTING) {
      yield* this.wq.flush()
    }
  }

  /** No reset is under way afterwards, and none begins: the state must forbid it. */
  *stop(): Op<void> {
    yield* this.wq.destroy()
  }

  protected *run(): Op<void> {
    const { dev } = this
    try {
      yield* this.disable.run(false)
      this.enter(CtrlState.CONNECTING)
      yield* restartController(dev, this)
      this.enter(CtrlState.LIVE)
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      this.failure = error
      yield* this.giveUp()
      return
    }
    this.goOn()
  }

  /** What was cancelled comes again, and what waited comes at last. */
  protected goOn(): void {
    if (this.dev.io !== null) this.dev.io.online = true
    this.disable.unquiesce()
    this.dev.scan.live()
    this.dev.keepAlive.live()
  }

  /** The device does not come back: whatever is left ends with an error, and nothing waits for it any more. */
  protected *giveUp(): Op<void> {
    const { dev } = this
    dev.state.change(CtrlState.DELETING)
    yield* this.disable.run(false)
    for (const disk of dev.disks) disk.markDead()
    this.disable.unquiesce()
    dev.state.change(CtrlState.DEAD)
  }

  protected enter(state: CtrlState): void {
    if (this.dev.state.change(state)) return
    throw new KernelError('EBUSY', `nvme reset: the controller is ${this.state} meanwhile`)
  }
}
