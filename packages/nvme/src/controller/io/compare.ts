// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess, type RegionSide } from '@iolayers/dma-mapping'
import { SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { type StoreIo, StoreOp } from '../contracts.ts'
import type { Controller } from '../nvme-controller.ts'
import { type BlockRange, blockRange, checkPlain } from './block-command.ts'
import { LongCommand } from './long-command.ts'
import { checkReadable, type Namespace } from './namespace.ts'
import { SCRATCH_BYTES } from './scratch.ts'

/** @see NVM Command Set 1.1, 3.3.1 */
export function compare(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const command = compareCommand(controller, slot, view, at)
  return typeof command === 'number' ? command : command.run()
}

/** Checked and not yet begun, or the refusal. */
export function compareCommand(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): Compare | number {
  const range = blockRange(controller, slot, view, at)
  if (typeof range === 'number') return range
  const wrong = checkPlain(slot, range.dword12, false)
  if (wrong !== Status.SUCCESS) return wrong
  const { namespace, firstBlock, blocks } = range
  const lengthBytes = blocks * namespace.blockBytes
  if (lengthBytes > controller.transferBytesMax) return invalidField(slot, SqeOffset.CDW12)
  const { io } = slot
  const status = controller.dataPointer.resolve(view, at, lengthBytes, BusAccess.READ, io)
  if (status !== Status.SUCCESS) return status
  const unreadable = checkReadable(namespace, firstBlock, blocks)
  if (unreadable !== Status.SUCCESS) return unreadable
  return new Compare(controller, slot, range, new HostData(io))
}

/** The ranges of host memory of one command, to be read in order. The slot's own are used for the medium. */
class HostData {
  readonly #io: StoreIo
  readonly #sides: RegionSide[]
  readonly #offsets: number[]
  readonly #lengths: number[]
  #range = 0
  #within = 0

  constructor(io: StoreIo) {
    this.#io = io
    this.#sides = io.sides.slice(0, io.count)
    this.#offsets = io.offsets.slice(0, io.count)
    this.#lengths = io.lengths.slice(0, io.count)
  }

  /** Whether the next bytes are these; null when the memory cannot be reached any more. */
  same(bytes: Uint8Array): boolean | null {
    if (!this.#io.reachable) return null
    for (let done = 0; done < bytes.length; ) {
      const side = this.#sides[this.#range]
      if (side === undefined) return false
      const length = this.#lengths[this.#range] ?? 0
      const part = Math.min(bytes.length - done, length - this.#within)
      const at = (this.#offsets[this.#range] ?? 0) + this.#within
      for (let i = 0; i < part; i++) if (side.bytes[at + i] !== bytes[done + i]) return false
      done += part
      this.#within += part
      if (this.#within === length) {
        this.#range++
        this.#within = 0
      }
    }
    return true
  }
}

/** Reads the blocks piece by piece, and looks whether the host has the same. */
export class Compare extends LongCommand {
  protected readonly needsScratch = true
  readonly #namespace: Namespace
  readonly #host: HostData
  #offsetBytes: number
  #leftBytes: number
  #pieceBytes = 0

  constructor(controller: Controller, slot: CommandSlot, range: BlockRange, host: HostData) {
    super(controller.io, slot)
    const { namespace, firstBlock, blocks } = range
    this.#namespace = namespace
    this.#host = host
    this.#offsetBytes = firstBlock * namespace.blockBytes
    this.#leftBytes = blocks * namespace.blockBytes
  }

  protected next(): Namespace | number {
    if (this.#leftBytes === 0) return Status.SUCCESS
    this.#pieceBytes = Math.min(SCRATCH_BYTES, this.#leftBytes)
    this.transfer(StoreOp.READ, this.#offsetBytes, this.#pieceBytes)
    return this.#namespace
  }

  protected pieceDone(): number {
    const same = this.#host.same(this.scratch.bytes.subarray(0, this.#pieceBytes))
    if (same === null) return Status.DATA_TRANSFER_ERROR
    this.#offsetBytes += this.#pieceBytes
    this.#leftBytes -= this.#pieceBytes
    return same ? Status.SUCCESS : Status.COMPARE_FAILURE | STATUS_DNR
  }
}
