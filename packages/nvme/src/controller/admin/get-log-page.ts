// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  CSI_NVM,
  getUint64,
  LogId,
  NSID_BROADCAST,
  SqeOffset,
  STATUS_DNR,
  Status,
} from '../../spec/index.ts'
import { invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { noNamespace } from '../io/namespace.ts'
import type { Controller } from '../nvme-controller.ts'
import { sendData } from '../send-data.ts'
import { effectsLog } from './effects-log.ts'
import { lbaStatusLog } from './lba-status.ts'
import {
  changedNamespacesLog,
  featureEffectsLog,
  firmwareLog,
  smartLog,
  supportedLogs,
} from './log-pages.ts'

/** RAE of Get Log Page. */
const RETAIN_EVENT = 1 << 15
/** OT: the offset is an index of entries. No page here has such. */
const OFFSET_IS_INDEX = 1 << 23

/** @see NVMe Base 2.1, 5.1.12 */
export function getLogPage(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const cdw10 = view.getUint32(at + SqeOffset.CDW10, true)
  const upper = view.getUint16(at + SqeOffset.CDW11, true)
  const id = cdw10 & 0xff
  const retain = (cdw10 & RETAIN_EVENT) !== 0
  const lengthBytes = (upper * 0x10000 + (cdw10 >>> 16) + 1) * 4
  const offset = getUint64(view, at + SqeOffset.CDW12)
  const wrong = checkNamespace(controller, slot, view, at, id)
  if (wrong !== Status.SUCCESS) return wrong
  if ((view.getUint32(at + SqeOffset.CDW14, true) & OFFSET_IS_INDEX) !== 0) {
    return invalidField(slot, SqeOffset.CDW14 + 2, 7)
  }
  if (lengthBytes > controller.transferBytesMax) return invalidField(slot, SqeOffset.CDW10 + 2)
  const page = logPage(controller, id)
  if (page === null || view.getUint8(at + SqeOffset.CDW14 + 3) !== CSI_NVM) {
    slot.errorAt = SqeOffset.CDW10
    return Status.INVALID_LOG_PAGE | STATUS_DNR
  }
  if (offset % 4 !== 0 || offset > page.length) return invalidField(slot, SqeOffset.CDW12)
  const data = new Uint8Array(lengthBytes)
  data.set(page.subarray(offset, offset + lengthBytes))
  const status = sendData(controller, slot, view, at, data)
  if (status !== Status.SUCCESS || retain) return status
  if (id === LogId.CHANGED_NAMESPACES) controller.table.takeChanges(true)
  controller.events.logRead(id)
  return status
}

/** All pages are the controller's: a namespace that is not there cannot be asked about. */
function checkNamespace(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
  id: number,
): number {
  const nsid = view.getUint32(at + SqeOffset.NSID, true)
  if (nsid === 0 || nsid === NSID_BROADCAST || id !== LogId.SMART) return Status.SUCCESS
  return controller.table.isAttached(nsid) ? Status.SUCCESS : noNamespace(controller, slot, nsid)
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
    case LogId.CHANGED_NAMESPACES:
      return changedNamespacesLog(controller.table.takeChanges(false))
    case LogId.COMMANDS_SUPPORTED:
      return effectsLog(controller.adminCommands, controller.ioCommands)
    case LogId.LBA_STATUS:
      return lbaStatusLog(controller.table)
    case LogId.FEATURES_SUPPORTED:
      return featureEffectsLog(controller.features)
    case LogId.DISCOVERY:
      return controller.identity.fabric?.discoveryLog?.() ?? null
    default:
      return null
  }
}
