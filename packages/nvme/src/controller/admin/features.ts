// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  FeatureId,
  FeatureSelect,
  NSID_BROADCAST,
  SqeOffset,
  STATUS_DNR,
  Status,
} from '../../spec/index.ts'
import { invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { noNamespace } from '../io/namespace.ts'
import type { Controller } from '../nvme-controller.ts'
import { receiveData } from '../receive-data.ts'
import { sendData } from '../send-data.ts'
import { SetResult } from './feature-table.ts'

const SAVE = 0x8000_0000
/** Of Host Identifier, dword 11: the identifier has 16 bytes. */
const EXTENDED_HOST_ID = 1
const HOST_ID_SHORT_BYTES = 8

/** @see NVMe Base 2.1, 5.1.25 */
export function setFeatures(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const cdw10 = view.getUint32(at + SqeOffset.CDW10, true)
  const value = view.getUint32(at + SqeOffset.CDW11, true)
  const id = cdw10 & 0xff
  const save = (cdw10 & SAVE) !== 0
  const { features } = controller
  if (!features.has(id)) return invalidField(slot, SqeOffset.CDW10)
  const wrong = checkNamespace(controller, slot, view, at, id)
  if (wrong !== Status.SUCCESS) return wrong
  if (id === FeatureId.NUMBER_OF_QUEUES) return numberOfQueues(controller, slot, value, save)
  if (id === FeatureId.INTERRUPT_VECTOR_CONFIGURATION) {
    return setVector(controller, slot, value, save)
  }
  if (features.dataBytes(id) > 0) return setData(controller, slot, view, at, { id, value, save })
  switch (features.set(id, value, save)) {
    case SetResult.NOT_SAVEABLE:
      return Status.FEATURE_NOT_SAVEABLE | STATUS_DNR
    case SetResult.INVALID:
      return invalidField(slot, SqeOffset.CDW11)
    default:
      if (id === FeatureId.KEEP_ALIVE_TIMER) controller.keepAlive.setTimeout(value)
      return Status.SUCCESS
  }
}

/** A feature of the controller takes no namespace; one of a namespace takes one that is there, or all. */
function checkNamespace(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
  id: number,
): number {
  const nsid = view.getUint32(at + SqeOffset.NSID, true)
  if (nsid === NSID_BROADCAST || nsid === 0) return Status.SUCCESS
  if (!controller.features.isPerNamespace(id)) return Status.FEATURE_NOT_PER_NAMESPACE | STATUS_DNR
  return controller.namespaces.has(nsid) ? Status.SUCCESS : noNamespace(controller, slot, nsid)
}

/** CD of one vector. */
function setVector(
  controller: Controller,
  slot: CommandSlot,
  value: number,
  save: boolean,
): number {
  if (save) return Status.FEATURE_NOT_SAVEABLE | STATUS_DNR
  const vector = value & 0xffff
  if (vector >= controller.vectors) return invalidField(slot, SqeOffset.CDW11)
  controller.coalescing.setDisabled(vector, (value & COALESCING_DISABLED) !== 0)
  return Status.SUCCESS
}

const COALESCING_DISABLED = 1 << 16

function numberOfQueues(
  controller: Controller,
  slot: CommandSlot,
  value: number,
  save: boolean,
): number {
  if (save) return Status.FEATURE_NOT_SAVEABLE | STATUS_DNR
  if ((value & 0xffff) === 0xffff || value >>> 16 === 0xffff) {
    return invalidField(slot, SqeOffset.CDW11)
  }
  if (controller.queues.hasIoQueues) return Status.COMMAND_SEQUENCE_ERROR | STATUS_DNR
  slot.result = controller.queues.countFeature
  return Status.SUCCESS
}

function setData(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
  { id, value, save }: { readonly id: number; readonly value: number; readonly save: boolean },
): number {
  if (save) return Status.FEATURE_NOT_SAVEABLE | STATUS_DNR
  const bytes = receiveData(controller, slot, view, at, dataLength(controller, id, value))
  if (typeof bytes === 'number') return bytes
  const whole = new Uint8Array(controller.features.dataBytes(id))
  whole.set(bytes)
  if (id === FeatureId.TIMESTAMP) controller.timestamp.set(whole)
  else controller.features.setData(id, whole)
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
  const id = cdw10 & 0xff
  const select = (cdw10 >>> 8) & 7
  const { features } = controller
  const value = features.get(id, select)
  if (value === undefined) return invalidField(slot, SqeOffset.CDW10, features.has(id) ? 8 : 0)
  const wrong = checkNamespace(controller, slot, view, at, id)
  if (wrong !== Status.SUCCESS) return wrong
  slot.result = value
  if (id === FeatureId.INTERRUPT_VECTOR_CONFIGURATION && select === FeatureSelect.CURRENT) {
    const vector = view.getUint16(at + SqeOffset.CDW11, true)
    if (vector >= controller.vectors) return invalidField(slot, SqeOffset.CDW11)
    slot.result = vector | (controller.coalescing.isDisabled(vector) ? COALESCING_DISABLED : 0)
  }
  if (features.dataBytes(id) === 0 || select === FeatureSelect.SUPPORTED) return Status.SUCCESS
  const cdw11 = view.getUint32(at + SqeOffset.CDW11, true)
  const length = dataLength(controller, id, cdw11)
  return sendData(controller, slot, view, at, dataOf(controller, id, select).subarray(0, length))
}

function dataOf(controller: Controller, id: number, select: number): Uint8Array {
  if (select !== FeatureSelect.CURRENT) return new Uint8Array(controller.features.dataBytes(id))
  return id === FeatureId.TIMESTAMP ? controller.timestamp.get() : controller.features.data(id)
}

function dataLength(controller: Controller, id: number, cdw11: number): number {
  const short = id === FeatureId.HOST_IDENTIFIER && (cdw11 & EXTENDED_HOST_ID) === 0
  return short ? HOST_ID_SHORT_BYTES : controller.features.dataBytes(id)
}
