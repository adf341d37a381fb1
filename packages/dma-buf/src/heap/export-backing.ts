// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { DmaBuf, DmaBufOps } from '../buf/contracts.ts'
import type { DmaBufCore } from '../buf/core-contract.ts'
import type { DmaHeapAllocation } from './heap-contract.ts'
import type { PageBacking } from './page-backing.ts'

/** Zeroes fresh pages and exports them; they are freed when that is refused. */
export function exportBacking(
  core: DmaBufCore,
  backing: PageBacking,
  ops: DmaBufOps,
  exporterName: string,
  init: DmaHeapAllocation,
): DmaBuf {
  try {
    backing.zero()
    return core.export({ ops, sizeBytes: backing.sizeBytes, exporterName, ...init })
  } catch (error) {
    backing.free()
    throw error
  }
}
