// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { CQE_BYTES, CqeOffset } from '../../spec/index.ts'
import type { PduWriter } from '../pdu-writer.ts'
import type { FabricsCommand } from './fabrics-command.ts'

/** How a command has ended. */
export interface CommandResult {
  readonly status: number
  /** Dwords 0 and 1 of the completion. */
  readonly low: number
  readonly high?: number
  readonly sqHead: number
  /** Of its memory, to be sent before. */
  readonly dataBytes?: number
  /** Data that ends well needs no completion of its own. */
  readonly mayBeShort?: boolean
}

/** All that goes to the host at the end of a command: its data, if it has any, and its completion. */
export function responseParts(
  writer: PduWriter,
  command: FabricsCommand,
  result: CommandResult,
): Uint8Array[] {
  const { status, low, high = 0, sqHead, dataBytes = 0, mayBeShort = false } = result
  const { commandId } = command
  const isShort = mayBeShort && low === 0 && high === 0 && dataBytes > 0
  const parts: Uint8Array[] = []
  if (dataBytes > 0) {
    const place = { commandId, offsetBytes: 0, lengthBytes: dataBytes, isLast: true }
    const data = command.bytes(0, dataBytes)
    // What is in memory of the command's own has to be out of the way of the next one.
    const kept = command.large === null ? data.slice() : data
    const digest = writer.dataDigest(kept)
    parts.push(writer.c2hData(place, isShort), kept)
    if (digest !== null) parts.push(digest)
  }
  if (!isShort)
    parts.push(writer.capsuleResp(completionEntry(status, low, high, sqHead, commandId)))
  return parts
}

/** 16 bytes. SQID and the phase bit are reserved over a fabric. @see NVMe Base 2.1, figure 98 */
export function completionEntry(
  status: number,
  low: number,
  high: number,
  sqHead: number,
  commandId: number,
): Uint8Array {
  const bytes = new Uint8Array(CQE_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(CqeOffset.DW0, low, true)
  view.setUint32(4, high, true)
  view.setUint16(CqeOffset.SQHD, sqHead, true)
  view.setUint16(CqeOffset.CID, commandId, true)
  view.setUint16(CqeOffset.STATUS, status << 1, true)
  return bytes
}
