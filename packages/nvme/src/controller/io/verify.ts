// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { Status } from '../../spec/index.ts'
import type { CommandSlot } from '../command-slot.ts'
import { StoreOp } from '../contracts.ts'
import type { Controller } from '../nvme-controller.ts'
import { type BlockRange, blockRange, checkPlain } from './block-command.ts'
import { LongCommand } from './long-command.ts'
import { checkReadable, type Namespace } from './namespace.ts'
import { SCRATCH_BYTES } from './scratch.ts'

/** Reads blocks, and gives them to nobody. @see NVM Command Set 1.1, 3.3.5 */
export function verify(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const range = blockRange(controller, slot, view, at)
  if (typeof range === 'number') return range
  const wrong = checkPlain(slot, range.dword12, false)
  if (wrong !== Status.SUCCESS) return wrong
  const unreadable = checkReadable(range.namespace, range.firstBlock, range.blocks)
  return unreadable === Status.SUCCESS ? new Verify(controller, slot, range).run() : unreadable
}

class Verify extends LongCommand {
  protected readonly needsScratch = true
  readonly #namespace: Namespace
  #offsetBytes: number
  #leftBytes: number

  constructor(controller: Controller, slot: CommandSlot, range: BlockRange) {
    super(controller.io, slot)
    const { namespace, firstBlock, blocks } = range
    this.#namespace = namespace
    this.#offsetBytes = firstBlock * namespace.blockBytes
    this.#leftBytes = blocks * namespace.blockBytes
  }

  protected next(): Namespace | number {
    if (this.#leftBytes === 0) return Status.SUCCESS
    const pieceBytes = Math.min(SCRATCH_BYTES, this.#leftBytes)
    this.transfer(StoreOp.READ, this.#offsetBytes, pieceBytes)
    this.#offsetBytes += pieceBytes
    this.#leftBytes -= pieceBytes
    return this.#namespace
  }

  protected pieceDone(): number {
    return Status.SUCCESS
  }
}
