// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus, blkExecuteRq, blkMqFreeRequest, ReqOp } from '@iolayers/block-core'
import { assert, KernelError, type Op } from '@iolayers/kernel'
import type { AdminResult } from '../admin/admin-queue.ts'
import type { IoCommand, OwnCommand } from '../dma/command-data.ts'
import { NvmeIod } from '../dma/iod.ts'
import type { NvmeDev } from '../life/nvme-dev.ts'

/** One command of the caller's on an I/O queue, to its end. @see drivers/nvme/host/ioctl.c nvme_user_cmd */
export function* ioPassthru(dev: NvmeDev, nsid: number, command: IoCommand): Op<AdminResult> {
  const disk = dev.namespaces.diskOf(nsid)
  const passthrough = disk?.queue.passthrough ?? null
  if (passthrough === null) {
    throw new KernelError('ENODEV', `${dev.name}: no disk of namespace ${nsid}`)
  }
  const { dataIn, dataOut, timeoutNs } = command
  const lengthBytes = Math.max(dataIn?.length ?? 0, dataOut?.length ?? 0)
  checkData(dev, command, lengthBytes)
  const { dma } = dev.device
  const block = lengthBytes === 0 ? null : dma.allocCoherent(lengthBytes)
  try {
    if (block !== null && dataOut !== undefined) block.region.bytes.set(dataOut, block.offset)
    const op = dataOut === undefined ? ReqOp.DRV_IN : ReqOp.DRV_OUT
    const rq = yield* passthrough.allocRequest(op, timeoutNs === undefined ? {} : { timeoutNs })
    const iod = rq.pdu
    assert(iod instanceof NvmeIod, 'nvme: a request of another driver')
    const own: OwnCommand = { command, block, lengthBytes, status: -1, result: 0 }
    iod.own = own
    const status = yield* blkExecuteRq(rq, false)
    iod.own = null
    blkMqFreeRequest(rq)
    if (own.status < 0) throw neverSent(dev, command, status)
    if (own.status === 0 && dataIn !== undefined && block !== null) {
      const { region, offset } = block
      dataIn.set(region.bytes.subarray(offset, offset + dataIn.length))
    }
    return { status: own.status, result: own.result }
  } finally {
    if (block !== null) dma.freeCoherent(block)
  }
}

function checkData(dev: NvmeDev, { dataIn, dataOut }: IoCommand, lengthBytes: number): void {
  if (dataIn !== undefined && dataOut !== undefined) {
    throw new KernelError('EINVAL', `${dev.name}: a command with data in both directions`)
  }
  const most = dev.namespaces.maxTransferBytes
  if (lengthBytes <= most) return
  const what = 'data of an I/O command'
  throw new KernelError('EINVAL', what, { value: lengthBytes, accepted: `at most ${most} bytes` })
}

/** The driver, and not the controller, has ended it. */
function neverSent(dev: NvmeDev, { opcode }: IoCommand, status: BlkStatus): KernelError {
  const name = `${dev.name}: command ${opcode.toString(16).padStart(2, '0')}h`
  if (status === BlkStatus.NOTSUPP) return new KernelError('EOPNOTSUPP', `${name}: not supported`)
  return new KernelError('ENODEV', `${name}: the controller went away before it had answered`)
}
