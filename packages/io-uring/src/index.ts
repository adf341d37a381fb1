// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export type {
  IoUring,
  IoUringCompletion,
  IoUringRegistration,
  IoUringStats,
  IoUringSubmission,
} from './contracts.ts'
export { createIoUring, type IoUringInit } from './io-uring.ts'
export { MAX_STALE_IMPORTS } from './io-uring-service.ts'
export type {
  BufferRegistration,
  DmabufBufferRegistration,
  MemoryBufferRegistration,
} from './registration.ts'
export {
  CQE_BYTES,
  CqeOffset,
  type DecodedSqe,
  decodeSqe,
  FSYNC_DATASYNC,
  IoUringOp,
  RwFlags,
  SQE_BYTES,
  SqeFlags,
  SqeOffset,
} from './uapi.ts'
