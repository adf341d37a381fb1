// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { FR_BYTES, setUint64 } from '../spec/index.ts'
import type { NvmeControllerStats } from './contracts.ts'

const ERROR_ENTRY_BYTES = 64
const SMART_BYTES = 512
const DATA_UNIT_BYTES = 512_000

/** One entry, invalid: no error has been logged. @see NVMe Base 2.1, 5.1.12.1.2 */
export function errorLog(): Uint8Array {
  return new Uint8Array(ERROR_ENTRY_BYTES)
}

/** @see NVMe Base 2.1, 5.1.12.1.3 */
export function smartLog(stats: NvmeControllerStats): Uint8Array {
  const bytes = new Uint8Array(SMART_BYTES)
  const view = new DataView(bytes.buffer)
  const KELVIN_AMBIENT = 298
  view.setUint16(1, KELVIN_AMBIENT, true)
  view.setUint8(3, 100)
  view.setUint8(4, 10)
  setUint64(view, 32, Math.ceil(stats.bytesRead / DATA_UNIT_BYTES))
  setUint64(view, 48, Math.ceil(stats.bytesWritten / DATA_UNIT_BYTES))
  setUint64(view, 64, stats.ioCommands)
  return bytes
}

/** @see NVMe Base 2.1, 5.1.12.1.4 */
export function firmwareLog(revision: string): Uint8Array {
  const bytes = new Uint8Array(SMART_BYTES)
  bytes[0] = 1
  for (let i = 0; i < FR_BYTES; i++)
    bytes[8 + i] = i < revision.length ? revision.charCodeAt(i) : 0x20
  return bytes
}
