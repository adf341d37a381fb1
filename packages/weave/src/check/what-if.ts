// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  DeadlockError,
  KernelError,
  NoEndError,
  type Op,
  type Park,
  type Task,
  type VirtualScheduler,
} from '@iolayers/kernel'

type WaitList = NonNullable<Task['wait']['list']>

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
 * What if `task` had not waited? Its wait throws, as by a kill, so that its locks are let go of. Says who would then have ended that wait: a task, often one
 * of `kept`, who wait for its locks, or itself; a string for what no task does; null for nobody. The run is over, and of no other use afterwards.
 */
export function whoWouldEnd(
  scheduler: VirtualScheduler,
  task: Task,
  kept: readonly Task[],
): Task | string | null {
  const { list } = task.wait
  const park = task.waitingFor
  if (list === null || park === null) return null
  let waker: Task | string | null = null
  const probe = scheduler.spawn('probe', waitIn(list, park), { daemon: true })
  // It waits before anybody else does anything.
  runOn(scheduler)
  onTakenOff(probe, () => {
    waker ??= scheduler.current ?? 'what runs without a task'
  })
  let keeper: Task | null = task
  for (let leavers = 0; keeper !== null && waker === null && leavers < LEAVERS_MAX; leavers++) {
    leave(keeper)
    scheduler.wake(keeper)
    runOn(scheduler)
    keeper = kept.map(keeperOf).find((other) => other !== null) ?? null
  }
  return waker

  function* waitIn(at: WaitList, where: Park): Op<void> {
    at.pushLast(probe.wait)
    while (probe.wait.list !== null) yield where
  }
}

/** Whoever wakes a task takes it off the list in which it waits. */
function onTakenOff(task: Task, tell: () => void): void {
  let { list } = task.wait
  Object.defineProperty(task.wait, 'list', {
    get: () => list,
    set: (value: WaitList | null) => {
      list = value
      if (value === null) tell()
    },
  })
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

/** Its wait throws, which those that it stands in may handle: what is given back then is given back. */
function leave(task: Task): void {
  const { op } = task
  op.next = () => {
    Reflect.deleteProperty(op, 'next')
    return op.throw(new KernelError('EINTR', `${task.name} was made to leave its wait`))
  }
}
