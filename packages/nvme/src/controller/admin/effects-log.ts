// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { AdminOpcode, NvmOpcode } from '../../spec/index.ts'
import type { CommandTable } from '../command-handler.ts'

const LOG_BYTES = 4096
const IO_COMMANDS_AT = 1024

/** What a command changes: nothing, user data, what a namespace can do, which namespaces there are, what the controller can do. */
const Effect = { SUPPORTED: 1, DATA: 2, NAMESPACE: 4, INVENTORY: 8, CONTROLLER: 16 } as const

const ADMIN_EFFECTS: Readonly<Record<number, number>> = {
  [AdminOpcode.FORMAT_NVM]: Effect.DATA | Effect.NAMESPACE,
  [AdminOpcode.NAMESPACE_MANAGEMENT]: Effect.DATA | Effect.INVENTORY,
  [AdminOpcode.NAMESPACE_ATTACHMENT]: Effect.INVENTORY,
  [AdminOpcode.SET_FEATURES]: Effect.CONTROLLER,
}

const IO_EFFECTS: Readonly<Record<number, number>> = {
  [NvmOpcode.WRITE]: Effect.DATA,
  [NvmOpcode.WRITE_UNCORRECTABLE]: Effect.DATA,
  [NvmOpcode.WRITE_ZEROES]: Effect.DATA,
  [NvmOpcode.DATASET_MANAGEMENT]: Effect.DATA,
  [NvmOpcode.COPY]: Effect.DATA,
}

/** Which commands there are, and what each may change. @see NVMe Base 2.1, 5.1.12.1.6 */
export function effectsLog(admin: CommandTable, io: CommandTable): Uint8Array {
  const bytes = new Uint8Array(LOG_BYTES)
  const view = new DataView(bytes.buffer)
  put(view, 0, admin, ADMIN_EFFECTS)
  put(view, IO_COMMANDS_AT, io, IO_EFFECTS)
  return bytes
}

function put(
  view: DataView,
  at: number,
  table: CommandTable,
  effects: Readonly<Record<number, number>>,
): void {
  table.forEach((handler, opcode) => {
    if (handler === null) return
    view.setUint32(at + opcode * 4, Effect.SUPPORTED | (effects[opcode] ?? 0), true)
  })
}
