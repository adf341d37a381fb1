// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SqeOffset, Status } from '../../spec/index.ts'
import { INVALID_NAMESPACE, PENDING } from '../command-handler.ts'
import type { CommandSlot, CommandStep } from '../command-slot.ts'
import { StoreOp } from '../contracts.ts'
import type { Controller } from '../nvme-controller.ts'
import type { Namespace } from './namespace.ts'

/** @see NVM Command Set 1.1, 3.3.2; NVMe Base 2.1, 7.2 */
export function flush(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const nsid = view.getUint32(at + SqeOffset.NSID, true)
  const namespace = controller.namespaces.get(nsid)
  if (namespace === undefined) return INVALID_NAMESPACE
  slot.nsid = nsid
  const { io } = slot
  io.offsetBytes = 0
  io.lengthBytes = 0
  io.op = StoreOp.FLUSH
  namespace.store.submit(io)
  return PENDING
}

/** Write through: what was written is on the medium before the command ends. */
export class FlushAfterWrite implements CommandStep {
  readonly #namespaces: ReadonlyMap<number, Namespace>

  constructor(namespaces: ReadonlyMap<number, Namespace>) {
    this.#namespaces = namespaces
  }

  storeDone(slot: CommandSlot, status: number): number {
    const namespace = this.#namespaces.get(slot.nsid)
    if (status !== Status.SUCCESS || namespace === undefined) return status
    slot.io.op = StoreOp.FLUSH
    namespace.store.submit(slot.io)
    return PENDING
  }
}
