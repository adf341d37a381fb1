// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { BlkStatus } from '@iolayers/block-core'
import { STATUS_CODE_MASK, STATUS_DNR } from '../spec/index.ts'

/** Command Aborted By Host: no controller says it. @see include/linux/nvme.h NVME_SC_HOST_ABORTED_CMD */
export const HOST_ABORTED_CMD = 0x371

/** Status fields, code type in the upper three bits of eleven, by what the block layer makes of them. */
const STATUS_TABLE: readonly (readonly [BlkStatus, readonly number[]])[] = [
  // Capacity Exceeded
  [BlkStatus.NOSPC, [0x081]],
  // LBA Out of Range, Command Interrupted, Namespace Not Ready
  [BlkStatus.TARGET, [0x080, 0x021, 0x082]],
  // Conflicting Attributes, Invalid Opcode, Invalid Field, Invalid Namespace or Format
  [BlkStatus.NOTSUPP, [0x180, 0x001, 0x002, 0x00b]],
  // Write Fault, Unrecovered Read Error, Deallocated Block, Access Denied, Attempted Write to Read Only Range, Compare Failure
  [BlkStatus.MEDIUM, [0x280, 0x281, 0x287, 0x286, 0x182, 0x285]],
  // Guard, Application Tag and Reference Tag Check Error, Invalid Protection Information
  [BlkStatus.PROTECTION, [0x282, 0x283, 0x284, 0x181]],
  // Reservation Conflict
  [BlkStatus.RESV_CONFLICT, [0x083]],
  // Host Pathing Error
  [BlkStatus.TRANSPORT, [0x370]],
  // Too Many Active Zones, Too Many Open Zones
  [BlkStatus.ZONE_ACTIVE_RESOURCE, [0x1bd]],
  [BlkStatus.ZONE_OPEN_RESOURCE, [0x1be]],
]

/**
 * What the block layer is told of a status field (without the phase bit). An unknown one is IOERR.
 * @see drivers/nvme/host/core.c nvme_error_status
 */
export function nvmeErrorStatus(status: number): BlkStatus {
  const code = status & STATUS_CODE_MASK
  if (code === 0) return BlkStatus.OK
  for (const [blkStatus, codes] of STATUS_TABLE) if (codes.includes(code)) return blkStatus
  return BlkStatus.IOERR
}

/** "SCT 0h SC 80h DNR": for messages. */
export function nvmeStatusText(status: number): string {
  const sct = ((status >>> 8) & 7).toString(16)
  const sc = (status & 0xff).toString(16).padStart(2, '0')
  return `SCT ${sct}h SC ${sc}h${(status & STATUS_DNR) === 0 ? '' : ' DNR'}`
}
