// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import type { FaultInjector } from './fault-attr.ts'

/** How requests end. @see drivers/block/null_blk/main.c NULL_IRQ_NONE, NULL_IRQ_SOFTIRQ, NULL_IRQ_TIMER */
export const NullIrqMode = { NONE: 0, SOFTIRQ: 1, TIMER: 2 } as const
export type NullIrqMode = (typeof NullIrqMode)[keyof typeof NullIrqMode]

/** How I/O comes to the device. @see drivers/block/null_blk/main.c NULL_Q_BIO, NULL_Q_RQ, NULL_Q_MQ */
export const NullQueueMode = { BIO: 0, RQ: 1, MQ: 2 } as const
export type NullQueueMode = (typeof NullQueueMode)[keyof typeof NullQueueMode]

/** @see Documentation/block/null_blk.rst, and drivers/block/null_blk/main.c for what is newer */
export interface NullBlkInit {
  readonly name: string
  /** Left out, 250 GiB. Without memory backing nothing is kept, and with it only what was written. */
  readonly sizeBytes?: number
  /** From 512, the default, to 4096. */
  readonly blockSizeBytes?: number
  /**
   * Left out, MQ. BIO: bios come as they are, up to `hwQueueDepth` for each submit queue at once, without polled queues, a bound on bandwidth
   * and injected faults. RQ, which has been gone for long, is refused.
   */
  readonly queueMode?: NullQueueMode
  /** Largest request; left out, 255. */
  readonly maxSectors?: number
  /** Left out, SOFTIRQ: in a call of its own. NONE: before `queueRq` returns. TIMER: after `completionNs`. */
  readonly irqMode?: NullIrqMode
  /** Left out, 10 us. */
  readonly completionNs?: number
  /** Left out, 1. */
  readonly submitQueues?: number
  /** Hardware queues for polled I/O, and the most that `setPollQueues` takes; left out, none. */
  readonly pollQueues?: number
  /** CPUs of the machine, of which `Plug.cpu` is one; left out, as many as submit queues. */
  readonly nrCpus?: number
  /** Of each hardware queue; left out, 64. */
  readonly hwQueueDepth?: number
  /** The hardware queues share one lot of tags. */
  readonly sharedTagBitmap?: boolean
  /** Keeps what is written, in `NullBlkComponents.memory`'s reach; else writes vanish and reads leave memory as it is. */
  readonly memoryBacked?: boolean
  /** Needs memory backing. */
  readonly discard?: boolean
  /** A volatile write cache: flushes make durable, `powerOff` loses the rest. Needs memory backing; left out, none. */
  readonly cacheSizeBytes?: number
  /** With a cache: writes can go past it; left out, true. */
  readonly fua?: boolean
  /** Memory segments have to meet at page boundaries. */
  readonly virtBoundary?: boolean
  /** Bandwidth in MiB a second; left out, no bound. */
  readonly mbps?: number
  /** An I/O that meets a bad range makes all of it good again. */
  readonly badblocksOnce?: boolean
  /** An I/O that meets a bad range moves what lies before it. */
  readonly badblocksPartialIo?: boolean
  /** A request that never ends, until it times out after `timeoutNs`. */
  readonly timeoutInject?: FaultInjector
  /** A request that is refused with RESOURCE and, every other time, taken and given back to be queued again. */
  readonly requeueInject?: FaultInjector
  /** Not in the kernel's: a request that is refused with DEV_RESOURCE. */
  readonly busyInject?: FaultInjector
  /** A hardware queue that cannot be made. */
  readonly initHctxFaultInject?: FaultInjector
  /** Not in the kernel's: a request that timed out gets the time once more, as drivers do that have asked the device to abort it. */
  readonly resetTimerInject?: FaultInjector
  /** Left out, 5 s. */
  readonly timeoutNs?: number
}

/** With every default filled in. */
export type NullBlkConfig = Required<NullBlkInit>

const GIB = 1 << 30
const NEVER: FaultInjector = { shouldFail: () => false }
const UINT_MAX = 0xffff_ffff

const DEFAULTS: Omit<NullBlkConfig, 'name' | 'nrCpus'> = {
  sizeBytes: 250 * GIB,
  blockSizeBytes: 512,
  queueMode: NullQueueMode.MQ,
  maxSectors: 255,
  irqMode: NullIrqMode.SOFTIRQ,
  completionNs: 10_000,
  submitQueues: 1,
  pollQueues: 0,
  hwQueueDepth: 64,
  sharedTagBitmap: false,
  memoryBacked: false,
  discard: false,
  cacheSizeBytes: 0,
  fua: true,
  virtBoundary: false,
  mbps: 0,
  badblocksOnce: false,
  badblocksPartialIo: false,
  timeoutInject: NEVER,
  requeueInject: NEVER,
  busyInject: NEVER,
  initHctxFaultInject: NEVER,
  resetTimerInject: NEVER,
  timeoutNs: 5_000_000_000,
}

/** Throws KernelError EINVAL for what is out of range or does not go together. */
export function nullBlkConfig(init: NullBlkInit): NullBlkConfig {
  const config = { nrCpus: init.submitQueues ?? 1, ...DEFAULTS, ...init }
  checkSizes(config)
  checkQueues(config)
  checkQueueMode(config)
  requireMemoryBacking(config)
  return config
}

function checkSizes(config: NullBlkConfig): void {
  const { blockSizeBytes, sizeBytes } = config
  const isPowerOfTwo = (blockSizeBytes & (blockSizeBytes - 1)) === 0
  if (!isPowerOfTwo) refuse('blockSizeBytes', blockSizeBytes, 'must be a power of two')
  requireInteger('blockSizeBytes', blockSizeBytes, 512, 4096)
  requireInteger('sizeBytes', sizeBytes, 0, Number.MAX_SAFE_INTEGER)
  if (sizeBytes % blockSizeBytes !== 0) {
    refuse('sizeBytes', sizeBytes, `must be a multiple of the block of ${blockSizeBytes}`)
  }
  requireInteger('maxSectors', config.maxSectors, 8, UINT_MAX)
  requireInteger('completionNs', config.completionNs, 0, Number.MAX_SAFE_INTEGER)
  requireInteger('timeoutNs', config.timeoutNs, 1, Number.MAX_SAFE_INTEGER)
  requireInteger('cacheSizeBytes', config.cacheSizeBytes, 0, Number.MAX_SAFE_INTEGER)
  if (config.cacheSizeBytes % 4096 !== 0) {
    refuse('cacheSizeBytes', config.cacheSizeBytes, 'must be a multiple of a page of 4096')
  }
  requireInteger('mbps', config.mbps, 0, 1024 * 40)
}

function checkQueues(config: NullBlkConfig): void {
  requireInteger('nrCpus', config.nrCpus, 1, 65_535)
  requireInteger('submitQueues', config.submitQueues, 1, config.nrCpus)
  requireInteger('pollQueues', config.pollQueues, 0, 65_535 - config.submitQueues)
  requireInteger('hwQueueDepth', config.hwQueueDepth, 1, 10_240)
  requireInteger('irqMode', config.irqMode, NullIrqMode.NONE, NullIrqMode.TIMER)
}

function checkQueueMode(config: NullBlkConfig): void {
  const { queueMode, pollQueues, mbps } = config
  requireInteger('queueMode', queueMode, NullQueueMode.BIO, NullQueueMode.MQ)
  if (queueMode === NullQueueMode.MQ) return
  if (queueMode === NullQueueMode.RQ)
    refuse('queueMode', queueMode, 'there is no such path any more')
  if (pollQueues > 0) refuse('pollQueues', pollQueues, 'must be 0 in bio mode')
  if (mbps > 0) refuse('mbps', mbps, 'must be 0 in bio mode')
}

function requireMemoryBacking(config: NullBlkConfig): void {
  if (config.memoryBacked) return
  if (config.discard) refuse('discard', true, 'needs memoryBacked')
  if (config.cacheSizeBytes > 0) {
    refuse('cacheSizeBytes', config.cacheSizeBytes, 'must be 0 without memoryBacked')
  }
}

export function requireInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  refuse(name, value, `must be an integer from ${least} to ${most}`)
}

function refuse(name: string, value: number | boolean, accepted: string): never {
  throw new KernelError('EINVAL', `null_blk: ${name} is ${value}, but ${accepted}`)
}
