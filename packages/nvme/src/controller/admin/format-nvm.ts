// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { NSID_BROADCAST, SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { StoreOp } from '../contracts.ts'
import { LongCommand } from '../io/long-command.ts'
import { type Namespace, noNamespace } from '../io/namespace.ts'
import { SCRATCH_BYTES } from '../io/scratch.ts'
import { PIECE_BYTES } from '../io/write-zeroes.ts'
import type { Controller } from '../nvme-controller.ts'
import { LBA_FORMATS } from './lba-formats.ts'

/** MSET, PI and PIL: there is neither metadata nor protection information. */
const PROTECTION = 0x1f << 4
const SecureErase = { NONE: 0, USER_DATA: 1 } as const

/**
 * Gives a namespace, or all that are attached, another block size, and makes all of it zeros. Meanwhile its commands end with Format In
 * Progress. @see NVMe Base 2.1, 5.1.10; NVM Command Set 1.1, 4.1.2
 */
export function formatNvm(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const nsid = view.getUint32(at + SqeOffset.NSID, true)
  const cdw10 = view.getUint32(at + SqeOffset.CDW10, true)
  const { table } = controller
  const wanted = nsid === NSID_BROADCAST ? table.attachedIds : [nsid]
  for (const one of wanted)
    if (table.allocatedNamespace(one) === null) return noNamespace(controller, slot, one)
  const index = (cdw10 & 0xf) | (((cdw10 >>> 12) & 3) << 4)
  const blockBytes = LBA_FORMATS[index]
  if (blockBytes === undefined || (cdw10 & PROTECTION) !== 0) return INVALID_FORMAT
  const erase = (cdw10 >>> 9) & 7
  if (erase !== SecureErase.NONE && erase !== SecureErase.USER_DATA) {
    return invalidField(slot, SqeOffset.CDW10 + 1, 1)
  }
  if (wanted.some((one) => table.formatting.has(one))) return Status.FORMAT_IN_PROGRESS
  return new Format(controller, slot, wanted, blockBytes).run()
}

const INVALID_FORMAT = Status.INVALID_FORMAT | STATUS_DNR

/** One namespace after the other. What is interrupted has the old block size, and zeros as far as it got. */
class Format extends LongCommand {
  protected readonly needsScratch: boolean
  readonly #controller: Controller
  readonly #left: number[]
  readonly #blockBytes: 512 | 4096
  #namespace: Namespace | null = null
  #doneBytes = 0
  #cleared = false

  constructor(
    controller: Controller,
    slot: CommandSlot,
    nsids: readonly number[],
    blockBytes: 512 | 4096,
  ) {
    super(controller.io, slot)
    this.#controller = controller
    this.#left = [...nsids]
    this.#blockBytes = blockBytes
    const { table } = controller
    this.needsScratch = nsids.some((nsid) => table.allocatedNamespace(nsid)?.zeroes === false)
    for (const nsid of nsids) if (table.isAttached(nsid)) table.format(nsid)
  }

  protected next(): Namespace | number {
    const { table } = this.#controller
    for (let nsid = this.#left[0]; nsid !== undefined; nsid = this.#left[0]) {
      this.#namespace = table.allocatedNamespace(nsid)
      const sizeBytes = this.#namespace?.store.sizeBytes ?? 0
      if (this.#namespace !== null && this.#doneBytes < sizeBytes) {
        return this.#zero(this.#namespace, sizeBytes - this.#doneBytes)
      }
      this.#left.shift()
      this.#doneBytes = 0
      table.formatted(nsid, this.#blockBytes)
    }
    return Status.SUCCESS
  }

  protected pieceDone(): number {
    this.#doneBytes += this.slot.io.lengthBytes
    return Status.SUCCESS
  }

  protected override over(): void {
    const { table } = this.#controller
    for (const nsid of this.#left) table.formatEnded(nsid)
  }

  #zero(namespace: Namespace, leftBytes: number): Namespace {
    if (namespace.zeroes) {
      this.sized(StoreOp.WRITE_ZEROES, this.#doneBytes, Math.min(PIECE_BYTES, leftBytes))
      return namespace
    }
    if (!this.#cleared) this.scratch.bytes.fill(0)
    this.#cleared = true
    this.transfer(StoreOp.WRITE, this.#doneBytes, Math.min(SCRATCH_BYTES, leftBytes))
    return namespace
  }
}
