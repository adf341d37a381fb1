// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { FUSE_MASK, PSDT_SHIFT, Psdt, SqeOffset, STATUS_DNR, Status } from '../spec/index.ts'

/** What no queue takes: fused commands; and over PCIe admin commands have no SGLs. @see NVMe Base 2.1, 4.1 (FUSE, PSDT) */
export function refused(sqid: number, view: DataView, at: number): number {
  const flags = view.getUint8(at + SqeOffset.FLAGS)
  if (flags === 0) return Status.SUCCESS
  const fused = (flags & FUSE_MASK) !== 0
  const adminSgl = sqid === 0 && flags >>> PSDT_SHIFT !== Psdt.PRP
  return fused || adminSgl ? Status.INVALID_FIELD | STATUS_DNR : Status.SUCCESS
}
