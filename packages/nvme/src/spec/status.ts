// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Status code types. @see NVMe Base 2.1, 4.2.3.1 */
export const StatusType = { GENERIC: 0, COMMAND_SPECIFIC: 1, MEDIA: 2, PATH: 3 } as const

/**
 * Status type and code as one number, `type << 8 | code`, as Linux writes them.
 * @see NVMe Base 2.1, 4.2.3; include/linux/nvme.h NVME_SC_*
 */
export const Status = {
  SUCCESS: 0x000,
  INVALID_OPCODE: 0x001,
  INVALID_FIELD: 0x002,
  COMMAND_ID_CONFLICT: 0x003,
  DATA_TRANSFER_ERROR: 0x004,
  POWER_LOSS: 0x005,
  INTERNAL_ERROR: 0x006,
  ABORT_REQUESTED: 0x007,
  ABORTED_SQ_DELETION: 0x008,
  FUSED_FAIL: 0x009,
  FUSED_MISSING: 0x00a,
  INVALID_NAMESPACE: 0x00b,
  COMMAND_SEQUENCE_ERROR: 0x00c,
  INVALID_SGL_SEGMENT: 0x00d,
  INVALID_SGL_COUNT: 0x00e,
  SGL_DATA_LENGTH_INVALID: 0x00f,
  SGL_METADATA_LENGTH_INVALID: 0x010,
  SGL_TYPE_INVALID: 0x011,
  PRP_OFFSET_INVALID: 0x013,
  SGL_OFFSET_INVALID: 0x016,
  SGL_GRANULARITY_INVALID: 0x01e,
  NAMESPACE_WRITE_PROTECTED: 0x020,
  COMMAND_INTERRUPTED: 0x021,
  TRANSIENT_TRANSPORT_ERROR: 0x022,
  LBA_OUT_OF_RANGE: 0x080,
  CAPACITY_EXCEEDED: 0x081,
  NAMESPACE_NOT_READY: 0x082,
  COMPLETION_QUEUE_INVALID: 0x100,
  INVALID_QUEUE_IDENTIFIER: 0x101,
  INVALID_QUEUE_SIZE: 0x102,
  ABORT_LIMIT_EXCEEDED: 0x103,
  ASYNC_EVENT_LIMIT_EXCEEDED: 0x105,
  INVALID_INTERRUPT_VECTOR: 0x108,
  INVALID_LOG_PAGE: 0x109,
  INVALID_QUEUE_DELETION: 0x10c,
  FEATURE_NOT_SAVEABLE: 0x10d,
  FEATURE_NOT_CHANGEABLE: 0x10e,
  WRITE_FAULT: 0x280,
  UNRECOVERED_READ: 0x281,
  COMPARE_FAILURE: 0x285,
  ACCESS_DENIED: 0x286,
  DEALLOCATED_BLOCK: 0x287,
} as const

/** Do Not Retry, in the same place as in Linux: above type and code. @see NVMe Base 2.1, 4.2.3 */
export const STATUS_DNR = 0x4000
/** More: the error log has an entry about this. */
export const STATUS_MORE = 0x2000
/** Which command retry delay applies, 0 for none: bits 12:11. */
export const STATUS_CRD_SHIFT = 11
export const STATUS_CRD_MASK = 0x1800
/** Status type and code without the flags. */
export const STATUS_CODE_MASK = 0x7ff

/** The status field of a completion: bit 0 is the phase, the status above it. @see NVMe Base 2.1, figure 99 */
export function statusField(status: number, phase: number): number {
  return ((status << 1) | phase) & 0xffff
}

/** The status of a completion's status field, with DNR and More, without the phase. */
export function statusOf(field: number): number {
  return (field >>> 1) & 0x7fff
}
