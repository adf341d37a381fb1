// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BusMaster } from '@iolayers/dma-mapping'
import type { Kernel } from '@iolayers/kernel'
import { AsyncErrorInfo, ERROR_LOG_NONE, FeatureId, Status } from '../../spec/index.ts'
import type { CommandRunner } from '../command-runner.ts'
import type { SlotPool } from '../command-slot.ts'
import type { Controller } from '../nvme-controller.ts'
import { Arbiter } from './arbiter.ts'
import { CompletionPoster } from './completion-poster.ts'
import { Doorbells } from './doorbells.ts'
import { ControllerRegisters } from './registers.ts'
import { SubmissionReader } from './submission-reader.ts'

/** What stands between the host and the commands: registers, doorbells, fetching and posting. */
export interface Transport {
  readonly bar: ControllerRegisters
  readonly doorbells: Doorbells
  readonly poster: CompletionPoster
  readonly reader: SubmissionReader
  readonly arbiter: Arbiter
}

/** For a controller that has its queues, logs, features and interrupts by now. */
export function createTransport(
  controller: Controller,
  components: {
    readonly kernel: Kernel
    readonly bus: BusMaster
    readonly slots: SlotPool
    readonly runner: CommandRunner
  },
): Transport {
  const { queues, stats, features, interrupts, coalescing } = controller
  const { kernel, bus, slots, runner } = components
  const doorbells = new Doorbells({
    queues,
    kick: () => controller.kick(),
    msix: () => interrupts.msix,
    invalid: (queueExists) => noteInvalid(controller, queueExists),
  })
  const { queueEntriesMax, memoryBuffer } = controller
  const queuePairs = queues.sqs.length - 1
  const bar = new ControllerRegisters({ queueEntriesMax, queuePairs, memoryBuffer }, doorbells)
  const lines = { lines: interrupts, coalescing }
  const poster = new CompletionPoster({ kernel, bus, bar, slots, stats, interrupts: lines })
  doorbells.poster = poster
  const reader = new SubmissionReader({ bus, bar, slots, starter: runner })
  const arbiter = new Arbiter({
    queues,
    reader,
    feature: () => features.value(FeatureId.ARBITRATION),
    weighted: () => bar.weighted,
  })
  return { bar, doorbells, poster, reader, arbiter }
}

/** An event and an entry in the error log. @see NVMe Base 2.1, 5.1.2 */
function noteInvalid(controller: Controller, queueExists: boolean): void {
  const { stats, errorLog, events } = controller
  stats.invalidDoorbells++
  errorLog.add(ERROR_LOG_NONE, ERROR_LOG_NONE, Status.SUCCESS, 0, 0)
  const { INVALID_DOORBELL_VALUE, INVALID_DOORBELL_REGISTER } = AsyncErrorInfo
  events.error(queueExists ? INVALID_DOORBELL_VALUE : INVALID_DOORBELL_REGISTER)
  if (events.due) controller.kick()
}
