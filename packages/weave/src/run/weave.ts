// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { type Kernel, type Op, sleep, type VirtualScheduler, yieldNow } from '@iolayers/kernel'
import type { Checker } from '../check/contracts.ts'
import type { MapUsers } from '../check/io-maps.ts'
import type { LeakProbe } from '../check/leaks.ts'
import type { BusyRequests } from '../check/request-holders.ts'
import type { UserSpace } from '../check/user-space.ts'
import { ControllerStack, type ControllerStackInit } from '../stack/controller-stack.ts'
import type { DesignParts, Policy, Stack, StackInit } from '../stack/stack.ts'

/** What a scenario has of the run that it is in. */
export interface WeaveComponents {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  readonly parts: DesignParts
  readonly policy: Policy
  readonly userSpace: UserSpace
  readonly checkers: Checker[]
  readonly probes: LeakProbe[]
  readonly tagSets: (BusyRequests & MapUsers)[]
  /** A stack of the world of this run, made or used again. */
  stackOf(init: StackInit, parts: DesignParts): Stack
}

export class Weave {
  readonly scheduler: VirtualScheduler
  readonly kernel: Kernel
  /** The classes that the design puts in the place of ours. */
  readonly parts: DesignParts
  readonly policy: Policy
  /** Where a user task stays that need not come back. */
  readonly userSpace: UserSpace
  readonly #components: WeaveComponents

  constructor(components: WeaveComponents) {
    this.scheduler = components.scheduler
    this.kernel = components.kernel
    this.parts = components.parts
    this.policy = components.policy
    this.userSpace = components.userSpace
    this.#components = components
  }

  /** From the token to the queue, with its checkers. */
  stack(init: Omit<StackInit, 'policy'> = {}): Stack {
    const stack = this.#components.stackOf({ ...init, policy: this.policy }, this.parts)
    this.#components.tagSets.push(stack.tagSet)
    this.watch(stack.ledger, stack.hardware, stack.transfers)
    this.leaves(...stack.probes)
    return stack
  }

  /** The whole host and controller; the scenario says `freshWorld`, and probes. */
  controllerStack(init: Omit<ControllerStackInit, 'policy'> = {}): ControllerStack {
    const { kernel, parts, policy } = this
    const stack = new ControllerStack({ kernel, parts }, { ...init, policy })
    this.watch(stack.ledger)
    this.leaves(...stack.probes)
    return stack
  }

  watch(...checkers: readonly Checker[]): void {
    this.#components.checkers.push(...checkers)
  }

  /** What has to be zero at the end. */
  leaves(...probes: readonly LeakProbe[]): void {
    this.#components.probes.push(...probes)
  }

  /** Others may run here. */
  *pause(): Op<void> {
    yield* yieldNow(this.scheduler)
  }

  *sleep(delayNs: number): Op<void> {
    yield* sleep(this.scheduler, delayNs)
  }
}
