// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { BusMaster } from '@iolayers/dma-mapping'
import type { Kernel } from '@iolayers/kernel'
import { FeatureId } from '../../spec/index.ts'
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
  const { queues, events, errorLog, stats, features, interrupts, coalescing } = controller
  const { kernel, bus, slots, runner } = components
  const doorbells = new Doorbells({
    queues,
    events,
    errorLog,
    stats,
    kick: () => controller.kick(),
    msix: () => interrupts.msix,
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
