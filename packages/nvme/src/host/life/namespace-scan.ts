// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createWorkQueue, KernelError, type Op, WorkItem, type WorkQueue } from '@iolayers/kernel'
import {
  AdminOpcode,
  AsyncErrorInfo,
  AsyncEventType,
  AsyncNoticeInfo,
  FeatureId,
  LogId,
  NSID_BROADCAST,
} from '../../spec/index.ts'
import type { AdminEnd, AdminQueue } from '../admin/admin-queue.ts'
import { CtrlState } from '../ctrl/ctrl-state.ts'
import type { IdentifyController } from '../ctrl/identify.ts'
import type { NvmeDev } from './nvme-dev.ts'

/** Attached Namespace Attribute Notices: the same bit in OAES and in the feature. @see NVMe Base 2.1, figure 391 */
const NAMESPACE_NOTICES = 1 << 8
const CHANGES_BYTES = 4096

/**
 * Keeps the disks those of the namespaces that there are: when it is asked to, when the controller says that they changed, and when a reset has found
 * that they did. All of it is one work item, so that it goes on one at a time; on a queue of its own, because removal waits for it.
 *
 *   event request --> [controller] --> event: told again at once, work queued
 *   work: changed namespaces log (read, so that the next change is told) --> Identify --> disks made, resized, destroyed
 *
 * @see drivers/nvme/host/core.c nvme_scan_work, nvme_complete_async_event
 */
export class NamespaceScan implements AdminEnd {
  readonly #dev: NvmeDev
  readonly #wq: WorkQueue
  readonly #work: WorkItem
  /** Since the controller has been live there was a change that no scan has seen. */
  #due: boolean
  /** The controller was told to report changes, and has a log of them to read. */
  #watching: boolean
  #stopped: boolean
  /** Why the last scan was not whole. */
  #failure: KernelError | null
  /** The controller says that only a reset helps. */
  #onPersistentError: () => void

  constructor(dev: NvmeDev) {
    const { scheduler, workers } = dev.kernel
    this.#dev = dev
    this.#wq = createWorkQueue(
      { scheduler, workers },
      { name: `${dev.name}-scan-wq`, maxActive: 1 },
    )
    this.#work = new WorkItem(`namespace scan of ${dev.name}`, () => this.#run())
    this.#due = false
    this.#watching = false
    this.#stopped = false
    this.#failure = null
    this.#onPersistentError = () => {}
  }

  /** Called from atomic context. */
  set onPersistentError(call: () => void) {
    this.#onPersistentError = call
  }

  /** After each start of the controller, which has forgotten. One that refuses is not watched. @see drivers/nvme/host/core.c nvme_enable_aen */
  *enableEvents(admin: AdminQueue, id: IdentifyController): Op<void> {
    this.#watching = false
    const wanted = this.#dev.settings.watchNamespaces ? id.oaes & NAMESPACE_NOTICES : 0
    // The request for events keeps an entry of the queue for itself.
    if (wanted === 0 || admin.queue.entries <= 2) return
    const { status } = yield* admin.execute({
      opcode: AdminOpcode.SET_FEATURES,
      cdw10: FeatureId.ASYNC_EVENT_CONFIGURATION,
      cdw11: wanted,
    })
    this.#watching = status === 0
    if (this.#watching) this.#ask(admin)
  }

  /** There is something to do as soon as the controller is live. From any context. */
  changed(): void {
    this.#due = true
    if (this.#dev.state.current === CtrlState.LIVE) this.live()
  }

  /** The controller is live, perhaps again. From any context. */
  live(): void {
    if (this.#due && !this.#stopped) this.#wq.queue(this.#work)
  }

  /**
   * Looks for changes and returns when the disks are those of the namespaces. Throws KernelError ENODEV where the controller is not live, else what
   * the first of its refusals stands for; what could be done is done then.
   */
  *rescan(): Op<void> {
    if (this.#stopped || this.#dev.state.current !== CtrlState.LIVE) {
      const text = `${this.#dev.name}: namespaces looked for, and no live controller`
      throw new KernelError('ENODEV', text)
    }
    this.changed()
    yield* this.#wq.flush()
    if (this.#failure !== null) throw this.#failure
  }

  /** None is under way afterwards, and none begins. Where the controller answers no more, its admin commands have to be cancelled for that. */
  *stop(): Op<void> {
    if (this.#stopped) return
    this.#stopped = true
    yield* this.#wq.destroy()
  }

  /** An event, or the end of the controller's run. */
  adminEnded(status: number, result: number): void {
    const { admin, counters } = this.#dev
    if (status !== 0 || admin === null) return
    counters.events++
    const type = result & 7
    const info = (result >>> 8) & 0xff
    if (type === AsyncEventType.ERROR && info === AsyncErrorInfo.PERSISTENT_INTERNAL_ERROR) {
      this.#onPersistentError()
      return
    }
    this.#ask(admin)
    const isChange = info === AsyncNoticeInfo.ATTACHED_NAMESPACE_CHANGED
    if (type === AsyncEventType.NOTICE && isChange) this.changed()
  }

  /** Its answer is the next event. */
  #ask(admin: AdminQueue): void {
    admin.tryExecuteNowait({ opcode: AdminOpcode.ASYNC_EVENT_REQUEST }, this, false)
  }

  *#run(): Op<void> {
    const { admin, namespaces } = this.#dev
    this.#failure = null
    if (admin === null) return
    this.#due = false
    try {
      if (this.#watching) yield* readChanges(admin)
      yield* namespaces.update(admin)
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      this.#failure = error
      // A reset came in between: when it is over, this is done again.
      if (this.#dev.state.current !== CtrlState.LIVE) this.#due = true
    }
  }
}

/** What it names is not looked at: all namespaces are. @see drivers/nvme/host/core.c nvme_clear_changed_ns_log */
function* readChanges(admin: AdminQueue): Op<void> {
  const dwords = CHANGES_BYTES / 4 - 1
  yield* admin.execute({
    opcode: AdminOpcode.GET_LOG_PAGE,
    nsid: NSID_BROADCAST,
    cdw10: LogId.CHANGED_NAMESPACES | (dwords << 16),
    dataIn: new Uint8Array(CHANGES_BYTES),
  })
}
