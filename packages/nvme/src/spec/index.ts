// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export {
  CqeOffset,
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
  MN_BYTES,
  SGLS_SUPPORTED,
  SN_BYTES,
  SUBNQN_BYTES,
} from './identify.ts'
export { AdminOpcode, Cns, FeatureId, LogId, NvmOpcode } from './opcodes.ts'
export {
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
  SGL_DESCRIPTOR_BYTES,
  SglSubType,
  SglType,
  sglAddress,
  sglLength,
  sglSubType,
  sglType,
  writeSglDescriptor,
} from './sgl.ts'
export {
  STATUS_CODE_MASK,
  STATUS_DNR,
  Status,
  StatusType,
  statusField,
  statusOf,
} from './status.ts'
