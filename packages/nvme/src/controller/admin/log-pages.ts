// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  FIRMWARE_LOG_BYTES,
  FirmwareLog,
  FR_BYTES,
  LogId,
  SMART_LOG_BYTES,
  SmartLog,
  SUPPORTED_LOGS_BYTES,
  setUint64,
} from '../../spec/index.ts'
import type { NvmeControllerStats } from '../contracts.ts'
import type { FeatureTable } from './feature-table.ts'

const DATA_UNIT_BYTES = 512_000
const KELVIN_AMBIENT = 298
const SPARE_PERCENT = 100
const SPARE_THRESHOLD_PERCENT = 10

const LOG_PAGES: readonly number[] = [
  LogId.SUPPORTED,
  LogId.ERROR,
  LogId.SMART,
  LogId.FIRMWARE_SLOT,
  LogId.CHANGED_NAMESPACES,
  LogId.COMMANDS_SUPPORTED,
  LogId.LBA_STATUS,
  LogId.FEATURES_SUPPORTED,
]

/** @see NVMe Base 2.1, 5.1.12.1.1 */
export function supportedLogs(): Uint8Array {
  const bytes = new Uint8Array(SUPPORTED_LOGS_BYTES)
  for (const id of LOG_PAGES) bytes[id * 4] = 1
  return bytes
}

/** @see NVMe Base 2.1, 5.1.12.1.3 */
export function smartLog(stats: NvmeControllerStats, errors: number): Uint8Array {
  const bytes = new Uint8Array(SMART_LOG_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint16(SmartLog.TEMPERATURE, KELVIN_AMBIENT, true)
  view.setUint8(SmartLog.AVAILABLE_SPARE, SPARE_PERCENT)
  view.setUint8(SmartLog.AVAILABLE_SPARE_THRESHOLD, SPARE_THRESHOLD_PERCENT)
  setUint64(view, SmartLog.DATA_UNITS_READ, Math.ceil(stats.bytesRead / DATA_UNIT_BYTES))
  setUint64(view, SmartLog.DATA_UNITS_WRITTEN, Math.ceil(stats.bytesWritten / DATA_UNIT_BYTES))
  setUint64(view, SmartLog.HOST_READS, stats.readCommands)
  setUint64(view, SmartLog.HOST_WRITES, stats.writeCommands)
  setUint64(view, SmartLog.ERROR_LOG_ENTRIES, errors)
  return bytes
}

/** @see NVMe Base 2.1, 5.1.12.1.4 */
export function firmwareLog(revision: string): Uint8Array {
  const bytes = new Uint8Array(FIRMWARE_LOG_BYTES)
  bytes[FirmwareLog.AFI] = 1
  for (let i = 0; i < FR_BYTES; i++)
    bytes[FirmwareLog.FRS1 + i] = i < revision.length ? revision.charCodeAt(i) : 0x20
  return bytes
}

const CHANGES_BYTES = 4096
const TOO_MANY = 0xffff_ffff

/** Null: more of them than the list holds. @see NVMe Base 2.1, 5.1.12.1.5 */
export function changedNamespacesLog(nsids: readonly number[] | null): Uint8Array {
  const bytes = new Uint8Array(CHANGES_BYTES)
  const view = new DataView(bytes.buffer)
  if (nsids === null) view.setUint32(0, TOO_MANY, true)
  else {
    nsids.forEach((nsid, i) => {
      view.setUint32(i * 4, nsid, true)
    })
  }
  return bytes
}

const FEATURES_BYTES = 1024
const FEATURE_SUPPORTED = 1
/** FSP: of a namespace, or of the controller. */
const SCOPE_NAMESPACE = 1 << 20
const SCOPE_CONTROLLER = 1 << 21

/** @see NVMe Base 2.1, 5.1.12.1.18 */
export function featureEffectsLog(features: FeatureTable): Uint8Array {
  const bytes = new Uint8Array(FEATURES_BYTES)
  const view = new DataView(bytes.buffer)
  for (const id of features.ids) {
    const scope = features.isPerNamespace(id) ? SCOPE_NAMESPACE : SCOPE_CONTROLLER
    view.setUint32(id * 4, FEATURE_SUPPORTED | scope, true)
  }
  return bytes
}
