// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess } from '@iolayers/dma-mapping'
import { getUint64, NvmOpcode, SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { invalidField, PENDING } from '../command-handler.ts'
import type { CommandSlot, CommandStep } from '../command-slot.ts'
import { StoreOp } from '../contracts.ts'
import type { Controller } from '../nvme-controller.ts'
import { checkReadable, type Namespace, namespaceOf } from './namespace.ts'

const FUA = 1 << 30
/** Protection information, extensions and directives: this controller has none of them. Of a read the bits of a directive are reserved. */
const NOT_PLAIN_READ = (0xf << 26) | (1 << 24) | (0xf << 16)
const NOT_PLAIN_WRITE: number = NOT_PLAIN_READ | (0xf << 20)

/** @see NVM Command Set 1.1, 3.3.4 (Read), 3.3.6 (Write) */
export function readWrite(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const namespace = prepareReadWrite(controller, slot, view, at)
  if (typeof namespace === 'number') return namespace
  const { io } = slot
  if (slot.opcode === NvmOpcode.WRITE) {
    if (slot.fua || !namespace.uncorrectable.empty) slot.step = controller.writeEnd
  } else if (!namespace.uncorrectable.empty) {
    const { blockBytes } = namespace
    const first = io.offsetBytes / blockBytes
    const wrong = checkReadable(namespace, first, io.lengthBytes / blockBytes)
    if (wrong !== Status.SUCCESS) return wrong
  }
  namespace.store.submit(io)
  return PENDING
}

/** Checks the command and finds its data: then nothing is left to do but to give it to the store of the namespace. Or the refusal. */
export function prepareReadWrite(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): Namespace | number {
  const namespace = namespaceOf(controller, slot)
  if (typeof namespace === 'number') return namespace
  const isWrite = slot.opcode === NvmOpcode.WRITE
  const firstBlock = getUint64(view, at + SqeOffset.CDW10)
  const cdw12 = view.getUint32(at + SqeOffset.CDW12, true)
  const blocks = (cdw12 & 0xffff) + 1
  const notPlain = isWrite ? NOT_PLAIN_WRITE : NOT_PLAIN_READ
  if ((cdw12 & notPlain) !== 0) return invalidField(slot, SqeOffset.CDW12 + 2)
  if (firstBlock + blocks > namespace.blocks) {
    slot.errorAt = SqeOffset.CDW10
    return Status.LBA_OUT_OF_RANGE | STATUS_DNR
  }
  const lengthBytes = blocks * namespace.blockBytes
  if (lengthBytes > controller.transferBytesMax) return invalidField(slot, SqeOffset.CDW12)
  const { io } = slot
  const access = isWrite ? BusAccess.READ : BusAccess.WRITE
  const status = controller.dataPointer.resolve(view, at, lengthBytes, access, io)
  if (status !== Status.SUCCESS) return status
  io.op = isWrite ? StoreOp.WRITE : StoreOp.READ
  io.offsetBytes = firstBlock * namespace.blockBytes
  slot.namespace = namespace
  slot.fua = isWrite && ((cdw12 & FUA) !== 0 || !controller.features.writeCache)
  return namespace
}

/** After a write: what was marked is good again; with write through it is on the medium before the command ends. */
export class WriteEnd implements CommandStep {
  storeDone(slot: CommandSlot, status: number): number {
    const { io, namespace } = slot
    if (status !== Status.SUCCESS || namespace === null) return status
    const wrong = rewritten(namespace, io.offsetBytes, io.lengthBytes)
    if (wrong !== Status.SUCCESS || !slot.fua) return wrong
    slot.fua = false
    io.op = StoreOp.FLUSH
    namespace.store.submit(io)
    return PENDING
  }
}

/**
 * These bytes have been written, or zeroed, or deallocated: they can be read again. SUCCESS, or Internal Error where the controller cannot keep apart so many
 * ranges that still cannot: then these cannot either, and the host has to know.
 */
export function rewritten(namespace: Namespace, offsetBytes: number, lengthBytes: number): number {
  const { uncorrectable, blockBytes } = namespace
  if (uncorrectable.empty) return Status.SUCCESS
  const removed = uncorrectable.remove(offsetBytes / blockBytes, lengthBytes / blockBytes)
  return removed ? Status.SUCCESS : Status.INTERNAL_ERROR | STATUS_DNR
}
