// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { SqeOffset, Status } from '../../spec/index.ts'
import type { CommandSlot } from '../command-slot.ts'
import type { Controller } from '../nvme-controller.ts'

/**
 * Bit 0 of the result is clear when the command was stopped: it moves nothing any more, and has been completed before this is. A command that
 * is at a store cannot be; it goes on, and bit 0 is set. @see NVMe Base 2.1, 5.1.1
 */
export function abort(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  if (controller.abortsHeld >= controller.identity.aborts) return Status.ABORT_LIMIT_EXCEEDED
  const sqid = view.getUint16(at + SqeOffset.CDW10, true)
  const commandId = view.getUint16(at + SqeOffset.CDW10 + 2, true)
  slot.result = controller.abortCommand(sqid, commandId) ? 0 : 1
  return Status.SUCCESS
}
