// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { File } from '@iolayers/kernel'
import type { IoReq } from './io-req.ts'
import { CancelFlags } from './uapi-flags.ts'

/** @see io_uring/cancel.h struct io_cancel_data */
export interface CancelData {
  /** CancelFlags. */
  flags: number
  userDataLow: number
  userDataHigh: number
  file: File | null
  opcode: number
}

/** @see io_uring/cancel.c io_cancel_req_match */
export function cancelReqMatch(req: IoReq, data: CancelData): boolean {
  const { flags } = data
  if ((flags & CancelFlags.ANY) !== 0) return true
  if ((flags & CancelFlags.FD) !== 0 && req.filp !== data.file) return false
  if ((flags & CancelFlags.OP) !== 0 && req.opcode !== data.opcode) return false
  const byUserData =
    (flags & CancelFlags.USERDATA) !== 0 || (flags & (CancelFlags.FD | CancelFlags.OP)) === 0
  if (!byUserData) return true
  return req.userDataLow === data.userDataLow && req.userDataHigh === data.userDataHigh
}

export function newCancelData(): CancelData {
  return { flags: 0, userDataLow: 0, userDataHigh: 0, file: null, opcode: 0 }
}
