// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Moves the buffers of a heap after every N completed requests, to show that nothing above notices. It learns of completions
// from the block layer's own tracepoint and does its work in a task of its own.

import type { DmaBuf, MovableHeap } from '@iolayers/dma-buf'
import { joinTask, type Kernel, type Op, type Task, WaitQueue } from '@iolayers/kernel'

/** A task that moves buffers; to be stopped before the buffers are released. */
export interface Evictor {
  /** Ends after the sweep that is under way. */
  stop(): Op<void>
}

/** How often, and what. */
export interface EvictorInit {
  readonly every: number
  readonly buffers: readonly DmaBuf[]
}

/** A sweep moves every buffer once. Completions that come during a sweep are counted for the next one. */
export function startEvictor(kernel: Kernel, heap: MovableHeap, init: EvictorInit): Evictor {
  const { scheduler, tracer } = kernel
  const wanted = new WaitQueue(scheduler, 'evictor: enough completions')
  let completions = 0
  let stopping = false
  const unsubscribe = tracer.subscribe(
    (name) => name === 'block_rq_complete',
    () => {
      completions++
      if (completions >= init.every) wanted.wakeUp()
    },
  )
  function* sweepAll(): Op<void> {
    for (;;) {
      yield* wanted.waitEvent(() => stopping || completions >= init.every)
      if (stopping) return
      completions = 0
      for (const buffer of init.buffers) yield* heap.move(buffer)
    }
  }
  const task: Task<void> = scheduler.spawn('evictor', sweepAll())
  return {
    *stop(): Op<void> {
      unsubscribe()
      stopping = true
      wanted.wakeUp()
      yield* joinTask(scheduler, task)
    },
  }
}
