// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { FUSE_MASK, PSDT_SHIFT, Psdt, SqeOffset, STATUS_DNR, Status } from '../spec/index.ts'

/** Whether an entry is the half of a pair. */
export function isFused(view: DataView, at: number): boolean {
  return (view.getUint8(at + SqeOffset.FLAGS) & FUSE_MASK) !== 0
}

/** Over PCIe admin commands have no SGLs. @see NVMe Base 2.1, figure 91 (PSDT) */
export function refused(sqid: number, view: DataView, at: number, onFabric: boolean): number {
  if (sqid > 0 || onFabric) return Status.SUCCESS
  const psdt = view.getUint8(at + SqeOffset.FLAGS) >>> PSDT_SHIFT
  return psdt === Psdt.PRP ? Status.SUCCESS : Status.INVALID_FIELD | STATUS_DNR
}
