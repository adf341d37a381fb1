// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export {
  CqeOffset,
  FUSE_MASK,
  Fuse,
  getUint64,
  PSDT_SHIFT,
  Psdt,
  SqeOffset,
  setUint64,
} from './entries.ts'
export {
  FR_BYTES,
  IDENTIFY_BYTES,
  IdCtrl,
  IdNs,
  IdNsIndependent,
  MN_BYTES,
  Nidt,
  NSTAT_NRDY,
  SGLS_SUPPORTED,
  SN_BYTES,
  SUBNQN_BYTES,
} from './identify.ts'
export {
  AsyncErrorInfo,
  AsyncEventType,
  asyncEventResult,
  ERROR_LOG_ENTRY_BYTES,
  ERROR_LOG_NONE,
  ErrorLogEntry,
  FIRMWARE_LOG_BYTES,
  FirmwareLog,
  SMART_LOG_BYTES,
  SmartLog,
  SUPPORTED_LOGS_BYTES,
} from './log-pages.ts'
export {
  AdminOpcode,
  Cns,
  CSI_NVM,
  FeatureCapability,
  FeatureId,
  FeatureSelect,
  LogId,
  NSID_BROADCAST,
  NvmOpcode,
} from './opcodes.ts'
export {
  Cap,
  Cc,
  CQE_BYTES,
  CQES,
  Csts,
  Reg,
  Shn,
  Shst,
  SQE_BYTES,
  SQES,
  VERSION_2_1,
} from './registers.ts'
export {
  keyedSglLength,
  SGL_DESCRIPTOR_BYTES,
  SglSubType,
  Sgls,
  SglType,
  sglAddress,
  sglKey,
  sglLength,
  sglSubType,
  sglType,
  writeKeyedSglDescriptor,
  writeSglDescriptor,
} from './sgl.ts'
export {
  STATUS_CODE_MASK,
  STATUS_CRD_MASK,
  STATUS_CRD_SHIFT,
  STATUS_DNR,
  STATUS_MORE,
  Status,
  StatusType,
  statusField,
  statusOf,
} from './status.ts'
