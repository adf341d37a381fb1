// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { STATUS_DNR, Status } from '../../spec/index.ts'
import type { CommandSlot } from '../command-slot.ts'
import type { Controller } from '../nvme-controller.ts'
import { blockRange, checkPlain } from './block-command.ts'

/**
 * Marks blocks: reading one fails until it is written. The marks are the controller's, and go with it. Internal Error where there are
 * too many ranges of them. @see NVM Command Set 1.1, 3.3.7
 */
export function writeUncorrectable(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const range = blockRange(controller, slot, view, at)
  if (typeof range === 'number') return range
  const wrong = checkPlain(slot, range.dword12, true)
  if (wrong !== Status.SUCCESS) return wrong
  const { uncorrectable } = range.namespace
  return uncorrectable.add(range.firstBlock, range.blocks)
    ? Status.SUCCESS
    : Status.INTERNAL_ERROR | STATUS_DNR
}
