// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

export { MAX_STALE_IMPORTS } from './attempts.ts'
export type {
  IoUring,
  IoUringCompletion,
  IoUringControl,
  IoUringPrep,
  IoUringRegistration,
  IoUringStats,
  IoUringSubmission,
  SyncCancelInit,
} from './contracts.ts'
export { createIoUring, type IoUringComponents, type IoUringInit } from './io-uring.ts'
export type { UserMemoryAccess } from './op-ctx.ts'
export type {
  BufferRegistration,
  DmabufBufferRegistration,
  MemoryBufferRegistration,
} from './registration.ts'
export type { CloneBuffersInit, FileEntry } from './rsrc-tables.ts'
export {
  CQE_BYTES,
  CqeOffset,
  type DecodedSqe,
  decodeSqe,
  IoUringOp,
  RwFlags,
  SQE_BYTES,
  SqeFlags,
  SqeOffset,
} from './uapi.ts'
export {
  CancelFlags,
  CLONE_DST_REPLACE,
  CqeFlags,
  FSYNC_DATASYNC,
  IOVEC_BYTES,
  NopFlags,
  REGISTER_FILES_SKIP,
  SetupFlags,
  SqRingFlags,
  TIMESPEC_BYTES,
  TimeoutFlags,
} from './uapi-flags.ts'
