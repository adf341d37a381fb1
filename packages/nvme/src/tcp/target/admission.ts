// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What is looked at in a command before the controller gets it.

import { AdminOpcode, FeatureId, SqeOffset, STATUS_DNR, Status } from '../../spec/index.ts'
import { Direction } from '../data-direction.ts'
import type { Association } from './association.ts'
import { DataKind, type FabricsCommand } from './fabrics-command.ts'

export const SEQUENCE_ERROR: number = Status.COMMAND_SEQUENCE_ERROR | STATUS_DNR

/** Of commands that make no sense over a fabric. */
const NOT_ON_FABRICS: ReadonlySet<number> = new Set([
  AdminOpcode.DELETE_IO_SQ,
  AdminOpcode.CREATE_IO_SQ,
  AdminOpcode.DELETE_IO_CQ,
  AdminOpcode.CREATE_IO_CQ,
  AdminOpcode.DOORBELL_BUFFER_CONFIG,
])

/** A status other than SUCCESS: the command never reaches the controller. */
export function refusal(
  command: FabricsCommand,
  queue: { readonly association: Association; readonly qid: number },
  mdtsBytes: number,
): number {
  const { kind, direction, lengthBytes, opcode } = command
  if (!queue.association.isReady) return SEQUENCE_ERROR
  if (queue.qid === 0 && NOT_ON_FABRICS.has(opcode)) return Status.INVALID_OPCODE | STATUS_DNR
  if (kind === DataKind.WRONG) return Status.SGL_TYPE_INVALID | STATUS_DNR
  const isTooLong = lengthBytes > mdtsBytes && direction !== Direction.NONE
  if (isTooLong) return Status.INVALID_FIELD | STATUS_DNR
  const readsIntoCapsule = kind === DataKind.IN_CAPSULE && direction !== Direction.TO_CONTROLLER
  return readsIntoCapsule ? Status.SGL_TYPE_INVALID | STATUS_DNR : Status.SUCCESS
}

/** What admin commands mean for the association, too. */
export function beforeAdmin({ view, opcode }: FabricsCommand, association: Association): void {
  if (opcode === AdminOpcode.KEEP_ALIVE) association.heard()
  else if (opcode === AdminOpcode.SET_FEATURES) {
    const isTimer = view.getUint8(SqeOffset.CDW10) === FeatureId.KEEP_ALIVE_TIMER
    if (isTimer) association.keepAliveMs = view.getUint32(SqeOffset.CDW11, true)
  } else if (opcode === AdminOpcode.ABORT) {
    // The controller knows commands by the ring's identifiers.
    const sqid = view.getUint16(SqeOffset.CDW10, true)
    const commandId = view.getUint16(SqeOffset.CDW10 + 2, true)
    const tag = association.tagOf(sqid, commandId)
    view.setUint16(SqeOffset.CDW10 + 2, tag < 0 ? 0xffff : tag, true)
  }
}
