// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  DeadlockError,
  NoEndError,
  type Op,
  type Task,
  type VirtualScheduler,
} from '@iolayers/kernel'

/** Longer chains of tasks that wait for each other's locks are not followed. */
const CHAIN_MAX = 16

/** Others may do the same as the first that left, once they get its lock. */
const LEAVERS_MAX = 8

const ERRORS_MAX = 1000

/** Who keeps `task` from getting on by locks alone: the holder that waits for something else. Null when it waits for no lock. */
export function keeperOf(task: Task): Task | null {
  let at = task
  for (let seen = 0; at.state === 'parked' && seen < CHAIN_MAX; seen++) {
    const park = at.waitingFor
    const owner = park === null || 'kind' in park ? null : (park.owner?.() ?? null)
    if (owner === null) return at === task ? null : at
    at = owner
  }
  return null
}

/**
 * What if `task` had not waited? It is made to leave its wait as by a kill: what it would do last, and its locks with that, is done. Says whether
 * somebody would then have ended the wait: one of `kept`, who wait for its locks. The run is over, and of no other use afterwards.
 */
export function wouldEndWithout(
  scheduler: VirtualScheduler,
  task: Task,
  kept: readonly Task[],
): boolean {
  const { list } = task.wait
  const park = task.waitingFor
  if (list === null || park === null) return false
  let woken = false
  function* watch(self: () => Task): Op<void> {
    const { wait } = self()
    if (list === null || park === null) return
    list.pushLast(wait)
    while (wait.list !== null) yield park
    woken = true
  }
  const probe: Task = scheduler.spawn(
    'probe',
    watch(() => probe),
    { daemon: true },
  )
  // It waits before anybody else does anything.
  runOn(scheduler)
  let keeper: Task | null = task
  for (let leavers = 0; keeper !== null && !woken && leavers < LEAVERS_MAX; leavers++) {
    leave(keeper)
    scheduler.wake(keeper)
    runOn(scheduler)
    keeper = kept.map(keeperOf).find((other) => other !== null) ?? null
  }
  return woken
}

/** As far as it goes. Whatever else goes wrong after such an end says nothing: each of it ends one call only. */
export function runOn(scheduler: VirtualScheduler): void {
  for (let errors = 0; errors < ERRORS_MAX; errors++) {
    try {
      scheduler.runUntilIdle()
      return
    } catch (error) {
      if (error instanceof DeadlockError || error instanceof NoEndError) return
    }
  }
}

/** Its next step is its last: what stands in its `finally` blocks. */
function leave(task: Task): void {
  const { op } = task
  op.next = () => {
    Reflect.deleteProperty(op, 'next')
    return op.return(undefined)
  }
}
