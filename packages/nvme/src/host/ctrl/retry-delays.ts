// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { Op } from '@iolayers/kernel'
import { AdminOpcode, FeatureId } from '../../spec/index.ts'
import type { AdminQueue } from '../admin/admin-queue.ts'
import type { IdentifyController } from './identify.ts'

const HOST_BEHAVIOR_BYTES = 512
const ADVANCED_COMMAND_RETRY = 1

/**
 * Lets a controller that has retry delays name one in a status. One that refuses names none.
 * @see drivers/nvme/host/core.c nvme_configure_host_options; NVMe Base 2.1, 5.1.25.1.14 (ACRE)
 */
export function* enableRetryDelays(admin: AdminQueue, id: IdentifyController): Op<void> {
  if ((id.retryDelaysNs[0] ?? 0) === 0) return
  const dataOut = new Uint8Array(HOST_BEHAVIOR_BYTES)
  dataOut[0] = ADVANCED_COMMAND_RETRY
  yield* admin.execute({
    opcode: AdminOpcode.SET_FEATURES,
    cdw10: FeatureId.HOST_BEHAVIOR_SUPPORT,
    dataOut,
  })
}
