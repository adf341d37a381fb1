// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Bytes of a command that a fault changes.

import { SqeOffset } from '../spec/index.ts'
import type { CommandSlot } from './command-slot.ts'
import type { CommandFault } from './fault-hooks.ts'

/** Bits 1:0 of an opcode, for commands that return data. @see NVMe Base 2.1, figure 89 (Data Transfer Direction) */
const TO_HOST = 2

/** The entry as it is run; where the queue and the identifier are concerned, the command stays what it was. */
export function changedEntry(slot: CommandSlot, entry: DataView, fault: CommandFault): DataView {
  for (let i = 0; i < entry.byteLength; i++) {
    entry.setUint8(i, fault.entryByte(i, entry.getUint8(i)))
  }
  slot.opcode = entry.getUint8(SqeOffset.OPC)
  slot.nsid = entry.getUint32(SqeOffset.NSID, true)
  return entry
}

/** What a command has returned, where the host will look for it. */
export function changeData({ opcode, io }: CommandSlot, fault: CommandFault): void {
  if ((opcode & 3) !== TO_HOST || !io.reachable) return
  let offset = 0
  for (let i = 0; i < io.count; i++) {
    const bytes = io.sides[i]?.bytes
    const from = io.offsets[i] ?? 0
    const end = from + (io.lengths[i] ?? 0)
    for (let at = from; at < end; at++, offset++) {
      if (bytes !== undefined) bytes[at] = fault.dataByte(offset, bytes[at] ?? 0)
    }
  }
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
