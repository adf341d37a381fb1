// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPrng, KernelError, type Prng } from '@iolayers/kernel'
import type { Request } from '../mq/request.ts'

/** Says where something shall go wrong. Called in atomic context, once for each chance. */
export interface FaultInjector {
  /** `rq` is null where the fault is not about a request. */
  shouldFail(rq: Request | null): boolean
}

export interface FaultAttrInit {
  /** Per cent of the chances that fail; left out, 0. */
  readonly probability?: number
  /** Only every so manieth chance counts; left out, 1. */
  readonly interval?: number
  /** Failures after which there are no more, -1 for no end; left out, 1. */
  readonly times?: number
  /** Chances that are let pass at first; left out, 0. */
  readonly space?: number
  readonly seed: number
}

/**
 * Fails by chance, from a seed. The fields may be changed at any time.
 * @see lib/fault-inject.c should_fail; Documentation/fault-injection/fault-injection.rst
 */
export class FaultAttr implements FaultInjector {
  probability: number
  interval: number
  times: number
  space: number
  readonly #prng: Prng
  #count: number

  constructor(init: FaultAttrInit) {
    this.probability = init.probability ?? 0
    this.interval = init.interval ?? 1
    this.times = init.times ?? 1
    this.space = init.space ?? 0
    this.#prng = createPrng(init.seed)
    this.#count = 0
  }

  shouldFail(_rq: Request | null): boolean {
    if (this.probability === 0 || this.times === 0) return false
    if (this.space > 1) {
      this.space--
      return false
    }
    if (this.interval > 1) {
      this.#count++
      if (this.#count % this.interval !== 0) return false
    }
    if (this.probability <= this.#prng.below(100)) return false
    if (this.times > 0) this.times--
    return true
  }
}

const NUMBERS = /^(\d+),(\d+),(\d+),(-?\d+)$/

/**
 * From `<interval>,<probability>,<space>,<times>`. Throws KernelError EINVAL for anything else.
 * @see lib/fault-inject.c setup_fault_attr
 */
export function setupFaultAttr(setting: string, seed: number): FaultAttr {
  const [, interval, probability, space, times] = NUMBERS.exec(setting) ?? []
  if (interval === undefined) {
    const accepted = "'<interval>,<probability>,<space>,<times>'"
    throw new KernelError('EINVAL', `fault attribute: '${setting}', but must be ${accepted}`)
  }
  return createFaultAttr({
    interval: Number(interval),
    probability: Number(probability),
    space: Number(space),
    times: Number(times),
    seed,
  })
}

/** Throws KernelError EINVAL for a number out of range. */
export function createFaultAttr(init: FaultAttrInit): FaultAttr {
  requireInteger('probability', init.probability ?? 0, 0, 100)
  requireInteger('interval', init.interval ?? 1, 0, 0x7fff_ffff)
  requireInteger('times', init.times ?? 1, -1, 0x7fff_ffff)
  requireInteger('space', init.space ?? 0, 0, 0x7fff_ffff)
  return new FaultAttr(init)
}

function requireInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  const bounds = `must be an integer from ${least} to ${most}`
  throw new KernelError('EINVAL', `fault attribute: ${name} is ${value}, but ${bounds}`)
}
