// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// How a controller lets go of its commands when it is reset, or goes away.

import type { AsyncEvents } from '../admin/async-events.ts'
import type { CommandRunner } from '../command-runner.ts'
import type { SlotPool } from '../command-slot.ts'
import type { QueueTable } from './queue-table.ts'
import type { CompletionQueue } from './queues.ts'

export interface QueueResetParts {
  readonly slots: SlotPool
  readonly queues: QueueTable
  readonly events: AsyncEvents
  readonly runner: CommandRunner
}

/** Afterwards only commands that are at a store are left: they go on there, and their end is nobody's business. */
export function forgetQueues({ slots, queues, events, runner }: QueueResetParts): void {
  queues.forget()
  for (const slot of events.reset()) slots.give(slot)
  for (const slot of slots.slots) {
    if (slot.sq === null) continue
    const { sq } = slot
    if (sq.deletion !== null) {
      slots.give(sq.deletion)
      sq.deletion = null
    }
    dropBacklog(slots, sq.cq)
  }
  runner.io.reset()
  runner.fused.reset()
  for (const slot of slots.slots) {
    const { parked } = slot
    if (parked === null) continue
    slot.parked = null
    parked.dropped?.()
    slots.give(slot)
  }
  // After the deletions, which are found by the commands that they wait for.
  for (const slot of runner.held.reset()) slots.give(slot)
}

/**
 * Takes from the stores what they can let go of: it moves nothing any more. What they cannot (a file, with a system call under way) ends
 * there, and is waited for. Called when the queues are forgotten, so that whoever still has a queue is at a store.
 */
export function cutOff({ slots }: QueueResetParts): void {
  for (const slot of slots.slots) {
    if (slot.sq === null) continue
    if (slot.namespace?.cancellable?.cancel(slot.io) !== true) continue
    slot.step?.dropped?.()
    slots.give(slot)
  }
}

/** Completions that found a queue full go with it. */
export function dropBacklog(slots: SlotPool, cq: CompletionQueue): void {
  for (let late = cq.shiftBacklog(); late !== null; late = cq.shiftBacklog()) slots.give(late)
}
