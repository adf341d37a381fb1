// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SGL_DESCRIPTOR_BYTES } from '../spec/index.ts'
import { PRP_ENTRY_SIZE } from './dma/prp-list.ts'

/** Counters of a host since it was made. Counts, unless the name says bytes. */
export interface NvmeHostStats {
  /** Commands posted to I/O queues. */
  readonly requests: number
  readonly adminCommands: number
  readonly completions: number
  /** Completions with a status other than success. */
  readonly errors: number
  /** Commands sent again after a status that allows it. */
  readonly retries: number
  /** Data block descriptors, links not counted, also those inside a command. */
  readonly sglDescriptors: number
  readonly sglBytes: number
  /** PRP entries, links not counted, also those inside a command. */
  readonly prpEntries: number
  readonly prpBytes: number
  /** Blocks taken from the descriptor pools for lists. */
  readonly descriptorBlocks: number
  readonly dmabufRequests: number
  /** Requests whose memory was mapped for the one I/O. */
  readonly mappedRequests: number
  readonly mappings: number
  readonly syncsForDevice: number
  readonly syncsForCpu: number
  /** Requests put off because no descriptor block, or no mapping, was to be had. */
  readonly resourceRefusals: number
  /** Requests refused because their map generation was dead. */
  readonly staleRefusals: number
  /** Writes of submission queue tail doorbells. */
  readonly doorbells: number
  /** Writes of completion queue head doorbells: one for each batch. */
  readonly completionDoorbells: number
  readonly interrupts: number
  /** Completions with a command identifier that is not in flight: ignored. */
  readonly unknownCompletions: number
  /** Commands that took longer than they may, admin commands too; once for each time. */
  readonly timeouts: number
  /** Of these, how many had been completed: their interrupt was lost. */
  readonly lostInterrupts: number
  /** Abort commands sent. */
  readonly aborts: number
  /** Resets begun. */
  readonly resets: number
  /** Asynchronous events that the controller has told. */
  readonly events: number
  /** Requests that were taken back from a controller that had been stopped. */
  readonly cancelled: number
}

/** @internal The counters themselves: numeric fields, because they are counted on the way of every request. */
export class HostCounters implements NvmeHostStats {
  requests: number = 0
  adminCommands: number = 0
  completions: number = 0
  errors: number = 0
  retries: number = 0
  sglDescriptors: number = 0
  prpEntries: number = 0
  descriptorBlocks: number = 0
  dmabufRequests: number = 0
  mappedRequests: number = 0
  mappings: number = 0
  syncsForDevice: number = 0
  syncsForCpu: number = 0
  resourceRefusals: number = 0
  staleRefusals: number = 0
  doorbells: number = 0
  completionDoorbells: number = 0
  interrupts: number = 0
  unknownCompletions: number = 0
  timeouts: number = 0
  lostInterrupts: number = 0
  aborts: number = 0
  resets: number = 0
  events: number = 0
  cancelled: number = 0

  get sglBytes(): number {
    return this.sglDescriptors * SGL_DESCRIPTOR_BYTES
  }

  get prpBytes(): number {
    return this.prpEntries * PRP_ENTRY_SIZE
  }
}
