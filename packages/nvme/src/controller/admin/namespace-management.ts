// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import {
  CSI_NVM,
  getUint64,
  IDENTIFY_BYTES,
  IdNs,
  NSID_BROADCAST,
  SqeOffset,
  STATUS_DNR,
  Status,
} from '../../spec/index.ts'
import { INVALID_NAMESPACE, invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import { noNamespace } from '../io/namespace.ts'
import type { Controller } from '../nvme-controller.ts'
import { receiveData } from '../receive-data.ts'
import { LBA_FORMATS } from './lba-formats.ts'

const Select = { CREATE: 0, DELETE: 1 } as const
const AttachSelect = { ATTACH: 0, DETACH: 1 } as const
const CONTROLLERS_MAX = 2047

/** @see NVMe Base 2.1, 5.1.21 */
export function manageNamespace(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const select = view.getUint8(at + SqeOffset.CDW10) & 0xf
  const nsid = view.getUint32(at + SqeOffset.NSID, true)
  if (select === Select.CREATE) return create(controller, slot, view, at)
  if (select !== Select.DELETE) return invalidField(slot, SqeOffset.CDW10)
  const { table } = controller
  if (nsid === NSID_BROADCAST) for (const one of table.allocatedIds) table.delete(one)
  else if (table.allocatedNamespace(nsid) === null) return noNamespace(controller, slot, nsid)
  else table.delete(nsid)
  return Status.SUCCESS
}

function create(controller: Controller, slot: CommandSlot, view: DataView, at: number): number {
  const data = receiveData(controller, slot, view, at, IDENTIFY_BYTES)
  if (typeof data === 'number') return data
  if (view.getUint8(at + SqeOffset.CDW11 + 3) !== CSI_NVM) return IOCS_NOT_SUPPORTED
  const wanted = new DataView(data.buffer)
  const blocks = getUint64(wanted, IdNs.NSZE)
  const format = LBA_FORMATS[wanted.getUint8(IdNs.FLBAS) & 0xf]
  const plain = wanted.getUint8(IdNs.FLBAS) >>> 4 === 0 && wanted.getUint8(IdNs.DPS) === 0
  if (format === undefined || !plain) return Status.INVALID_FORMAT | STATUS_DNR
  // Not shared with other controllers: there are none.
  if ((wanted.getUint8(IdNs.NMIC) & 1) !== 0) return Status.INVALID_FIELD | STATUS_DNR
  if (getUint64(wanted, IdNs.NCAP) !== blocks) return THIN
  if (blocks === 0) return Status.INVALID_FIELD | STATUS_DNR
  const { table } = controller
  if (!table.hasFreeId) return Status.NAMESPACE_ID_UNAVAILABLE | STATUS_DNR
  const nsid = tryToCreate(controller, blocks, format)
  if (nsid === null) return Status.NAMESPACE_INSUFFICIENT_CAPACITY | STATUS_DNR
  slot.result = nsid
  return Status.SUCCESS
}

function tryToCreate(controller: Controller, blocks: number, format: 512 | 4096): number | null {
  try {
    return controller.table.create(blocks, format)
  } catch (error) {
    if (error instanceof KernelError) return null
    throw error
  }
}

const IOCS_NOT_SUPPORTED = Status.IOCS_NOT_SUPPORTED | STATUS_DNR
const THIN = Status.THIN_PROVISIONING_NOT_SUPPORTED | STATUS_DNR

/** The list names controllers of the subsystem, of which this one is all. @see NVMe Base 2.1, 5.1.20 */
export function attachNamespace(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  const { table } = controller
  const select = view.getUint8(at + SqeOffset.CDW10) & 0xf
  const nsid = view.getUint32(at + SqeOffset.NSID, true)
  if (nsid === NSID_BROADCAST) return INVALID_NAMESPACE
  if (table.allocatedNamespace(nsid) === null) return noNamespace(controller, slot, nsid)
  const list = receiveData(controller, slot, view, at, IDENTIFY_BYTES)
  if (typeof list === 'number') return list
  const ids = new DataView(list.buffer)
  const count = ids.getUint16(0, true)
  const ours = count === 1 && ids.getUint16(2, true) === controller.identity.controllerId
  if (count > CONTROLLERS_MAX || !ours) return Status.CONTROLLER_LIST_INVALID | STATUS_DNR
  const attached = table.isAttached(nsid)
  if (select === AttachSelect.ATTACH) {
    if (attached) return Status.NAMESPACE_ALREADY_ATTACHED | STATUS_DNR
    table.attach(nsid)
    return Status.SUCCESS
  }
  if (select !== AttachSelect.DETACH) return invalidField(slot, SqeOffset.CDW10)
  if (!attached) return Status.NAMESPACE_NOT_ATTACHED | STATUS_DNR
  table.detach(nsid)
  return Status.SUCCESS
}
