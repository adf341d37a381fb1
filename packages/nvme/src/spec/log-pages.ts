// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * Byte offsets in an Error Information log entry; the newest entry is first.
 * @see NVMe Base 2.1, 5.1.12.1.2
 */
export const ErrorLogEntry = {
  ERROR_COUNT: 0,
  SQID: 8,
  CID: 10,
  /** The status field as in a completion, with the phase in bit 0. */
  STATUS: 12,
  PARAMETER_LOCATION: 14,
  LBA: 16,
  NSID: 24,
  TRTYPE: 29,
  COMMAND_SPECIFIC: 32,
} as const

export const ERROR_LOG_ENTRY_BYTES = 64

/** In SQID, CID and PARAMETER_LOCATION: this error is about none. */
export const ERROR_LOG_NONE = 0xffff

/** Byte offsets in the SMART / Health Information log. @see NVMe Base 2.1, 5.1.12.1.3 */
export const SmartLog = {
  CRITICAL_WARNING: 0,
  /** Kelvin. */
  TEMPERATURE: 1,
  AVAILABLE_SPARE: 3,
  AVAILABLE_SPARE_THRESHOLD: 4,
  PERCENTAGE_USED: 5,
  /** Thousands of 512 bytes, rounded up. */
  DATA_UNITS_READ: 32,
  DATA_UNITS_WRITTEN: 48,
  HOST_READS: 64,
  HOST_WRITES: 80,
  CONTROLLER_BUSY_MINUTES: 96,
  POWER_CYCLES: 112,
  POWER_ON_HOURS: 128,
  UNSAFE_SHUTDOWNS: 144,
  MEDIA_ERRORS: 160,
  ERROR_LOG_ENTRIES: 176,
} as const

export const SMART_LOG_BYTES = 512

/** Byte offsets in the Firmware Slot Information log. @see NVMe Base 2.1, 5.1.12.1.4 */
export const FirmwareLog = { AFI: 0, FRS1: 8 } as const

export const FIRMWARE_LOG_BYTES = 512

/**
 * Supported Log Pages: a dword for each identifier, bit 0 says that it is there.
 * @see NVMe Base 2.1, 5.1.12.1.1
 */
export const SUPPORTED_LOGS_BYTES = 1024

/** Asynchronous event types. @see NVMe Base 2.1, figure 147 */
export const AsyncEventType = {
  ERROR: 0,
  SMART: 1,
  NOTICE: 2,
  IMMEDIATE: 3,
  ONE_SHOT: 4,
  IO_COMMAND_SET: 6,
  VENDOR: 7,
} as const

/** Information of the events of type ERROR. @see NVMe Base 2.1, figure 149 */
export const AsyncErrorInfo = {
  INVALID_DOORBELL_REGISTER: 0x00,
  INVALID_DOORBELL_VALUE: 0x01,
  DIAGNOSTIC_FAILURE: 0x02,
  PERSISTENT_INTERNAL_ERROR: 0x03,
  TRANSIENT_INTERNAL_ERROR: 0x04,
  FIRMWARE_IMAGE_LOAD_ERROR: 0x05,
} as const

/** Information of the events of type SMART. @see NVMe Base 2.1, figure 150 */
export const AsyncSmartInfo = {
  RELIABILITY: 0x00,
  TEMPERATURE_THRESHOLD: 0x01,
  SPARE_BELOW_THRESHOLD: 0x02,
} as const

/** Information of the events of type NOTICE. @see NVMe Base 2.1, figure 151 */
export const AsyncNoticeInfo = {
  /**
   * Namespace Attribute Changed before NVMe Base 2.1, and in Linux (NVME_AER_NOTICE_NS_CHANGED).
   */
  ATTACHED_NAMESPACE_CHANGED: 0x00,
  FIRMWARE_ACTIVATION_STARTING: 0x01,
  TELEMETRY_LOG_CHANGED: 0x02,
  ANA_CHANGE: 0x03,
  PREDICTABLE_LATENCY_EVENTS: 0x04,
  LBA_STATUS_ALERT: 0x05,
  ENDURANCE_GROUP_EVENTS: 0x06,
  DISCOVERY_LOG_CHANGED: 0xf0,
} as const

/** Information of the events of type IO_COMMAND_SET. @see NVMe Base 2.1, figure 152 */
export const AsyncCommandSetInfo = {
  RESERVATION_LOG_AVAILABLE: 0x00,
  SANITIZE_COMPLETED: 0x01,
  SANITIZE_COMPLETED_UNEXPECTED_DEALLOCATION: 0x02,
} as const

/** DW0 of the completion of an Asynchronous Event Request. */
export function asyncEventResult(type: number, info: number, logId: number): number {
  return type | (info << 8) | (logId << 16)
}
