// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { NvmOpcode } from '../spec/index.ts'
import type { CommandSlot } from './command-slot.ts'
import type { NvmeControllerStats } from './contracts.ts'

export type ControllerCounters = {
  -readonly [K in keyof NvmeControllerStats]: NvmeControllerStats[K]
}

export function newCounters(): ControllerCounters {
  return {
    adminCommands: 0,
    ioCommands: 0,
    readCommands: 0,
    writeCommands: 0,
    errors: 0,
    bytesRead: 0,
    bytesWritten: 0,
    interrupts: 0,
    invalidDoorbells: 0,
  }
}

/** A command that ended well moved these bytes. */
export function countMoved(counters: ControllerCounters, slot: CommandSlot): void {
  if (slot.opcode === NvmOpcode.READ) {
    counters.readCommands++
    counters.bytesRead += slot.io.lengthBytes
  } else if (slot.opcode === NvmOpcode.WRITE) {
    counters.writeCommands++
    counters.bytesWritten += slot.io.lengthBytes
  }
}
