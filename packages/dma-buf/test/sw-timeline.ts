// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createFdTable, type FdTable, type Op, PollEvents, pollFiles } from '@iolayers/kernel'
import { createSyncFile, DmaFence, type SyncFile } from '../src/index.ts'
import type { Rig } from './support.ts'

/** A timeline that somebody counts up: what drivers/dma-buf/sw_sync.c gives the kernel's own tests. */
export class SwTimeline {
  readonly name: string
  readonly context: number
  value = 0
  readonly #rig: Rig
  readonly #pending: DmaFence[] = []

  constructor(rig: Rig, name = 'sw') {
    this.name = name
    this.context = rig.core.fenceContextAlloc(1)
    this.#rig = rig
  }

  /** A fence that signals when the timeline gets to `seqno`, in a file. */
  fence(seqno: number): SyncFile {
    const fence = new DmaFence(this.#rig.kernel, {
      getDriverName: () => 'sw_sync',
      getTimelineName: () => this.name,
    })
    fence.init(this.context, seqno)
    const { kernel, core } = this.#rig
    const file = createSyncFile({ kernel, contexts: core }, fence)
    if (seqno <= this.value) fence.signal()
    else {
      fence.get()
      this.#pending.push(fence)
    }
    fence.put()
    return file
  }

  inc(count: number): void {
    this.value += count
    this.#pending.sort((a, b) => a.seqno - b.seqno)
    for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
      if (first.seqno > this.value) return
      this.#pending.shift()
      first.signal()
      first.put()
    }
  }
}

/** Whether the fence signalled within `timeoutNs`. @see tools/testing/selftests/sync/sync.c sync_wait */
export function* syncWait(rig: Rig, { file }: SyncFile, timeoutNs: number): Op<boolean> {
  return (
    (yield* pollFiles(
      rig.kernel,
      [{ file, events: PollEvents.EPOLLIN, revents: 0 }],
      timeoutNs,
    )) === 1
  )
}

/** @see tools/testing/selftests/sync/sync.c sync_fence_count_with_status */
export function countWithStatus(file: SyncFile, status: number): number {
  return file.info().fences.filter((fence) => fence.status === status).length
}

/** A table with the files in it, from 0 on; it takes over their references. */
export function tableOf(...files: readonly SyncFile[]): FdTable {
  const table = createFdTable({ limit: 16 })
  for (const { file } of files) table.install(table.reserve(), file)
  return table
}
