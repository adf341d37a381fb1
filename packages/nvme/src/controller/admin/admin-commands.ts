// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AdminOpcode } from '../../spec/index.ts'
import { type CommandTable, commandTable } from '../command-handler.ts'
import { abort } from './abort.ts'
import { getFeatures, setFeatures } from './features.ts'
import { getLogPage } from './get-log-page.ts'
import { identify } from './identify.ts'
import { createCq, createSq, deleteCq, deleteSq } from './queue-commands.ts'

/** The admin commands that there are. @see NVMe Base 2.1, 5 */
export function adminCommands(): CommandTable {
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
  })
}
