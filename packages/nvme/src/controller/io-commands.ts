// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// I/O commands of the NVM command set: what they ask for is checked here, what they move is the store's.

import { BusAccess } from '@iolayers/dma-mapping'
import { getUint64, NvmOpcode, SqeOffset, STATUS_DNR, Status } from '../spec/index.ts'
import { PENDING } from './admin.ts'
import type { CommandSlot } from './command-slot.ts'
import { StoreOp } from './contracts.ts'
import type { Controller } from './nvme-controller.ts'

const FUA = 1 << 30
/** Protection information actions and checks: this controller formats without it. */
const PRINFO = 0xf << 26

/** Checks a command and starts it: PENDING when its store has it, else the status with which it has ended. */
export function runIo(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const nsid = view.getUint32(at + SqeOffset.NSID, true)
  const namespace = controller.namespaces.get(nsid)
  if (slot.opcode > NvmOpcode.READ) return Status.INVALID_OPCODE | STATUS_DNR
  if (namespace === undefined) return Status.INVALID_NAMESPACE | STATUS_DNR
  slot.nsid = nsid
  const { io } = slot
  if (slot.opcode === NvmOpcode.FLUSH) {
    io.op = StoreOp.FLUSH
    io.offsetBytes = 0
    io.lengthBytes = 0
    namespace.store.submit(io)
    return PENDING
  }
  const firstBlock = getUint64(view, at + SqeOffset.CDW10)
  const cdw12 = view.getUint32(at + SqeOffset.CDW12, true)
  const blocks = (cdw12 & 0xffff) + 1
  if ((cdw12 & PRINFO) !== 0) return Status.INVALID_FIELD | STATUS_DNR
  if (firstBlock + blocks > namespace.blocks) return Status.LBA_OUT_OF_RANGE | STATUS_DNR
  const lengthBytes = blocks * namespace.blockBytes
  if (lengthBytes > controller.transferBytesMax) return Status.INVALID_FIELD | STATUS_DNR
  const isWrite = slot.opcode === NvmOpcode.WRITE
  const access = isWrite ? BusAccess.READ : BusAccess.WRITE
  const status = controller.dataPointer.resolve(view, at, lengthBytes, access, io)
  if (status !== Status.SUCCESS) return status
  io.op = isWrite ? StoreOp.WRITE : StoreOp.READ
  io.offsetBytes = firstBlock * namespace.blockBytes
  slot.fua = isWrite && ((cdw12 & FUA) !== 0 || !controller.features.writeCache)
  namespace.store.submit(io)
  return PENDING
}
