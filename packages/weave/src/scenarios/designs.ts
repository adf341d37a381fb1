// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { MapGeneration } from '@iolayers/blk-mq-token/parts'
import { type Op, WorkItem } from '@iolayers/kernel'

/**
 * The design with one reference: whoever holds a pointer to a map also holds its drain up, as in all posted versions. The two references of ours that
 * stand for being published and for being mapped do not count.
 */
export class OneReference extends MapGeneration {
  #imports = 0
  #drainWaits = false

  override tryGet(): boolean {
    if (!super.tryGet()) return false
    this.#imports++
    return true
  }

  override get(): void {
    super.get()
    this.#imports++
  }

  override put(): void {
    const standing = (this.dead ? 0 : 1) + (this.table === null ? 0 : 1)
    const drops = this.#imports > this.refs - 1 - standing
    if (drops) this.#imports--
    super.put()
    if (drops && this.#drainWaits && this.#imports === 0) super.onDrained()
  }

  protected override onDrained(): void {
    this.#drainWaits = this.#imports > 0
    if (!this.#drainWaits) super.onDrained()
  }
}

/** Signals its drain fence from a work item of a shared queue, as soon as a worker is free. */
export class SignalsFromWork extends MapGeneration {
  readonly #work: WorkItem = new WorkItem('dmabuf map signal', () => this.#signal())

  protected override signalDrained(): void {
    this.owner.kernel.systemWq.queue(this.#work)
  }

  *#signal(): Op<void> {
    super.signalDrained()
  }
}

/** Signals its drain fence when it has been unmapped, for which the reservation lock is taken. */
export class SignalsAfterUnmap extends MapGeneration {
  protected override signalDrained(): void {}

  protected override unmapDone(): void {
    super.signalDrained()
    super.unmapDone()
  }
}
