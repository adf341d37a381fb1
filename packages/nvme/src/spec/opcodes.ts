// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** @see NVMe Base 2.1, figure 28 (opcodes for admin commands) */
export const AdminOpcode = {
  DELETE_IO_SQ: 0x00,
  CREATE_IO_SQ: 0x01,
  GET_LOG_PAGE: 0x02,
  DELETE_IO_CQ: 0x04,
  CREATE_IO_CQ: 0x05,
  IDENTIFY: 0x06,
  ABORT: 0x08,
  SET_FEATURES: 0x09,
  GET_FEATURES: 0x0a,
  ASYNC_EVENT_REQUEST: 0x0c,
  NAMESPACE_MANAGEMENT: 0x0d,
  FIRMWARE_COMMIT: 0x10,
  FIRMWARE_IMAGE_DOWNLOAD: 0x11,
  DEVICE_SELF_TEST: 0x14,
  NAMESPACE_ATTACHMENT: 0x15,
  KEEP_ALIVE: 0x18,
  DIRECTIVE_SEND: 0x19,
  DIRECTIVE_RECEIVE: 0x1a,
  DOORBELL_BUFFER_CONFIG: 0x7c,
  FABRICS: 0x7f,
  FORMAT_NVM: 0x80,
  SECURITY_SEND: 0x81,
  SECURITY_RECEIVE: 0x82,
  SANITIZE: 0x84,
  GET_LBA_STATUS: 0x86,
} as const

/** @see NVM Command Set 1.1, 3.1 */
export const NvmOpcode = {
  FLUSH: 0x00,
  WRITE: 0x01,
  READ: 0x02,
  WRITE_UNCORRECTABLE: 0x04,
  COMPARE: 0x05,
  WRITE_ZEROES: 0x08,
  DATASET_MANAGEMENT: 0x09,
  VERIFY: 0x0c,
  COPY: 0x19,
} as const

/** Feature identifiers. @see NVMe Base 2.1, 5.1.25 */
export const FeatureId = {
  ARBITRATION: 0x01,
  POWER_MANAGEMENT: 0x02,
  TEMPERATURE_THRESHOLD: 0x04,
  /** Error Recovery is the NVM command set's. */
  ERROR_RECOVERY: 0x05,
  VOLATILE_WRITE_CACHE: 0x06,
  NUMBER_OF_QUEUES: 0x07,
  INTERRUPT_COALESCING: 0x08,
  INTERRUPT_VECTOR_CONFIGURATION: 0x09,
  WRITE_ATOMICITY_NORMAL: 0x0a,
  ASYNC_EVENT_CONFIGURATION: 0x0b,
  AUTONOMOUS_POWER_STATE: 0x0c,
  HOST_MEMORY_BUFFER: 0x0d,
  TIMESTAMP: 0x0e,
  KEEP_ALIVE_TIMER: 0x0f,
  HOST_BEHAVIOR_SUPPORT: 0x16,
} as const

/** SEL of Get Features, CDW10 bits 10:8. @see NVMe Base 2.1, 5.1.11 */
export const FeatureSelect = { CURRENT: 0, DEFAULT: 1, SAVED: 2, SUPPORTED: 3 } as const

/** What SEL 3 answers with. @see NVMe Base 2.1, 5.1.11 */
export const FeatureCapability = { SAVEABLE: 1, NS_SPECIFIC: 2, CHANGEABLE: 4 } as const

/** Values of CNS in Identify. @see NVMe Base 2.1, 5.1.13 */
export const Cns = {
  NAMESPACE: 0x00,
  CONTROLLER: 0x01,
  ACTIVE_NAMESPACE_LIST: 0x02,
  NAMESPACE_DESCRIPTORS: 0x03,
  CSI_NAMESPACE: 0x05,
  CSI_CONTROLLER: 0x06,
  CSI_INDEPENDENT_NAMESPACE: 0x08,
} as const

/** Log page identifiers. @see NVMe Base 2.1, 5.1.12 */
export const LogId = {
  SUPPORTED: 0x00,
  ERROR: 0x01,
  SMART: 0x02,
  FIRMWARE_SLOT: 0x03,
  CHANGED_NAMESPACES: 0x04,
  COMMANDS_SUPPORTED: 0x05,
} as const

/** Command set identifier of the NVM command set. @see NVMe Base 2.1, 5.1.13.1 (CSI) */
export const CSI_NVM = 0

/** Stands for all namespaces. @see NVMe Base 2.1, 3.2.1.2 */
export const NSID_BROADCAST = 0xffff_ffff
