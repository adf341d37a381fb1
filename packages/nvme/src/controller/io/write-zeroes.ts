// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SqeOffset, Status } from '../../spec/index.ts'
import { invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { StoreOp } from '../contracts.ts'
import type { Controller } from '../nvme-controller.ts'
import { type BlockRange, blockRange, checkPlain, DWORD12_FUA } from './block-command.ts'
import { LongCommand } from './long-command.ts'
import type { Namespace } from './namespace.ts'
import { rewritten } from './read-write.ts'
import { SCRATCH_BYTES } from './scratch.ts'

const DEAC = 1 << 25
/** All blocks of the namespace; ONCS does not offer it. */
const NSZ = 1 << 23
/** What a store zeroes or gives back in one piece. */
export const PIECE_BYTES: number = 8 << 20

/** @see NVM Command Set 1.1, 3.3.8 */
export function writeZeroes(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const range = blockRange(controller, slot, view, at)
  if (typeof range === 'number') return range
  const { dword12 } = range
  if ((dword12 & NSZ) !== 0) return invalidField(slot, SqeOffset.CDW12 + 2, 7)
  const wrong = checkPlain(slot, dword12, true)
  if (wrong !== Status.SUCCESS) return wrong
  const flushes = (dword12 & DWORD12_FUA) !== 0 || !controller.features.writeCache
  const deallocates = (dword12 & DEAC) !== 0 && range.namespace.deallocates
  return new ZeroBlocks(controller, slot, range, { flushes, deallocates }).run()
}

/** Makes blocks read as zeros: by what the store can do, or by writing zeros. */
export class ZeroBlocks extends LongCommand {
  protected readonly needsScratch: boolean
  readonly #namespace: Namespace
  readonly #op: StoreOp
  #offsetBytes: number
  #leftBytes: number
  #flushes: boolean
  #pieceBytes = 0
  #zeroed = false

  constructor(
    controller: Controller,
    slot: CommandSlot,
    { namespace, firstBlock, blocks }: Pick<BlockRange, 'namespace' | 'firstBlock' | 'blocks'>,
    init: { readonly flushes: boolean; readonly deallocates: boolean },
  ) {
    super(controller.io, slot)
    this.#namespace = namespace
    this.#offsetBytes = firstBlock * namespace.blockBytes
    this.#leftBytes = blocks * namespace.blockBytes
    this.#flushes = init.flushes
    this.needsScratch = !init.deallocates && !namespace.zeroes
    if (init.deallocates) this.#op = StoreOp.DEALLOCATE
    else this.#op = namespace.zeroes ? StoreOp.WRITE_ZEROES : StoreOp.WRITE
  }

  protected next(): Namespace | number {
    if (this.#leftBytes === 0) return this.#last()
    const most = this.needsScratch ? SCRATCH_BYTES : PIECE_BYTES
    this.#pieceBytes = Math.min(most, this.#leftBytes)
    if (!this.needsScratch) this.sized(this.#op, this.#offsetBytes, this.#pieceBytes)
    else {
      if (!this.#zeroed) this.scratch.bytes.fill(0)
      this.#zeroed = true
      this.transfer(this.#op, this.#offsetBytes, this.#pieceBytes)
    }
    return this.#namespace
  }

  protected pieceDone(): number {
    const wrong = rewritten(this.#namespace, this.#offsetBytes, this.#pieceBytes)
    if (wrong !== Status.SUCCESS) return wrong
    this.#offsetBytes += this.#pieceBytes
    this.#leftBytes -= this.#pieceBytes
    this.#pieceBytes = 0
    return Status.SUCCESS
  }

  #last(): Namespace | number {
    if (!this.#flushes) return Status.SUCCESS
    this.#flushes = false
    this.sized(StoreOp.FLUSH, 0, 0)
    return this.#namespace
  }
}
