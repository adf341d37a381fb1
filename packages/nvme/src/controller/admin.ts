// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// Admin commands. Each handler reads the command where it lies, and gives a status; data goes through the command's own data pointer.

import { BusAccess } from '@iolayers/dma-mapping'
import {
  AdminOpcode,
  Cns,
  CSI_NVM,
  FeatureId,
  getUint64,
  IDENTIFY_BYTES,
  LogId,
  NSID_BROADCAST,
  SqeOffset,
  STATUS_DNR,
  Status,
} from '../spec/index.ts'
import type { CommandSlot } from './command-slot.ts'
import {
  identifyActiveList,
  identifyController,
  identifyDescriptors,
  identifyIndependent,
  identifyNamespace,
  NAMESPACES_MAX,
} from './identify.ts'
import { firmwareLog, smartLog, supportedLogs } from './log-pages.ts'
import type { Controller } from './nvme-controller.ts'
import { CompletionQueue, SubmissionQueue } from './queues.ts'

/** RAE of Get Log Page. */
const RETAIN_EVENT = 1 << 15

/** The command is answered later, by whoever holds its slot. */
export const PENDING = -1

const INVALID_FIELD = Status.INVALID_FIELD | STATUS_DNR
const INVALID_NAMESPACE = Status.INVALID_NAMESPACE | STATUS_DNR

export function runAdmin(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): number {
  switch (slot.opcode) {
    case AdminOpcode.IDENTIFY:
      return identify(controller, slot, view, at)
    case AdminOpcode.CREATE_IO_CQ:
      return createCq(controller, view, at)
    case AdminOpcode.CREATE_IO_SQ:
      return createSq(controller, view, at)
    case AdminOpcode.DELETE_IO_CQ:
      return deleteCq(controller, view, at)
    case AdminOpcode.DELETE_IO_SQ:
      return deleteSq(controller, slot, view, at)
    case AdminOpcode.SET_FEATURES:
      return setFeatures(controller, slot, view, at)
    case AdminOpcode.GET_FEATURES:
      return getFeatures(controller, slot, view, at)
    case AdminOpcode.GET_LOG_PAGE:
      return getLogPage(controller, slot, view, at)
    case AdminOpcode.ABORT:
      return abort(controller, slot, view, at)
    case AdminOpcode.ASYNC_EVENT_REQUEST:
      return controller.holdAsyncEvent(slot)
    default:
      return Status.INVALID_OPCODE | STATUS_DNR
  }
}

/** @see NVMe Base 2.1, 5.1.13 */
function identify(controller: Controller, slot: CommandSlot, view: DataView, at: number): number {
  const data = identifyData(
    controller,
    view.getUint8(at + SqeOffset.CDW10),
    view.getUint32(at + SqeOffset.NSID, true),
    view.getUint8(at + SqeOffset.CDW11 + 3),
  )
  return typeof data === 'number' ? data : sendData(controller, slot, view, at, data)
}

/** The structure that is asked for, or the status of the refusal. */
function identifyData(
  controller: Controller,
  cns: number,
  nsid: number,
  csi: number,
): Uint8Array | number {
  switch (cns) {
    case Cns.CONTROLLER:
      return identifyController(controller.toldIdentity)
    case Cns.CSI_CONTROLLER:
      // Limits of commands of the NVM command set that are not there: all zero.
      return csi === CSI_NVM ? new Uint8Array(IDENTIFY_BYTES) : INVALID_FIELD
    case Cns.ACTIVE_NAMESPACE_LIST:
      if (nsid >= 0xffff_fffe) return INVALID_NAMESPACE
      return identifyActiveList([...controller.namespaces.keys()], nsid)
    case Cns.NAMESPACE_DESCRIPTORS:
      return controller.namespaces.has(nsid) ? identifyDescriptors(nsid) : INVALID_NAMESPACE
    case Cns.NAMESPACE:
    case Cns.CSI_NAMESPACE:
    case Cns.CSI_INDEPENDENT_NAMESPACE:
      return identifyOneNamespace(controller, cns, nsid, csi)
    default:
      return INVALID_FIELD
  }
}

/** A namespace that could be there and is not is all zero. */
function identifyOneNamespace(
  controller: Controller,
  cns: number,
  nsid: number,
  csi: number,
): Uint8Array | number {
  if (cns === Cns.CSI_NAMESPACE && csi !== CSI_NVM) return INVALID_FIELD
  if (nsid === 0 || (nsid > NAMESPACES_MAX && nsid !== NSID_BROADCAST)) return INVALID_NAMESPACE
  const namespace = controller.namespaces.get(nsid)
  if (namespace === undefined || cns === Cns.CSI_NAMESPACE) return new Uint8Array(IDENTIFY_BYTES)
  if (cns === Cns.CSI_INDEPENDENT_NAMESPACE) return identifyIndependent()
  return identifyNamespace(namespace.blocks, namespace.blockShift, nsid)
}

/** @see NVMe Base 2.1, 5.2.1 (Create I/O Completion Queue) */
function createCq(controller: Controller, view: DataView, at: number): number {
  const id = view.getUint16(at + SqeOffset.CDW10, true)
  const entries = view.getUint16(at + SqeOffset.CDW10 + 2, true) + 1
  const flags = view.getUint16(at + SqeOffset.CDW11, true)
  const vector = view.getUint16(at + SqeOffset.CDW11 + 2, true)
  const baseAddr = getUint64(view, at + SqeOffset.PRP1)
  if (!controller.queues.validId(id) || controller.queues.cq(id) !== null) {
    return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  }
  if (entries < 2 || entries > controller.queueEntriesMax)
    return Status.INVALID_QUEUE_SIZE | STATUS_DNR
  if ((flags & 1) === 0) return INVALID_FIELD
  if (baseAddr % controller.pageBytes !== 0) return Status.PRP_OFFSET_INVALID | STATUS_DNR
  if (vector >= controller.vectors) return Status.INVALID_INTERRUPT_VECTOR | STATUS_DNR
  const interruptsEnabled = (flags & 2) !== 0
  controller.setCompletionQueue(
    id,
    new CompletionQueue({ id, baseAddr, entries, vector, interruptsEnabled }),
  )
  return Status.SUCCESS
}

/** @see NVMe Base 2.1, 5.2.2 (Create I/O Submission Queue) */
function createSq(controller: Controller, view: DataView, at: number): number {
  const id = view.getUint16(at + SqeOffset.CDW10, true)
  const entries = view.getUint16(at + SqeOffset.CDW10 + 2, true) + 1
  const flags = view.getUint16(at + SqeOffset.CDW11, true)
  const cqId = view.getUint16(at + SqeOffset.CDW11 + 2, true)
  const baseAddr = getUint64(view, at + SqeOffset.PRP1)
  if (!controller.queues.validId(id) || controller.queues.sq(id) !== null) {
    return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  }
  if (entries < 2 || entries > controller.queueEntriesMax)
    return Status.INVALID_QUEUE_SIZE | STATUS_DNR
  if (!controller.queues.validId(cqId)) return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  const cq = controller.queues.cq(cqId)
  if (cq === null) return Status.COMPLETION_QUEUE_INVALID | STATUS_DNR
  if ((flags & 1) === 0) return INVALID_FIELD
  if (baseAddr % controller.pageBytes !== 0) return Status.PRP_OFFSET_INVALID | STATUS_DNR
  cq.users++
  controller.queues.sqs[id] = new SubmissionQueue({ id, baseAddr, entries, cq })
  return Status.SUCCESS
}

/** @see NVMe Base 2.1, 5.2.3 */
function deleteCq(controller: Controller, view: DataView, at: number): number {
  const id = view.getUint16(at + SqeOffset.CDW10, true)
  const cq = controller.queues.validId(id) ? controller.queues.cq(id) : null
  if (cq === null) return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  if (cq.users > 0) return Status.INVALID_QUEUE_DELETION | STATUS_DNR
  controller.setCompletionQueue(id, null)
  return Status.SUCCESS
}

/**
 * What can be stopped ends with Command Aborted due to SQ Deletion. The deletion ends when all commands that were fetched from the queue
 * have ended: from then on it does no DMA. @see NVMe Base 2.1, 5.2.4
 */
function deleteSq(controller: Controller, slot: CommandSlot, view: DataView, at: number): number {
  const id = view.getUint16(at + SqeOffset.CDW10, true)
  const sq = controller.queues.validId(id) ? controller.queues.sq(id) : null
  if (sq === null) return Status.INVALID_QUEUE_IDENTIFIER | STATUS_DNR
  controller.queues.sqs[id] = null
  controller.abortQueue(sq)
  if (sq.outstanding === 0) {
    sq.cq.users--
    return Status.SUCCESS
  }
  sq.deletion = slot
  return PENDING
}

/**
 * Bit 0 of the result is clear when the command was stopped: it moves nothing any more, and has been completed before this is. A command that
 * is at a store cannot be; it goes on, and bit 0 is set. @see NVMe Base 2.1, 5.1.1
 */
function abort(controller: Controller, slot: CommandSlot, view: DataView, at: number): number {
  if (controller.abortsHeld >= controller.identity.aborts) return Status.ABORT_LIMIT_EXCEEDED
  const sqid = view.getUint16(at + SqeOffset.CDW10, true)
  const commandId = view.getUint16(at + SqeOffset.CDW10 + 2, true)
  slot.result = controller.abortCommand(sqid, commandId) ? 0 : 1
  return Status.SUCCESS
}

/** @see NVMe Base 2.1, 5.1.25 */
function setFeatures(
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
function getFeatures(
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

/** @see NVMe Base 2.1, 5.1.12 */
function getLogPage(controller: Controller, slot: CommandSlot, view: DataView, at: number): number {
  const cdw10 = view.getUint32(at + SqeOffset.CDW10, true)
  const upper = view.getUint16(at + SqeOffset.CDW11, true)
  const lengthBytes = (upper * 0x10000 + (cdw10 >>> 16) + 1) * 4
  const offset = view.getUint32(at + SqeOffset.CDW12, true)
  const page = logPage(controller, cdw10 & 0xff)
  if (page === null) return Status.INVALID_LOG_PAGE | STATUS_DNR
  if (offset % 4 !== 0 || offset > page.length || view.getUint32(at + SqeOffset.CDW13, true) !== 0)
    return INVALID_FIELD
  if (lengthBytes > controller.transferBytesMax) return INVALID_FIELD
  const data = new Uint8Array(lengthBytes)
  data.set(page.subarray(offset, offset + lengthBytes))
  const status = sendData(controller, slot, view, at, data)
  const retain = (cdw10 & RETAIN_EVENT) !== 0
  if (status === Status.SUCCESS && !retain && (cdw10 & 0xff) === LogId.ERROR) {
    controller.events.errorLogRead()
  }
  return status
}

function logPage(controller: Controller, id: number): Uint8Array | null {
  switch (id) {
    case LogId.SUPPORTED:
      return supportedLogs()
    case LogId.ERROR:
      return controller.errorLog.page()
    case LogId.SMART:
      return smartLog(controller.stats, controller.errorLog.count)
    case LogId.FIRMWARE_SLOT:
      return firmwareLog(controller.identity.firmwareRevision)
    default:
      return null
  }
}

/** Writes to host memory what a command returns. */
function sendData(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
  data: Uint8Array,
): number {
  const { io } = slot
  const status = controller.dataPointer.resolve(view, at, data.length, BusAccess.WRITE, io)
  if (status !== Status.SUCCESS) return status
  let done = 0
  for (let i = 0; i < io.count; i++) {
    const length = io.lengths[i] ?? 0
    io.sides[i]?.bytes.set(data.subarray(done, done + length), io.offsets[i] ?? 0)
    done += length
  }
  return Status.SUCCESS
}
