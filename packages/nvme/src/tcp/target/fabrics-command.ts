// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { CoherentBlock } from '@iolayers/dma-mapping'
import { SglSubType, SglType, SQE_BYTES, SqeOffset, sglSubType, sglType } from '../../spec/index.ts'
import { Direction } from '../data-direction.ts'
import type { RingOwner } from './ring-queue.ts'

/** Where its data is, by its SGL descriptor. */
export const DataKind = { NONE: 0, IN_CAPSULE: 1, TRANSPORT: 2, WRONG: 3 } as const
export type DataKind = (typeof DataKind)[keyof typeof DataKind]

/** What a command needs of its queue. */
export interface CommandHome {
  completed(command: FabricsCommand, status: number, result: number): void
}

/** One command that a host may have at a queue. Made with the queue and used again; its index is the transfer tag of its data. */
export class FabricsCommand implements RingOwner {
  readonly index: number
  readonly entry: Uint8Array
  readonly view: DataView
  /** For data in the capsule, and for other data that is not longer. */
  readonly own: CoherentBlock
  isBusy = false
  commandId = 0
  opcode = 0
  direction: Direction = Direction.NONE
  kind: DataKind = DataKind.NONE
  /** Bytes that the descriptor names. */
  lengthBytes = 0
  /** In the capsule: where the data begins. */
  offsetBytes = 0
  /** Of the data that the host sends. */
  receivedBytes = 0
  /** Data is awaited, which was asked for. */
  isReceiving = false
  isDamaged = false
  /** Longer data is here. */
  large: CoherentBlock | null = null
  /** The ring's identifier of it; -1 while it is not there. */
  tag = -1
  readonly #home: CommandHome

  constructor(home: CommandHome, index: number, own: CoherentBlock) {
    this.#home = home
    this.index = index
    this.own = own
    this.entry = new Uint8Array(SQE_BYTES)
    this.view = new DataView(this.entry.buffer)
  }

  /** From an entry at `at` in `view`. */
  begin(view: DataView, at: number): void {
    this.entry.set(new Uint8Array(view.buffer, view.byteOffset + at, SQE_BYTES))
    this.isBusy = true
    this.commandId = this.view.getUint16(SqeOffset.CID, true)
    this.opcode = this.view.getUint8(SqeOffset.OPC)
    this.direction = (this.opcode & 3) as Direction
    this.kind = kindOf(this.view)
    this.lengthBytes = this.view.getUint32(SqeOffset.DPTR + 8, true)
    const low = this.view.getUint32(SqeOffset.DPTR, true)
    const high = this.view.getUint32(SqeOffset.DPTR + 4, true)
    this.offsetBytes = high * 2 ** 32 + low
    this.receivedBytes = 0
    this.isReceiving = false
    this.isDamaged = false
    this.tag = -1
  }

  /** Its data, where the controller finds it. */
  get block(): CoherentBlock {
    return this.large ?? this.own
  }

  /** Bytes of its memory, from its beginning. */
  bytes(from: number, to: number): Uint8Array {
    const { region, offset } = this.block
    return region.bytes.subarray(offset + from, offset + to)
  }

  ringCompleted(status: number, result: number): void {
    this.tag = -1
    this.#home.completed(this, status, result)
  }
}

function kindOf(view: DataView): DataKind {
  const type = sglType(view, SqeOffset.DPTR)
  const subType = sglSubType(view, SqeOffset.DPTR)
  if (view.getUint32(SqeOffset.DPTR + 8, true) === 0) return DataKind.NONE
  if (type === SglType.DATA_BLOCK && subType === SglSubType.OFFSET) return DataKind.IN_CAPSULE
  const isTransport = type === SglType.TRANSPORT_DATA_BLOCK && subType === SglSubType.TRANSPORT
  return isTransport ? DataKind.TRANSPORT : DataKind.WRONG
}
