// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getUint64, SqeOffset, Status, setUint64 } from '../../spec/index.ts'
import { invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { checkRange, namespaceOf } from '../io/namespace.ts'
import type { Controller } from '../nvme-controller.ts'
import { sendData } from '../send-data.ts'
import type { NamespaceTable } from './namespace-table.ts'

const HEAD_BYTES = 8
const DESCRIPTOR_BYTES = 16
/** LBARS: made unreadable by a Write Uncorrectable. */
const BY_WRITE_UNCORRECTABLE = 3
/** CMPC: all of the range that was asked about was looked at; there was no room for all. */
const Condition = { COMPLETE: 1, INCOMPLETE: 2 } as const
/** Blocks that may not be readable: after a scan, or as far as known. Here nothing has to be scanned for. */
const ActionType = { SCANNED: 0x10, KNOWN: 0x11 } as const

/** Which blocks of a range cannot be read: those that were marked. @see NVM Command Set 1.1, 4.2.1 */
export function getLbaStatus(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const namespace = namespaceOf(controller, slot)
  if (typeof namespace === 'number') return namespace
  const firstBlock = getUint64(view, at + SqeOffset.CDW10)
  const lengthBytes = (view.getUint32(at + SqeOffset.CDW12, true) + 1) * 4
  const asked = view.getUint16(at + SqeOffset.CDW13, true)
  const action = view.getUint8(at + SqeOffset.CDW13 + 3)
  if (action !== ActionType.SCANNED && action !== ActionType.KNOWN) {
    return invalidField(slot, SqeOffset.CDW13 + 3)
  }
  const wrong = checkRange(namespace, firstBlock, Math.max(1, asked))
  if (wrong !== Status.SUCCESS) return wrong
  if (lengthBytes > controller.transferBytesMax) return invalidField(slot, SqeOffset.CDW12)
  // 0: to the end of the namespace.
  const end = asked === 0 ? namespace.blocks : firstBlock + asked
  const found = namespace.uncorrectable
    .list()
    .map(({ first, count }) => ({
      first: Math.max(first, firstBlock),
      end: Math.min(first + count, end),
    }))
    .filter((range) => range.first < range.end)
  const room = Math.max(0, Math.floor((lengthBytes - HEAD_BYTES) / DESCRIPTOR_BYTES))
  const told = found.slice(0, room)
  const bytes = new Uint8Array(Math.max(lengthBytes, HEAD_BYTES))
  const list = new DataView(bytes.buffer)
  list.setUint32(0, told.length, true)
  list.setUint8(4, told.length < found.length ? Condition.INCOMPLETE : Condition.COMPLETE)
  told.forEach((range, i) => {
    const entry = HEAD_BYTES + i * DESCRIPTOR_BYTES
    setUint64(list, entry, range.first)
    list.setUint32(entry + 8, range.end - range.first - 1, true)
    list.setUint8(entry + 13, BY_WRITE_UNCORRECTABLE)
  })
  return sendData(controller, slot, view, at, bytes.subarray(0, lengthBytes))
}

const LOG_HEAD_BYTES = 16

/** The log about the same, of all namespaces. @see NVM Command Set 1.1, 4.1.4.2 */
export function lbaStatusLog(table: NamespaceTable): Uint8Array {
  const elements = table.attachedIds
    .map((nsid) => ({ nsid, ranges: table.allocatedNamespace(nsid)?.uncorrectable.list() ?? [] }))
    .filter(({ ranges }) => ranges.length > 0)
  const ranges = elements.reduce((sum, element) => sum + element.ranges.length, 0)
  const sizeBytes = LOG_HEAD_BYTES + (elements.length + ranges) * DESCRIPTOR_BYTES
  const bytes = new Uint8Array(sizeBytes)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, sizeBytes, true)
  view.setUint32(4, elements.length, true)
  let at = LOG_HEAD_BYTES
  for (const element of elements) {
    view.setUint32(at, element.nsid, true)
    view.setUint32(at + 4, element.ranges.length, true)
    view.setUint8(at + 8, ActionType.KNOWN)
    at += DESCRIPTOR_BYTES
    for (const { first, count } of element.ranges) {
      setUint64(view, at, first)
      view.setUint32(at + 8, count - 1, true)
      at += DESCRIPTOR_BYTES
    }
  }
  return bytes
}
