// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { assert, type Op, WaitQueue } from '@iolayers/kernel'
import type { DmaFence } from './dma-fence.ts'
import { DmaFenceCallback } from './dma-fence-callback.ts'
import { waitFor } from './wait-for.ts'

export interface DmaFenceWaitAny {
  /** As `DmaFence.wait` gives it: the time that is left, 0, or -ERESTARTSYS. */
  readonly result: number
  /** Of the first fence that has signalled; -1 when none has. */
  readonly index: number
}

/**
 * Waits until one of `fences` has signalled. The caller has references on all of them. With a timeout of 0 it only looks.
 *
 * @see drivers/dma-buf/dma-fence.c dma_fence_wait_any_timeout
 */
export function* dmaFenceWaitAnyTimeout(
  fences: readonly DmaFence[],
  interruptible: boolean,
  timeoutNs: number,
): Op<DmaFenceWaitAny> {
  const [first] = fences
  assert(first !== undefined, 'waits for one of no fences')
  assert(timeoutNs >= 0, 'a timeout is not negative')
  const { scheduler, signalling } = first.kernel
  signalling.mightWait('dma_fence_wait_any')
  if (timeoutNs === 0) {
    const index = fences.findIndex((fence) => fence.isSignaled())
    return { result: index < 0 ? 0 : 1, index }
  }
  const queue = new WaitQueue(scheduler, 'one of several dma_fences', {
    blockers: () => fences,
    anyOf: true,
  })
  const added: DmaFenceCallback[] = []
  try {
    for (const [index, fence] of fences.entries()) {
      const callback = new DmaFenceCallback(() => queue.wakeUpAll())
      if (!fence.addCallback(callback)) return { result: timeoutNs, index }
      added.push(callback)
    }
    const signaled = (): number => fences.findIndex((fence) => fence.signaledFlag)
    const wait = { interruptible, timeoutNs }
    const result = yield* waitFor(queue, scheduler, () => signaled() >= 0, wait)
    return { result, index: result > 0 ? signaled() : -1 }
  } finally {
    for (const [index, callback] of added.entries()) fences[index]?.removeCallback(callback)
  }
}
