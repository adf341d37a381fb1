// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Errno, type Op, type Scheduler, type WaitQueue } from '@iolayers/kernel'

/** A wait with this timeout has none. @see include/linux/sched.h MAX_SCHEDULE_TIMEOUT */
export const MAX_SCHEDULE_TIMEOUT: number = Number.POSITIVE_INFINITY

/**
 * Waits until `condition` holds: the time that is left (at least 1, `timeoutNs` itself when it has none), 0 when the timeout ran out, -ERESTARTSYS when
 * `interruptible` and a signal came or was pending. With a timeout of 0 it only looks whether a signal is pending.
 */
export function* waitFor(
  queue: WaitQueue,
  scheduler: Scheduler,
  condition: () => boolean,
  wait: { readonly interruptible: boolean; readonly timeoutNs: number },
): Op<number> {
  const { interruptible, timeoutNs } = wait
  if (interruptible && scheduler.current?.signalPending === true) return -Errno.ERESTARTSYS
  if (timeoutNs === 0) return 0
  const forEver = timeoutNs === MAX_SCHEDULE_TIMEOUT
  if (forEver && interruptible) {
    const result = yield* queue.waitEventInterruptible(condition)
    return result === 0 ? timeoutNs : result
  }
  if (forEver) {
    yield* queue.waitEvent(condition)
    return timeoutNs
  }
  if (interruptible) return yield* queue.waitEventInterruptibleTimeout(condition, timeoutNs)
  return yield* queue.waitEventTimeout(condition, timeoutNs)
}
