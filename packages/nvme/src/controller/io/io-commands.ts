// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { NvmOpcode } from '../../spec/index.ts'
import { type CommandTable, commandTable } from '../command-handler.ts'
import { compare } from './compare.ts'
import { copy } from './copy.ts'
import { datasetManagement } from './dataset-management.ts'
import { flush } from './flush.ts'
import { readWrite } from './read-write.ts'
import { verify } from './verify.ts'
import { writeUncorrectable } from './write-uncorrectable.ts'
import { writeZeroes } from './write-zeroes.ts'

/** The commands of the NVM command set that there are: what they ask for is checked there, what they move is the store's. @see NVM Command Set 1.1, 3 */
export function ioCommands(): CommandTable {
  return commandTable({
    [NvmOpcode.FLUSH]: flush,
    [NvmOpcode.WRITE]: readWrite,
    [NvmOpcode.READ]: readWrite,
    [NvmOpcode.WRITE_UNCORRECTABLE]: writeUncorrectable,
    [NvmOpcode.COMPARE]: compare,
    [NvmOpcode.WRITE_ZEROES]: writeZeroes,
    [NvmOpcode.DATASET_MANAGEMENT]: datasetManagement,
    [NvmOpcode.VERIFY]: verify,
    [NvmOpcode.COPY]: copy,
  })
}
