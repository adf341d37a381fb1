// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getUint64, SqeOffset, Status } from '../../spec/index.ts'
import type { CommandSlot } from '../command-slot.ts'
import { StoreOp } from '../contracts.ts'
import type { Controller } from '../nvme-controller.ts'
import { receiveData } from '../receive-data.ts'
import { LongCommand } from './long-command.ts'
import { checkRange, type Namespace, namespaceOf } from './namespace.ts'
import { rewritten } from './read-write.ts'

const RANGE_BYTES = 16
const RANGE_LENGTH = 4
const RANGE_FIRST = 8
const AD = 1 << 2
/** What a store gives back in one piece. */
const PIECE_BYTES = 64 << 20

/**
 * Deallocates ranges; hints about how they are used are taken note of by nobody. A range that is not in the namespace refuses all of them, before any is
 * deallocated. @see NVM Command Set 1.1, 3.3.3
 */
export function datasetManagement(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const namespace = namespaceOf(controller, slot)
  if (typeof namespace === 'number') return namespace
  const count = view.getUint8(at + SqeOffset.CDW10) + 1
  const deallocates = (view.getUint32(at + SqeOffset.CDW11, true) & AD) !== 0
  const list = receiveData(controller, slot, view, at, count * RANGE_BYTES)
  if (typeof list === 'number') return list
  const ranges: Range[] = []
  const lists = new DataView(list.buffer)
  for (let i = 0; i < count; i++) {
    const blocks = lists.getUint32(i * RANGE_BYTES + RANGE_LENGTH, true)
    const firstBlock = getUint64(lists, i * RANGE_BYTES + RANGE_FIRST)
    const wrong = checkRange(namespace, firstBlock, blocks)
    if (wrong !== Status.SUCCESS) return wrong
    if (blocks > 0) ranges.push({ firstBlock, blocks })
  }
  if (!deallocates || !namespace.deallocates) return Status.SUCCESS
  return new Deallocate(controller, slot, namespace, ranges).run()
}

interface Range {
  readonly firstBlock: number
  readonly blocks: number
}

class Deallocate extends LongCommand {
  protected readonly needsScratch = false
  readonly #namespace: Namespace
  readonly #ranges: readonly Range[]
  #index = 0
  #doneBytes = 0

  constructor(
    controller: Controller,
    slot: CommandSlot,
    namespace: Namespace,
    ranges: readonly Range[],
  ) {
    super(controller.io, slot)
    this.#namespace = namespace
    this.#ranges = ranges
  }

  protected next(): Namespace | number {
    const range = this.#ranges[this.#index]
    if (range === undefined) return Status.SUCCESS
    const { blockBytes } = this.#namespace
    const leftBytes = range.blocks * blockBytes - this.#doneBytes
    const pieceBytes = Math.min(PIECE_BYTES, leftBytes)
    this.sized(StoreOp.DEALLOCATE, range.firstBlock * blockBytes + this.#doneBytes, pieceBytes)
    return this.#namespace
  }

  protected pieceDone(): number {
    const { offsetBytes, lengthBytes } = this.slot.io
    const wrong = rewritten(this.#namespace, offsetBytes, lengthBytes)
    if (wrong !== Status.SUCCESS) return wrong
    this.#doneBytes += lengthBytes
    const range = this.#ranges[this.#index]
    if (range !== undefined && this.#doneBytes === range.blocks * this.#namespace.blockBytes) {
      this.#index++
      this.#doneBytes = 0
    }
    return Status.SUCCESS
  }
}
