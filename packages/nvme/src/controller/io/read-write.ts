// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BusAccess } from '@iolayers/dma-mapping'
import { getUint64, NvmOpcode, SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { INVALID_FIELD, INVALID_NAMESPACE, PENDING } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { StoreOp } from '../contracts.ts'
import type { Controller } from '../nvme-controller.ts'

const FUA = 1 << 30
/** Protection information actions and checks: this controller formats without it. */
const PRINFO = 0xf << 26

/** @see NVM Command Set 1.1, 3.3.4 (Read), 3.3.6 (Write) */
export function readWrite(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const nsid = view.getUint32(at + SqeOffset.NSID, true)
  const namespace = controller.namespaces.get(nsid)
  if (namespace === undefined) return INVALID_NAMESPACE
  slot.nsid = nsid
  const firstBlock = getUint64(view, at + SqeOffset.CDW10)
  const cdw12 = view.getUint32(at + SqeOffset.CDW12, true)
  const blocks = (cdw12 & 0xffff) + 1
  if ((cdw12 & PRINFO) !== 0) return INVALID_FIELD
  if (firstBlock + blocks > namespace.blocks) return Status.LBA_OUT_OF_RANGE | STATUS_DNR
  const lengthBytes = blocks * namespace.blockBytes
  if (lengthBytes > controller.transferBytesMax) return INVALID_FIELD
  const isWrite = slot.opcode === NvmOpcode.WRITE
  const access = isWrite ? BusAccess.READ : BusAccess.WRITE
  const { io } = slot
  const status = controller.dataPointer.resolve(view, at, lengthBytes, access, io)
  if (status !== Status.SUCCESS) return status
  io.op = isWrite ? StoreOp.WRITE : StoreOp.READ
  io.offsetBytes = firstBlock * namespace.blockBytes
  if (isWrite && ((cdw12 & FUA) !== 0 || !controller.features.writeCache)) {
    slot.step = controller.flushAfterWrite
  }
  namespace.store.submit(io)
  return PENDING
}
