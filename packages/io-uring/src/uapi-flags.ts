// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** How a ring is made; those that are not here are refused. @see include/uapi/linux/io_uring.h IORING_SETUP_* */
export const SetupFlags = {
  IOPOLL: 0x0001,
  CQSIZE: 0x0008,
  CLAMP: 0x0010,
  SUBMIT_ALL: 0x0080,
  COOP_TASKRUN: 0x0100,
  TASKRUN_FLAG: 0x0200,
  SINGLE_ISSUER: 0x1000,
  DEFER_TASKRUN: 0x2000,
} as const

/** What the ring tells its user. @see include/uapi/linux/io_uring.h IORING_SQ_* */
export const SqRingFlags = { CQ_OVERFLOW: 0x02, TASKRUN: 0x04 } as const

/** @see include/uapi/linux/io_uring.h IORING_CQE_F_* */
export const CqeFlags = { MORE: 0x02 } as const

/** Fsync waits for the data only. @see include/uapi/linux/io_uring.h IORING_FSYNC_DATASYNC */
export const FSYNC_DATASYNC = 1

/** Of a NOP: INJECT_RESULT takes its result from `len`. @see include/uapi/linux/io_uring.h IORING_NOP_* */
export const NopFlags = { INJECT_RESULT: 0x01, FILE: 0x02, FIXED_FILE: 0x04 } as const

/** Of TIMEOUT, LINK_TIMEOUT and TIMEOUT_REMOVE. @see include/uapi/linux/io_uring.h IORING_TIMEOUT_* */
export const TimeoutFlags = {
  ABS: 0x01,
  UPDATE: 0x02,
  BOOTTIME: 0x04,
  REALTIME: 0x08,
  LINK_TIMEOUT_UPDATE: 0x10,
  ETIME_SUCCESS: 0x20,
  MULTISHOT: 0x40,
} as const

/** What a cancellation matches. @see include/uapi/linux/io_uring.h IORING_ASYNC_CANCEL_* */
export const CancelFlags = {
  ALL: 0x01,
  FD: 0x02,
  ANY: 0x04,
  FD_FIXED: 0x08,
  USERDATA: 0x10,
  OP: 0x20,
} as const

/** In an update of registered files: this slot stays as it is. @see IORING_REGISTER_FILES_SKIP */
export const REGISTER_FILES_SKIP: number = -2

/** The new table takes the place of the old one. @see include/uapi/linux/io_uring.h IORING_REGISTER_DST_REPLACE */
export const CLONE_DST_REPLACE = 2

/** Size of struct __kernel_timespec and of struct iovec: two u64. */
export const TIMESPEC_BYTES = 16
export const IOVEC_BYTES = 16
