// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// What the commands on a range of blocks have in common.

import { getUint64, SqeOffset, Status } from '../../spec/index.ts'
import { invalidField } from '../command-handler.ts'
import type { CommandSlot } from '../command-slot.ts'
import type { Controller } from '../nvme-controller.ts'
import { checkRange, type Namespace, namespaceOf } from './namespace.ts'

/** Protection information: its action, its checks and STC. No namespace here is formatted with it. */
const PROTECTION = (0xf << 26) | (1 << 24)
const CETYPE = 0xf << 16
const DTYPE = 0xf << 20
export const DWORD12_FUA: number = 1 << 30

/** A range of blocks of a namespace. */
export interface BlockRange {
  readonly namespace: Namespace
  readonly firstBlock: number
  readonly blocks: number
  readonly dword12: number
}

/** NLB is 0's based, in the low half of dword 12. */
export function blockRange(
  controller: Controller,
  slot: CommandSlot,
  view: DataView,
  at: number,
): BlockRange | number {
  const namespace = namespaceOf(controller, slot)
  if (typeof namespace === 'number') return namespace
  const firstBlock = getUint64(view, at + SqeOffset.CDW10)
  const dword12 = view.getUint32(at + SqeOffset.CDW12, true)
  const blocks = (dword12 & 0xffff) + 1
  const wrong = checkRange(namespace, firstBlock, blocks)
  if (wrong === Status.SUCCESS) return { namespace, firstBlock, blocks, dword12 }
  slot.errorAt = SqeOffset.CDW10
  return wrong
}

/** SUCCESS, or the refusal of what no namespace here has: protection information, command extensions, directives. */
export function checkPlain(slot: CommandSlot, dword12: number, withDirective: boolean): number {
  if ((dword12 & PROTECTION) !== 0) return invalidField(slot, SqeOffset.CDW12 + 3, 2)
  if ((dword12 & CETYPE) !== 0) return invalidField(slot, SqeOffset.CDW12 + 2)
  if (withDirective && (dword12 & DTYPE) !== 0) return invalidField(slot, SqeOffset.CDW12 + 2, 4)
  return Status.SUCCESS
}
