// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AdminOpcode, Status } from '../../spec/index.ts'
import { type CommandHandler, type CommandTable, commandTable } from '../command-handler.ts'
import { abort } from './abort.ts'
import { doorbellBufferConfig } from './doorbell-buffer.ts'
import { getFeatures, setFeatures } from './features.ts'
import { formatNvm } from './format-nvm.ts'
import { getLogPage } from './get-log-page.ts'
import { identify } from './identify.ts'
import { getLbaStatus } from './lba-status.ts'
import { attachNamespace, manageNamespace } from './namespace-management.ts'
import { createCq, createSq, deleteCq, deleteSq } from './queue-commands.ts'

/** What is there of a controller: some commands are only where there is something to manage. */
export interface AdminAbilities {
  readonly namespaceManagement: boolean
}

/** The admin commands that there are. @see NVMe Base 2.1, 5 */
export function adminCommands({ namespaceManagement }: AdminAbilities): CommandTable {
  return commandTable({
    [AdminOpcode.DELETE_IO_SQ]: deleteSq,
    [AdminOpcode.CREATE_IO_SQ]: createSq,
    [AdminOpcode.GET_LOG_PAGE]: getLogPage,
    [AdminOpcode.DELETE_IO_CQ]: deleteCq,
    [AdminOpcode.CREATE_IO_CQ]: createCq,
    [AdminOpcode.IDENTIFY]: identify,
    [AdminOpcode.ABORT]: abort,
    [AdminOpcode.SET_FEATURES]: setFeatures,
    [AdminOpcode.GET_FEATURES]: getFeatures,
    [AdminOpcode.ASYNC_EVENT_REQUEST]: (controller, slot) => controller.holdAsyncEvent(slot),
    [AdminOpcode.KEEP_ALIVE]: keepAlive,
    [AdminOpcode.DOORBELL_BUFFER_CONFIG]: doorbellBufferConfig,
    [AdminOpcode.FORMAT_NVM]: formatNvm,
    [AdminOpcode.GET_LBA_STATUS]: getLbaStatus,
    ...(namespaceManagement && {
      [AdminOpcode.NAMESPACE_MANAGEMENT]: manageNamespace,
      [AdminOpcode.NAMESPACE_ATTACHMENT]: attachNamespace,
    }),
  })
}

/** @see NVMe Base 2.1, 5.1.14 */
const keepAlive: CommandHandler = (controller) => {
  controller.keepAlive.heard()
  return Status.SUCCESS
}
