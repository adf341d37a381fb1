// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { NSID_BROADCAST, Status } from '../../spec/index.ts'
import { PENDING } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { StoreOp } from '../contracts.ts'
import type { Controller } from '../nvme-controller.ts'
import { LongCommand } from './long-command.ts'
import { type Namespace, namespaceOf } from './namespace.ts'

/** Of one namespace, or of all: VWC says that it can be asked for. @see NVMe Base 2.1, 7.2 */
export function flush(controller: Controller, slot: CommandSlot): number {
  if (slot.nsid === NSID_BROADCAST) return new FlushAll(controller, slot).run()
  const namespace = namespaceOf(controller, slot)
  if (typeof namespace === 'number') return namespace
  const { io } = slot
  io.offsetBytes = 0
  io.lengthBytes = 0
  io.op = StoreOp.FLUSH
  slot.namespace = namespace
  namespace.store.submit(io)
  return PENDING
}

class FlushAll extends LongCommand {
  protected readonly needsScratch = false
  readonly #namespaces: ReadonlyMap<number, Namespace>
  readonly #left: number[]

  constructor(controller: Controller, slot: CommandSlot) {
    super(controller.io, slot)
    this.#namespaces = controller.namespaces
    this.#left = [...controller.namespaces.keys()]
  }

  protected next(): Namespace | number {
    for (let nsid = this.#left.shift(); nsid !== undefined; nsid = this.#left.shift()) {
      const namespace = this.#namespaces.get(nsid)
      // Taken away meanwhile.
      if (namespace === undefined) continue
      this.sized(StoreOp.FLUSH, 0, 0)
      return namespace
    }
    return Status.SUCCESS
  }

  protected pieceDone(): number {
    return Status.SUCCESS
  }
}
