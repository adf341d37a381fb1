// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { STATUS_DNR, Status } from '../spec/index.ts'
import type { CommandSlot } from './command-slot.ts'
import type { Controller } from './nvme-controller.ts'

/**
 * Runs one command. The entry at `at` of `view` is only there until it returns. Gives the status with which the command has ended, or PENDING when whoever
 * holds its slot ends it. Never throws, whatever the host put into the entry.
 */
export type CommandHandler = (
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
) => number

/** The command is answered later, by whoever holds its slot. No status of the wire has this value. */
export const PENDING = -1

export const INVALID_FIELD: number = Status.INVALID_FIELD | STATUS_DNR
export const INVALID_NAMESPACE: number = Status.INVALID_NAMESPACE | STATUS_DNR
/** The refusal of a command whose field at this byte (and bit) of its entry is wrong: the error log says which. */
export function invalidField(slot: CommandSlot, byte: number, bit = 0): number {
  slot.errorAt = byte | (bit << 8)
  return INVALID_FIELD
}

export const INVALID_OPCODE: number = Status.INVALID_OPCODE | STATUS_DNR

/** Handlers by opcode. */
export type CommandTable = readonly (CommandHandler | null)[]

export function commandTable(handlers: Readonly<Record<number, CommandHandler>>): CommandTable {
  return Array.from({ length: 256 }, (_, opcode) => handlers[opcode] ?? null)
}
