// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { NvmOpcode } from '../../spec/index.ts'
import { type CommandTable, commandTable } from '../command-handler.ts'
import { flush } from './flush.ts'
import { readWrite } from './read-write.ts'

/** The commands of the NVM command set that there are: what they ask for is checked there, what they move is the store's. @see NVM Command Set 1.1, 3 */
export function ioCommands(): CommandTable {
  return commandTable({
    [NvmOpcode.FLUSH]: flush,
    [NvmOpcode.WRITE]: readWrite,
    [NvmOpcode.READ]: readWrite,
  })
}
