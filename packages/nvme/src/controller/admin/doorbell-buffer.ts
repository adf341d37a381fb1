// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { getUint64, SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import type { CommandSlot } from '../command-slot.ts'
import type { Controller } from '../nvme-controller.ts'

/** Shadow doorbells in PRP1, event indexes in PRP2; each a page of its own. A reset ends it. @see NVMe Base 2.1, 5.2.5 */
export function doorbellBufferConfig(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const doorbellsAddr = getUint64(view, at + SqeOffset.PRP1)
  const eventsAddr = getUint64(view, at + SqeOffset.PRP2)
  const { pageBytes } = controller
  for (const [addr, byte] of [
    [doorbellsAddr, SqeOffset.PRP1],
    [eventsAddr, SqeOffset.PRP2],
  ] as const) {
    if (addr !== 0 && addr % pageBytes === 0) continue
    slot.errorAt = byte
    return Status.INVALID_FIELD | STATUS_DNR
  }
  controller.useShadowDoorbells({ doorbellsAddr, eventsAddr })
  return Status.SUCCESS
}
