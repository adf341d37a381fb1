// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  type CheckReport,
  createKernel,
  createVirtualScheduler,
  fifoStrategy,
  type Kernel,
} from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  BlkStatus,
  blkMqCompleteRequest,
  blkMqEndRequest,
  Plug,
  ReqOp,
  type Request,
} from '../../src/index.ts'
import {
  BatchDriver,
  dmabufBio,
  EndRecorder,
  FakeMap,
  makeDisk,
  runBio,
  ScriptedDriver,
  tearDown,
} from '../support.ts'

/** Asks for memory in its preparation. */
function allocating(kernel: Kernel): () => BlkStatus {
  return () => {
    kernel.signalling.mightAlloc('a descriptor')
    return BlkStatus.OK
  }
}

/** Asks for memory in its completion. */
class AllocatingCompletion extends ScriptedDriver {
  readonly #checked: Kernel

  constructor(kernel: Kernel) {
    super(kernel, () => 'hold')
    this.#checked = kernel
  }

  complete(rq: Request): void {
    this.#checked.signalling.mightAlloc('a completion')
    blkMqEndRequest(rq, BlkStatus.OK)
  }
}

function run(
  checked: boolean,
  make: (kernel: Kernel) => ScriptedDriver,
  count: { dmabuf: number; plain: number },
): string[] {
  const reports: CheckReport[] = []
  const scheduler = createVirtualScheduler({ strategy: fifoStrategy() })
  const onReport = (report: CheckReport): void => {
    reports.push(report)
  }
  const kernel = createKernel({ scheduler }, { checked, onReport })
  const driver = make(kernel)
  const disk = makeDisk(kernel, driver)
  const end = new EndRecorder()
  const map = new FakeMap(1 << 20, 12)
  const plug = new Plug()
  for (let i = 0; i < count.dmabuf; i++) {
    const range = { op: ReqOp.READ, sector: 16 * i, offset: 0, bytes: 4096 }
    disk.submitBio(dmabufBio(map, range, end), plug)
  }
  for (let i = 0; i < count.plain; i++) {
    disk.submitBio(runBio({ op: ReqOp.READ, sector: 1024 + 16 * i, bytes: 4096 }, end), plug)
  }
  plug.finish()
  scheduler.runUntilIdle()
  for (const rq of driver.held.splice(0)) blkMqCompleteRequest(rq, BlkStatus.OK)
  scheduler.runUntilIdle()
  expect(end.statuses).toEqual(new Array(count.dmabuf + count.plain).fill(BlkStatus.OK))
  expect(map.active).toBe(0)
  tearDown({ scheduler, kernel }, disk)
  return reports.map(({ message }) => message.slice(0, message.indexOf('\n')))
}

describe('what a drain fence depends on, in checked mode', () => {
  const one = { dmabuf: 1, plain: 0 }
  const bvec = { dmabuf: 0, plain: 1 }

  it('F2, R-MQ-7: memory that reclaim would have to find, asked for in a preparation, is reported', () => {
    const make = (kernel: Kernel): ScriptedDriver => new ScriptedDriver(kernel, allocating(kernel))
    expect(run(true, make, one)).toEqual([
      'memory is allocated (a descriptor) where a fence depends on this context (queue_rq)',
    ])
    expect(run(true, make, bvec)).toEqual([])
    expect(run(false, make, one)).toEqual([])
  })

  it('F2: and in that of a batch', () => {
    const make = (kernel: Kernel): ScriptedDriver => new BatchDriver(kernel, allocating(kernel))
    const message =
      'memory is allocated (a descriptor) where a fence depends on this context (queue_rqs)'
    expect(run(true, make, { dmabuf: 2, plain: 0 })).toEqual([message, message])
    expect(run(false, make, { dmabuf: 2, plain: 0 })).toEqual([])
  })

  it('F2, F3: and in a completion', () => {
    const make = (kernel: Kernel): ScriptedDriver => new AllocatingCompletion(kernel)
    expect(run(true, make, one)).toEqual([
      'memory is allocated (a completion) where a fence depends on this context (complete)',
    ])
    expect(run(true, make, bvec)).toEqual([])
    expect(run(false, make, one)).toEqual([])
  })
})
