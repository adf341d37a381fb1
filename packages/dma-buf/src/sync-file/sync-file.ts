// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A fence as a file, so that processes can hand it to each other, poll it, and put several into one.

import {
  Ability,
  assert,
  File,
  type FileOperations,
  KernelError,
  type Op,
  PollEvents,
  PollQueue,
  type PollTable,
} from '@iolayers/kernel'
import type { DmaFence } from '../fence/dma-fence.ts'
import { DmaFenceCallback } from '../fence/dma-fence-callback.ts'
import type { DmaFenceComponents } from '../fence/dma-fence-contexts.ts'
import { dmaFenceUnwrapForEach, dmaFenceUnwrapMerge } from '../fence/dma-fence-unwrap.ts'
import { cutName } from './cut-name.ts'

/** @see include/uapi/linux/sync_file.h struct sync_fence_info */
export interface SyncFenceInfo {
  /** The name of its timeline, at most 31 bytes, as the driver's name. */
  readonly objName: string
  readonly driverName: string
  /** 1: signalled; 0: pending; negative: signalled with that errno. */
  readonly status: number
  /** When it signalled; 0 before. */
  readonly timestampNs: number
}

/** @see include/uapi/linux/sync_file.h struct sync_file_info */
export interface SyncFileInfo {
  readonly name: string
  /** 1: all have signalled; 0: one is pending; negative: one signalled with that errno. */
  readonly status: number
  readonly numFences: number
  readonly fences: readonly SyncFenceInfo[]
}

/** A fence, or the fences of a merge, in a file. Lives as long as its file does. @see include/linux/sync_file.h struct sync_file */
export interface SyncFile {
  /** With one reference, of whoever created it. */
  readonly file: File
  /** Without a reference for the caller. */
  readonly fence: DmaFence
  /** That of the merge, or else the fence's: driver, timeline, context and sequence number. At most 31 bytes. @see sync_file_get_name */
  readonly name: string
  /** A new sync file, with one reference, of all the fences of both that are pending. Its name is cut to 31 bytes. @see sync_file_merge */
  merge(name: string, other: SyncFile): SyncFile
  /**
   * What is in it; nothing of each fence when `numFences` is 0. Throws EINVAL when there are more than that.
   *
   * @see SYNC_IOC_FILE_INFO
   */
  info(numFences?: number): SyncFileInfo
  /** Hints that somebody waits for it and would like to be done by then, on the scheduler's clock. @see SYNC_IOC_SET_DEADLINE */
  setDeadline(deadlineNs: number): void
}

/** What a sync file answers, and no other file. */
export const syncFileAbility: Ability<SyncFile> = new Ability<SyncFile>('sync_file')

/** @see drivers/dma-buf/sync_file.c */
class SyncFileObject implements SyncFile, FileOperations {
  readonly file: File
  readonly fence: DmaFence
  readonly #components: DmaFenceComponents
  readonly #userName: string
  readonly #queue: PollQueue
  readonly #callback: DmaFenceCallback
  #pollEnabled: boolean

  /** Takes over the caller's reference on the fence. */
  constructor(components: DmaFenceComponents, fence: DmaFence, userName: string) {
    this.fence = fence
    this.#components = components
    this.#userName = userName
    this.#queue = new PollQueue()
    this.#callback = new DmaFenceCallback(() => this.#queue.wakeUp())
    this.#pollEnabled = false
    this.file = new File(components.kernel, this, { name: 'sync_file', flags: 0 })
  }

  get name(): string {
    if (this.#userName !== '') return this.#userName
    const { driverName, timelineName, context, seqno } = this.fence
    return cutName(`${driverName}-${timelineName}${context}-${seqno}`)
  }

  merge(name: string, other: SyncFile): SyncFile {
    const fence = dmaFenceUnwrapMerge(this.#components, [this.fence, other.fence])
    return new SyncFileObject(this.#components, fence, cutName(name))
  }

  info(numFences = Number.POSITIVE_INFINITY): SyncFileInfo {
    const fences: SyncFenceInfo[] = []
    dmaFenceUnwrapForEach(this.fence, (fence) => {
      fences.push(infoOf(fence))
    })
    const { name } = this
    if (numFences === 0) {
      return { name, status: this.fence.status, numFences: fences.length, fences: [] }
    }
    if (fences.length > numFences) {
      throw new KernelError('EINVAL', 'fences that there is room for', {
        value: numFences,
        accepted: `at least ${fences.length}`,
      })
    }
    let status = 1
    for (const fence of fences) if (status > 0) status = fence.status
    return { name, status, numFences: fences.length, fences }
  }

  setDeadline(deadlineNs: number): void {
    this.fence.setDeadline(deadlineNs)
  }

  /** @see sync_file_poll */
  *poll(file: File, table: PollTable | null): Op<number> {
    table?.wait(file, this.#queue)
    if (!this.#pollEnabled) {
      this.#pollEnabled = true
      // It signalled just now, and others may poll.
      if (!this.fence.addCallback(this.#callback)) this.#queue.wakeUp()
    }
    return this.fence.isSignaled() ? PollEvents.EPOLLIN : 0
  }

  query<T>(ability: Ability<T>): T | undefined {
    return ability.answer(syncFileAbility, this)
  }

  release(): void {
    assert(!this.#queue.hasPollers, 'a sync file was released while somebody polls it')
    if (this.#pollEnabled) this.fence.removeCallback(this.#callback)
    this.fence.put()
  }
}

/** @see drivers/dma-buf/sync_file.c sync_fill_fence_info */
function infoOf(fence: DmaFence): SyncFenceInfo {
  return {
    objName: cutName(fence.timelineName),
    driverName: cutName(fence.driverName),
    status: fence.status,
    timestampNs: fence.isSignaled() ? fence.timestampNs : 0,
  }
}

/** A file for `fence`, on which it takes a reference of its own. @see sync_file_create */
export function createSyncFile(components: DmaFenceComponents, fence: DmaFence): SyncFile {
  fence.get()
  return new SyncFileObject(components, fence, '')
}
