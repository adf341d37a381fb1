// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { FeatureId, SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { INVALID_FIELD } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import type { Controller } from '../nvme-controller.ts'

/** @see NVMe Base 2.1, 5.1.25 */
export function setFeatures(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const cdw10 = view.getUint32(at + SqeOffset.CDW10, true)
  const value = view.getUint32(at + SqeOffset.CDW11, true)
  if (cdw10 >>> 31 !== 0) return Status.FEATURE_NOT_SAVEABLE | STATUS_DNR
  const feature = cdw10 & 0xff
  if (!controller.features.has(feature)) return INVALID_FIELD
  if (feature === FeatureId.NUMBER_OF_QUEUES) {
    if ((value & 0xffff) === 0xffff || value >>> 16 === 0xffff) return INVALID_FIELD
    if (controller.queues.hasIoQueues) return Status.COMMAND_SEQUENCE_ERROR | STATUS_DNR
    slot.result = controller.queues.countFeature
    return Status.SUCCESS
  }
  if (feature === FeatureId.WRITE_ATOMICITY_NORMAL && value > 1) return INVALID_FIELD
  // NPSS is 0: one power state.
  if (feature === FeatureId.POWER_MANAGEMENT && (value & 0x1f) !== 0) return INVALID_FIELD
  controller.features.set(feature, value)
  return Status.SUCCESS
}

/** @see NVMe Base 2.1, 5.1.11 */
export function getFeatures(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const cdw10 = view.getUint32(at + SqeOffset.CDW10, true)
  const value = controller.features.get(cdw10 & 0xff, (cdw10 >>> 8) & 7)
  if (value === undefined) return INVALID_FIELD
  slot.result = value
  return Status.SUCCESS
}
