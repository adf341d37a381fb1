// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { LogId, SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { INVALID_FIELD } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import type { Controller } from '../nvme-controller.ts'
import { sendData } from '../send-data.ts'
import { firmwareLog, smartLog, supportedLogs } from './log-pages.ts'

/** RAE of Get Log Page. */
const RETAIN_EVENT = 1 << 15

/** @see NVMe Base 2.1, 5.1.12 */
export function getLogPage(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const cdw10 = view.getUint32(at + SqeOffset.CDW10, true)
  const upper = view.getUint16(at + SqeOffset.CDW11, true)
  const lengthBytes = (upper * 0x10000 + (cdw10 >>> 16) + 1) * 4
  const offset = view.getUint32(at + SqeOffset.CDW12, true)
  const page = logPage(controller, cdw10 & 0xff)
  if (page === null) return Status.INVALID_LOG_PAGE | STATUS_DNR
  if (offset % 4 !== 0 || offset > page.length || view.getUint32(at + SqeOffset.CDW13, true) !== 0)
    return INVALID_FIELD
  if (lengthBytes > controller.transferBytesMax) return INVALID_FIELD
  const data = new Uint8Array(lengthBytes)
  data.set(page.subarray(offset, offset + lengthBytes))
  const status = sendData(controller, slot, view, at, data)
  const retain = (cdw10 & RETAIN_EVENT) !== 0
  if (status === Status.SUCCESS && !retain && (cdw10 & 0xff) === LogId.ERROR) {
    controller.events.errorLogRead()
  }
  return status
}

function logPage(controller: Controller, id: number): Uint8Array | null {
  switch (id) {
    case LogId.SUPPORTED:
      return supportedLogs()
    case LogId.ERROR:
      return controller.errorLog.page()
    case LogId.SMART:
      return smartLog(controller.stats, controller.errorLog.count)
    case LogId.FIRMWARE_SLOT:
      return firmwareLog(controller.identity.firmwareRevision)
    default:
      return null
  }
}
