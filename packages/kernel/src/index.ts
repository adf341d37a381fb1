// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export {
  AssertionFailure,
  type AssertionKind,
  assert,
  assertLive,
  assertOnce,
  assertRef,
} from './assert.ts'
export type { Signalling, SignallingCookie } from './debug/signalling.ts'
export { formatStack, StackTrace } from './debug/stack.ts'
export type { ExecutionWatch, WatchedFence } from './debug/watch.ts'
export { Errno, type ErrnoName, errnoName } from './errno.ts'
export { Ability } from './fs/ability.ts'
export { createFdTable, type FdTable } from './fs/fd-table.ts'
export { File, type FileInit, type FileOperations, OpenFlags } from './fs/file.ts'
export {
  DEFAULT_POLLMASK,
  PollEvents,
  PollQueue,
  PollQueueEntry,
  type PollTable,
  vfsPoll,
} from './fs/poll.ts'
export { type PollEntry, pollFiles } from './fs/poll-files.ts'
export {
  type CheckReport,
  createKernel,
  type Kernel,
  KernelCheckError,
  type KernelInit,
} from './kernel.ts'
export { KernelError, type KernelErrorInit } from './kernel-error.ts'
export { DeadlockError, NoEndError } from './sched/deadlock-error.ts'
export { DeferredCall } from './sched/deferred-call.ts'
export type { EventLoopHost } from './sched/event-loop-host.ts'
export {
  createEventLoopScheduler,
  type EventLoopInit,
  type EventLoopScheduler,
} from './sched/event-loop-scheduler.ts'
export {
  type ExploreAllInit,
  ExploreFailure,
  type ExploreResult,
  exploreAll,
  exploreSeeds,
  replay,
} from './sched/explore.ts'
export type { Blocker, Dependence, Op, Park } from './sched/op.ts'
export { createPrng, type Prng } from './sched/prng.ts'
export type { Scheduler, SpawnInit, UnhandledHook } from './sched/scheduler.ts'
export { joinAll, joinTask, sleep, yieldNow } from './sched/sleep.ts'
export {
  type Candidate,
  fifoStrategy,
  recordedStrategy,
  type StepObserver,
  type Strategy,
  seededStrategy,
} from './sched/strategy.ts'
export type { Task, TaskOutcome, TaskState } from './sched/task.ts'
export { Timer } from './sched/timer.ts'
export {
  createVirtualScheduler,
  type VirtualInit,
  type VirtualOptions,
  type VirtualScheduler,
} from './sched/virtual-scheduler.ts'
export { Completion } from './sync/completion.ts'
export { Kref } from './sync/kref.ts'
export { Mutex } from './sync/mutex.ts'
export { PercpuRef } from './sync/percpu-ref.ts'
export { Rcu, RcuHead } from './sync/rcu.ts'
export { REFCOUNT_SATURATED, RefCount } from './sync/refcount.ts'
export { WaitQueue } from './sync/wait-queue.ts'
export { WwAcquireCtx, WwClass } from './sync/ww-acquire-ctx.ts'
export { WwMutex } from './sync/ww-mutex.ts'
export {
  type TraceEvent,
  Tracepoint,
  type Tracer,
  type TraceSink,
  type TraceValue,
} from './trace/tracer.ts'
export { DelayedWork } from './work/delayed-work.ts'
export { WorkItem } from './work/work-item.ts'
export {
  createWorkQueue,
  type WorkQueue,
  type WorkQueueComponents,
  type WorkQueueInit,
} from './work/work-queue.ts'
export type { WorkerPool } from './work/worker-pool.ts'
